"""Cuánto se parece lo generado a los datos: fidelidad, variedad, copia y repetición.

Las métricas trabajan sobre características (N, d) ya extraídas (``gancook.extractors``); así
cada imagen pasa una sola vez por la red. Fréchet, KID e IS son las de torchmetrics, en float64.
Todas se construyen y se calibran en el cuaderno 07.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from gancook.checks import check_features, check_scale
from gancook.extractors import FashionClassifier, Features, extract, load_classifier
from gancook.plots import to_uint8


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Distancia de Fréchet (al cuadrado) entre las gaussianas ajustadas a dos muestras.

    Args:
        real, fake: características (N, d) y (M, d), con N, M > d para que las covarianzas tengan
            rango completo; si no, ``ValueError``.

    Fuente: Heusel et al. (2017). Cuaderno 07, §4.
    """
    check_features(real, fake, minimum=real.shape[-1] + 1)
    metric = FrechetInceptionDistance(feature=_given(real.shape[1]))
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return metric.compute().item()


def kernel_distance(
    real: Tensor, fake: Tensor, subset_size: int = 1000, subsets: int = 20
) -> tuple[float, float]:
    """KID: MMD² insesgada con núcleo (x·y/d + 1)³; media y desviación entre subconjuntos al azar.

    Args:
        real, fake: características (N, d) y (M, d), con N, M ≥ ``subset_size``.

    Fuente: Bińkowski et al. (2018). Cuaderno 07, §5.
    """
    check_features(real, fake, minimum=subset_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # avisa de que guarda lo que recibe
        metric = KernelInceptionDistance(
            _given(real.shape[1]), subsets=subsets, subset_size=subset_size
        )
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    mean, std = metric.compute()
    return mean.item(), std.item()


def inception_score(logits: Tensor, splits: int = 10) -> float:
    """exp E KL(p(y|x) ‖ p(y)), media de ``splits`` grupos: entre 1 y el número de clases.

    Args:
        logits: (N, clases), antes de la softmax; con probabilidades o valores sin escala de
            logits el resultado no significa nada.

    Fuente: Salimans et al. (2016). Cuaderno 07, §3.
    """
    check_features(logits, minimum=2 * splits)
    if logits.min() >= 0 and torch.allclose(logits.sum(dim=1), torch.ones(len(logits)).to(logits)):
        raise ValueError("Parecen probabilidades (suman 1): inception_score espera los logits.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # guarda lo que recibe, y un grupo no varía
        metric = InceptionScore(_given(logits.shape[1]), splits=splits, normalize=False)
        metric.update(logits.double())
        return metric.compute()[0].item()


def kth_distance(x: Tensor, y: Tensor, k: int = 1) -> Tensor:
    """Distancia euclídea de cada fila de x (N, d) a su k-ésima fila más próxima de y: (N,)."""
    parts = [torch.cdist(part, y).topk(k, largest=False).values[:, -1] for part in x.split(500)]
    return torch.cat(parts)


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """Precisión (lo falso que cae entre lo real) y exhaustividad (lo real que cubre lo falso).

    Args:
        real, fake: características (N, d) y (N, d); con el mismo N, que fija el radio.
        k: vecino que fija el radio de cada bola.

    Fuente: Kynkäänniemi et al. (2019). Se construye en el cuaderno 07, §6.
    """
    check_features(real, fake, minimum=k + 2)
    real_radius = kth_distance(real, real, k + 1)  # el primero es ella misma
    fake_radius = kth_distance(fake, fake, k + 1)
    inside, covered = [], torch.zeros(len(real), dtype=torch.bool)
    for part, radius in zip(fake.split(500), fake_radius.split(500), strict=True):
        distance = torch.cdist(real, part)  # (N, 500)
        inside.append((distance <= real_radius[:, None]).any(dim=0))
        covered |= (distance <= radius).any(dim=1)
    return torch.cat(inside).double().mean().item(), covered.double().mean().item()


def effective_classes(logits: Tensor) -> float:
    """exp(H) de las clases que ve el clasificador: 1 si es siempre la misma, K si se reparten.

    Args:
        logits: (N, K). Cuaderno 07, §7.
    """
    check_features(logits, minimum=2)
    share = logits.argmax(dim=1).bincount(minlength=logits.shape[1]).double() / len(logits)
    return torch.special.entr(share).sum().exp().item()


def memorization(fake: Tensor, train: Tensor, held_out_distance: float) -> float:
    """Mediana de la distancia al entrenamiento, entre la de imágenes reales no vistas.

    Args:
        fake, train: características (N, d) y (M, d).
        held_out_distance: mediana de ``kth_distance(reales no vistas, train)``.

    Returns:
        0 si se copia; 1 si está tan lejos del entrenamiento como lo real; más, si más lejos.

    Se construye en el cuaderno 07, §7.
    """
    check_features(fake, train, minimum=2)
    return kth_distance(fake, train).median().item() / held_out_distance


def repetition(real: Tensor, fake: Tensor, quantile: float = 0.01) -> float:
    """Proporción de muestras con una casi gemela: más cerca que el 1 % más próximo de lo real.

    Args:
        real, fake: características (N, d), con el mismo N.

    Se construye en el cuaderno 07, §7.
    """
    check_features(real, fake, minimum=2)
    threshold = kth_distance(real, real, 2).quantile(quantile)
    return (kth_distance(fake, fake, 2) <= threshold).double().mean().item()


@dataclass(frozen=True)
class Reference:
    """Los datos con los que se compara, pasados ya por el extractor.

    Args:
        classifier: el extractor.
        train: características del conjunto de entrenamiento.
        held_out_distance: mediana de la distancia de lo real no visto al entrenamiento.
    """

    classifier: FashionClassifier
    train: Features
    held_out_distance: float


def reference(
    train: Tensor, held_out: Tensor, classifier: FashionClassifier | None = None
) -> Reference:
    """Prepara la :class:`Reference` de dos conjuntos de bytes (N, 1, 28, 28), una sola vez."""
    classifier = load_classifier() if classifier is None else classifier
    seen, unseen = extract(classifier, train), extract(classifier, held_out)
    return Reference(classifier, seen, kth_distance(unseen.wide, seen.wide).median().item())


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
    """Todas las métricas de un generador, en una fila de tabla.

    Args:
        generator: red z (B, z_size) → imágenes en ``scale``, o bytes (N, 1, 28, 28) ya hechos.
        data: referencia preparada con :func:`reference`.
        name: rótulo de la fila.
        count: imágenes generadas; con otro N las cifras no se comparan.
        neighbours: cuántas en las métricas de vecinos; los subconjuntos de la KID, hasta 1000.
        seed: semilla del ruido y de los subconjuntos.

    Se construye en el cuaderno 07, §9.
    """
    torch.manual_seed(seed)
    images = generator
    if not isinstance(generator, Tensor):
        device = next(data.classifier.parameters()).device
        images = sample(generator, count, z_size, scale, device)
    fake, n = extract(data.classifier, images), min(neighbours, len(images), len(data.train.wide))
    near, real = fake.wide[:n], data.train.wide[:n]
    precision, recall = precision_recall(real, near)
    row = {
        "N": len(images),
        "N vecinos": n,
        "FCD": frechet_distance(data.train.deep, fake.deep),
        "KID·10³": 1e3 * kernel_distance(data.train.deep, fake.deep, min(1000, n))[0],
        "IS": inception_score(fake.logits),
        "precisión": precision,
        "exhaustividad": recall,
        "clases": effective_classes(fake.logits),
        "memoria": memorization(near, data.train.wide, data.held_out_distance),
        "repetición": repetition(real, near),
    }
    return pd.DataFrame([row], index=[name])


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
    training = getattr(generator, "training", False)
    if training:
        generator.eval()
    noise = torch.randn(count, z_size, device=device)
    images = torch.cat([generator(z).cpu() for z in noise.split(250)])
    if training:
        generator.train()
    check_scale(images, scale)
    return to_uint8(images, scale)


def _given(num_features: int) -> nn.Module:
    """Extractor identidad para torchmetrics: las características ya están calculadas."""
    identity = nn.Identity()
    identity.num_features = num_features
    return identity
