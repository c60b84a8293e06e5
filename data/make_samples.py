"""Recorta las muestras que se reparten con el recetario a partir de los conjuntos completos.

    python data/make_samples.py CARPETA_FASHION_MNIST CARPETA_MNIST

Toma las primeras imágenes de cada clase, las mismas de cada una, y conserva su orden original.
El resultado es idéntico byte a byte en cada ejecución. No sobrescribe muestras que ya existan.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import torch

from gancook.data.idx import read_idx

PER_CLASS = {"fashion-mnist": (600, 100), "mnist": (300, 50)}


def first_of_each_class(labels: torch.Tensor, count: int) -> torch.Tensor:
    """Índices, en orden, de las primeras ``count`` imágenes de cada clase."""
    chosen = [torch.nonzero(labels == c).flatten()[:count] for c in labels.unique()]
    return torch.cat(chosen).sort().values


def write_idx(array: torch.Tensor, path: Path) -> None:
    """Escribe un tensor uint8 en formato IDX comprimido, sin fecha para que sea reproducible."""
    header = struct.pack(f">BBBB{array.dim()}I", 0, 0, 8, array.dim(), *array.shape)
    content = header + array.numpy().tobytes()
    with open(path, "xb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(content)
    print(hashlib.sha256(content).hexdigest(), path)


def find(folder: Path, name: str) -> Path:
    """El archivo ``name`` de una carpeta, comprimido o no."""
    return next(p for p in (folder / f"{name}.gz", folder / name) if p.exists())


def main(folders: list[str]) -> None:
    for (target, counts), source in zip(PER_CLASS.items(), map(Path, folders), strict=True):
        output = Path(__file__).parent / "samples" / target
        output.mkdir(parents=True, exist_ok=True)
        for split, count in zip(("train", "t10k"), counts, strict=True):
            labels = read_idx(find(source, f"{split}-labels-idx1-ubyte"))
            images = read_idx(find(source, f"{split}-images-idx3-ubyte"))
            chosen = first_of_each_class(labels, count)
            write_idx(images[chosen], output / f"{split}-images-idx3-ubyte.gz")
            write_idx(labels[chosen], output / f"{split}-labels-idx1-ubyte.gz")


if __name__ == "__main__":
    main(sys.argv[1:])
