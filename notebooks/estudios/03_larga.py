"""La carrera larga del generador que se reparte: python notebooks/estudios/03_larga.py

Protocolo, escrito antes de mirar ningún resultado: la receta que gane en 03_confirmacion.py, con
la semilla 0 y ``EPOCHS`` épocas. Lleva tres medias móviles. Se reparte la de menor FCD en el último
paso, redondeada a 16 bits, y la cifra de su ficha es la de esos pesos con sorteos nuevos. Se empezó
con la confirmación a medias, y antes de la primera fila se pasó de 75 épocas a 50, por el tiempo.

Escribe 03_larga_curva.csv, con la FCD de un sorteo de 10 000 muestras cada dos épocas;
03_larga.csv, la fila de lo que se reparte; y los pesos, en fashion_mnist_generator.safetensors,
dentro de la carpeta de resultados. Se puede matar en cualquier momento: sigue por la última copia.
"""

import importlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save
from torch import nn

from gancook.data.sets import fashion_mnist
from gancook.data.shipped import load_weights, measured
from gancook.files import write_atomic
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir
from medida_03 import QUALITY, curve, quality
from receta_03 import Training
from redes_03 import generator

second = importlib.import_module("03_segunda")
CHOSEN = "γ de 0,8 y 3×3 a 14×14"  # la que gana en 03_confirmacion.csv
RECIPE = replace(second.RECIPES[CHOSEN], emas=(0.999, 0.9995, 0.9999))
EPOCHS, POINTS = 50, 25  # unas dos horas de un núcleo


def train(table: Path) -> tuple[Training, float]:
    """Entrena con su curva y devuelve la media móvil de menor FCD en el último paso."""
    images = fashion_mnist().images
    total = EPOCHS * (len(images) // RECIPE.batch)
    training = Training(RECIPE, total, 0, images, results_dir("03_larga") / "copias")
    curve(table, training, {"receta": CHOSEN}, POINTS)
    training.until(total)  # si la tabla ya estaba entera, los pesos están en la copia
    last = pd.read_csv(table).query("paso == @total")
    return training, last.set_index("ema")["FCD"].idxmin()


def save_half(network: nn.Module, path: Path) -> None:
    """Los pesos de ``network`` en 16 bits."""
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    with write_atomic(path) as file:
        file.write(save(weights))


def report(path: Path) -> dict[str, float]:
    """Las medidas del archivo, cargado como lo cargará quien lo use."""
    network = generator(RECIPE.network)
    network.load_state_dict(load_weights(path))
    return quality(network)


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured(""), __doc__)
    path = results_dir("03_larga") / "fashion_mnist_generator.safetensors"
    with announced_stop():
        training, ema = train(options.out / "03_larga_curva.csv")
        save_half(training.averages[ema].module.network, path)
        run = {"receta": CHOSEN, "epocas": EPOCHS, "ema": ema}
        table = options.out / "03_larga.csv"
        run_study(table, [run], lambda **run: report(path), QUALITY)


if __name__ == "__main__":
    main()
