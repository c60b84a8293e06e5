"""Lo que cuesta un paso de cada receta del 03.3: python notebooks/estudios/03_costes.py

Las variantes de las dos cribas y las de 03_piezas.py se alternan, una a una, con la receta de hoy
en el mismo proceso, todas con una media móvil. Se apunta la mediana de los cocientes de tiempo por
paso, con el menor y el mayor. Los núcleos han de estar libres, así que no se reparte entre
procesos. Escribe 03_costes.csv, se reanuda y tarda unos diez minutos.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from gancook.data.sets import fashion_mnist
from gancook.measure.studies import alternated_cost, study_command
from receta_03 import Training

screening, pieces, second = (
    importlib.import_module(f"03_{name}") for name in ("criba", "piezas", "segunda")
)
RECIPES = pieces.PIECES | screening.VARIANTS | {second.WIDER: second.VARIANTS[second.WIDER]}
ROUNDS, STEPS = 7, 16  # en 16 pasos caben siempre las mismas penalizaciones


def run(variante: str) -> dict[str, float]:
    """Cociente entre el tiempo de un paso de la variante y el de uno de la receta de hoy."""
    return alternated_cost(clock(screening.TODAY), clock(variante), ROUNDS)


def clock(variante: str) -> Callable[[], float]:
    """Función que da ``STEPS`` pasos y devuelve los segundos que han tardado."""
    recipe = replace(RECIPES[variante], emas=(0.999,))
    training = Training(recipe, 10**6, 0, fashion_mnist().images[:1000])
    training.batches.last = 1
    (real,) = training.batches.epoch(0)

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(STEPS):
            training.step(real)
            training.after_step()
        return time.perf_counter() - start

    return seconds


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = [{"variante": name} for name in RECIPES]
    study_command("03_costes.csv", names, run, ("coste", "mínimo", "máximo"), __doc__)
