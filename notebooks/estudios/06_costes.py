"""Lo que cuesta un paso de cada técnica del banco: python notebooks/estudios/06_costes.py

Cada técnica se alterna con la GAN simple en el mismo proceso, con las redes y los lotes de las
mezclas, y se apunta la mediana de los cocientes de tiempo con el menor y el mayor. Los núcleos han
de estar libres. Escribe 06_costes.csv y se reanuda como los demás.
"""

import importlib
import statistics
import time
from collections.abc import Callable

import torch

from gancook.measure.studies import study_command
from tecnicas_06 import TECHNIQUES

bench = importlib.import_module("06_banco")
ROUNDS, STEPS = 7, 30


def run(tecnica: str) -> dict[str, float]:
    """Cociente entre el tiempo de un paso de la técnica y el de uno de la GAN simple."""
    plain, other = clock("GAN simple"), clock(tecnica)
    ratios = [other() / plain() for _ in range(ROUNDS + 1)][1:]  # la primera ronda, de calentar
    values = statistics.median(ratios), min(ratios), max(ratios)
    return dict(zip(("coste", "mínimo", "máximo"), (round(v, 3) for v in values), strict=True))


def clock(tecnica: str) -> Callable[[], float]:
    """Función que da ``STEPS`` pasos y devuelve los segundos que han tardado."""
    technique = TECHNIQUES[tecnica]
    step, _, after = bench.assemble(technique, 1e-3, 10**6)
    size = bench.BATCH * technique.options.get("n_critic", 1)
    real = bench.MIXTURES["anillo"].sample(size)

    def seconds() -> float:
        start = time.perf_counter()
        for done in range(STEPS):
            step(real)
            after(done)
        return time.perf_counter() - start

    return seconds


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = [{"tecnica": name} for name in TECHNIQUES]
    study_command("06_costes.csv", names, run, ("coste", "mínimo", "máximo"), __doc__)
