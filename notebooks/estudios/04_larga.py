"""Los entrenamientos largos de las caras: python notebooks/estudios/04_larga.py [--shard i/3]

La receta del cuaderno 04.2 con la semilla 0 y dos conjuntos: «todas», las 2000 caras de
04_pocas_caras.py, con 800 000 imágenes vistas, y «dibujadas», 20 000 de toy_faces, con 300 000. En
diez momentos a igual distancia se mide lo mismo que en 04_pocas_caras.py, frente a las primeras
2000 caras con que se entrena. Este protocolo se escribió antes de mirar ningún resultado.

«anchas» se añadió después de ver los de «todas»: las mismas caras y redes con el doble de canales,
que cuestan unas tres veces más por imagen. Son 400 000: una vez y media el tiempo de «todas». Sus
cinco últimos momentos se hicieron con dos hilos, y sus segundos son los de los dos núcleos.

Escribe 04_larga.csv y se reanuda por la última copia. Los cuadernos 04.2 y 04.3 siguen de
esas copias.
"""

import importlib
import time
from functools import partial

import torch
from torch import Tensor

from caras_04 import toy_faces
from gancook.data.shipped import measured
from gancook.measure.evaluation import sample
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir, temporary_seed
from mejor_04 import Z_SIZE, FaceTraining, Settings

few = importlib.import_module("04_pocas_caras")
RUNS = {
    "todas": Settings(800_000),
    "anchas": Settings(400_000, width=64),
    "dibujadas": Settings(300_000),
}
MOMENTS, COUNT = 10, 2000
RESULTS = ("imágenes", "FTD", "exhaustividad", "cobertura", "autenticidad", "segundos de CPU")


def data(name: str) -> Tensor:
    """Las caras de un entrenamiento, en bytes (N, 3, 64, 64)."""
    return toy_faces(20_000).images if name == "dibujadas" else few.data()[0]


def measure(training: FaceTraining, real: Tensor, momento: int, **run: str) -> dict[str, float]:
    """Entrena hasta el momento que toca y mide."""
    start = time.process_time()
    history = training.run(epochs=training.epochs * momento // MOMENTS)
    if history.interrupted:
        raise KeyboardInterrupt
    seconds = round(time.process_time() - start, 1)
    with temporary_seed(1000):
        row = few.compare(sample(training.ema, COUNT, Z_SIZE), few.look(real[:COUNT]))
    row = {name: round(value, 4) for name, value in row.items()}
    return row | {"imágenes": history.step * 64, "segundos de CPU": seconds}


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("04_larga.csv"), __doc__)
    first, step = options.shard
    with announced_stop():
        for name in [*RUNS][first - 1 :: step]:
            real = data(name)
            training = FaceTraining(real, RUNS[name], results_dir("04_larga") / name)
            runs = [{"caras": name, "momento": m + 1} for m in range(MOMENTS)]
            run_study(options.out, runs, partial(measure, training, real), RESULTS)


if __name__ == "__main__":
    main()
