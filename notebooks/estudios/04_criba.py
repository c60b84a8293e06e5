"""Cambios en la receta de las caras: python notebooks/estudios/04_criba.py [--shard i/n]

Protocolo, escrito antes de mirar ningún resultado: los dos cambios sueltos que más bajaron la FCD
en 03_criba.py, Adam sin inercia y lotes de 32, y los dos juntos. Todo lo demás es de
04_pocas_caras.py: la receta del 04.2 con DiffAugment, sus 2000 caras, sus momentos, sus medidas y
sus tres semillas. Con lo que se compara son, pues, las filas «sí» de su tabla. Con lotes de 32, la
tasa se divide por √2 y la media móvil recuerda las mismas imágenes.

Un cambio baja la FTD si, en el último momento, la diferencia de medias supera dos veces su error
típico. De los que la bajen, el de menor media pasa al entrenamiento largo, 04_larga.py.

Escribe 04_criba.csv y se reanuda por la última copia. Con ``--shard i/9``, cada proceso hace un
entrenamiento, de algo más de diez minutos de un núcleo.
"""

import importlib
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir
from mejor_04 import FaceTraining, Settings

few = importlib.import_module("04_pocas_caras")
STILL = Settings(few.SEEN, betas=(0.0, 0.99))
SMALL = {"batch": 32, "lr": 5e-4 / 2**0.5, "ema": 0.999}
VARIANTS = {
    "β₁ = 0": STILL,
    "lotes de 32": Settings(few.SEEN, **SMALL),
    "β₁ = 0 y lotes de 32": replace(STILL, **SMALL),
}
UNITS = list(product(few.SEEDS, VARIANTS))


def study(path: Path, variant: str, seed: int) -> None:
    """Un entrenamiento, con una fila por momento."""
    folder = results_dir("04_criba") / f"{list(VARIANTS).index(variant)}_{seed}"
    training = FaceTraining(few.data()[0], replace(VARIANTS[variant], seed=seed), folder)
    moments = range(1, few.MOMENTS + 1)
    runs = [{"variante": variant, "semilla": seed, "momento": m} for m in moments]
    run_study(path, runs, lambda **run: few.measure(training, **run), few.RESULTS)


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("04_criba.csv"), __doc__)
    first, step = options.shard
    with announced_stop():
        for seed, variant in UNITS[first - 1 :: step]:
            study(options.out, variant, seed)


if __name__ == "__main__":
    main()
