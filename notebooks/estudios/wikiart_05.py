"""Los cuadros con que se entrena en los cuadernos 05: los tuyos, WikiArt o unos dibujados.

WikiArt mezcla obras de dominio público con otras que tienen dueño: cada uso ha de comprobarlo.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from fastprogress import progress_bar

from gancook.data.folder import FolderData, image_folder
from gancook.data.shipped import data_root
from gancook.files import write_atomic
from gancook.session import record_source
from gancook.style import number
from pinturas_05 import FAMILIES, toy_paintings

_FOLDERS = "pinturas", "wikiart"  # en $GANCOOK_DATA
_ARCHIVE, _TABLE = "train.zip", "all_data_info.csv"  # los de la competición de Kaggle
_HUB, _HUB_COUNT, _HUB_BYTES = "Artificio/WikiArt", 103_250, 2_072_679_810

_HELP = """En {folder} no hay cuadros: se dibujan en su lugar. Para usar los de WikiArt, una de dos:
1. De Kaggle, 49 GB: acepta las normas de https://www.kaggle.com/c/painter-by-numbers/data y deja
   train.zip y all_data_info.csv en {folder}, sin descomprimir nada.
2. De Hugging Face, reducidos, unos {size} kB por cuadro (pip install datasets):
   wikiart({side}, download=5000)
O los tuyos, con una subcarpeta por estilo: wikiart({side}, path="carpeta")."""


class Paintings(NamedTuple):
    """Imágenes uint8 (N, 3, size, size), con el estilo int64 y el archivo de cada una."""

    images: np.ndarray
    labels: np.ndarray
    styles: tuple[str, ...]
    names: list[str]
    source: str


def wikiart(
    size: int,
    style: str | None = None,
    path: str | Path | None = None,
    *,
    drawn: int = 2000,
    download: int = 0,
) -> Paintings:
    """Busca cuadros en ``path`` o en ``$GANCOOK_DATA``; si no, los descarga o los dibuja.

    En ``$GANCOOK_DATA`` (o ``data/``) valen ``pinturas/`` y ``wikiart/``, por este orden, con una
    subcarpeta por estilo o con los archivos de la competición Painter by Numbers, de la que se lee
    ``train.zip``. Siempre dice por pantalla cuáles usa.

    Args:
        size: lado en píxeles.
        style: solo los de este estilo, que se copian a la memoria.
        path: una carpeta o un zip de cuadros.
        drawn: cuántos se dibujan si no hay otros.
        download: cuántos se bajan de Hugging Face si no hay otros (hace falta ``datasets``). Antes
            se dice lo que ocupan. Si se interrumpe, la misma llamada sigue donde quedó.

    Raises:
        FileNotFoundError: si ``path`` no existe o no hay archivos, o falta ``datasets``.
        ValueError: si no hay cuadros de ``style``; dice qué estilos hay.
        OSError: si no cabe en el disco, antes de empezar.
    """
    places = [Path(path)] if path else [data_root() / name for name in _FOLDERS]
    place = next((p for p in places if path or p.is_dir()), None)
    if place is None and download:
        place = _download(places[-1], download)
    if place is None:
        size_kb = number(round(_HUB_BYTES / _HUB_COUNT / 1000))
        print(_HELP.format(folder=places[0], size=size_kb, side=size))
    found = _drawn(size, drawn) if place is None else _read(place, size)
    if style is not None:
        found = _only(found, style)
    print(f"Cuadros de {size}×{size}: {found.source}.")
    return found


def _read(place: Path, size: int) -> Paintings:
    archive = place / _ARCHIVE if (place / _ARCHIVE).is_file() else place
    data = image_folder(archive, size)
    tables = [folder / _TABLE for folder in (place, place.parent) if archive.suffix == ".zip"]
    table = next((t for t in tables if t.is_file()), None)
    labels, styles = (data.labels, data.classes) if table is None else _kaggle_styles(data, table)
    return Paintings(data.images, labels, styles, data.names, data.source)


def _kaggle_styles(data: FolderData, table: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    info = pd.read_csv(table, usecols=["new_filename", "style"]).drop_duplicates("new_filename")
    files = [name.rpartition("/")[2] for name in data.names]
    found = info.set_index("new_filename")["style"].reindex(files).fillna("sin estilo")
    styles, labels = np.unique(found.to_numpy(str), return_inverse=True)
    return labels, tuple(styles.tolist())


def _drawn(size: int, count: int) -> Paintings:
    images, labels = toy_paintings(count, size)
    source = f"{number(count)} dibujados por toy_paintings"
    record_source(f"cuadros {size}×{size}", source)
    names = [f"dibujado_{k:05d}" for k in range(count)]
    return Paintings(images.numpy(), labels.numpy(), FAMILIES, names, source)


def _only(found: Paintings, style: str) -> Paintings:
    counts = dict(zip(found.styles, np.bincount(found.labels).tolist(), strict=False))
    if style not in counts:
        listed = ", ".join(f"{name} ({number(count)})" for name, count in counts.items())
        raise ValueError(f"No hay cuadros de estilo {style!r}. Los que hay son: {listed}.")
    chosen = np.flatnonzero(found.labels == found.styles.index(style))
    return Paintings(
        found.images[chosen],
        np.zeros(len(chosen), np.int64),
        (style,),
        [found.names[k] for k in chosen],
        f"{number(len(chosen))} de estilo {style}, de {found.source}",
    )


def _download(folder: Path, count: int) -> Path:
    """Baja los ``count`` primeros de Hugging Face a ``folder``, sin cambiarles un byte."""
    if find_spec("datasets") is None:
        raise FileNotFoundError("Para bajar cuadros de Hugging Face falta: pip install datasets.")
    import datasets  # tarda en cargarse y casi nunca hace falta

    partial = folder.with_name(f"{folder.name}.parcial")  # con este nombre no se usa
    partial.mkdir(parents=True, exist_ok=True)
    done = len([*partial.glob("*/[0-9]*.jpg")])
    builder = datasets.load_dataset_builder(_HUB)  # solo la ficha
    split = builder.info.splits["train"]
    count = min(count, split.num_examples)
    needed = builder.info.download_size * (count - done) / split.num_examples
    _announce(partial, count - done, needed)
    rows = datasets.load_dataset(_HUB, split="train", streaming=True)
    rows = rows.cast_column("image", datasets.Image(decode=False)).skip(done).take(count - done)
    for k, row in enumerate(progress_bar(rows, total=count - done), start=done):
        place = partial / (row["style"] or "sin estilo").replace("/", "-")
        place.mkdir(exist_ok=True)
        with write_atomic(place / f"{k:06d}.jpg") as file:
            file.write(row["image"]["bytes"])
    os.replace(partial, folder)
    return folder


def _announce(folder: Path, count: int, needed: float) -> None:
    size, free = number(needed / 1e9, 2), shutil.disk_usage(folder).free
    print(f"Se bajan {number(count)} cuadros de {_HUB}, en Hugging Face: unos {size} GB.")
    if needed > free:
        raise OSError(
            f"Hacen falta {size} GB y en {folder} quedan {number(free / 1e9, 2)}. Pide menos "
            "cuadros o elige otro disco con GANCOOK_DATA."
        )
