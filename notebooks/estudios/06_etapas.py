"""Dos etapas y crecimiento progresivo, medidos: python notebooks/estudios/06_etapas.py

Protocolo, escrito antes de mirar ningún resultado:

- Datos: las 60 000 imágenes de entrenamiento de FashionMNIST, en [−1, 1].
- Redes, pasos y ajustes: los del cuaderno 06.4, §1, §3 y §4, que están en etapas_06.py. Pérdida
  relativista, R1 y R2 una vez de cada ocho pasos, Adam de tasa 0,001 y betas (0,5, 0,99), lotes de
  64 imágenes sacadas al azar con repetición y media móvil de 0,99 de los pesos de G, que es de la
  que se muestrea. No se busca otra tasa para ninguna fila. Cada etapa empieza con optimizadores y
  media móvil nuevos. Las redes calculan en bf16 donde el equipo sabe.
- Filas: dos técnicas, cada una junto a la GAN «de una vez» con la que se compara. En las cuatro, D
  ve 59 392 imágenes reales, que son 928 lotes:
  - «de una vez 28×28»: las redes del §1.
  - «dos etapas»: 464 lotes de siluetas con las redes del §1 y 464 de prendas con las del §3. Se
    generan siluetas, se toma su signo y se visten.
  - «de una vez 32×32»: las redes del §4 ya crecidas, sin fundido, todos los lotes a 32×32.
  - «progresiva»: 160 lotes a 8×8, 256 a 16×16 y 512 a 32×32, la proporción del §4 (250, 400 y 800).
    El fundido ocupa la primera mitad de la segunda etapa y de la tercera.
- «progresiva, a igual tiempo»: el mismo reparto con 1218 lotes (210, 336 y 672). Con los costes del
  §7 (0,29 y 0,57 de lo que cuesta un lote a 32×32) duran lo que 924 lotes a 32×32. Para las dos
  etapas no hay otra fila: allí un lote de prendas cuesta 1,11 de lo que cuesta uno de siluetas.
- «datos reales»: las 10 000 imágenes de prueba, sin entrenar nada. «reales sin restos»: las mismas
  con el fondo borrado como en el §3. Las dos etapas aprenden de prendas así.
- Medida: FCD con 10 000 muestras, y exhaustividad y cobertura con 3000 (cuaderno 07.1). De
  las imágenes de 32×32 se mide el centro, de 28×28: lo demás es el borde que se añadió.
- Corridas: semillas 0 a 2.

Escribe 06_etapas.csv y se reanuda como los demás estudios.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from etapas_06 import (
    GROWTH,
    Z_SIZE,
    Dresser,
    DressStep,
    FadingStep,
    GrowingCritic,
    GrowingGenerator,
    PenalizedStep,
    halve,
    join,
    make_critic,
    make_generator,
)
from gancook.data.batches import Batches
from gancook.data.images import to_uint8
from gancook.data.sets import fashion_mnist
from gancook.measure.evaluation import Reference, evaluate, reference
from gancook.measure.studies import study_command
from gancook.session import seed_everything
from gancook.training.dynamics import average
from gancook.training.layers import init_weights
from gancook.training.losses import relativistic_loss
from gancook.training.precision import MixedPrecision
from tecnicas_06 import train

BATCH, COUNT, EDGE = 64, 10_000, 16
RESULTS = ("FCD", "exhaustividad", "cobertura", "segundos de CPU")


def run(tecnica: str, imagenes: int, semilla: int) -> dict[str, float]:
    """Entrena una fila y la mide; ``FloatingPointError`` si diverge."""
    plan = PLANS[tecnica]
    start = time.process_time()
    seed_everything(semilla)
    images = to_uint8(plan.sample(split(imagenes // BATCH, plan.shares), semilla))
    seconds = round(time.process_time() - start, 1)
    row = evaluate(images, truth(), tecnica, count=len(images)).iloc[0]
    return {name: round(row[name], 4) for name in RESULTS[:3]} | {"segundos de CPU": seconds}


def split(steps: int, shares: tuple[int, ...]) -> list[int]:
    """Reparte los lotes entre las etapas en proporción a ``shares``; lo que sobre no se da."""
    return [steps * share // sum(shares) for share in shares]


def at_once(steps: list[int], seed: int) -> Tensor:
    return train_stage(make_critic(), make_generator(), data("train"), steps[0], seed, noise())


def two_stages(steps: list[int], seed: int) -> Tensor:
    """Siluetas inventadas y después vestidas (N, 1, 28, 28)."""
    inside, images = silhouettes(data("train")), data("train")
    G, D = make_generator(), make_critic()
    shapes = train_stage(D, G, inside, steps[0], seed, noise())
    outlines = torch.where(shapes > 0, 1.0, -1.0)
    pairs = torch.cat([inside, images * (inside > 0)], dim=1)  # (60000, 2, 28, 28)
    G, D = Dresser().apply(init_weights), make_critic(channels=2)
    return train_stage(D, G, pairs, steps[1], seed + 10, join(outlines, noise()), DressStep)


def at_once_32(steps: list[int], seed: int) -> Tensor:
    G, D = GrowingGenerator(), GrowingCritic()
    for channels in GROWTH.values():
        grow(G, D, channels, alpha=1.0)
    return crop(train_stage(D, G, pyramid(data("train"))[32], steps[0], seed, noise()))


def progressive(steps: list[int], seed: int) -> Tensor:
    """Etapas de 8×8, 16×16 y 32×32; devuelve el centro (N, 1, 28, 28) de lo que da la última."""
    images, z = pyramid(data("train")), noise()
    G, D = GrowingGenerator(), GrowingCritic()
    samples = train_stage(D, G, images[8], steps[0], seed, z)
    for number, (side, channels) in enumerate(GROWTH.items(), start=1):
        grow(G, D, channels, alpha=0.0)
        order = seed + 10 * number  # cada etapa saca otras imágenes
        samples = train_stage(D, G, images[side], steps[number], order, z, FadingStep)
    return crop(samples)


def grow(G: nn.Module, D: nn.Module, channels: tuple[int, int], alpha: float) -> None:
    for network in (G, D):
        network.grow(*channels)
        network.alpha = alpha


def train_stage(
    D: nn.Module,
    G: nn.Module,
    images: Tensor,
    steps: int,
    seed: int,
    z: Tensor,
    kind: type = PenalizedStep,
) -> Tensor:
    """Una etapa con la receta del cuaderno 06.4; devuelve lo que da con ``z`` la media móvil de G.

    Con :class:`FadingStep`, α sube de 0 a 1 en la primera mitad.
    """
    D, G = (MixedPrecision(network, "cpu") for network in (D, G))
    optimizers = [torch.optim.Adam(n.parameters(), 1e-3, (0.5, 0.99)) for n in (D, G)]
    step = kind(D, G, *optimizers, relativistic_loss, relativistic_loss, Z_SIZE)
    ema = average(G, 0.99)
    fading = (D.network, G.network, ema.module.network) if kind is FadingStep else ()

    def after(done: int) -> None:
        ema.update_parameters(G)
        for network in fading:
            network.alpha = min(1.0, 2 * done / steps)

    batches = Batches(images, BATCH, seed=seed, replacement=True, steps=steps)
    return train(step, ema, after, batches.epoch(0), z)


def noise() -> Tensor:
    return torch.randn(COUNT, Z_SIZE)


def silhouettes(images: Tensor) -> Tensor:
    """255 donde hay prenda y 0 donde no, en bytes de la misma forma."""
    return (images > EDGE).byte() * 255


def pyramid(images: Tensor) -> dict[int, Tensor]:
    """Las imágenes (N, 1, 28, 28) con borde, a 32×32, 16×16 y 8×8, en bytes."""
    sides = {32: pad(images, (2, 2, 2, 2))}
    for side in (16, 8):
        parts = sides[2 * side].split(5000)
        sides[side] = torch.cat([halve(part.float()).byte() for part in parts])
    return sides


def crop(images: Tensor) -> Tensor:
    """De 32×32 a 28×28, sin el borde de dos píxeles."""
    return images[..., 2:-2, 2:-2]


@cache
def data(split: str) -> Tensor:
    return fashion_mnist(split).images


@cache
def truth() -> Reference:
    return reference(data("train"), data("test"))


def held_out(steps: list[int], seed: int) -> Tensor:
    return data("test").float() / 127.5 - 1


def clean_held_out(steps: list[int], seed: int) -> Tensor:
    images = data("test")
    return held_out(steps, seed).masked_fill(silhouettes(images) == 0, -1.0)


@dataclass(frozen=True)
class Plan:
    """De dónde salen las muestras de una fila: ``sample(lotes de cada etapa, semilla)``."""

    sample: Callable[[list[int], int], Tensor]
    shares: tuple[int, ...] = (1,)
    batches: int = 928
    seeds: tuple[int, ...] = (0, 1, 2)


PLANS = {
    "datos reales": Plan(held_out, batches=0, seeds=(0,)),
    "reales sin restos": Plan(clean_held_out, batches=0, seeds=(0,)),
    "de una vez 28×28": Plan(at_once),
    "dos etapas": Plan(two_stages, (1, 1)),
    "de una vez 32×32": Plan(at_once_32),
    "progresiva": Plan(progressive, (5, 8, 16)),
    "progresiva, a igual tiempo": Plan(progressive, (5, 8, 16), 1218),
}
RUNS = [
    dict(tecnica=name, imagenes=plan.batches * BATCH, semilla=seed)
    for name, plan in PLANS.items()
    for seed in plan.seeds
]


def main() -> None:
    torch.set_num_threads(1)
    study_command("06_etapas.csv", RUNS, run, RESULTS, __doc__)


if __name__ == "__main__":
    main()
