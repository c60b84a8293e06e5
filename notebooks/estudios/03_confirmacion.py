"""La receta de hoy y las mejores de las dos cribas: python notebooks/estudios/03_confirmacion.py

Protocolo, escrito antes de mirar ningún resultado: las tres recetas duran 13,4 minutos, como los
cuenta 03_criba.py, con las semillas 4 a 6, que no han visto ni la criba ni el cuaderno 06.5. Cada
una lleva la media móvil de su receta. Una variante gana si la diferencia de FCD con la de hoy
supera dos veces el error típico de esa diferencia. Si no gana ninguna, se queda la de hoy. Si
ganan las dos y entre ellas no se distinguen con la misma regla, la que cambia menos cosas; esto
último se añadió con las filas de la de hoy a la vista y ninguna de las otras. En la tabla faltan
dos corridas: «β₁ = 0, lotes de 32 y 70 %» se dejó tras su primera semilla, peor que la de hoy.

Con esas filas a la vista se hizo 03_segunda.py. Lo que salga de ella se repite aquí con las mismas
semillas, y la regla es la misma: gana si la diferencia con «β₁ = 0» supera dos errores típicos.

Escribe 03_confirmacion.csv, una fila por media móvil al acabar, y 03_confirmacion_curva.csv, con la
FCD de un sorteo de 10 000 muestras en diez momentos. Se puede matar en cualquier momento: sigue
por la última copia. Son doce entrenamientos de unos quince minutos de un núcleo; con
``--shard i/3``, cada proceso hace una semilla.
"""

import importlib
import re
from dataclasses import replace
from pathlib import Path

import torch

from gancook.data.sets import fashion_mnist
from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, study_options
from gancook.session import results_dir
from medida_03 import curve, finish
from receta_03 import Training

screening, second = (importlib.import_module(f"03_{name}") for name in ("criba", "segunda"))
SEEDS, POINTS = (4, 5, 6), 10


def confirm(folder: Path, variante: str, semilla: int) -> None:
    """La curva y las filas finales de un entrenamiento."""
    label = {"variante": variante, "semilla": semilla}
    name = re.sub(r"\W+", "_", f"{variante} {semilla}")
    recipe = second.RECIPES[variante]
    training = Training(
        replace(recipe, emas=recipe.emas[:1]),  # las demás medias móviles solo eran de la criba
        second.steps(variante, screening.WHOLE),
        semilla,
        fashion_mnist().images,
        results_dir("03_confirmacion") / name,
    )
    curve(folder / "03_confirmacion_curva.csv", training, label, POINTS)
    finish(folder / "03_confirmacion.csv", training, label)


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured(""), __doc__)
    first, step = options.shard
    with announced_stop():
        names = [screening.TODAY, *screening.best(measured("03_criba.csv"))]
        names.append(second.best(measured("03_segunda.csv")))
        for seed in SEEDS[first - 1 :: step]:
            for name in names:
                confirm(options.out, name, seed)


if __name__ == "__main__":
    main()
