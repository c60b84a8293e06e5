"""Lo que viaja con el recetario: muestras, tablas publicadas y pesos."""

import hashlib
import os
from pathlib import Path

from safetensors.torch import load
from torch import Tensor

_PACKAGE = Path(__file__).parents[1]
_IN_WHEEL = _PACKAGE / "_data"  # la rueda lleva dentro lo que el repositorio tiene en data/


def repository() -> Path | None:
    """La raíz del repositorio, o ``None`` si gancook está instalado desde una rueda."""
    return None if _IN_WHEEL.is_dir() else _PACKAGE.parent


def own_root() -> Path:
    """Dónde viven los datos de este equipo: ``data/`` o, sin repositorio, la caché del usuario."""
    root = repository()  # sin repositorio, una carpeta data/ vecina sería de otro
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gancook"
    return cache if root is None else root / "data"


def data_root() -> Path:
    """Dónde se guarda lo que se descarga o se prepara: ``$GANCOOK_DATA`` o :func:`own_root`."""
    return Path(os.environ.get("GANCOOK_DATA") or own_root())


def shipped(*parts: str) -> Path:
    """Ruta de algo que acompaña al paquete, por ejemplo ``shipped("samples", "mnist")``."""
    root = repository()
    return (_IN_WHEEL if root is None else root / "data").joinpath(*parts)


def published(name: str) -> Path:
    """Ruta de una tabla publicada por una fuente (``data/published/name``)."""
    return shipped("published", name)


def measured(name: str) -> Path:
    """Ruta de la tabla de un estudio nuestro (``data/measured/name``), una fila por corrida."""
    return shipped("measured", name)


def studies() -> Path:
    """La carpeta de los guiones de los estudios; un cuaderno la pone en ``sys.path``."""
    root = repository()
    return _IN_WHEEL / "estudios" if root is None else root / "notebooks" / "estudios"


def load_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Los tensores de un archivo safetensors.

    Raises:
        FileNotFoundError: si el archivo no está.
        ValueError: si no es un safetensors o su suma no es ``sha256``.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No está {path}. Revisa la ruta o usa los pesos incluidos.")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise ValueError(
            f"{path.name} no es el archivo del recetario (SHA-256 {found[:12]}…, se esperaba "
            f"{sha256[:12]}…). Recupera el original: con otros pesos las cifras no se comparan."
        )
    try:
        return load(content)
    except Exception as error:  # safetensors lanza su propio tipo
        raise ValueError(
            f"{path.name} está dañado o no es un archivo safetensors ({error}). No se ha tocado: "
            "apártalo y consigue otra copia."
        ) from error
