"""Más variedad en las caras dibujadas: python notebooks/estudios/04_dibujadas.py

Con la receta del cuaderno 04.2 tal cual, el generador de caras dibujadas repite unos pocos tipos
(«dibujadas», en 04_larga.csv). Protocolo, escrito después de ver aquello y antes de mirar ningún
resultado de esto: cuatro cambios, cada uno solo, con las mismas 20 000 caras, la misma semilla y
las mismas medidas, hasta el segundo de los diez momentos (unas 60 000 imágenes), para que siga el
de menor FTD. Salió γ = 50, pero en los dos siguientes su FTD pasó de 40 a 65 y a 64, y se paró ahí.
Después de ver eso se añadió el quinto. En el cuarto momento medía lo mismo que la receta tal cual,
y también se paró.

Es una semilla: sirve para escoger, no para decir cuánto aporta cada cambio. Escribe
04_dibujadas.csv y se reanuda por la última copia.
"""

import importlib
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir
from gancook.training.layers import MinibatchStd, init_weights
from mejor_04 import FaceTraining, Settings

long = importlib.import_module("04_larga")


class WithDeviation(FaceTraining):
    """La misma receta, y D ve además cuánto se diferencian entre sí las caras del lote."""

    def _networks(self, s: Settings) -> tuple[nn.Module, nn.Module]:
        D, G = super()._networks(s)
        *layers, flatten, _ = D[-1]
        last = nn.Linear(16 * (4 * s.width + 1), 1).apply(init_weights)
        D[-1] = nn.Sequential(*layers, MinibatchStd(), flatten, last)
        return D, G


CHANGES = {  # quién entrena, qué ajustes cambian y hasta qué momento
    "γ = 5": (FaceTraining, {"gamma": 5.0}, 2),
    "γ = 50": (FaceTraining, {"gamma": 50.0}, 4),
    "sin DiffAugment": (FaceTraining, {"augment": False}, 2),
    "tasa 2e-4": (FaceTraining, {"lr": 2e-4}, 2),
    "desviación del lote": (WithDeviation, {}, 4),
}


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("04_dibujadas.csv"), __doc__)
    first, step = options.shard
    real = long.data("dibujadas")
    with announced_stop():
        for name in [*CHANGES][first - 1 :: step]:
            kind, changes, last = CHANGES[name]
            settings = replace(long.RUNS["dibujadas"], **changes)
            training = kind(real, settings, results_dir("04_dibujadas") / name.replace(" ", "_"))
            runs = [{"cambio": name, "momento": k + 1} for k in range(last)]
            run_study(options.out, runs, partial(long.measure, training, real), long.RESULTS)


if __name__ == "__main__":
    main()
