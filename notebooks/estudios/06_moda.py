"""El banco de FashionMNIST del cuaderno 06: python notebooks/estudios/06_moda.py [--shard i/n]

Protocolo, escrito antes de mirar ningún resultado, salvo los dos últimos puntos:

- Datos: las 60 000 imágenes de entrenamiento, en [−1, 1].
- Redes y pasos: los del cuaderno 03.3, con una convolución 3×3 en cada red (D no lleva BN), pesos
  N(0, 0,02), ruido de 100 números, lotes de 64 y Adam con betas (0,5, 0,999), salvo si la técnica
  dice otra cosa. Las redes calculan en bf16 donde el equipo sabe. Una corrida es una época: todas
  ven cada imagen una vez, y las que dan cinco pasos de D por cada uno de G dan la quinta parte de
  los de G.
- Técnicas: las de IMAGES, al menos una de cada familia.
- Medida: FCD con 10 000 muestras, y exhaustividad y cobertura con 3000 (cuaderno 07.1). Se
  apunta también la FRD, que no usa el clasificador: la regularización perceptual entrena contra él
  y su FCD no se puede comparar con las demás.
- Tasa de aprendizaje: la de menor FCD de RATES, por técnica, con la semilla 100 y un tercio de
  época. Una corrida que diverge pierde.
- Corridas: con esa tasa, semillas 0 a 2 y la época entera.
- A igual tiempo, añadido después de ver las filas de la receta y las de la del cuaderno 03.3: la
  primera penaliza en cada paso y cuesta casi el doble que la del 03, que lo hace en uno de cada
  ocho. Se añade la receta con esa pereza, y las dos perezosas se miden también con dos épocas. Las
  semillas son las mismas; quien quiera confirmarlo necesita otras.
- Control, añadido también después: la tasa de la simple salió de casi un empate con una semilla
  (27,4 con 5e-4 y 29,7 con 1e-3), así que sus tres corridas se repiten con la otra.

Escribe 06_moda_tasas.csv y 06_moda.csv, y se reanuda como el banco de las mezclas.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

import redes_03
from capas_06 import SelfAttention
from dinamica_06 import feature_distance
from gancook.data.batches import Batches
from gancook.data.images import to_uint8
from gancook.data.sets import fashion_mnist
from gancook.data.shipped import measured
from gancook.measure.evaluation import Reference, evaluate, reference
from gancook.measure.extractors import RandomProjection, load_classifier
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import seed_everything
from gancook.training.precision import MixedPrecision
from gancook.training.steps import AdversarialStep, Logs
from tecnicas_06 import PLAIN, TECHNIQUES, Technique, build, front, last, train

Z_SIZE, BATCH, COUNT = 100, 64, 10_000
RATES = (2e-4, 5e-4, 1e-3)
SEARCH, WHOLE = 20_000, 60_000  # imágenes de una corrida de la búsqueda y de una que cuenta
CONTROL = {"GAN simple": 1e-3}  # la segunda tasa de la búsqueda, casi empatada con la primera
LONGER = {"receta del 03": [120_000], "receta perezosa": [120_000]}  # por lo que cuesta «receta»
RESULTS = ("FCD", "exhaustividad", "cobertura", "FRD", "segundos de CPU")


@dataclass
class PerceptualStep(AdversarialStep):
    """A la pérdida de G se suma lo que se apartan las medias de una red ya entrenada.

    Args:
        look: función de imágenes (B, C, H, W) en [−1, 1] a las características (B, n) de esa red.
        pull: el factor λ de :func:`feature_distance`.

    Se construye en el cuaderno 06.4, §6.
    """

    look: Callable[[Tensor], Tensor] | None = None
    pull: float = 1.0

    def generator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        with torch.no_grad():  # lo real no depende de G
            wanted = self.look(real)
        distance = feature_distance(wanted, self.look(fake))
        return super().generator_terms(real, fake) | {"perceptual": self.pull * distance}


BASE = replace(PLAIN, init=True)
SHARED = [  # las del banco de las mezclas que se miden también aquí
    "GAN simple",
    "receta",
    "relativista emparejada",
    "R1 y R2",
    "bisagra",
    "LSGAN",
    "N. espectral en D",
    "desviación del lote",
    "PacGAN2",
    "TTUR",
    "EMA",
    "etiqueta 0,9",
    "WGAN-GP",
]
CHANGES = {  # lo que en las imágenes tiene otra escala
    "R1 y R2": {"weight": 0.025},
    "receta": {"weight": 0.025},
    "WGAN-GP": {"weight": 10.0, "betas": (0.0, 0.9)},
}
LAZY = replace(TECHNIQUES["receta"], init=True, weight=0.025, every=8)
IMAGES = {
    name: replace(TECHNIQUES[name], init=True, **CHANGES.get(name, {})) for name in SHARED
} | {
    "DiffAugment": replace(BASE, augment=True),
    "autoatención": replace(BASE, attention=True),
    "regularización perceptual": replace(BASE, step=PerceptualStep),
    # a igual tiempo: penalizan en uno de cada ocho pasos
    "receta del 03": replace(LAZY, betas=(0.5, 0.99), decay="mitad", ema=0.999),
    "receta perezosa": LAZY,
}


def run(tecnica: str, tasa: float, imagenes: int, semilla: int) -> dict[str, float]:
    """Entrena una técnica y la mide; ``FloatingPointError`` si diverge."""
    start = time.process_time()
    images = sample(tecnica, tasa, imagenes, semilla)
    seconds = round(time.process_time() - start, 1)
    row = evaluate(images, references()[0], tecnica, count=len(images)).iloc[0]
    report = {name: round(row[name], 4) for name in RESULTS[:3]}
    other = evaluate(images, references()[1], tecnica, count=len(images)).iloc[0]
    return report | {"FRD": round(other["FRD"], 4), "segundos de CPU": seconds}


def sample(tecnica: str, lr: float, count: int, seed: int) -> Tensor:
    """``COUNT`` imágenes (N, 1, 28, 28) en bytes del generador entrenado."""
    seed_everything(seed)
    technique = IMAGES[tecnica]
    size = BATCH * technique.options.get("n_critic", 1)
    images = data("train")[:count]
    epochs = max(1, count // len(images))
    batches = Batches(images, size, seed=seed)
    parts = assemble(technique, lr, epochs * len(batches))
    every = chain.from_iterable(batches.epoch(number) for number in range(epochs))
    return to_uint8(train(*parts, every, torch.randn(COUNT, Z_SIZE)))


def assemble(technique: Technique, lr: float, steps: int) -> tuple[Callable, nn.Module, Callable]:
    """Las redes de la técnica y su paso, como los devuelve :func:`tecnicas_06.build`."""
    step, *rest = build(technique, generator(technique), critic(technique), Z_SIZE, lr, steps)
    step.D, step.G = (MixedPrecision(network, "cpu") for network in (step.D, step.G))
    if technique.step is PerceptualStep:
        classifier = load_classifier()
        step.look = lambda x: classifier.hidden(classifier.convolutions((x + 1) / 2))
    return step, *rest


def generator(technique: Technique) -> nn.Module:
    """El del 03.3, con una 3×3 y lo que cambie la técnica: z (B, 100) → (B, 1, 28, 28)."""
    network = redes_03.generator("7×7")
    if technique.attention:
        network.insert(10, SelfAttention(64))  # tras la ReLU que está a 14×14
    return network


def critic(technique: Technique) -> nn.Sequential:
    """El del 03.3, con una 3×3: (B, 1, 28, 28) → logits (B, 1), o (B/m, 1) por paquetes."""
    body = [
        nn.Conv2d(technique.pack, 64, 4, 2, 1),
        nn.LeakyReLU(0.2),
        *([SelfAttention(64)] if technique.attention else []),
        nn.Conv2d(64, 128, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 128, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
    ]
    return nn.Sequential(*front(technique), *body, *last(technique, 6272))


@cache
def data(split: str) -> Tensor:
    return fashion_mnist(split).images


@cache
def references() -> tuple[Reference, Reference]:
    """Los datos vistos por el clasificador y por la proyección al azar."""
    train, test = data("train"), data("test")
    return reference(train, test), reference(train, test, RandomProjection())


def runs(tecnica: str, rates: Sequence[float], count: int, seeds: Sequence[int]) -> list[dict]:
    return [
        dict(tecnica=tecnica, tasa=rate, imagenes=count, semilla=seed)
        for rate in rates
        for seed in seeds
    ]


def bench(folder: Path, tecnica: str) -> None:
    """La búsqueda de la tasa y, con la mejor, las tres semillas."""
    rates, table = folder / "06_moda_tasas.csv", folder / "06_moda.csv"
    run_study(rates, runs(tecnica, RATES, SEARCH, [100]), run, RESULTS)
    tried = pd.read_csv(rates).query("tecnica == @tecnica").fillna({"FCD": float("inf")})
    best = tried.set_index("tasa")["FCD"].idxmin()
    for count in (WHOLE, *LONGER.get(tecnica, [])):
        run_study(table, runs(tecnica, [best], count, range(3)), run, RESULTS)
    if tecnica in CONTROL:
        run_study(table, runs(tecnica, [CONTROL[tecnica]], WHOLE, range(3)), run, RESULTS)


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured(""), __doc__)
    first, step = options.shard
    with announced_stop():
        for name in list(IMAGES)[first - 1 :: step]:
            bench(options.out, name)


if __name__ == "__main__":
    main()
