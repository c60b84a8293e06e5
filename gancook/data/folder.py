"""Una carpeta o un zip de imágenes, preparados una vez y leídos como un solo archivo mapeado."""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from glob import escape
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd
from fastprogress import progress_bar
from filelock import FileLock, Timeout
from PIL import Image, UnidentifiedImageError

from gancook.data.decode import decode_image
from gancook.data.shipped import data_root
from gancook.data.tree import Entry, list_folder, list_zip
from gancook.files import write_atomic
from gancook.session import record_source
from gancook.style import number

_VERSION = 1  # se sube cuando las mismas imágenes vayan a dar otros bytes
_CHUNK = 256  # imágenes que se decodifican y se apuntan juntas
_DATA, _PARTIAL = "imagenes.uint8", "imagenes.parcial"
_LOG, _REPORT = "registro.jsonl", "informe.csv"

Row = tuple[str, np.ndarray | None, str]  # archivo, imagen si se puede usar, y aviso o motivo
Read = Callable[[str], bytes]


class FolderData(NamedTuple):
    """Imágenes uint8 (N, 3, size, size) mapeadas, con la clase int64 y el archivo de cada una."""

    images: np.memmap
    labels: np.ndarray
    classes: tuple[str, ...]
    names: list[str]
    source: str
    report: Path


def image_folder(
    path: str | Path, size: int, *, min_side: int = 8, workers: int | None = None
) -> FolderData:
    """Las imágenes de una carpeta o de un zip, en cuadrados RGB de ``size`` píxeles de lado.

    La primera vez se decodifican y se guardan en ``preparados/``, en ``$GANCOOK_DATA`` o ``data/``;
    después se leen de ahí, sin ocupar memoria. Lo interrumpido sigue donde quedó, y se rehace si la
    carpeta o los ajustes cambian. De lo que no se puede usar, y por qué, queda un informe CSV.
    La clase es la primera subcarpeta que distingue a unas imágenes de otras («.» si no la hay).

    Args:
        path: carpeta o archivo ``.zip``; no se modifica.
        size: se reduce el lado corto a ``size`` y se recorta el centro.
        min_side: las imágenes de menos lado que este no se usan.
        workers: hilos que decodifican; por omisión, uno por núcleo.

    Raises:
        FileNotFoundError: si ``path`` no existe o no contiene archivos.
        ValueError: si ninguna imagen se puede usar o el zip está dañado.
        OSError: si no cabe en el disco, antes de empezar, o la carpeta cambia entretanto.
    """
    path = Path(path).resolve()
    entries, read = _open(path)
    if not entries:
        raise FileNotFoundError(f"En {path} no hay ningún archivo. Revisa la ruta.")
    title = f"{path.stem[:40]}-{size}-{_digest((str(path), size, min_side, _VERSION), 8)}"
    place = _root() / f"{title}-{_digest(entries, 12)}"
    _root().mkdir(parents=True, exist_ok=True)
    with _alone(_root() / f"{title}.lock"):
        if not (place / _DATA).exists():
            decode = partial(_decode, read, size, min_side)
            _prepare(place, entries, decode, 3 * size**2, workers or os.cpu_count() or 1)
            if _open(path)[0] != entries:
                raise OSError(f"{path} ha cambiado mientras se preparaba: repite la llamada.")
            os.replace(place / _PARTIAL, place / _DATA)
            for old in {*_root().glob(f"{escape(title)}-*")} - {place}:
                shutil.rmtree(old, ignore_errors=True)  # de cuando la carpeta era otra
    return _load(path, place, size)


def _root() -> Path:
    return data_root() / "preparados"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Un solo proceso a la vez; si su dueño muere, el sistema suelta el cerrojo."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("Otro programa está preparando estas imágenes: se espera a que acabe.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _open(path: Path) -> tuple[list[Entry], Read]:
    """Lo que hay en ``path`` y cómo se lee cada archivo."""
    if path.is_dir():
        return list_folder(path, _root().resolve()), lambda name: (path / name).read_bytes()
    try:
        archive = ZipFile(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"No existe {path}: indica una carpeta o un zip.") from error
    except BadZipFile as error:
        raise ValueError(f"{path} no es un zip entero: consigue otra copia ({error}).") from error
    return list_zip(archive), archive.read


