"""Cuánto se parece lo generado a los datos: fidelidad, variedad, copia y repetición.

Las métricas trabajan sobre características (N, d) ya extraídas (``gancook.measure.extractors``):
cada imagen pasa una sola vez por la red. Fréchet, KID e IS son las de torchmetrics. Todo se calcula
en float64, porque en float32 las distancias entre puntos alejados del origen pierden las cifras; y
tras ``.cpu()``, porque hay dispositivos (MPS) que no lo tienen. Todas se construyen en
el cuaderno 07.1 y se calibran en el 07.2.
"""

import math
import warnings

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from gancook.data.mixtures import GaussianMixture
from gancook.measure.checks import check_at_least, check_features, check_tensor


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Distancia de Fréchet (al cuadrado) entre las gaussianas ajustadas a dos muestras.

    Args:
        real, fake: características (N, d) y (M, d), con N, M > d para que las covarianzas tengan
            rango completo; si no, ``ValueError``.

    Fuente: Heusel et al. (2017). Cuaderno 07.1, §4.
    """
    check_features(real, fake, minimum=real.shape[-1] + 1)
    metric = FrechetInceptionDistance(feature=_given(real.shape[1]))
    metric.update(real.cpu().double(), real=True)
    metric.update(fake.cpu().double(), real=False)
    return metric.compute().item()


def kernel_distance(
    real: Tensor, fake: Tensor, subset_size: int = 1000, subsets: int = 20
) -> tuple[float, float]:
    """KID: MMD² insesgada con núcleo (x·y/d + 1)³; media y desviación entre subconjuntos al azar.

    Args:
        real, fake: características (N, d) y (M, d), con N, M ≥ ``subset_size``.
        subset_size: al menos 2, porque la estimación insesgada usa parejas de puntos distintos.

    Con N y M próximos a ``subset_size`` los subconjuntos se parecen y la desviación sale pequeña.

    Fuente: Bińkowski et al. (2018). Cuaderno 07.1, §5.
    """
    check_at_least(2, subset_size=subset_size)
    check_at_least(1, subsets=subsets)
    check_features(real, fake, minimum=subset_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # avisa de que guarda lo que recibe
        metric = KernelInceptionDistance(
            _given(real.shape[1]), subsets=subsets, subset_size=subset_size
        )
    metric.update(real.cpu().double(), real=True)
    metric.update(fake.cpu().double(), real=False)
    mean, std = metric.compute()
    return mean.item(), std.item()


def inception_score(logits: Tensor, splits: int = 10) -> float:
    """exp E KL(p(y|x) ‖ p(y)), media de ``splits`` grupos: entre 1 y el número de clases.

    Args:
        logits: (N, clases), antes de la softmax; con probabilidades o valores sin escala de
            logits el resultado no significa nada.

    Fuente: Salimans et al. (2016). Cuaderno 07.1, §3.
    """
    check_at_least(1, splits=splits)
    check_features(logits, minimum=2 * splits)
    if logits.min() >= 0 and torch.allclose(logits.sum(dim=1), torch.ones(len(logits)).to(logits)):
        raise ValueError("Parecen probabilidades (suman 1): inception_score espera los logits.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # guarda lo que recibe, y un grupo no varía
        metric = InceptionScore(_given(logits.shape[1]), splits=splits, normalize=False)
        metric.update(logits.cpu().double())
        return metric.compute()[0].item()


def kth_distance(x: Tensor, y: Tensor, k: int = 1) -> Tensor:
    """Distancia euclídea de cada fila de x (N, d) a su k-ésima fila más próxima de y: (N,).

    Se construye en el cuaderno 07.1, §6.
    """
    check_at_least(1, k=k)
    check_features(y, x, minimum=1)
    check_features(y, minimum=k)
    x, y = x.cpu().double(), y.cpu().double()
    parts = [torch.cdist(part, y).topk(k, largest=False).values[:, -1] for part in x.split(250)]
    return torch.cat(parts)


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Distancia de cada fila de x (N, d) a la más próxima de y, y cuál es: (N,) y (N,)."""
    check_features(y, x, minimum=1)
    x, y = x.cpu().double(), y.cpu().double()
    parts = [torch.cdist(part, y).min(dim=1) for part in x.split(250)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """Precisión (lo falso que cae entre lo real) y exhaustividad (lo real que cubre lo falso).

    Args:
        real, fake: características (N, d) y (N, d); con el mismo N, que fija el radio.
        k: vecino que fija el radio de cada bola, al menos 1.

    Fuente: Kynkäänniemi et al. (2019). Se construye en el cuaderno 07.1, §6.
    """
    check_at_least(1, k=k)
    check_features(real, fake, minimum=k + 2)
    real, fake = real.cpu().double(), fake.cpu().double()
    real_radius = kth_distance(real, real, k + 1)  # el primero es ella misma
    fake_radius = kth_distance(fake, fake, k + 1)
    inside, covered = [], torch.zeros(len(real), dtype=torch.bool)
    for part, radius in zip(fake.split(500), fake_radius.split(500), strict=True):
        distance = torch.cdist(real, part)  # (N, 500)
        inside.append((distance <= real_radius[:, None]).any(dim=0))
        covered |= (distance <= radius).any(dim=1)
    return torch.cat(inside).double().mean().item(), covered.double().mean().item()


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> tuple[float, float]:
    """Densidad (bolas reales en torno a lo falso, entre k) y cobertura (las que tienen algo falso).

    Args:
        real, fake: características (N, d) y (M, d); solo se usan las bolas de lo real.
        k: vecino que fija el radio de cada bola, al menos 1.

    Returns:
        Densidad, 1 de media con distribuciones iguales (puede pasar de 1), y cobertura, hasta 1.

    Fuente: Naeem et al. (2020). Cuaderno 07.1, §6.
    """
    check_at_least(1, k=k)
    check_features(real, fake, minimum=k + 2)
    real, fake = real.cpu().double(), fake.cpu().double()
    radius = kth_distance(real, real, k + 1)  # el primero es ella misma
    balls, covered = 0, torch.zeros(len(real), dtype=torch.bool)
    for part in fake.split(500):
        inside = torch.cdist(real, part) < radius[:, None]  # (N, 500)
        balls += inside.sum().item()
        covered |= inside.any(dim=1)
    return balls / (k * len(fake)), covered.double().mean().item()


def effective_classes(logits: Tensor) -> float:
    """exp(H) de las clases que ve el clasificador: 1 si es siempre la misma, K si se reparten.

    Args:
        logits: (N, K). Cuaderno 07.1, §7.
    """
    check_features(logits, minimum=2)
    share = logits.argmax(dim=1).bincount(minlength=logits.shape[1]).cpu().double() / len(logits)
    return torch.special.entr(share).sum().exp().item()


def memorization(fake: Tensor, train: Tensor, held_out: Tensor, quantile: float = 0.5) -> float:
    """Cuantil de la distancia al entrenamiento, dividido por el de imágenes reales no vistas.

    La mediana ve que se copia casi todo; un cuantil bajo, como 0,05, que se copia una parte.

    Args:
        fake, train: características (N, d) y (M, d).
        held_out: distancias ``kth_distance(reales no vistas, train)``, (L,).
        quantile: el que se compara, entre 0 y 1.

    Returns:
        0 si se copia; 1 si está tan lejos del entrenamiento como lo real; más, si más lejos.

    Se construye en el cuaderno 07.1, §7.
    """
    check_tensor(held_out)
    return (kth_distance(fake, train).quantile(quantile) / held_out.quantile(quantile)).item()


def authenticity(fake: Tensor, train: Tensor) -> float:
    """AuthPct: proporción de muestras que no parecen copiadas de la imagen real más próxima.

    Una muestra parece copiada si dista de esa imagen lo mismo o menos que la imagen de su vecina
    más próxima en el entrenamiento.

    Args:
        fake, train: características (N, d) y (M, d).

    Returns:
        Entre 0 (copia exacta) y 1. Lo real no visto no da 1: es la cifra con la que se compara.

    Fuente: Alaa et al. (2022). Se construye en el cuaderno 07.1, §7.
    """
    distance, index = nearest(fake, train)
    spacing = kth_distance(train[index], train, 2)  # la primera es ella misma
    return (distance > spacing).double().mean().item()


def repetition(real: Tensor, fake: Tensor, quantile: float = 0.01) -> float:
    """Proporción de muestras con una casi gemela: más cerca que el 1 % más próximo de lo real.

    Args:
        real, fake: características (N, d), con el mismo N.

    Se construye en el cuaderno 07.1, §7.
    """
    check_features(real, fake, minimum=2)
    threshold = kth_distance(real, real, 2).quantile(quantile)
    return (kth_distance(fake, fake, 2) <= threshold).double().mean().item()


def mixture_report(
    samples: Tensor, mixture: GaussianMixture, only_near: bool = True
) -> dict[str, float]:
    """Modos capturados, proporción a menos de 3σ de un modo y KL inversa con el reparto uniforme.

    Args:
        samples: puntos (n, d); las cifras publicadas usan n = 2500.
        mixture: la mezcla equiprobable que había que aprender.
        only_near: la KL inversa cuenta solo las muestras a menos de 3σ, como el código que publicó
            PacGAN; con ``False``, todas, cada una en su modo más próximo. Si no hay ninguna que
            contar, la KL es ``nan``.

    Fuentes: Srivastava et al. (2017, VEEGAN) y Lin et al. (2018, PacGAN). Cuaderno 07.1, §8.
    """
    check_features(samples, mixture.centers, minimum=1)
    distance, mode = nearest(samples, mixture.centers)
    near, modes = distance < 3 * mixture.std, len(mixture.centers)
    counts = mode[near if only_near else slice(None)].bincount(minlength=modes).double()
    share = counts / counts.sum()  # 0/0 es nan
    return {
        "modos": mode[near].unique().numel(),
        "calidad": near.double().mean().item(),
        "KL inversa": math.log(modes) - torch.special.entr(share).sum().item(),
    }


def _given(num_features: int) -> nn.Module:
    """Extractor identidad para torchmetrics: las características ya están calculadas."""
    identity = nn.Identity()
    identity.num_features = num_features
    return identity
