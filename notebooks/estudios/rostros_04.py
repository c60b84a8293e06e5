"""Las caras con que se entrena en los cuadernos 04: las tuyas, CelebA o unas dibujadas."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from caras_04 import toy_faces
from celeba_04 import celeba
from gancook.data.folder import image_folder
from gancook.data.images import to_uint8
from gancook.data.shipped import data_root
from gancook.figures.plots import show_grid
from gancook.session import record_source
from gancook.style import number


class Faces(NamedTuple):
    """Imágenes uint8 (N, 3, size, size), con el archivo y lo que se sabe de cada una.

    ``traits`` tiene una fila por imagen: los 40 atributos de CelebA, los factores de las dibujadas
    o ninguna columna.
    """

    images: np.ndarray
    names: list[str]
    traits: pd.DataFrame
    source: str


def faces(size: int, path: str | Path | None = None, drawn: int = 2000) -> Faces:
    """Busca caras en ``path`` o en ``$GANCOOK_DATA/caras``; si no, CelebA; si no, las dibuja.

    De la carpeta se usa la subcarpeta que se llame como el tamaño (``caras/64``), si la hay.
    Siempre dice por pantalla cuáles son.

    Args:
        size: lado en píxeles.
        path: una carpeta o un zip de caras.
        drawn: cuántas se dibujan si no hay otras.

    Raises:
        FileNotFoundError: si ``path`` no existe o la carpeta no tiene archivos.

    Se construye en el cuaderno 04.1, §1.
    """
    folder = Path(path) if path else data_root() / "caras"
    if path or folder.is_dir():
        exact = folder / str(size)
        data = image_folder(exact if exact.is_dir() else folder, size)
        found = Faces(data.images, data.names, pd.DataFrame(index=data.names), data.source)
    else:
        found = celeba_or_drawn(size, drawn)
    print(f"Caras de {size}×{size}: {found.source}.")
    return found


def celeba_or_drawn(size: int, drawn: int) -> Faces:
    try:
        data = celeba(size)
    except FileNotFoundError as error:
        print(str(error).partition("\n")[0], "Se dibujan caras en su lugar.")
        images, factors = toy_faces(drawn, size)
        source = f"{number(drawn)} dibujadas por toy_faces"
        record_source(f"caras {size}×{size}", source)
        names = [f"dibujada_{k:05d}" for k in range(drawn)]
        return Faces(images.numpy(), names, pd.DataFrame(factors, index=names), source)
    return Faces(data.images, [*data.attributes.index], data.attributes, data.source)


def show_faces(images: Tensor, title: str, **options) -> None:
    """Rejilla de caras (N, 3, H, W), en bytes o en [−1, 1], con los colores de :func:`coarse`."""
    show_grid(coarse(images), title, **options)


def coarse(images: Tensor) -> Tensor:
    """Bytes con 32 niveles por color: la figura pesa la mitad y apenas se nota."""
    images = images if images.dtype == torch.uint8 else to_uint8(images)
    return images // 8 * 8 + 4
