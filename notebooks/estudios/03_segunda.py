"""La segunda criba del 03.3, sobre Adam sin inercia: python notebooks/estudios/03_segunda.py

Protocolo, escrito antes de mirar ningún resultado:

- En la primera, 03_criba.py, ganó «β₁ = 0». A 13,4 minutos su ventaja se reduce, así que se buscan
  cambios que la mejoren: otra penalización, otras tasas, otra β₂, una bajada que empieza antes y
  una convolución 3×3 de más a 14×14 en las dos redes. Cada variante cambia una sola cosa.
- Se hacen como en la primera: cinco minutos, semilla 3 y las medidas de medida_03.py. La fila con
  que se comparan es la de «β₁ = 0» en 03_criba.csv.
- Las variantes que hacen las mismas operaciones que «β₁ = 0» dan sus mismos pasos; el coste de la
  otra se mide con 03_costes.py.
- «γ de 0,8» se añadió al ver que 0,2 bajaba la FCD y 0,01 la subía.
- Con una semilla, elige pero no prueba nada.

Escribe 03_segunda.csv. Si se mata, se pierde el entrenamiento a medias. Cuesta unos tres cuartos de
hora de un núcleo; con ``--shard i/n`` se hace una parte.
"""

import importlib
from dataclasses import replace
from pathlib import Path

import torch

from gancook.data.sets import fashion_mnist
from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, study_options
from medida_03 import finish
from receta_03 import Training

screening = importlib.import_module("03_criba")
BASE, WIDER = "β₁ = 0", "3×3 también a 14×14"
START = screening.VARIANTS[BASE]
VARIANTS = {
    "γ de 0,2": replace(START, gamma=0.2),
    "γ de 0,01": replace(START, gamma=0.01),
    "tasa de 5·10⁻⁴": replace(START, lr=5e-4),
    "tasa de 2·10⁻³": replace(START, lr=2e-3),
    "β₂ = 0,9": replace(START, betas=(0.0, 0.9)),
    "β₂ = 0,999": replace(START, betas=(0.0, 0.999)),
    "bajada desde el principio": replace(START, decay=1.0),
    WIDER: replace(START, network="14×14"),
    "γ de 0,8": replace(START, gamma=0.8),
}


def screen(path: Path, variante: str) -> None:
    """La fila de una variante."""
    total = screening.steps(variante if variante == WIDER else BASE, screening.SCREEN)
    training = Training(VARIANTS[variante], total, screening.SEED, fashion_mnist().images)
    finish(path, training, {"variante": variante, "semilla": screening.SEED})


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("03_segunda.csv"), __doc__)
    first, step = options.shard
    with announced_stop():
        for variante in list(VARIANTS)[first - 1 :: step]:
            screen(options.out, variante)


if __name__ == "__main__":
    main()
