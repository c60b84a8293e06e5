"""Con pocas caras, con DiffAugment y sin él: python notebooks/estudios/04_pocas_caras.py

Protocolo, escrito antes de mirar ningún resultado: 2000 de las caras que encuentra ``faces(64)``,
elegidas al azar; las demás, hasta 1000, se apartan y no se entrena con ellas. La receta del
cuaderno 04.2 con DiffAugment y sin él, y nada más cambia. Tres semillas, unas 120 000 imágenes
vistas. Se mide en cinco momentos a igual distancia, con 2000 muestras de la media móvil de G:

- FTD y exhaustividad frente a las 2000 caras de entrenamiento, y cobertura.
- Autenticidad (AuthPct): proporción de muestras que no parecen copia de una cara de entrenamiento.
  La de las caras apartadas, que no pueden ser copias, está en la fila «caras apartadas».
- Ventaja: lo que D da de más a las caras con que se entrena, respecto a las apartadas, dividido por
  la desviación de estas. Si D aprende qué es una cara, ronda 0; si las memoriza, crece.

Escribe 04_pocas_caras.csv y se reanuda por la última copia. Con ``--shard i/6``, cada proceso hace
un entrenamiento; cada uno cuesta algo más de diez minutos de un núcleo.
"""

import time
from functools import cache
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from gancook.data.shipped import measured
from gancook.measure.evaluation import sample
from gancook.measure.extractors import Features, extract
from gancook.measure.metrics import (
    authenticity,
    density_coverage,
    frechet_distance,
    precision_recall,
)
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.measure.toy_network import load_toy_network
from gancook.session import results_dir, temporary_seed
from mejor_04 import Z_SIZE, FaceTraining, Settings, advantage, split_faces
from rostros_04 import faces

COUNT, SEEN, MOMENTS, SEEDS = 2000, 120_000, 5, range(3)
RESULTS = ("FTD", "exhaustividad", "cobertura", "autenticidad", "ventaja", "segundos de CPU")
UNITS = list(product(("sí", "no"), SEEDS))


@cache
def data() -> tuple[Tensor, Tensor]:
    """Las caras de entrenamiento y las apartadas, en bytes (N, 3, 64, 64)."""
    images = faces(64, drawn=COUNT + 1000).images
    chosen, apart = split_faces(len(images), COUNT)
    return torch.from_numpy(images[chosen]), torch.from_numpy(images[apart])


@cache
def seen() -> Features:
    return look(data()[0])


def look(images: Tensor) -> Features:
    with temporary_seed(0):  # crear la red gasta azar, y se mide a mitad de entrenar
        return extract(load_toy_network(), images)


def compare(images: Tensor, trained: Features) -> dict[str, float]:
    """Las cuatro medidas de unas imágenes (N, 3, 64, 64) frente a las de entrenamiento."""
    real, fake = trained.deep, look(images).deep
    n = min(len(real), len(fake))
    row = {"FTD": frechet_distance(real, fake)}
    row["exhaustividad"] = precision_recall(real[:n], fake[:n])[1]
    row["cobertura"] = density_coverage(real[:n], fake[:n])[1]
    return row | {"autenticidad": authenticity(fake, real)}


def measure(training: FaceTraining, momento: int, **run: str | int) -> dict[str, float]:
    """Entrena hasta el momento que toca y mide."""
    start = time.process_time()
    if training.run(epochs=training.epochs * momento // MOMENTS).interrupted:
        raise KeyboardInterrupt
    seconds = round(time.process_time() - start, 1)
    with temporary_seed(1000):
        images = sample(training.ema, COUNT, Z_SIZE)
    row = compare(images, seen()) | {"ventaja": advantage(training.D.network[-1], *data())}
    return {name: round(value, 4) for name, value in row.items()} | {"segundos de CPU": seconds}


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("04_pocas_caras.csv"), __doc__)
    first, step = options.shard
    with announced_stop():
        control = {"aumento": "caras apartadas", "semilla": 0, "momento": 0}
        run_study(options.out, [control], lambda **run: compare(data()[1], seen()), RESULTS)
        for augment, seed in UNITS[first - 1 :: step]:
            study(options.out, augment, seed)


def study(path: Path, augment: str, seed: int) -> None:
    """Un entrenamiento, con una fila por momento."""
    settings = Settings(SEEN, augment=augment == "sí", seed=seed)
    folder = results_dir("04_pocas_caras") / f"{augment}_{seed}"
    training = FaceTraining(data()[0], settings, folder)
    runs = [{"aumento": augment, "semilla": seed, "momento": m + 1} for m in range(MOMENTS)]
    run_study(path, runs, lambda **run: measure(training, **run), RESULTS)


if __name__ == "__main__":
    main()
