"""Lotes sacados de un tensor que ya está en el dispositivo, sin Python por imagen."""

from collections.abc import Iterator

import torch
from torch import Tensor

# Separa las permutaciones de semillas vecinas: la época 1 de la semilla 0 no es la 0 de la 1.
_STRIDE = 1_000_003


class Batches:
    """Lotes normalizados y en orden aleatorio de un tensor de imágenes.

    El orden depende solo de ``seed`` y del número de época; así un entrenamiento interrumpido
    puede seguir por el lote exacto en que quedó.

    Args:
        images: uint8 (N, C, H, W); se copian una vez a ``device``.
        batch_size: imágenes por lote; las que sobran al final de una época se dejan fuera.
        scale: intervalo al que se llevan los bytes: (-1, 1) para tanh, (0, 1) sin ella.
        seed: semilla del orden.
        device: dónde viven las imágenes y los lotes.
        replacement: sacar cada lote con repetición, como las recetas que cuentan iteraciones.
        steps: lotes por época; sin él, N // batch_size.

    Raises:
        TypeError, ValueError: si las imágenes no son uint8 o hay menos que un lote.

    Se usa por primera vez en el cuaderno 02, §2.
    """

    def __init__(
        self,
        images: Tensor,
        batch_size: int,
        *,
        scale: tuple[float, float] = (-1.0, 1.0),
        seed: int = 0,
        device: torch.device | str = "cpu",
        replacement: bool = False,
        steps: int | None = None,
    ):
        if images.dtype != torch.uint8:
            raise TypeError(
                f"Batches espera imágenes uint8 (0 a 255) y recibió {images.dtype}; "
                "la normalización la hace él, lote a lote."
            )
        if not 1 <= batch_size <= len(images):
            raise ValueError(
                f"batch_size={batch_size} no cabe en un conjunto de {len(images)} imágenes."
            )
        if steps is not None and not replacement and steps > len(images) // batch_size:
            raise ValueError(
                f"steps={steps} lotes de {batch_size} agotan las {len(images)} imágenes; "
                "reduce steps o usa replacement=True."
            )
        self.images = images.to(device)
        self.batch_size = batch_size
        self.scale = scale
        self.seed = seed
        self.replacement = replacement
        self.steps = len(images) // batch_size if steps is None else steps

    def __len__(self) -> int:
        """Lotes por época."""
        return self.steps

    def epoch(self, number: int, start: int = 0) -> Iterator[Tensor]:
        """Lotes float32 (B, C, H, W) de la época ``number``, desde el lote ``start``."""
        order = self._order(number)
        for i in range(start, self.steps):
            chosen = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield self.normalize(self.images.index_select(0, chosen))

    def normalize(self, images: Tensor) -> Tensor:
        """Bytes uint8 a float32 en el intervalo ``scale``; conserva la forma."""
        low, high = self.scale
        return images.float().mul_((high - low) / 255).add_(low)

    def state_dict(self) -> dict[str, int | bool]:
        """Lo que fija el orden: con esto y el número de paso se sigue en el lote exacto."""
        return {
            "images": len(self.images),
            "batch_size": self.batch_size,
            "steps": self.steps,
            "seed": self.seed,
            "replacement": self.replacement,
        }

    def load_state_dict(self, state: dict[str, int | bool]) -> None:
        """No cambia nada: comprueba que el orden guardado es este, o ``ValueError``."""
        if state != self.state_dict():
            raise ValueError(f"Estos lotes son {self.state_dict()} y se guardaron con {state}.")

    def _order(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed * _STRIDE + number)
        total, count = len(self.images), self.steps * self.batch_size
        if self.replacement:
            order = torch.randint(total, (count,), generator=generator)
        else:
            order = torch.randperm(total, generator=generator)[:count]
        return order.to(self.images.device)
