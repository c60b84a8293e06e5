"""La receta final sin cada una de sus piezas: python notebooks/estudios/03_piezas.py [--shard i/n]

Protocolo, escrito antes de mirar ningún resultado:

- Cada fila cambia una pieza de la receta que ganó en 03_confirmacion.csv por lo que llevaba la
  receta publicada: la pérdida, la penalización, la BN de D, su activación, la tasa, las betas, los
  lotes, la media móvil, la bajada de la tasa (y de γ, si baja con ella) y las convoluciones 3×3.
- Todas ven las 60 000 imágenes tres veces, con las semillas 7 a 9, con las que no se ha elegido
  nada. Con lotes de 32 hay el doble de pasos: la tasa se divide por √2, que es la parte de la tasa
  de la regla de Malladi et al. (2022) para Adam, y la media móvil recuerda las mismas imágenes.
- «ganadora de la escalera» es el mejor peldaño de 03_escalera.csv con el mismo presupuesto.
- Medida: FCD de cinco sorteos de 10 000 muestras (media y desviación) y las demás de medida_03.py.
  Una pieza se nota si su diferencia de medias con la receta supera la dispersión entre semillas.

Escribe 03_piezas.csv, una fila por media móvil medida (la de 0 es G). Si se mata, se pierde el
entrenamiento a medias. Son 33, de unos siete minutos de un núcleo; con ``--shard i/n`` se hace
una parte.
"""

import importlib
import time
from dataclasses import replace
from pathlib import Path

import torch

from gancook.data.sets import fashion_mnist
from gancook.data.shipped import measured
from gancook.measure.studies import announced_stop, run_study, study_options
from medida_03 import QUALITY, SECONDS, finish, quality
from receta_03 import Training

ladder, second, long_run = (
    importlib.import_module(f"03_{name}") for name in ("escalera", "segunda", "larga")
)
SEEDS, EPOCHS = range(7, 10), 3
WINNER = "ganadora de la escalera"
CHOSEN = second.RECIPES[long_run.CHOSEN]
FINAL = replace(CHOSEN, emas=CHOSEN.emas[:1])
PIECES = {
    "receta final": replace(FINAL, emas=(*FINAL.emas, 0.0)),
    "sin pérdida relativista": replace(FINAL, loss="no saturante"),
    "sin penalización": replace(FINAL, gamma=0.0),
    "BN en D": replace(FINAL, norm=True),
    "ReLU en D": replace(FINAL, slope=0.0),
    "tasa de 3·10⁻⁴": replace(FINAL, lr=3e-4),
    "betas (0,9; 0,999)": replace(FINAL, betas=(0.9, 0.999)),
    "con lotes de 32": replace(
        FINAL, batch=32, lr=FINAL.lr / 2**0.5, emas=(round(FINAL.emas[0] ** 0.5, 4),)
    ),
    "sin bajar la tasa": replace(FINAL, decay=0.0, cosine=False),
    "sin convoluciones 3×3": replace(FINAL, network="sin 3×3"),
}


def piece(path: Path, variante: str, semilla: int) -> None:
    """Las filas de un entrenamiento."""
    label = {"variante": variante, "semilla": semilla}
    images = fashion_mnist().images
    if variante == WINNER:
        return rival(path, label)
    steps = EPOCHS * (len(images) // PIECES[variante].batch)
    return finish(path, Training(PIECES[variante], steps, semilla, images), label)


def rival(path: Path, label: dict[str, str | int]) -> None:
    """La fila de la ganadora de la escalera, que entrena con su propio bucle."""
    rung = ladder.winner(measured("03_escalera.csv"))

    def measure(ema: float, **label: str | int) -> dict[str, float]:
        start = time.process_time()
        network = ladder.train(rung, label["semilla"], EPOCHS)
        seconds = round(time.process_time() - start, 1)
        steps = EPOCHS * (len(fashion_mnist().images) // rung.batch)
        return {"pasos": steps} | quality(network) | {SECONDS: seconds}

    run_study(path, [label | {"ema": rung.ema}], measure, ("pasos", *QUALITY, SECONDS))


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured("03_piezas.csv"), __doc__)
    first, step = options.shard
    units = [(name, seed) for seed in SEEDS for name in (*PIECES, WINNER)]
    with announced_stop():
        for name, seed in units[first - 1 :: step]:
            piece(options.out, name, seed)


if __name__ == "__main__":
    main()
