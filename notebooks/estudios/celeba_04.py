"""CelebA (Liu, Luo, Wang y Tang, 2015): 202 599 caras de famosos, solo para investigar.

Su licencia prohíbe el uso comercial y volver a publicar las imágenes.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from torchvision.datasets import CelebA
from torchvision.datasets.utils import download_file_from_google_drive

from gancook.data.folder import image_folder
from gancook.data.shipped import data_root, own_root
from gancook.session import profile

_IMAGES, _ATTRIBUTES = "img_align_celeba.zip", "list_attr_celeba.txt"
_PARTITION = "list_eval_partition.txt"

_HELP = """CelebA no está en este equipo y no se ha podido descargar: {reason}.
Puedes conseguirla de otro modo (solo para investigar, sin uso comercial):
1. De su página, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, «Align&Cropped Images»: deja
   {files} en {folder}, sin descomprimir nada, y repite.
2. De una copia en Hugging Face, unos 12 GB, sin los atributos (pip install datasets):
     import pathlib, datasets
     pathlib.Path("celeba").mkdir()
     for i, row in enumerate(datasets.load_dataset("flwrlabs/celeba", split="train")):
         row["image"].save(f"celeba/{{i:06d}}.png")
   y después, image_folder("celeba", 64).
3. Mañana, repitiendo esta llamada: el límite de descargas de Google Drive es diario."""


class FaceData(NamedTuple):
    """Imágenes uint8 (N, 3, size, size) mapeadas; atributos bool (N, 40) y partición, por imagen.

    ``partition`` vale 0 (entrenamiento), 1 (validación) o 2 (prueba).
    """

    images: np.memmap
    attributes: pd.DataFrame
    partition: np.ndarray
    source: str


def celeba(size: int, path: str | Path | None = None) -> FaceData:
    """CelebA alineada, en cuadrados de ``size`` píxeles; el zip se lee sin descomprimirlo.

    Se busca en ``path``, o en ``celeba/`` dentro de ``$GANCOOK_DATA`` y de ``data/``, y si no está
    se descarga (hace falta ``gdown``), salvo en el perfil ``quick``. Vale también la carpeta
    ``img_align_celeba`` ya descomprimida.

    Raises:
        FileNotFoundError: si no está y no se puede descargar; dice cómo conseguirla.
    """
    folder = _find(path)
    data = image_folder(_images(folder), size)
    files = [name.rpartition("/")[2] for name in data.names]
    attributes = pd.read_csv(folder / _ATTRIBUTES, sep=r"\s+", skiprows=1).loc[files] == 1
    partition = pd.read_csv(folder / _PARTITION, sep=r"\s+", header=None, index_col=0)[1]
    return FaceData(data.images, attributes, partition.loc[files].to_numpy(), data.source)


def _find(path: str | Path | None) -> Path:
    folders = [Path(path)] if path else [data_root() / "celeba", own_root() / "celeba"]
    for folder in folders:
        texts = (folder / _ATTRIBUTES, folder / _PARTITION)
        if _images(folder).exists() and all(text.exists() for text in texts):
            return folder
    if path or profile() == "quick":
        raise FileNotFoundError(_help(folders[0], f"en {folders[0]} no están sus archivos"))
    return _download(folders[0])


def _images(folder: Path) -> Path:
    unpacked = folder / Path(_IMAGES).stem
    return unpacked if unpacked.is_dir() else folder / _IMAGES


def _download(folder: Path) -> Path:
    if find_spec("gdown") is None:
        raise FileNotFoundError(_help(folder, "falta gdown (pip install gdown)"))
    try:
        for file_id, md5, name in CelebA.file_list:
            if name in (_IMAGES, _ATTRIBUTES, _PARTITION):
                download_file_from_google_drive(file_id, folder, name, md5)
    except Exception as error:  # gdown tiene los suyos, que no heredan de ninguno de Python
        reason = f"Google Drive la ha rechazado, casi siempre por exceso de descargas ({error})"
        raise FileNotFoundError(_help(folder, reason)) from error
    return folder


def _help(folder: Path, reason: str) -> str:
    files = f"{_IMAGES}, {_ATTRIBUTES} y {_PARTITION}"
    return _HELP.format(reason=reason, files=files, folder=folder)
