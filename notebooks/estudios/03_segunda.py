"""La segunda criba del 03.3, sobre Adam sin inercia: python notebooks/estudios/03_segunda.py

Protocolo, escrito antes de mirar ningún resultado:

- En la primera, 03_criba.py, ganó «β₁ = 0». A 13,4 minutos su ventaja se reduce, así que se buscan
  cambios que la mejoren: otra penalización, otras tasas y una convolución 3×3 de más a 14×14 en
  las dos redes. Cada variante cambia una sola cosa, menos la última, que cambia dos. En el plan
  estaban también otras dos β₂ y una bajada desde el principio; se dejaron al ver lo que bajaba la
  FCD con γ.
- Se hacen como en la primera: cinco minutos, semilla 3 y las medidas de medida_03.py. La fila con
  que se comparan es la de «β₁ = 0» en 03_criba.csv.
- Las variantes que hacen las mismas operaciones que «β₁ = 0» dan sus mismos pasos; el coste de la
  otra se mide con 03_costes.py.
- «γ de 0,8» se añadió al ver que 0,2 bajaba la FCD y 0,01 la subía, y «γ de 3,2», al ver que 0,8 la
  bajaba más. A cinco minutos gana quien aprende antes: por eso, con esas filas a la vista y ninguna
  de diez minutos, se añadieron las de diez. Son la mejor γ de las de cinco y la misma con la
  convolución de más. La de menor FCD de las dos pasa a 03_confirmacion.py.
- Con una semilla, elige pero no prueba nada.

Escribe 03_segunda.csv. Si se mata, se pierde el entrenamiento a medias. Cuesta una hora de
un núcleo; con ``--shard i/n`` se hace una parte.
"""

import importlib
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gancook.data.sets import fashion_mnist
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
    WIDER: replace(START, network="14×14"),
    "γ de 0,8": replace(START, gamma=0.8),
    "γ de 3,2": replace(START, gamma=3.2),
    "γ de 0,8 y 3×3 a 14×14": replace(START, gamma=0.8, network="14×14"),
}
LONGER = ("γ de 0,8", "γ de 0,8 y 3×3 a 14×14")
RECIPES = screening.VARIANTS | VARIANTS  # las de las dos cribas, por su nombre
PLAN = [(name, screening.SCREEN) for name in VARIANTS if name != LONGER[1]]
PLAN += [(name, 2 * screening.SCREEN) for name in LONGER]


def steps(variante: str, minutes: float) -> int:
    """Los pasos de una variante de cualquiera de las dos cribas en ``minutes`` de la de hoy."""
    if variante not in VARIANTS:
        return screening.steps(variante, minutes)
    return screening.steps(WIDER if VARIANTS[variante].network == "14×14" else BASE, minutes)


def screen(path: Path, variante: str, minutes: float) -> None:
    """La fila de una variante."""
    total = steps(variante, minutes)
    training = Training(VARIANTS[variante], total, screening.SEED, fashion_mnist().images)
    finish(path, training, {"variante": variante, "minutos": minutes, "semilla": screening.SEED})


def best(path: Path) -> str:
    """La variante de menor FCD de las que duran más.

    Raises:
        ValueError: si falta alguna.
    """
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["minutos", "variante"])
    rows = rows[(rows["minutos"] > screening.SCREEN) & rows["variante"].isin(LONGER)]
    if len(rows) < len(LONGER):
        raise ValueError(f"{path} no está entera: acaba antes 03_segunda.py.")
    return rows.set_index("variante")["FCD"].idxmin()


def main() -> None:
    screening.run_plan("03_segunda.csv", __doc__, PLAN, screen)


if __name__ == "__main__":
    main()
