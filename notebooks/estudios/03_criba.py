"""La criba de ideas para una receta mejor: python notebooks/estudios/03_criba.py [--shard i/n]

Protocolo, escrito antes de mirar ningún resultado:

- La receta de hoy es la del cuaderno 03.3, §2. Cada variante le cambia una sola cosa, y a los lotes
  menores les acompañan su tasa y su media móvil, como en 03_piezas.py. A la red residual le
  acompaña una tasa menor: sin normalización, en una prueba de 60 pasos a 10⁻³ G se quedó en negro.
  «perezosa» es una receta entera, la que con una y dos épocas quedó por debajo de la de hoy en el
  cuaderno 06.5, §8.1: betas (0; 0,99), tasa y γ que bajan como medio coseno y media móvil de 0,998.
- Las dos últimas se añadieron al ver que bajaban la FCD, por separado, β₁ = 0, los lotes de 32 y la
  bajada desde el 70 %.
- Todas duran lo mismo sin que ningún reloj intervenga: 13,4 minutos son los 9370 pasos (diez
  épocas) que da en ellos la receta de hoy, y a una variante cuyo paso cuesta c veces el suyo le
  tocan 9370/c. Los costes se miden antes, alternando, con 03_costes.py. Todo lo que baja con el
  tiempo se ajusta a esa duración.
- Cinco minutos y la semilla 3, porque con las de 0 a 2 se eligió «perezosa». La receta de hoy se
  hace además con el doble y el cuádruple, para saber si le falta tiempo o capacidad, y se miden en
  ella tres medias móviles. Las más largas no: hasta el paso 8990, average no llega a 0,999.
- Medida: la de medida_03.py, con cinco sorteos de 10 000 muestras.
- Pasan a 03_confirmacion.py, que las repite con tres semillas y 13,4 minutos, las dos variantes de
  menor FCD entre las de cinco minutos. Con una semilla, la criba elige pero no prueba nada.

Escribe 03_criba.csv, una fila por media móvil. Si se mata, se pierde el entrenamiento a medias.
Cuesta unas dos horas de un núcleo; con ``--shard i/n`` se hace una parte.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from gancook.data.sets import fashion_mnist
from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, study_options
from medida_03 import finish
from receta_03 import Recipe, Training

WHOLE, STEPS = 13.4, 9370  # minutos de la receta de hoy y los pasos que da en ellos
SCREEN, SEED = 5, 3  # minutos de la criba y su semilla
TODAY = "hoy"
FINAL = Recipe()
SMALL = replace(FINAL, betas=(0.0, 0.99), batch=32, lr=1e-3 / 2**0.5, emas=(0.9995,))
VARIANTS = {
    TODAY: replace(FINAL, emas=(0.999, 0.99, 0.995)),
    "3×3 a 28×28": replace(FINAL, network="28×28"),
    "γ de 0,05 a 0,005": replace(FINAL, anneal=0.1),
    "penalización cada 4": replace(FINAL, every=4),
    "penalización cada 16": replace(FINAL, every=16),
    "lotes de 32": replace(FINAL, batch=32, lr=1e-3 / 2**0.5, emas=(0.9995,)),
    "bajada desde el 70 %": replace(FINAL, decay=0.3),
    "β₁ = 0": replace(FINAL, betas=(0.0, 0.99)),
    "residual": replace(FINAL, network="residual", lr=3e-4),
    "desviación del lote": replace(FINAL, spread=True),
    "perezosa": replace(FINAL, betas=(0.0, 0.99), cosine=True, emas=(0.998,)),
    "β₁ = 0 y lotes de 32": SMALL,
    "β₁ = 0, lotes de 32 y 70 %": replace(SMALL, decay=0.3),
}
PLAN = [(name, SCREEN) for name in VARIANTS] + [(TODAY, 2 * SCREEN), (TODAY, 4 * SCREEN)]


def steps(variante: str, minutes: float) -> int:
    """Los pasos de una variante que tardan lo mismo que ``minutes`` de la receta de hoy.

    Raises:
        ValueError: si su coste no está medido.
    """
    path = measured("03_costes.csv")
    costs = pd.read_csv(path, index_col="variante")["coste"] if path.exists() else {}
    if variante != TODAY and variante not in costs:
        raise ValueError(f"{path} no dice lo que cuesta «{variante}»: ejecuta antes 03_costes.py.")
    return round(STEPS * minutes / WHOLE / (1 if variante == TODAY else costs[variante]))


def screen(path: Path, variante: str, minutes: float) -> None:
    """Las filas de una variante."""
    total = steps(variante, minutes)
    training = Training(VARIANTS[variante], total, SEED, fashion_mnist().images)
    finish(path, training, {"variante": variante, "minutos": minutes, "semilla": SEED})


def best(path: Path, count: int = 2) -> list[str]:
    """Las ``count`` variantes de menor FCD a igual tiempo, sin la receta de hoy.

    Raises:
        ValueError: si la criba no está entera.
    """
    rows = pd.read_csv(path).query("minutos == @SCREEN") if path.exists() else pd.DataFrame()
    if rows.empty or set(rows["variante"]) != set(VARIANTS):
        raise ValueError(f"{path} no está entera: acaba antes 03_criba.py.")
    lowest = rows.groupby("variante")["FCD"].min().drop(TODAY)
    return lowest.nsmallest(count).index.tolist()


def run_plan(
    table: str,
    description: str | None,
    plan: list[tuple[str, float]],
    screen: Callable[[Path, str, float], None],
) -> None:
    """La orden de una criba: ``screen(tabla, variante, minutos)`` con su parte del plan."""
    torch.set_num_threads(1)
    options = study_options(measured(table), description)
    first, step = options.shard
    with announced_stop():
        for variante, minutes in plan[first - 1 :: step]:
            screen(options.out, variante, minutes)


def main() -> None:
    run_plan("03_criba.csv", __doc__, PLAN, screen)


if __name__ == "__main__":
    main()
