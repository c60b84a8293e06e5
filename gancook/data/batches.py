"""Lotes al azar de un tensor del dispositivo o de un archivo que no cabe en la memoria."""

import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

# Separa las permutaciones de semillas vecinas: la época 1 de la semilla 0 no es la 0 de la 1.
_STRIDE = 1_000_003


class Batches:
    """Lotes en orden aleatorio de imágenes o puntos, con etiquetas o sin ellas.

    El orden depende solo de ``seed`` y del número de época; así un entrenamiento interrumpido
    puede seguir por el lote exacto en que quedó.

    Args:
        data: N filas de cualquier forma, como (N, C, H, W) o (N, 2). Los bytes uint8 se llevan a
            ``scale``; los de coma flotante se entregan tal cual, en float32. Un tensor se copia una
            vez a ``device``; un array de NumPy, también un ``np.memmap`` de solo lectura mayor
            que la memoria, se queda donde está y solo se leen las filas de cada lote.
        batch_size: filas por lote; las que sobran al final de una época se dejan fuera.
        labels: una etiqueta por fila; con ellas, cada lote es un par (datos, etiquetas).
        scale: intervalo al que se llevan los bytes: (-1, 1) para tanh, (0, 1) sin ella.
        seed: semilla del orden.
        device: dónde se entregan los lotes.
        replacement: sacar cada lote con repetición, como las recetas que cuentan iteraciones.
        steps: lotes por época; sin él, N // batch_size.

    Raises:
        TypeError: si los datos no son un tensor ni un array, o son de otro tipo.
        ValueError: si hay menos filas que un lote, las etiquetas son más o menos que las filas
            o ``steps`` no puede cumplirse.

    Se usa por primera vez en el cuaderno 02, §2.
    """

    def __init__(
        self,
        data: Tensor | np.ndarray,
        batch_size: int,
        *,
        labels: Tensor | np.ndarray | None = None,
        scale: tuple[float, float] = (-1.0, 1.0),
        seed: int = 0,
        device: torch.device | str = "cpu",
        replacement: bool = False,
        steps: int | None = None,
    ):
        _check_type(data)
        if labels is not None and len(labels) != len(data):
            raise ValueError(
                f"Hay {len(labels)} etiquetas para {len(data)} filas de datos: debe haber una por "
                "fila, en el mismo orden."
            )
        if batch_size not in range(1, len(data) + 1):
            raise ValueError(
                f"batch_size={batch_size!r} no cabe en un conjunto de {len(data)} filas: debe ser "
                "un entero de 1 a ese número."
            )
        self.batch_size = int(batch_size)
        self.steps = _checked_steps(steps, len(data) // self.batch_size, replacement)
        if isinstance(data, Tensor):
            data = (data if data.dtype == torch.uint8 else data.float()).to(device)
        if isinstance(labels, np.ndarray):
            labels = torch.tensor(labels)  # una copia, que las de solo lectura también admiten
        self.data = data
        self.labels = None if labels is None else labels.to(device)
        self.device = device
        self.scale = scale
        self.seed = seed
        self.replacement = replacement

    def __len__(self) -> int:
        """Lotes por época."""
        return self.steps

    def epoch(self, number: int, start: int = 0) -> Iterator[Tensor | tuple[Tensor, Tensor]]:
        """Lotes float32 (B, …) de la época ``number``, desde el lote ``start``.

        Con etiquetas, pares (datos, etiquetas), y las etiquetas con su propio tipo.
        """
        order = self._order(number)
        for i in range(start, self.steps):
            chosen = order[i * self.batch_size : (i + 1) * self.batch_size]
            batch = self._rows(chosen)
            if self.labels is None:
                yield batch
            else:
                yield batch, self.labels.index_select(0, chosen.to(self.labels.device))

    def normalize(self, images: Tensor) -> Tensor:
        """Bytes uint8 a float32 en el intervalo ``scale``; conserva la forma."""
        low, high = self.scale
        return (images.float() * ((high - low) / 255)).add_(low)

    def state_dict(self) -> dict[str, int | bool]:
        """Lo que fija el orden: con esto y el número de paso se sigue en el lote exacto."""
        return {
            "images": len(self.data),  # el nombre que llevan las copias ya escritas
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
        total, count = len(self.data), self.steps * self.batch_size
        if self.replacement:
            order = torch.randint(total, (count,), generator=generator)
        else:
            order = torch.randperm(total, generator=generator)[:count]
        return order.to(self.data.device) if isinstance(self.data, Tensor) else order

    def _rows(self, chosen: Tensor) -> Tensor:
        if isinstance(self.data, Tensor):
            rows = self.data.index_select(0, chosen)
        else:
            read = self.data[chosen.numpy()]  # una copia: del resto del archivo no se lee nada
            if read.dtype != np.uint8:
                read = read.astype(np.float32)
            rows = torch.from_numpy(read).to(self.device)
        return self.normalize(rows) if rows.dtype == torch.uint8 else rows


def _check_type(data: Tensor | np.ndarray) -> None:
    if isinstance(data, Tensor):
        good = data.dtype == torch.uint8 or data.is_floating_point()
    else:
        good = isinstance(data, np.ndarray) and (data.dtype == np.uint8 or data.dtype.kind == "f")
    if not good:
        raise TypeError(
            "Batches espera un tensor o un array de NumPy de bytes uint8 (0 a 255), que normaliza "
            "él, o de coma flotante, ya normalizado; recibió "
            f"{getattr(data, 'dtype', type(data).__name__)}. Conviértelo antes."
        )


def _checked_steps(steps: int | None, whole: int, replacement: bool) -> int:
    """``steps``, o los ``whole`` lotes de una vuelta entera si no se dice."""
    if steps is None:
        return whole
    if steps not in range(1, sys.maxsize if replacement else whole + 1):
        raise ValueError(
            f"steps={steps!r} debe ser un entero de 1 en adelante y, sin repetición, de {whole} "
            "como mucho, que son los lotes que hay: corrígelo o usa replacement=True."
        )
    return int(steps)
