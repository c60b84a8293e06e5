"""Las técnicas del banco del cuaderno 06: cada una, lo que cambia de la GAN simple.

``TECHNIQUES`` va de nombre a :class:`Technique`; :func:`build` monta las redes y el paso.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from capas_06 import GaussianNoise, MinibatchDiscrimination, Pack, clip_weights
from dinamica_06 import (
    CriticStep,
    ExtragradientStep,
    FeatureMatchingStep,
    HistoricalStep,
    OptimisticStep,
    UnrolledStep,
)
from gancook.training import losses, penalties
from gancook.training.augment import DiffAugment
from gancook.training.dynamics import RelativisticStep, average
from gancook.training.layers import MinibatchStd, init_weights
from gancook.training.modes import eval_mode
from gancook.training.steps import AdversarialStep

WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)  # capas con normalización espectral


class Penalized:
    """Añade a la pérdida de D el término ``penalty(D, real, fake)`` multiplicado por ``weight``.

    Solo se calcula en uno de cada ``every`` pasos, y entonces cuenta ``every`` veces.
    """

    penalty: Callable | None = None
    weight: float = 0.0
    every: int = 1

    def discriminator_terms(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        terms = super().discriminator_terms(real, fake)
        if self.penalty is not None and self.count % self.every == 0:
            slope = self.penalty(self.D, real, fake)
            terms["penalty"] = self.every * self.weight * slope
        return terms


class PlainStep(Penalized, AdversarialStep):
    pass


class PairedStep(Penalized, RelativisticStep):
    pass


class ManyStep(Penalized, CriticStep):
    pass


def least_squares(real: Tensor, fake: Tensor) -> Tensor:
    return losses.least_squares_loss(real, 1) + losses.least_squares_loss(fake, 0)


def r1(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return penalties.gradient_penalty(D, real)


def r2(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return penalties.gradient_penalty(D, fake)


def r1_r2(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return r1(D, real, fake) + r2(D, real, fake)


def dragan(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return penalties.dragan_penalty(D, real)


@dataclass(frozen=True)
class Technique:
    """Lo que una técnica cambia; por omisión, la GAN simple."""

    step: type = PlainStep
    options: dict[str, Any] = field(default_factory=dict)  # campos propios del paso
    d_loss: Callable = losses.discriminator_loss
    g_loss: Callable = losses.non_saturating_loss
    penalty: Callable | None = None
    weight: float = 0.0  # de la penalización
    every: int = 1  # pasos entre dos penalizaciones
    clip: float = 0.0  # recorte de los pesos de D
    spectral: str = ""  # redes con normalización espectral: D o DG
    init: bool = False  # pesos N(0, 0,02)
    g_norm: str = ""  # bn o vbn en las capas ocultas de G
    pack: int = 1
    d_layer: str = ""  # capa que mira el lote delante de la última de D: std o pairs
    augment: bool = False  # DiffAugment
    attention: bool = False  # en D y en G, a mitad de resolución
    noise: float = 0.0  # ruido de instancia al empezar, en unidades de los datos
    betas: tuple[float, float] = (0.5, 0.999)
    d_rate: float = 1.0  # la tasa de D, dividida por la de G
    decay: str = ""  # coseno: tasa y penalización bajan a 0; mitad: la tasa, desde la mitad
    ema: float = 0.0


PLAIN = Technique()
WGAN = Technique(ManyStep, {"n_critic": 5}, losses.critic_loss, losses.wasserstein_loss)
PAIRED = Technique(PairedStep, d_loss=losses.relativistic_loss, g_loss=losses.relativistic_loss)
BEST = replace(PAIRED, penalty=r1_r2, weight=0.005, betas=(0.0, 0.99), decay="coseno", ema=0.998)

TECHNIQUES = {
    "GAN simple": PLAIN,
    # pérdidas
    "minimax": replace(PLAIN, g_loss=losses.saturating_loss),
    "LSGAN": replace(
        PLAIN, d_loss=least_squares, g_loss=partial(losses.least_squares_loss, target=1)
    ),
    "WGAN con recorte": replace(WGAN, clip=0.1, betas=(0.0, 0.99)),
    "WGAN-GP": replace(WGAN, penalty=penalties.wgan_gp_penalty, weight=0.1, betas=(0.5, 0.9)),
    "bisagra": replace(PLAIN, d_loss=losses.hinge_loss, g_loss=losses.wasserstein_loss),
    "relativista emparejada": PAIRED,
    "relativista media": replace(
        PAIRED, d_loss=losses.relativistic_average_loss, g_loss=losses.relativistic_average_loss
    ),
    # penalizaciones
    "DRAGAN": replace(PLAIN, penalty=dragan, weight=0.1),
    "R1": replace(PLAIN, penalty=r1, weight=0.002),
    "R2": replace(PLAIN, penalty=r2, weight=0.002),
    "R1 y R2": replace(PLAIN, penalty=r1_r2, weight=0.002),
    # pesos
    "N. espectral en D": replace(PLAIN, spectral="D"),
    "N. espectral en D y G": replace(PLAIN, spectral="DG"),
    "pesos N(0, 0,02)": replace(PLAIN, init=True),
    # lote y ruido
    "BN en G": replace(PLAIN, g_norm="bn"),
    "BN virtual en G": replace(PLAIN, g_norm="vbn"),
    "discriminación por lotes": replace(PLAIN, d_layer="pairs"),
    "desviación del lote": replace(PLAIN, d_layer="std"),
    "ruido de instancia": replace(PLAIN, noise=0.1),
    "etiqueta 0,9": replace(PLAIN, d_loss=partial(losses.discriminator_loss, real_label=0.9)),
    "etiquetas 0,9 y 0,1": replace(PLAIN, d_loss=losses.two_sided_loss),
    "PacGAN2": replace(PLAIN, pack=2),
    "PacGAN4": replace(PLAIN, pack=4),
    # dinámica
    "TTUR": replace(PLAIN, d_rate=4.0),
    "cinco pasos de D": replace(PLAIN, step=ManyStep, options={"n_critic": 5}),
    "promedio histórico": replace(PLAIN, step=HistoricalStep),
    "desenrollada": replace(PLAIN, step=UnrolledStep, options={"unroll": 5, "inner_lr": 0.1}),
    "emparejar características": replace(PLAIN, step=FeatureMatchingStep),
    "EMA": replace(PLAIN, ema=0.998),
    "extragradiente": replace(PLAIN, step=ExtragradientStep),
    "optimista": replace(PLAIN, step=OptimisticStep),
    # combinaciones, y la mejor sin cada una de sus piezas
    "receta": BEST,
    "receta sin relativista": replace(
        BEST, step=PlainStep, d_loss=losses.discriminator_loss, g_loss=losses.non_saturating_loss
    ),
    "receta sin R1": replace(BEST, penalty=r2),
    "receta sin R2": replace(BEST, penalty=r1),
    "receta sin R1 ni R2": replace(BEST, penalty=None),
    "receta sin decaimiento": replace(BEST, decay=""),
    "receta sin EMA": replace(BEST, ema=0.0),
    "receta con betas de la simple": replace(BEST, betas=PLAIN.betas),
}


def front(technique: Technique) -> list[nn.Module]:
    """Lo que va delante de D: las perturbaciones, el ruido y los paquetes."""
    layers: list[nn.Module] = [DiffAugment(background=-1.0)] if technique.augment else []
    layers += [GaussianNoise(technique.noise)] if technique.noise else []
    return layers + ([Pack(technique.pack)] if technique.pack > 1 else [])


def last(technique: Technique, width: int) -> list[nn.Module]:
    """La última capa de D, y delante la que mira el lote si la técnica la lleva."""
    extra = {"": [], "std": [MinibatchStd()], "pairs": [MinibatchDiscrimination(width, 8, 4)]}
    added = {"": 0, "std": 1, "pairs": 8}[technique.d_layer]
    return [*extra[technique.d_layer], nn.Linear(width + added, 1)]


def prepare(technique: Technique, G: nn.Module, D: nn.Module) -> None:
    """Inicialización y normalización espectral, en ese orden."""
    for network in (G, D) if technique.init else ():
        network.apply(init_weights)
    for network in [{"D": D, "G": G}[name] for name in technique.spectral]:
        for layer in [m for m in network.modules() if isinstance(m, WEIGHTED)]:
            spectral_norm(layer)


def half_flat(optimizer: Optimizer, steps: int) -> LambdaLR:
    """La tasa de la receta del cuaderno 03.3: entera la primera mitad, y de ahí en línea recta."""
    return LambdaLR(optimizer, lambda done: min(1.0, 2.01 - 2 * done / steps))


SCHEDULES = {"coseno": CosineAnnealingLR, "mitad": half_flat}


def build(
    technique: Technique, G: nn.Module, D: nn.Sequential, z_size: int, lr: float, steps: int
) -> tuple[Callable, nn.Module, Callable]:
    """El paso, la red de la que se muestrea y lo que hay que llamar tras cada paso."""
    t = technique
    prepare(t, G, D)
    d_optimizer = torch.optim.Adam(D.parameters(), t.d_rate * lr, t.betas)
    g_optimizer = torch.optim.Adam(G.parameters(), lr, t.betas)
    step = t.step(D, G, d_optimizer, g_optimizer, t.d_loss, t.g_loss, z_size, **t.options)
    if t.step is FeatureMatchingStep:
        step.features = D[:-1]
    if t.clip:
        step.after = partial(clip_weights, D, t.clip)
    step.penalty, step.weight, step.every = t.penalty, t.weight, t.every
    sampler = average(G, t.ema) if t.ema else G
    schedules = [SCHEDULES[t.decay](o, steps) for o in (d_optimizer, g_optimizer) if t.decay]
    noises = [layer for layer in D if isinstance(layer, GaussianNoise)]

    def after(done: int) -> None:
        if t.ema:
            sampler.update_parameters(G)
        for schedule in schedules:
            schedule.step()
        if t.decay == "coseno":
            step.weight = t.weight * (1 + math.cos(math.pi * done / steps)) / 2
        for layer in noises:
            layer.std = t.noise * (1 - done / steps)

    return step, sampler, after


def train(
    step: Callable, sampler: nn.Module, after: Callable, batches: Iterable[Tensor], z: Tensor
) -> Tensor:
    """Un paso por lote y lo que da después el generador; si diverge, FloatingPointError."""
    for done, real in enumerate(batches, start=1):
        logs = step(real)
        after(done)
        if done % 50 == 0 and not all(value.isfinite() for value in logs.values()):
            raise FloatingPointError(f"pérdida no finita en el paso {done}")
    with torch.no_grad(), eval_mode(sampler):
        samples = torch.cat([sampler(part) for part in z.split(500)])
    if not samples.isfinite().all():
        raise FloatingPointError("muestras no finitas")
    return samples
