"""Si se obedece donde se sabe la verdad: python notebooks/estudios/05_familias.py

12 000 cuadros de ``toy_paintings``, 2000 de ellos apartados. El mismo modelo condicionado del
cuaderno 05.2, con una familia por estilo, 32 canales, repetición, 60 000 imágenes y la semilla 0.
Un lector (lector_05.py), entrenado con los mismos 10 000, lee la familia de los apartados y la de
2000 inventados. Cada fila es la de una familia: en qué proporción de sus cuadros se lee cada una.

Escribe 05_familias.csv y se reanuda por la última copia. Cuesta unos diez minutos de un núcleo.
"""

from functools import cache

import torch

from condicional_05 import PaintingSettings, PaintingTraining
from gancook.measure.studies import study_command
from gancook.session import results_dir
from lector_05 import confusion, read_styles, train_reader
from pinturas_05 import FAMILIES, toy_paintings

COUNT, APART, SEEN, READER_EPOCHS = 12_000, 2000, 60_000, 15


@cache
def matrices() -> dict[str, torch.Tensor]:
    """Las dos matrices de confusión: la de los apartados y la de los inventados."""
    torch.set_num_threads(1)
    toys = toy_paintings(COUNT)
    images, labels = toys.images[APART:], toys.labels[APART:]
    reader = train_reader(images, labels, len(FAMILIES), READER_EPOCHS)
    settings = PaintingSettings(SEEN, classes=len(FAMILIES), repeat=True)
    training = PaintingTraining(images, labels, settings, results_dir("05_familias"))
    if training.run().interrupted:
        raise KeyboardInterrupt
    groups = {"apartados": (toys.images[:APART], toys.labels[:APART])}
    groups["inventados"] = training.sample(APART, 1000)
    return {
        name: confusion(asked, read_styles(reader, pictures), len(FAMILIES))
        for name, (pictures, asked) in groups.items()
    }


def measure(cuadros: str, familia: str) -> dict[str, float]:
    """La fila de una familia."""
    row = matrices()[cuadros][FAMILIES.index(familia)]
    return {name: round(value, 4) for name, value in zip(FAMILIES, row.tolist(), strict=True)}


if __name__ == "__main__":
    runs = [{"cuadros": c, "familia": f} for c in ("apartados", "inventados") for f in FAMILIES]
    study_command("05_familias.csv", runs, measure, FAMILIES, __doc__)
