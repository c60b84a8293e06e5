"""Más variedad en las caras dibujadas: python notebooks/estudios/04_dibujadas.py

Con la receta del cuaderno 04.2 tal cual, el generador de caras dibujadas repite unos pocos tipos
(«dibujadas», en 04_larga.csv). Protocolo, escrito después de ver aquello y antes de mirar ningún
resultado de esto: cuatro cambios, cada uno solo, con las mismas 20 000 caras, la misma semilla y
las mismas medidas, hasta el segundo de los diez momentos (unas 60 000 imágenes). Después el de
menor FTD sigue hasta el décimo y es el que se reparte. Es una semilla: sirve para escoger, no para
decir cuánto aporta cada cambio. Escribe 04_dibujadas.csv y se reanuda por la última copia.
"""

import importlib
from dataclasses import replace
from functools import partial

import pandas as pd
import torch

from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir
from mejor_04 import FaceTraining

long = importlib.import_module("04_larga")
CHANGES = {
    "γ = 5": {"gamma": 5.0},
    "γ = 50": {"gamma": 50.0},
    "sin DiffAugment": {"augment": False},
    "tasa 2e-4": {"lr": 2e-4},
}
SCREENED = 2


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("04_dibujadas.csv"), __doc__)
    real = long.data("dibujadas")

    def run(name: str, moments: range) -> None:
        settings = replace(long.RUNS["dibujadas"], **CHANGES[name])
        folder = results_dir("04_dibujadas") / name.replace(" ", "_")
        measure = partial(long.measure, FaceTraining(real, settings, folder), real)
        runs = [{"cambio": name, "momento": moment} for moment in moments]
        run_study(options.out, runs, measure, long.RESULTS)

    first, step = options.shard
    with announced_stop():
        for name in [*CHANGES][first - 1 :: step]:
            run(name, range(1, SCREENED + 1))
        rows = pd.read_csv(options.out).query("momento == @SCREENED and estado == 'completa'")
        if len(rows) == len(CHANGES):  # con --shard, lo sigue quien acabe el último
            best = rows.set_index("cambio")["FTD"].idxmin()
            run(best, range(SCREENED + 1, long.MOMENTS + 1))


if __name__ == "__main__":
    main()
