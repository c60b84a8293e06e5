"""Qué ve cada extractor de color: python notebooks/estudios/04_calibracion.py

Compara fotos y cuadros reales con otros del mismo conjunto, estropeados a propósito. Lee dos
carpetas de ``$GANCOOK_DATA`` (o de ``data/``): ``caras/64``, con archivos ``grupo_nombre.jpg``, y
``pinturas64``, con una subcarpeta por estilo.

Cada fila es la media y la desviación de cinco repartos al azar en referencia y muestra, sin
imágenes comunes. En «mitades», que es el suelo, la muestra son ``intensidad`` imágenes sin tocar.
En los defectos de ``defectos_04`` la muestra, de 1000, se estropea. En los demás se escoge mal:

- «faltan»: 330 imágenes sin unos grupos, que son la ``intensidad`` % del conjunto;
- «repetidas»: 1000 en las que cada imagen sale ``intensidad`` veces;
- «copias»: 1000, de las que la ``intensidad`` % son de la referencia.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from caras_04 import toy_faces
from defectos_04 import SPOILERS
from gancook.data.folder import image_folder
from gancook.data.shipped import data_root
from gancook.measure.extractors import PixelPyramid, extract
from gancook.measure.metrics import (
    authenticity,
    density_coverage,
    frechet_distance,
    kernel_distance,
)
from gancook.measure.studies import study_command
from gancook.measure.toy_network import ToyNetwork, load_toy_network
from gancook.session import temporary_seed

SPLITS, SAMPLE, FEW, POOL = 5, 1000, 330, 2080
FOLDERS = {"caras": ("caras/64", 1040), "pinturas": ("pinturas64", 6000)}  # y la referencia
MISSING = {
    "caras": {10: ["faker"], 26: ["congreso"], 65: ["parlamento"]},
    "pinturas": {
        25: ["barroco"],
        50: ["barroco", "romanticismo"],
        75: ["barroco", "romanticismo", "impresionismo"],
    },
}
RESULTS = ["Fréchet", "± Fréchet", "KID·10³", "± KID", "cobertura", "autenticidad"]


class Pictures(NamedTuple):
    """Imágenes uint8 (N, 3, 64, 64), barajadas, y el grupo de cada una."""

    images: Tensor
    groups: np.ndarray


@cache
def pictures(conjunto: str) -> Pictures:
    data = image_folder(data_root() / FOLDERS[conjunto][0], 64)
    prefixes = np.array([name.split("/")[-1].split("_")[0] for name in data.names])
    groups = prefixes if len(data.classes) == 1 else np.array(data.classes)[data.labels]
    order = np.random.default_rng(0).permutation(len(groups))
    return Pictures(torch.from_numpy(data.images[order]), groups[order])


def random_network() -> nn.Module:
    """La misma red sin entrenar; solo se ajusta la escala de sus capas, con caras dibujadas."""
    faces = toy_faces(1000).images
    with temporary_seed(0), torch.no_grad():
        network = ToyNetwork()
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # la media de todo lo que ve, sin olvidar
        network.train().look(faces)
        network.eval().whiten(faces)
    return network


EXTRACTORS = {
    "red entrenada": cache(load_toy_network),
    "red al azar": cache(random_network),
    "pirámide": PixelPyramid,
}


@cache
def features(conjunto: str, extractor: str) -> Tensor:
    """Las de todo el conjunto sin estropear (N, d)."""
    return extract(EXTRACTORS[extractor](), pictures(conjunto).images).deep


@lru_cache(maxsize=1)
def spoiled(conjunto: str, defecto: str, intensidad: float) -> Tensor:
    return SPOILERS[defecto][0](pictures(conjunto).images[:POOL], intensidad)


def measure(conjunto: str, defecto: str, intensidad: float, extractor: str) -> dict[str, float]:
    """Una fila de la tabla."""
    clean = wrong = features(conjunto, extractor)
    if defecto in SPOILERS:
        images = spoiled(conjunto, defecto, intensidad)
        wrong = extract(EXTRACTORS[extractor](), images).deep
    rows = []
    for reference, sample in splits(conjunto, defecto, intensidad):
        rows.append(compare(clean[reference], wrong[sample]))
    table = np.array(rows)
    (frechet, kid, *others), (spread, kid_spread, *_) = table.mean(0), table.std(0, ddof=1)
    values = frechet, spread, kid, kid_spread, *others
    return {name: float(f"{v:.4g}") for name, v in zip(RESULTS, values, strict=True)}


def compare(real: Tensor, fake: Tensor) -> tuple[float, ...]:
    few = min(len(real), len(fake))
    kid, _ = kernel_distance(real, fake, few, subsets=1)
    coverage = density_coverage(real[:few], fake)[1]
    return frechet_distance(real, fake), 1e3 * kid, coverage, authenticity(fake, real)


def splits(conjunto: str, defecto: str, intensidad: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Índices de la referencia y de la muestra en cada reparto."""
    groups, size = pictures(conjunto).groups, FOLDERS[conjunto][1]
    for seed in range(SPLITS):
        random = np.random.default_rng(seed)
        half = random.permutation(min(POOL, len(groups)))[: POOL // 2]
        rest = random.permutation(np.setdiff1d(np.arange(len(groups)), half))[:size]
        if defecto == "faltan":
            half = half[~np.isin(groups[half], MISSING[conjunto][intensidad])][:FEW]
        if defecto == "mitades":
            half = half[:intensidad]
        if defecto == "repetidas":
            half = np.resize(half[: SAMPLE // intensidad], SAMPLE)
        if defecto == "copias":
            count = SAMPLE * intensidad // 100
            half = np.concatenate([rest[:count], half[count:]])
        yield torch.from_numpy(rest), torch.from_numpy(half[:SAMPLE])


def conditions(conjunto: str) -> Iterator[tuple[str, float]]:
    series = {"mitades": (1000, 330, 200), "faltan": MISSING[conjunto]}
    series |= {name: levels for name, (_, levels) in SPOILERS.items()}
    series |= {"repetidas": (2, 5, 20, 100), "copias": (10, 40, 100)}
    return ((name, level) for name, levels in series.items() for level in levels)


RUNS = [
    {"conjunto": conjunto, "defecto": name, "intensidad": level, "extractor": extractor}
    for conjunto in FOLDERS
    for name, level in conditions(conjunto)
    for extractor in EXTRACTORS
]

if __name__ == "__main__":
    torch.set_num_threads(1)
    study_command("04_calibracion.csv", RUNS, measure, RESULTS, __doc__)
