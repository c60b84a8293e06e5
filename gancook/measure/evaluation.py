"""Todas las métricas de un generador, en una fila de tabla."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from gancook.data.images import to_uint8
from gancook.measure.checks import check_finite, check_scale
from gancook.measure.extractors import Features, device_of, extract, load_classifier
from gancook.measure.metrics import (
    effective_classes,
    frechet_distance,
    inception_score,
    kernel_distance,
    kth_distance,
    memorization,
    precision_recall,
    repetition,
)
from gancook.session import temporary_seed
from gancook.training.modes import eval_mode

_CHUNK = 250  # imágenes que se generan de una vez


@dataclass(frozen=True)
class Reference:
    """Los datos con los que se compara, pasados ya por el extractor.

    Args:
        extractor: la red con la que se mira (``gancook.measure.extractors``).
        train: características del conjunto de entrenamiento.
        held_out_distance: mediana de la distancia de lo real no visto al entrenamiento.
    """

    extractor: nn.Module
    train: Features
    held_out_distance: float


def reference(train: Tensor, held_out: Tensor, extractor: nn.Module | None = None) -> Reference:
    """Prepara la :class:`Reference` de dos conjuntos de bytes (N, C, H, W), una sola vez.

    Args:
        train, held_out: imágenes de entrenamiento y reales no vistas.
        extractor: cualquiera con ``num_features``; sin él, el clasificador de FashionMNIST.
    """
    extractor = load_classifier() if extractor is None else extractor
    seen, unseen = extract(extractor, train), extract(extractor, held_out)
    return Reference(extractor, seen, kth_distance(unseen.wide, seen.wide).median().item())


def evaluate(
    generator: Tensor | Callable[[Tensor], Tensor],
    data: Reference,
    name: str,
    *,
    z_size: int = 100,
    scale: tuple[float, float] = (-1.0, 1.0),
    count: int = 10_000,
    neighbours: int = 3_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Todas las métricas de un generador, en una fila de tabla; no altera el azar global.

    Args:
        generator: red z (B, z_size) → imágenes en ``scale``, o bytes (N, C, H, W) ya hechos.
        data: referencia preparada con :func:`reference`.
        name: rótulo de la fila.
        count: imágenes generadas; con otro N las cifras no se comparan.
        neighbours: cuántas en las métricas de vecinos; los subconjuntos de la KID, hasta 1000.
        seed: semilla del ruido y de los subconjuntos.

    Returns:
        Una fila. La columna de la distancia de Fréchet lleva el nombre que le da el extractor en
        su atributo ``distance`` (``FCD``, ``FPD``, ``FID``) o, si no lo tiene, ``Fréchet``; un
        extractor sin logits no da ``IS`` ni ``clases``.

    Se construye en el cuaderno 07, §9.
    """
    with temporary_seed(seed):
        images = generator
        if not isinstance(generator, Tensor):
            network = generator if isinstance(generator, nn.Module) else data.extractor
            images = sample(generator, count, z_size, scale, device_of(network))
        row = _measures(extract(data.extractor, images), data, neighbours)
    row = {column: value for column, value in row.items() if value is not None}
    return pd.DataFrame([row], index=[name])


def _measures(fake: Features, data: Reference, neighbours: int) -> dict[str, float | None]:
    distance = getattr(data.extractor, "distance", "Fréchet")
    n = min(neighbours, len(fake.wide), len(data.train.wide))
    near, real, logits = fake.wide[:n], data.train.wide[:n], fake.logits
    precision, recall = precision_recall(real, near)
    return {
        "N": len(fake.wide),
        "N vecinos": n,
        distance: frechet_distance(data.train.deep, fake.deep),
        "KID·10³": 1e3 * kernel_distance(data.train.deep, fake.deep, min(1000, n))[0],
        "IS": None if logits is None else inception_score(logits),
        "precisión": precision,
        "exhaustividad": recall,
        "clases": None if logits is None else effective_classes(logits),
        "memoria": memorization(near, data.train.wide, data.held_out_distance),
        "repetición": repetition(real, near),
    }


@torch.no_grad()
def sample(
    generator: Callable[[Tensor], Tensor],
    count: int,
    z_size: int,
    scale: tuple[float, float] = (-1.0, 1.0),
    device: torch.device | str = "cpu",
) -> Tensor:
    """``count`` imágenes de un generador, en bytes uint8 y en la CPU; en modo ``eval``.

    Raises:
        ValueError: si hay NaN o los píxeles no encajan en ``scale``.
    """
    parts: list[Tensor] = []
    with eval_mode(generator):
        for z in torch.randn(count, z_size, device=device).split(_CHUNK):
            images = generator(z)
            check_finite(images)
            if not parts:  # con las primeras basta para ver que la escala es otra
                check_scale(images, scale)
            parts.append(to_uint8(images, scale))  # bytes cuanto antes: ocupan la cuarta parte
    return torch.cat(parts)
