"""El entrenamiento largo con cuadros: python notebooks/estudios/05_larga.py

Protocolo, escrito antes de mirar ningún resultado. La combinación elegida con 05_criba.csv (la
constante ``CHOSEN`` de condicional_05.py) con los mismos cuadros, los mismos apartados y la semilla
0. En diez momentos a igual distancia se mide lo mismo que en 05_criba.py y, además:

- Exactitud: proporción de 2000 cuadros generados en los que un lector independiente lee el estilo
  que se pidió. El lector (lector_05.py) se entrena con los cuadros de entrenamiento. La fila del
  momento 0 es la de los cuadros apartados: lo que el lector acierta en lo real que no ha visto.

Escribe 05_larga.csv y se reanuda por la última copia. El cuaderno 05.2 sigue de esas copias.
"""

import importlib
import time
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from condicional_05 import CHOSEN, PaintingTraining
from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir
from lector_05 import read_styles, train_reader

screening = importlib.import_module("05_criba")
MOMENTS, READER_EPOCHS = 10, 15
RESULTS = ("imágenes", *screening.QUALITY, "exactitud", "segundos de CPU")


def accuracy(reader: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Proporción de cuadros en los que se lee el estilo ``labels``."""
    return round((read_styles(reader, images) == labels).double().mean().item(), 4)


def control(reader: nn.Module, momento: int) -> dict[str, float]:
    """Lo mismo que se mide en cada momento, en los cuadros apartados."""
    real = screening.data()
    row = screening.quality([real.apart], screening.seen())
    exact = accuracy(reader, real.apart, real.apart_labels)
    return {"imágenes": 0, **row, "exactitud": exact, "segundos de CPU": 0}


def measure(training: PaintingTraining, reader: nn.Module, momento: int) -> dict[str, float]:
    """Entrena hasta el momento que toca y mide."""
    start = time.process_time()
    history = training.run(epochs=training.epochs * momento // MOMENTS)
    if history.interrupted:
        raise KeyboardInterrupt
    seconds = round(time.process_time() - start, 1)
    draws = [training.sample(screening.COUNT, screening.FIRST + k) for k in range(screening.DRAWS)]
    row = {"imágenes": history.step * training.batches.batch_size}
    row |= screening.quality([images for images, _ in draws], screening.seen())
    return row | {"exactitud": accuracy(reader, *draws[0]), "segundos de CPU": seconds}


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("05_larga.csv"), __doc__)
    with announced_stop():
        real = screening.data()
        reader = train_reader(real.images, real.labels, len(real.styles), READER_EPOCHS)
        run_study(options.out, [{"momento": 0}], partial(control, reader), RESULTS)
        settings = replace(CHOSEN, classes=len(real.styles))
        folder = results_dir("05_larga") / "elegida"
        training = PaintingTraining(real.images, real.labels, settings, folder)
        runs = [{"momento": m + 1} for m in range(MOMENTS)]
        run_study(options.out, runs, partial(measure, training, reader), RESULTS)


if __name__ == "__main__":
    main()
