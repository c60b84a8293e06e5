"""El banco de las mezclas del cuaderno 06: python notebooks/estudios/06_banco.py [--shard i/n]

Protocolo. La normalización de los puntos, las tasas y los ajustes propios de las técnicas se
fijaron con unas pocas corridas de la semilla 7, mirando también la GAN simple. Desde que hay filas
no cambian, y esa semilla no se usa en ellas:

- Datos de VEEGAN y PacGAN: anillo de 8 gaussianas (radio 1, σ = 0,01) y rejilla de 25 ({−4, …, 4}²,
  σ = 0,05), con 100 000 puntos de entrenamiento por mezcla, los mismos para todas.
- Medida: 2500 muestras de G al acabar. Modos con alguna muestra a menos de 3σ, proporción de
  muestras así (calidad) y KL inversa del reparto de las que caen a menos de 3σ. Para elegir tasa
  hace falta un solo número: el solape, Σ min(parte del modo k, 1/K), que baja si falta un modo, si
  el reparto es desigual y si hay muestras fuera.
- Redes y pasos nuestros y fijos: los puntos se dividen para que los centros quepan en [−1, 1];
  perceptrones de tres capas ocultas de 128 con ReLU, ruido de 32 números, lotes de 100 puntos y
  Adam con betas (0,5, 0,999), salvo si la técnica dice otra cosa. Un paso es un paso de G, también
  en las que dan cinco de D. La GAN simple es la primera de TECHNIQUES y no se cambia por lo que
  salga.
- Ajustes propios de cada técnica: los de TECHNIQUES, los mismos en las dos mezclas.
- Tasa de aprendizaje: la mejor de RATES en solape medio, por técnica y mezcla, con dos semillas
  (100 y 101) y 2000 pasos. Una corrida que diverge cuenta como solape 0. Con 1e-2 aprenden menos
  (semillas 7 y 8), así que la búsqueda no pasa de 3e-3.
- Corridas: con esa tasa, semillas 0 a 4 y 5000 pasos. Las de LONG, además, en la rejilla, 50 000
  pasos y tasa 1e-3: tres semillas, y cinco la receta. Con tantos pasos, 3e-3 es peor también para
  la simple (una prueba de 20 000 pasos con la semilla 7). Las largas del anillo estaban previstas y
  se han quitado por tiempo, sin ver ninguna.
- Una corrida que diverge es una fila que lo dice y no se repite.

Escribe 06_banco_tasas.csv y 06_banco.csv. Se puede matar en cualquier momento: al repetir la orden
sigue donde iba. Con --shard, cada proceso hace una de cada n parejas (técnica, mezcla).
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from capas_06 import VirtualBatchNorm, WithReference
from gancook.data.batches import Batches
from gancook.data.mixtures import GaussianMixture, grid, ring
from gancook.data.shipped import measured
from gancook.measure.metrics import mixture_report
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import seed_everything, temporary_seed
from tecnicas_06 import TECHNIQUES, Technique, build, front, last, train

Z_SIZE, HIDDEN, BATCH = 32, 128, 100
MIXTURES = {"rejilla": grid(), "anillo": ring()}
RATES = (3e-4, 1e-3, 3e-3)
SEARCH = {"pasos": 2000, "semillas": (100, 101)}
FINAL = {"pasos": 5000, "semillas": range(5)}
LONG = {"GAN simple": 3, "PacGAN2": 3, "PacGAN4": 3, "receta": 5}  # semillas
LONG_STEPS, LONG_RATE = 50_000, 1e-3
REAL = {"pasos": 0, "semillas": range(5), "tasa": 0.0}
RESULTS = ("modos", "calidad", "KL inversa", "solape", "segundos de CPU")
SAMPLES = 2500  # las de las cifras publicadas


def run(tecnica: str, mezcla: str, tasa: float, pasos: int, semilla: int) -> dict[str, float]:
    """Entrena una técnica en una mezcla y la mide; ``FloatingPointError`` si diverge."""
    mixture, start = MIXTURES[mezcla], time.process_time()
    if tecnica == "datos reales":
        seed_everything(semilla)
        samples = mixture.sample(SAMPLES)
    else:
        samples = sample(tecnica, mixture, tasa, pasos, semilla)
    seconds = round(time.process_time() - start, 1)
    report = {name: round(value, 5) for name, value in mixture_report(samples, mixture).items()}
    return report | {"solape": round(overlap(samples, mixture), 5), "segundos de CPU": seconds}


def sample(tecnica: str, mixture: GaussianMixture, lr: float, steps: int, seed: int) -> Tensor:
    """``SAMPLES`` muestras (n, 2) del generador entrenado."""
    scale = mixture.centers.abs().max()  # las redes ven los centros en [−1, 1], como las imágenes
    with temporary_seed(0):
        points = mixture.sample(100_000) / scale
    seed_everything(seed)
    technique = TECHNIQUES[tecnica]
    parts = assemble(technique, lr, steps)
    size = BATCH * technique.options.get("n_critic", 1)
    batches = Batches(points, size, seed=seed, replacement=True, steps=steps)
    return scale * train(*parts, batches.epoch(0), torch.randn(SAMPLES, Z_SIZE))


def assemble(technique: Technique, lr: float, steps: int) -> tuple[Callable, nn.Module, Callable]:
    """Las redes de la técnica y su paso, como los devuelve :func:`tecnicas_06.build`."""
    return build(technique, generator(technique), discriminator(technique), Z_SIZE, lr, steps)


def mlp(inputs: int, norm: Callable[[], nn.Module] | None = None) -> list[nn.Module]:
    """Las tres capas ocultas de un perceptrón."""
    layers: list[nn.Module] = []
    for width in (inputs, HIDDEN, HIDDEN):
        layers += [nn.Linear(width, HIDDEN), *([norm()] if norm else []), nn.ReLU()]
    return layers


def generator(technique: Technique) -> nn.Module:
    """z (B, 32) → puntos (B, 2)."""
    norms = {
        "": None,
        "bn": partial(nn.BatchNorm1d, HIDDEN),
        "vbn": partial(VirtualBatchNorm, HIDDEN, BATCH),
    }
    network = nn.Sequential(*mlp(Z_SIZE, norms[technique.g_norm]), nn.Linear(HIDDEN, 2))
    if technique.g_norm == "vbn":
        return WithReference(network, torch.randn(BATCH, Z_SIZE))
    return network


def discriminator(technique: Technique) -> nn.Sequential:
    """Puntos (B, 2) → logits (B, 1), o (B/m, 1) con paquetes de m."""
    hidden = mlp(2 * technique.pack)
    return nn.Sequential(*front(technique), *hidden, *last(technique, HIDDEN))


def overlap(samples: Tensor, mixture: GaussianMixture) -> float:
    """1 menos la variación total entre el reparto y el uniforme; lo que cae fuera se pierde."""
    distance, mode = torch.cdist(samples, mixture.centers).min(dim=1)
    modes = len(mixture.centers)
    share = mode[distance < 3 * mixture.std].bincount(minlength=modes) / len(samples)
    return share.clamp(max=1 / modes).sum().item()


def runs(tecnica: str, mezcla: str, rates: Sequence[float], plan: dict) -> list[dict]:
    return [
        dict(tecnica=tecnica, mezcla=mezcla, tasa=rate, pasos=plan["pasos"], semilla=seed)
        for rate in rates
        for seed in plan["semillas"]
    ]


def best_rate(path: Path, tecnica: str, mezcla: str) -> float:
    """La tasa con mejor solape medio en la búsqueda; lo que divergió cuenta como 0."""
    table = pd.read_csv(path).query("tecnica == @tecnica and mezcla == @mezcla")
    return table.fillna({"solape": 0.0}).groupby("tasa")["solape"].mean().idxmax()


def bench(folder: Path, tecnica: str, mezcla: str, plan: dict) -> None:
    """Las corridas del plan con su tasa; si no la trae, se busca antes."""
    rate = plan.get("tasa")
    if rate is None:
        rates = folder / "06_banco_tasas.csv"
        run_study(rates, runs(tecnica, mezcla, RATES, SEARCH), run, RESULTS)
        rate = best_rate(rates, tecnica, mezcla)
    run_study(folder / "06_banco.csv", runs(tecnica, mezcla, [rate], plan), run, RESULTS)


def main() -> None:
    torch.set_num_threads(1)  # redes pequeñas: con dos hilos no van más deprisa
    options = study_options(measured(""), __doc__)
    first, step = options.shard
    with announced_stop():
        for name, mixture, plan in units()[first - 1 :: step]:
            bench(options.out, name, mixture, plan)


def units() -> list[tuple[str, str, dict]]:
    """Las parejas (técnica, mezcla) con su plan; lo largo y la mejor por piezas, en la rejilla."""
    names = list(TECHNIQUES)
    short = [name for name in names if not name.startswith("receta ")]
    return [
        *(("datos reales", mixture, REAL) for mixture in MIXTURES),
        *((name, "rejilla", FINAL) for name in names),
        *((name, "rejilla", long_plan(name)) for name in LONG),
        *((name, "anillo", FINAL) for name in short),
    ]


def long_plan(name: str) -> dict:
    return {"pasos": LONG_STEPS, "semillas": range(LONG[name]), "tasa": LONG_RATE}


if __name__ == "__main__":
    main()
