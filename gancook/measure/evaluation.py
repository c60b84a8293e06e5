"""Todas las métricas de un generador, en una fila de tabla."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from gancook.data.images import to_uint8
from gancook.measure.checks import (
    check_at_least,
    check_finite,
    check_scale,
    check_tensor,
)
from gancook.measure.extractors import Features, device_of, extract, load_classifier
from gancook.measure.metrics import (
    density_coverage,
    effective_classes,
    frechet_distance,
    inception_score,
    kernel_distance,
    kth_distance,
    nearest,
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
        held_out: distancia de cada imagen real no vista a la más próxima del entrenamiento, (L,).
    """

    extractor: nn.Module
    train: Features
    held_out: Tensor


def reference(train: Tensor, held_out: Tensor, extractor: nn.Module | None = None) -> Reference:
    """Prepara la :class:`Reference` de dos conjuntos de bytes (N, C, H, W), una sola vez.

    Args:
        train, held_out: imágenes de entrenamiento y reales no vistas.
        extractor: cualquiera con ``num_features``; sin él, el clasificador de FashionMNIST.
    """
    extractor = load_classifier() if extractor is None else extractor
    seen, unseen = extract(extractor, train), extract(extractor, held_out)
    return Reference(extractor, seen, kth_distance(unseen.wide, seen.wide))


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
        neighbours: cuántas, elegidas al azar, en las métricas de vecinos; los subconjuntos de la
            KID, hasta 1000.
        seed: semilla del ruido y de los subconjuntos.

    Returns:
        Una fila. La columna de la distancia de Fréchet lleva el nombre que le da el extractor en
        su atributo ``distance`` (``FCD``, ``FRD``, ``FPD``, ``FID``) o, si no lo tiene,
        ``Fréchet``; un extractor sin logits no da ``IS`` ni ``clases``. ``± KID`` es la desviación
        entre los subconjuntos de la KID, en su misma unidad.

    Se construye en el cuaderno 07.2, §1.
    """
    images = generator
    if not isinstance(generator, Tensor):
        network = generator if isinstance(generator, nn.Module) else data.extractor
        with temporary_seed(seed):
            images = sample(generator, count, z_size, scale, device_of(network))
    with temporary_seed(seed):
        row = _measures(extract(data.extractor, images), data, neighbours)
    row = {column: value for column, value in row.items() if value is not None}
    return pd.DataFrame([row], index=[name])


def _measures(fake: Features, data: Reference, neighbours: int) -> dict[str, float | None]:
    check_at_least(1, neighbours=neighbours)
    train, logits = data.train, fake.logits
    n = min(neighbours, len(fake.wide), len(train.wide))
    frechet = frechet_distance(train.deep, fake.deep)
    real, near = _some(train.wide, n), _some(fake.wide, n)
    kid, deviation = kernel_distance(train.deep, fake.deep, min(1000, n))
    precision, recall = precision_recall(real, near)
    density, coverage = density_coverage(real, near)
    distance, index = nearest(near, train.wide)  # lo que más tarda: sirve para las dos siguientes
    memory = [(distance.quantile(q) / data.held_out.quantile(q)).item() for q in (0.5, 0.05)]
    authentic = distance > kth_distance(train.wide[index], train.wide, 2)  # como authenticity
    return {
        "N": len(fake.wide),
        "N vecinos": n,
        getattr(data.extractor, "distance", "Fréchet"): frechet,
        "KID·10³": 1e3 * kid,
        "± KID": 1e3 * deviation,
        "IS": None if logits is None else inception_score(logits),
        "precisión": precision,
        "exhaustividad": recall,
        "densidad": density,
        "cobertura": coverage,
        "clases": None if logits is None else effective_classes(logits),
        "memoria": memory[0],
        "memoria 5 %": memory[1],
        "autenticidad": authentic.double().mean().item(),
        "repetición": repetition(real, near),
    }


def _some(features: Tensor, n: int) -> Tensor:
    """``n`` filas al azar: las primeras podrían ser todas de la misma clase."""
    return features[torch.randperm(len(features))[:n]]


@torch.no_grad()
def sample(
    generator: Callable[[Tensor], Tensor],
    count: int,
    z_size: int,
    scale: tuple[float, float] = (-1.0, 1.0),
    device: torch.device | str = "cpu",
) -> Tensor:
    """``count`` imágenes de un generador, en bytes uint8 y en la CPU; en modo ``eval``.

    A una red se le pone el modo ``eval`` mientras dura; a una función que la envuelva no se le
    puede poner. Por eso se avisa si la misma z da otra imagen en otro lote, que es lo que hacen BN
    y *dropout* en modo ``train``.

    Raises:
        TypeError: si el generador no se puede llamar o no da un tensor.
        ValueError: si hay NaN, los píxeles no encajan en ``scale`` o ``count`` no llega a 1.
        RuntimeError: si el generador falla, por ejemplo porque su z es de otro tamaño.
    """
    check_at_least(1, count=count, z_size=z_size)
    parts: list[Tensor] = []
    with eval_mode(generator):
        for z in torch.randn(count, z_size, device=device).split(_CHUNK):
            images = _generate(generator, z)
            if not parts:  # con las primeras basta para ver que la escala o el modo son otros
                check_scale(images, scale)
                _check_alone(_generate(generator, z[:2]), images[:2], scale)
            parts.append(to_uint8(images, scale))  # bytes cuanto antes: ocupan la cuarta parte
    return torch.cat(parts)


def _generate(generator: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    if not callable(generator):
        check_tensor(generator)  # una matriz o una tupla de imágenes
    try:
        images = generator(z)
    except RuntimeError as error:
        raise RuntimeError(
            f"El generador ha fallado con z de forma {tuple(z.shape)}; si la suya es de otro "
            f"tamaño, dilo con z_size. El error: {error}"
        ) from error
    check_tensor(images)
    check_finite(images)
    return images


def _check_alone(alone: Tensor, together: Tensor, scale: tuple[float, float]) -> None:
    """Avisa si dos imágenes cambian, de media, más del 1 % de ``scale`` al cambiar de lote."""
    if (alone - together).abs().mean() > 0.01 * (scale[1] - scale[0]):
        warnings.warn(
            "La misma z da otra imagen según el lote en que vaya. Si el generador es una función "
            "con una red dentro, ponla en modo eval() o pasa la red misma.",
            stacklevel=3,
        )
