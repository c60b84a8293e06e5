"""Con qué se mide cada generador de los estudios del 03.2 y el 03.3, y en qué filas se apunta."""

import time
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from gancook.data.sets import fashion_mnist
from gancook.measure.evaluation import sample
from gancook.measure.extractors import Features, extract, load_classifier
from gancook.measure.metrics import density_coverage, frechet_distance, precision_recall
from gancook.measure.studies import Run, run_study
from gancook.session import temporary_seed
from receta_03 import Training

Z_SIZE, CLASSES = 100, 10
DRAWS, COUNT, NEIGHBOURS = 5, 10_000, 3000
FIRST = 1000  # semilla del primer sorteo; las pequeñas son de los entrenamientos
DOUBT = 0.6  # una muestra a la que el clasificador da menos confianza es dudosa
SHARES = tuple(f"clase {k}" for k in range(CLASSES))
DISTANCES = tuple(f"FCD {k}" for k in range(CLASSES))
SECONDS = "segundos de CPU"
QUALITY = ("FCD", "± FCD", "precisión", "exhaustividad", "cobertura", "dudosas")
QUALITY = (*QUALITY, *SHARES, *DISTANCES)


def curve(path: Path, training: Training, label: Run, points: int) -> None:
    """Entrena y apunta la FCD de cada media móvil en ``points`` pasos a igual distancia.

    Las filas llevan ``label``, el paso y la media móvil. Los segundos son los de entrenar desde
    la fila anterior; si se mató a medias, los de lo que faltaba.
    """
    total = training.step.total
    steps = [total * k // points for k in range(1, points + 1)]
    runs = [label | {"paso": p, "ema": e} for p in steps for e in training.averages]

    def measure(paso: int, ema: float, **label: str | int | float) -> dict[str, float]:
        seconds = advance(training, paso)
        return {"FCD": fcd(training.averages[ema]), SECONDS: seconds}

    run_study(path, runs, measure, ("FCD", SECONDS))


def finish(path: Path, training: Training, label: Run) -> None:
    """Entrena hasta el final y apunta cada media móvil con todas las medidas de ``QUALITY``."""
    total = training.step.total

    def measure(ema: float, **label: str | int | float) -> dict[str, float]:
        seconds = advance(training, total)
        return {"pasos": total} | quality(training.averages[ema]) | {SECONDS: seconds}

    runs = [label | {"ema": decay} for decay in training.averages]
    run_study(path, runs, measure, ("pasos", *QUALITY, SECONDS))


def advance(training: Training, step: int) -> float:
    """Entrena hasta el paso ``step`` y devuelve los segundos de CPU que ha tardado."""
    start = time.process_time()
    training.until(step)
    return round(time.process_time() - start, 1)


def quality(network: nn.Module) -> dict[str, float]:
    """Las columnas de ``QUALITY``, con ``DRAWS`` sorteos de ``COUNT`` muestras cada uno.

    La FCD es la media de los sorteos, y ``± FCD`` su desviación. Precisión, exhaustividad y
    cobertura, con ``NEIGHBOURS`` muestras del primero. Lo demás, con todas: la proporción de
    dudosas, la de cada clase según el clasificador y la FCD entre las muestras y las imágenes
    reales que él pone en la clase; ``nan`` si hay menos de 65, que no dan para la covarianza.
    """
    draws = [look(network, seed) for seed in range(FIRST, FIRST + DRAWS)]
    distances = torch.tensor([frechet_distance(real().deep, fake.deep) for fake in draws])
    row = {"FCD": distances.mean().item(), "± FCD": distances.std().item()}
    row |= _neighbours(draws[0])
    logits, deep = (torch.cat([getattr(f, n) for f in draws]) for n in ("logits", "deep"))
    row["dudosas"] = (logits.softmax(dim=1).amax(dim=1) < DOUBT).double().mean().item()
    row |= _classes(logits.argmax(dim=1), deep)
    return {name: round(row[name], 4) for name in QUALITY}


def fcd(network: nn.Module, seed: int = FIRST - 1) -> float:
    """FCD de un solo sorteo que ``quality`` no usa, para una curva o para elegir con ella."""
    return round(frechet_distance(real().deep, look(network, seed).deep), 4)


def look(network: nn.Module, seed: int) -> Features:
    """Lo que ve el clasificador en ``COUNT`` muestras; no altera el azar global."""
    with temporary_seed(seed):
        return extract(_classifier(), sample(network, COUNT, Z_SIZE))


@cache
def real() -> Features:
    """Lo que ve en las 60 000 imágenes de entrenamiento."""
    return extract(_classifier(), fashion_mnist().images)


@cache
def _classifier() -> nn.Module:
    with temporary_seed(0):  # crearlo gasta azar, y se mide a mitad de entrenar
        return load_classifier()


def _neighbours(fake: Features) -> dict[str, float]:
    """Las métricas de vecinos; las imágenes de FashionMNIST ya vienen barajadas."""
    wide = real().wide[:NEIGHBOURS], fake.wide[:NEIGHBOURS]
    precision, recall = precision_recall(*wide)
    coverage = density_coverage(*wide)[1]
    return {"precisión": precision, "exhaustividad": recall, "cobertura": coverage}


def _classes(found: Tensor, deep: Tensor) -> dict[str, float]:
    row, true = {}, real().logits.argmax(dim=1)
    for k, share, distance in zip(range(CLASSES), SHARES, DISTANCES, strict=True):
        ours, theirs = deep[found == k], real().deep[true == k]
        row[share] = len(ours) / len(deep)
        enough = min(len(ours), len(theirs)) > deep.shape[1]
        row[distance] = frechet_distance(theirs, ours) if enough else float("nan")
    return row
