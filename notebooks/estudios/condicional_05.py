"""El generador de cuadros al que se le pide un estilo, y su entrenamiento (cuaderno 05.2)."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gancook.data.images import to_uint8
from gancook.data.shipped import shipped
from gancook.pretrained import load_frozen
from gancook.session import temporary_seed
from gancook.training.layers import init_weights
from gancook.training.modes import eval_mode
from gancook.training.precision import MixedPrecision
from gancook.training.steps import Logs
from mejor_04 import Z_SIZE, FaceTraining, LazyStep, Settings, face_generator

PASTED = 32  # números con que se le dice el estilo a G cuando se pega al ruido


def by_repetition(network: nn.Sequential) -> nn.Sequential:
    """La misma pila con cada transpuesta cambiada por repetir píxeles y una convolución 3×3.

    Las demás capas son las mismas, no copias. Fuente: Odena, Dumoulin y Olah (2016). Se construye
    en el cuaderno 05.2, §2.
    """
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.ConvTranspose2d):
            biased = layer.bias is not None
            convolution = nn.Conv2d(layer.in_channels, layer.out_channels, 3, 1, 1, bias=biased)
            init_weights(convolution)
            layers += [nn.Upsample(scale_factor=2), convolution]
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


class StyleGenerator(nn.Module):
    """z (B, 128) y estilos (B,) → cuadros (B, 3, 64, 64) en [−1, 1].

    Al principio las incrustaciones son cero y los cuadros, los del generador sin estilos.

    Args:
        stack: la pila de un generador sin estilos; empieza por una capa densa y su BN.
        classes: cuántos estilos hay.

    Se construye en el cuaderno 05.2, §3.
    """

    def __init__(self, stack: nn.Sequential, classes: int) -> None:
        super().__init__()
        self.front, self.rest = stack[:2], stack[2:]
        self.embedding = nn.Embedding(classes, stack[0].out_features)
        nn.init.zeros_(self.embedding.weight)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.rest(self.front(z) + self.embedding(labels))


class PastedGenerator(nn.Module):
    """Como :class:`StyleGenerator`, con el estilo pegado al ruido: peor, y se ve en 05_criba.csv.

    Args:
        stack: la pila; la primera capa se cambia por otra que recibe también los ``PASTED``
            números del estilo.
        classes: cuántos estilos hay.

    Se construye en el cuaderno 05.2, §3.
    """

    def __init__(self, stack: nn.Sequential, classes: int) -> None:
        super().__init__()
        first = nn.Linear(Z_SIZE + PASTED, stack[0].out_features, bias=False)
        init_weights(first)
        self.embedding = nn.Embedding(classes, PASTED)  # N(0, 1), como z
        self.stack = nn.Sequential(first, *stack[1:])

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.stack(torch.cat([z, self.embedding(labels)], dim=1))


class StyleCritic(nn.Module):
    """Cuadros (B, 3, 64, 64) y estilos (B,) → logits (B, 1): w·h(x) + b + ⟨e(y), h(x)⟩.

    Al principio e(y) = 0 y los logits son los del crítico sin estilos.

    Args:
        critic: el crítico sin estilos, con el aumento delante o sin él; su última capa es w·h + b.
        classes: cuántos estilos hay.

    Fuente: Miyato y Koyama (2018). Se construye en el cuaderno 05.2, §3.
    """

    def __init__(self, critic: nn.Sequential, classes: int) -> None:
        super().__init__()
        *front, body = critic
        self.features, self.score = nn.Sequential(*front, *body[:-1]), body[-1]
        self.embedding = nn.Embedding(classes, self.score.in_features)
        nn.init.zeros_(self.embedding.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = self.features(x)  # (B, 2048)
        return self.score(h) + (h * self.embedding(labels)).sum(dim=1, keepdim=True)


class StylePrecision(MixedPrecision):
    """:class:`MixedPrecision` para una red que, si se le dan, recibe también los estilos (B,)."""

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        inputs = (x,) if labels is None else (x, labels)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.enabled):
            return self.network(*inputs).float()


@dataclass
class ConditionalStep(LazyStep):
    """El paso con estilos: recibe (imágenes, estilos) y cada dibujo lleva el de su cuadro.

    Así, D compara siempre dos imágenes del mismo estilo. Se construye en el cuaderno 05.2, §3.
    """

    def __call__(self, batch: tuple[Tensor, Tensor]) -> Logs:
        images, labels = batch
        D, G = self.D, self.G
        self.D, self.G = partial(D, labels=labels), partial(G, labels=labels)
        try:
            return super().__call__(images)
        finally:
            self.D, self.G = D, G


@dataclass(frozen=True)
class PaintingSettings(Settings):
    """Los de :class:`mejor_04.Settings`; los estilos (1: sin ellos), cómo se amplía y se piden."""

    classes: int = 1
    repeat: bool = False
    pasted: bool = False


# El que se entrena en 05_larga.py y el que se reparte.
STYLES = "barroco", "impresionismo", "postimpresionismo", "romanticismo"
CHOSEN = PaintingSettings(800_000, classes=len(STYLES), repeat=True)


def with_styles(stack: nn.Sequential, settings: PaintingSettings) -> nn.Module:
    """El generador de unos ajustes, a partir de la pila de :func:`mejor_04.face_generator`."""
    stack = by_repetition(stack) if settings.repeat else stack
    if settings.classes == 1:
        return stack
    return (PastedGenerator if settings.pasted else StyleGenerator)(stack, settings.classes)


class PaintingTraining(FaceTraining):
    """Un entrenamiento con cuadros; con un solo estilo, el de :class:`mejor_04.FaceTraining`.

    Args:
        images: bytes (N, 3, 64, 64).
        labels: sus estilos (N,), de 0 a ``settings.classes`` − 1; con uno solo no se miran.
        settings, folder, copy_every: como en ``FaceTraining``.

    Se construye en el cuaderno 05.2, §3.
    """

    precision = StylePrecision

    def __init__(
        self,
        images: Tensor | np.ndarray,
        labels: Tensor | np.ndarray,
        settings: PaintingSettings,
        folder: Path,
        copy_every: int = 500,
    ) -> None:
        if settings.classes > 1:
            self.labels, self.kind = torch.as_tensor(labels), ConditionalStep
        super().__init__(images, settings, folder, copy_every)

    def _networks(self, s: PaintingSettings) -> tuple[nn.Module, nn.Module]:
        critic, stack = super()._networks(s)
        critic = critic if s.classes == 1 else StyleCritic(critic, s.classes)
        return critic, with_styles(stack, s)

    def sample(self, count: int, seed: int) -> tuple[Tensor, Tensor | None]:
        """Cuadros de la media móvil, en bytes, y sus estilos, repartidos como los de los datos."""
        with temporary_seed(seed):
            z = torch.randn(count, Z_SIZE)
            if self.labels is None:
                return paint(self.ema, z), None
            labels = self.labels[torch.randint(len(self.labels), (count,))]
        return paint(self.ema, z, labels), labels


@torch.no_grad()
def paint(G: nn.Module, z: Tensor, labels: Tensor | None = None) -> Tensor:
    """z (N, 128) y, si los usa, sus estilos (N,) → bytes (N, 3, 64, 64); en modo ``eval``."""
    device = next(G.parameters()).device
    inputs = (z,) if labels is None else (z, labels)
    parts = zip(*(tensor.to(device).split(250) for tensor in inputs), strict=True)
    with eval_mode(G):
        return torch.cat([to_uint8(G(*part)) for part in parts])


def painting_generator() -> nn.Module:
    """El generador de ``CHOSEN``, sin entrenar."""
    return with_styles(face_generator(CHOSEN.width), CHOSEN)


def load_painting_generator(
    path: Path | str | None = None, device: torch.device | str = "cpu"
) -> nn.Module:
    """El generador de cuadros que acompaña al recetario, congelado y en modo ``eval``.

    Uso: ``images = load_painting_generator()(torch.randn(8, 128), torch.zeros(8).long())``, con el
    número de un estilo de ``STYLES`` por imagen: (8, 3, 64, 64) en [−1, 1].

    Args:
        path: otro archivo safetensors de :func:`painting_generator`; sin él, el que va incluido.
        device: dónde se carga.

    Raises:
        FileNotFoundError: si el archivo no está.
        ValueError: si no es un archivo de este generador.

    Se usa en el cuaderno 05.2, §5; su ficha está en ``data/models/README.md``.
    """
    included = shipped("models", "paintings_generator.safetensors")
    how = "como en el cuaderno 05.2, §5"
    return load_frozen(painting_generator, included if path is None else Path(path), device, how)
