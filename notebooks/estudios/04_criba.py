"""Cambios en la receta de las caras: python notebooks/estudios/04_criba.py [--shard i/4]

Protocolo, escrito antes de mirar ningún resultado:

- Se prueba lo que más bajó la FCD en 03_criba.py y 03_segunda.py: Adam sin inercia y, además, una
  penalización mayor o una convolución 3×3 a más resolución en las dos redes, aquí a 32×32. Todo lo
  demás es de 04_pocas_caras.py: la receta del 04.2 con DiffAugment, sus 2000 caras, sus imágenes
  vistas, sus momentos y sus medidas. Con lo que se compara son, pues, las filas «sí» de su tabla.
- Primero, todas con la semilla 0. La de menor FTD en el último momento se repite con las demás
  semillas de esa tabla. Baja la FTD si la diferencia de medias supera dos veces su error típico, y
  entonces pasa al entrenamiento largo, 04_larga.py. La semilla con que se elige entra en la cuenta.

Escribe 04_criba.csv y se reanuda por la última copia. Con ``--shard i/4``, cada proceso hace una
variante; cada entrenamiento cuesta algo más de diez minutos de un núcleo, y el de la convolución
de más, unos trece. Lo que se repite lo hace quien encuentre la tabla de las cuatro entera.
"""

import importlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir
from gancook.training.layers import init_weights
from mejor_04 import FaceTraining, Settings

few = importlib.import_module("04_pocas_caras")
STILL = Settings(few.SEEN, betas=(0.0, 0.99))
FINE = "β₁ = 0 y 3×3 a 32×32"
VARIANTS = {
    "β₁ = 0": STILL,
    "β₁ = 0 y γ de 2": replace(STILL, gamma=2.0),
    "β₁ = 0 y γ de 8": replace(STILL, gamma=8.0),
    FINE: STILL,
}


class FineTraining(FaceTraining):
    """Con una convolución 3×3 más, a 32×32, en las dos redes."""

    def _networks(self, s: Settings) -> tuple[nn.Module, nn.Module]:
        D, G = super()._networks(s)
        same = nn.Conv2d(s.width, s.width, 3, 1, 1), nn.LeakyReLU(0.2)
        D[-1].insert(2, nn.Sequential(*same).apply(init_weights))  # tras la primera capa
        same = nn.Conv2d(s.width, s.width, 3, 1, 1, bias=False), nn.BatchNorm2d(s.width), nn.ReLU()
        G.insert(len(G) - 2, nn.Sequential(*same).apply(init_weights))  # antes de la última
        return D, G


def study(path: Path, variant: str, seed: int) -> None:
    """Un entrenamiento, con una fila por momento."""
    folder = results_dir("04_criba") / f"{list(VARIANTS).index(variant)}_{seed}"
    kind = FineTraining if variant == FINE else FaceTraining
    training = kind(few.data()[0], replace(VARIANTS[variant], seed=seed), folder)
    moments = range(1, few.MOMENTS + 1)
    runs = [{"variante": variant, "semilla": seed, "momento": m} for m in moments]
    run_study(path, runs, lambda **run: few.measure(training, **run), few.RESULTS)


def best(path: Path) -> str | None:
    """La variante de menor FTD en el último momento con la primera semilla, si están todas."""
    last = pd.read_csv(path).query(f"momento == {few.MOMENTS} and semilla == {few.SEEDS[0]}")
    whole = set(last["variante"]) == set(VARIANTS)
    return last.set_index("variante")["FTD"].idxmin() if whole else None


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("04_criba.csv"), __doc__)
    first, step = options.shard
    with announced_stop():
        for variant in list(VARIANTS)[first - 1 :: step]:
            study(options.out, variant, few.SEEDS[0])
        if chosen := best(options.out):
            for seed in few.SEEDS[1:]:
                study(options.out, chosen, seed)


if __name__ == "__main__":
    main()
