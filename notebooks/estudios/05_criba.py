"""Qué cambiar en la receta para pintar cuadros: python notebooks/estudios/05_criba.py [--shard i/4]

Protocolo, escrito antes de mirar ningún resultado. Los cuadros de ``wikiart(64)`` sin los repetidos
(de cada pareja queda el primero); 2000 al azar se apartan y se entrena con los demás. La receta del
cuaderno 04.2 y variantes que cambian una o dos cosas, con 60 000 imágenes vistas y la semilla 0. Se
mide la media móvil de G, al acabar, con 2000 muestras frente a los cuadros de entrenamiento: FTD
(media y desviación de cinco sorteos) y, con el primer sorteo, exhaustividad y cobertura, frente a
2000 de ellos, y autenticidad. La fila «cuadros apartados» es lo que da lo real: los 2000 apartados,
que no se han usado, medidos del mismo modo.

Dos cambios posteriores. «Estilo pegado y repetición» era al principio la manera de pedir el estilo;
al ver su resultado se pensó otra, la que hoy se llama «estilo», y se entrenaron con ella las filas
que la llevan. La última fila reúne lo que había bajado la FTD, y se añadió al ver las demás.

Una semilla y un entrenamiento corto: sirve para escoger con qué seguir, no para decir cuánto aporta
cada cosa. «± FTD» es la dispersión de las muestras, no la de repetir el entrenamiento.

Escribe 05_criba.csv y se reanuda por la última copia (los segundos son entonces los de lo que
faltaba). Cada variante cuesta de 5 a 15 minutos de un núcleo.
"""

import importlib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from condicional_05 import STYLES, PaintingSettings, PaintingTraining
from duplicados_05 import dhash, near_pairs
from gancook.measure.extractors import Features
from gancook.measure.metrics import frechet_distance
from gancook.measure.studies import study_command
from gancook.session import results_dir, temporary_seed
from wikiart_05 import Paintings, wikiart

few = importlib.import_module("04_pocas_caras")
COUNT, DRAWS, SEEN = 2000, 5, 60_000
FIRST = 1000  # semilla del primer sorteo; las pequeñas son de los entrenamientos
CONTROL = "cuadros apartados"
VARIANTS = {
    "base": {},
    "repetición": {"repeat": True},
    "γ = 2": {"gamma": 2.0},
    "γ = 10": {"gamma": 10.0},
    "estilo": {"classes": len(STYLES)},
    "estilo y repetición": {"classes": len(STYLES), "repeat": True},
    "sin DiffAugment": {"augment": False},
    "anchura 48": {"width": 48},
    "estilo pegado y repetición": {"classes": len(STYLES), "repeat": True, "pasted": True},
    "estilo, repetición y γ = 2": {"classes": len(STYLES), "repeat": True, "gamma": 2.0},
}
QUALITY = "FTD", "± FTD", "exhaustividad", "cobertura", "autenticidad"
RESULTS = ("imágenes", *QUALITY, "segundos de CPU")


class Split(NamedTuple):
    """Cuadros en bytes (N, 3, 64, 64) con sus estilos (N,), los (M, …) apartados y los nombres."""

    images: Tensor
    labels: Tensor
    apart: Tensor
    apart_labels: Tensor
    styles: tuple[str, ...]


def split_paintings(found: Paintings, apart: int) -> Split:
    """Aparta ``apart`` cuadros al azar, siempre los mismos, y de cada pareja repetida deja uno.

    Se construye en el cuaderno 05.2, §1.
    """
    repeated = near_pairs(dhash(found.images), 3).j
    kept = np.setdiff1d(np.arange(len(found.images)), repeated)
    with temporary_seed(0):
        kept = kept[torch.randperm(len(kept)).numpy()]
    both = found.images, found.labels
    arrays = [array[part] for part in (kept[apart:], kept[:apart]) for array in both]
    return Split(*map(torch.from_numpy, arrays), found.styles)


@cache
def data() -> Split:
    return split_paintings(wikiart(64, drawn=12_000), COUNT)


@cache
def seen() -> Features:
    return few.look(data().images)


def quality(draws: Sequence[Tensor], trained: Features) -> dict[str, float]:
    """Las columnas de ``QUALITY``: la FTD, de todos los sorteos; lo demás, del primero."""
    row = few.compare(draws[0], trained)
    distances = [row["FTD"]]
    distances += [frechet_distance(trained.deep, few.look(images).deep) for images in draws[1:]]
    row["FTD"] = np.mean(distances)
    row["± FTD"] = np.std(distances, ddof=1) if len(draws) > 1 else float("nan")
    return {name: round(float(row[name]), 4) for name in QUALITY}


def measure(variante: str) -> dict[str, float]:
    """Entrena una variante y la mide."""
    torch.set_num_threads(1)
    if variante == CONTROL:
        return {"imágenes": 0, **quality([data().apart], seen()), "segundos de CPU": 0}
    settings = PaintingSettings(SEEN, **VARIANTS[variante])
    if settings.classes > 1:  # si los cuadros son otros, los estilos que tengan
        settings = replace(settings, classes=len(data().styles))
    folder = results_dir("05_criba") / variante.replace(" ", "_")
    training = PaintingTraining(data().images, data().labels, settings, folder)
    start = time.process_time()
    history = training.run()
    if history.interrupted:
        raise KeyboardInterrupt
    seconds = round(time.process_time() - start, 1)
    draws = [training.sample(COUNT, FIRST + k)[0] for k in range(DRAWS)]
    row = {"imágenes": history.step * settings.batch, **quality(draws, seen())}
    return row | {"segundos de CPU": seconds}


if __name__ == "__main__":
    runs = [{"variante": name} for name in (CONTROL, *VARIANTS)]
    study_command("05_criba.csv", runs, measure, RESULTS, __doc__)