def _digest(value: object, length: int) -> str:
    return hashlib.sha256(ascii(value).encode()).hexdigest()[:length]


def _prepare(place: Path, entries: list[Entry], decode: Callable, row: int, workers: int) -> None:
    """Escribe las imágenes, de ``row`` bytes cada una, desde cero o desde donde quedaran."""
    place.mkdir(exist_ok=True)
    pending = entries[_resume(place, row) :]
    if len(pending) * row > (free := shutil.disk_usage(place).free):
        raise OSError(
            f"Hacen falta {number(len(pending) * row / 1e9, 2)} GB y en {place} quedan "
            f"{number(free / 1e9, 2)}. Libera espacio o elige otro disco con GANCOOK_DATA."
        )
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.init()  # aquí, y no en varios hilos a la vez
        for start in progress_bar(range(0, len(pending), _CHUNK)):
            _append(place, [*pool.map(decode, pending[start : start + _CHUNK])])
    _report(place)


def _resume(place: Path, row: int) -> int:
    """Deja los dos archivos en su último grupo completo y dice cuántas entradas hay hechas."""
    log, data = place / _LOG, place / _PARTIAL
    log.touch()
    data.touch()
    os.truncate(log, log.read_bytes().rfind(b"\n") + 1)
    records = _records(place)
    os.truncate(data, row * sum(used for _, used, _ in records))
    return len(records)


def _append(place: Path, rows: list[Row]) -> None:
    with open(place / _PARTIAL, "ab") as data, open(place / _LOG, "ab") as log:
        data.writelines(image.tobytes() for _, image, _ in rows if image is not None)
        data.flush()
        os.fsync(data.fileno())  # el registro no dice más de lo que hay en el disco
        records = [(name, image is not None, note) for name, image, note in rows]
        log.write(json.dumps(records).encode() + b"\n")


def _records(place: Path) -> list[tuple[str, bool, str]]:
    with open(place / _LOG, encoding="utf-8") as log:
        return [tuple(record) for line in log for record in json.loads(line)]


def _decode(read: Read, size: int, min_side: int, entry: Entry) -> Row:
    name, problem, *_ = entry
    content = b""
    try:
        if not problem:
            content = read(name)
            return name, *decode_image(content, size, name, min_side)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        problem = f"demasiado grande, quizá a propósito: {error}"
    except UnidentifiedImageError:
        problem = f"no es una imagen: empieza por {content[:12]!r}" if content else "está vacío"
    except Exception as error:  # con un archivo dañado, Pillow puede lanzar casi cualquiera
        problem = f"dañado: {error or type(error).__name__}"
    return name, None, problem


def _report(place: Path) -> None:
    """Escribe el informe y lo anuncia; si no hay ninguna imagen, es un error."""
    records = pd.DataFrame(_records(place), columns=["archivo", "usado", "motivo"])
    table = records[records.motivo != ""].replace({"usado": {True: "sí", False: "no"}})
    with write_atomic(place / _REPORT) as file:
        file.write(table.to_csv(index=False).encode("utf-8", "backslashreplace"))
    summary = (
        f"{number(records.usado.sum())} imágenes preparadas y {number((~records.usado).sum())} "
        f"archivos que no se pueden usar. Motivos y avisos: {place / _REPORT}"
    )
    if not records.usado.any():
        raise ValueError(summary)
    print(summary)


def _load(path: Path, place: Path, size: int) -> FolderData:
    names = [name for name, used, _ in _records(place) if used]
    images = np.memmap(place / _DATA, np.uint8, "r", shape=(len(names), 3, size, size))
    folders = [name.split("/")[:-1] for name in names]
    shared = len(os.path.commonprefix(folders))  # las carpetas comunes a todas no dicen nada
    tops = [folder[shared] if len(folder) > shared else "." for folder in folders]
    classes, labels = np.unique(tops, return_inverse=True)
    # de caras/64, «64» a secas no diría nada
    name = "/".join(path.parts[-2:]) if path.name.isdecimal() else path.name
    source = f"{number(len(names))} imágenes ({name})"
    record_source(f"{name.removesuffix('.zip')} {size}×{size}", source)
    return FolderData(images, labels, tuple(classes.tolist()), names, source, place / _REPORT)
