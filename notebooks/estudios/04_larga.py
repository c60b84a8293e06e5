"""Los entrenamientos largos de las caras: python notebooks/estudios/04_larga.py [--shard i/3]

La receta del cuaderno 04.2 con la semilla 0 y dos conjuntos: «todas», las 2000 caras de
04_pocas_caras.py, con 800 000 imágenes vistas, y «dibujadas», 20 000 de toy_faces, con 300 000. En
diez momentos a igual distancia se mide lo mismo que en 04_pocas_caras.py, frente a las primeras
2000 caras con que se entrena. Este protocolo se escribió antes de mirar ningún resultado.

«anchas» se añadió después de ver los de «todas»: las mismas caras y redes con el doble de canales,
que cuestan unas tres veces más por imagen. Son 400 000: una vez y media el tiempo de «todas». Sus
cinco últimos momentos se hicieron con dos hilos, y sus segundos son los de los dos núcleos.
«anchas_mas» se añadió después de ver los de «anchas»: sigue de donde acabó, con la tasa otra vez
entera y 200 000 imágenes más, en cinco momentos.

Escribe 04_larga.csv y se reanuda por la última copia. Los cuadernos 04.2 y 04.3 siguen de
esas copias.
"""

import importlib
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from caras_04 import toy_faces
from gancook.data.shipped import measured
from gancook.measure.evaluation import sample
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir, temporary_seed
from mejor_04 import Z_SIZE, FaceTraining, Settings, follow

few = importlib.import_module("04_pocas_caras")
RUNS = {
    "todas": Settings(800_000),
    "anchas": Settings(400_000, width=64),
    "dibujadas": Settings(300_000),
}
MORE = {"anchas": Settings(200_000, width=64, seed=1)}  # la segunda tanda
MOMENTS, COUNT = 10, 2000
RESULTS = ("imágenes", "FTD", "exhaustividad", "cobertura", "autenticidad", "segundos de CPU")


def data(name: str) -> Tensor:
    """Las caras de un entrenamiento, en bytes (N, 3, 64, 64)."""
    return toy_faces(20_000).images if name == "dibujadas" else few.data()[0]


def measure(
    training: FaceTraining,
    real: Tensor,
    momento: int,
    of: int = MOMENTS,
    before: int = 0,
    **run: str,
) -> dict[str, float]:
    """Entrena hasta el momento que toca y mide.

    ``of``, cuántos momentos hay; ``before``, las imágenes que se vieron en la tanda anterior.
    """
    start = time.process_time()
    history = training.run(epochs=training.epochs * momento // of)
    if history.interrupted:
        raise KeyboardInterrupt
    seconds = round(time.process_time() - start, 1)
    with temporary_seed(1000):
        row = few.compare(sample(training.ema, COUNT, Z_SIZE), few.look(real[:COUNT]))
    row = {name: round(value, 4) for name, value in row.items()}
    return row | {"imágenes": before + history.step * 64, "segundos de CPU": seconds}


def run(out: Path, name: str, training: FaceTraining, real: Tensor, of: int, before: int) -> None:
    """Las filas de un entrenamiento."""
    runs = [{"caras": name, "momento": m + 1} for m in range(of)]
    row = partial(measure, training, real, of=of, before=before)
    run_study(out, runs, row, RESULTS)


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("04_larga.csv"), __doc__)
    first, step = options.shard
    with announced_stop():
        for name in [*RUNS][first - 1 :: step]:
            real, folder = data(name), results_dir("04_larga")
            training = FaceTraining(real, RUNS[name], folder / name)
            run(options.out, name, training, real, MOMENTS, 0)
            if name in MORE:
                seen = training.run().step * 64  # si ya estaba entera, solo carga su última copia
                more = FaceTraining(real, MORE[name], folder / f"{name}_mas")
                follow(more, training)
                run(options.out, f"{name}_mas", more, real, MOMENTS // 2, seen)


if __name__ == "__main__":
    main()
