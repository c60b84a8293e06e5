"""Lo que cuesta un paso de cada técnica de los dos bancos: python notebooks/estudios/06_costes.py

Cada técnica se alterna con la GAN simple en el mismo proceso, con las redes y los lotes de su
banco, y se apunta la mediana de los cocientes de tiempo con el menor y el mayor. Los núcleos han
de estar libres. Escribe 06_costes.csv y 06_moda_costes.csv, y se reanuda como los demás.
"""

import importlib
import time
from collections.abc import Callable
from functools import partial
from types import ModuleType

import torch

from gancook.data.shipped import measured
from gancook.measure.studies import alternated_cost, announced_stop, run_study, study_options
from tecnicas_06 import TECHNIQUES

mixtures, fashion = importlib.import_module("06_banco"), importlib.import_module("06_moda")
RESULTS = ("coste", "mínimo", "máximo")
ROUNDS = 7


def run(clock: Callable[[str], Callable[[], float]], tecnica: str) -> dict[str, float]:
    """Cociente entre el tiempo de un paso de la técnica y el de uno de la GAN simple."""
    return alternated_cost(clock("GAN simple"), clock(tecnica), ROUNDS)


def mixture_clock(tecnica: str) -> Callable[[], float]:
    technique = TECHNIQUES[tecnica]
    size = mixtures.BATCH * technique.options.get("n_critic", 1)
    return stopwatch(mixtures, technique, mixtures.MIXTURES["anillo"].sample(size), 30)


def fashion_clock(tecnica: str) -> Callable[[], float]:
    technique = fashion.IMAGES[tecnica]
    size = fashion.BATCH * technique.options.get("n_critic", 1)
    return stopwatch(fashion, technique, torch.rand(size, 1, 28, 28) * 2 - 1, 8)


def stopwatch(
    bench: ModuleType, technique: object, real: torch.Tensor, steps: int
) -> Callable[[], float]:
    """Función que da ``steps`` pasos con el lote ``real`` y devuelve los segundos que tardan."""
    step, _, after = bench.assemble(technique, 1e-3, 10**6)

    def seconds() -> float:
        start = time.perf_counter()
        for done in range(steps):
            step(real)
            after(done)
        return time.perf_counter() - start

    return seconds


def main() -> None:
    torch.set_num_threads(1)
    folder = study_options(measured(""), __doc__).out
    with announced_stop():
        for file, names, clock in (
            ("06_costes.csv", TECHNIQUES, mixture_clock),
            ("06_moda_costes.csv", fashion.IMAGES, fashion_clock),
        ):
            runs = [{"tecnica": name} for name in names]
            run_study(folder / file, runs, partial(run, clock), RESULTS)


if __name__ == "__main__":
    main()
