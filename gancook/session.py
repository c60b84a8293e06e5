"""Una sesión de trabajo: perfil, dispositivo, semillas, carpeta de resultados y sello final."""

import os
import platform
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from gancook.style import use_style
from gancook.version import __version__

PROFILES = ("quick", "laptop", "full")
Value = TypeVar("Value")

_started = time.perf_counter()
_sources: dict[str, str] = {}


def profile() -> str:
    """Perfil activo: ``quick``, ``laptop`` o ``full``.

    Lo fija la variable de entorno ``GANCOOK_PROFILE``; sin ella, ``full`` si hay CUDA y
    ``laptop`` si no. Lanza ``ValueError`` si el nombre no existe.
    """
    name = os.environ.get("GANCOOK_PROFILE") or ("full" if torch.cuda.is_available() else "laptop")
    if name not in PROFILES:
        raise ValueError(
            f"GANCOOK_PROFILE={name!r} no es un perfil. Usa uno de estos: {', '.join(PROFILES)}."
        )
    return name


def pick(*, quick: Value, laptop: Value, full: Value) -> Value:
    """Elige el valor del perfil activo: las celdas son las mismas, solo cambian los tamaños."""
    return {"quick": quick, "laptop": laptop, "full": full}[profile()]


def get_device() -> torch.device:
    """Dispositivo de cálculo: ``GANCOOK_DEVICE`` si está definida; si no, CUDA o la CPU."""
    return torch.device(
        os.environ.get("GANCOOK_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    )


def seed_everything(seed: int) -> None:
    """Fija las semillas de Python, NumPy y torch (CPU y CUDA). Va justo antes de cada azar."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (siembra también las bibliotecas que usan el global)
    torch.manual_seed(seed)


@contextmanager
def temporary_seed(seed: int) -> Iterator[None]:
    """Dentro del ``with``, el azar de torch sale de ``seed``; al salir sigue donde estaba.

    Para medir a mitad de un entrenamiento sin cambiarlo. Solo repone el de la CPU y el de CUDA.
    """
    with torch.random.fork_rng(range(torch.cuda.device_count())):  # manual_seed siembra todas
        torch.manual_seed(seed)
        yield


def setup() -> torch.device:
    """Prepara un cuaderno: estilo de figuras y reloj; imprime versión, perfil y dispositivo.

    Devuelve el dispositivo. Es lo único que hace la celda ``preparacion`` tras el ``import``.
    """
    global _started
    _started = time.perf_counter()
    _sources.clear()
    use_style()
    device = get_device()
    print(f"gancook {__version__} · perfil {profile()} · {_describe(device)}")
    if profile() == "quick":
        print("Perfil de pruebas: las cifras y figuras que comenta el texto son de laptop.")
    return device


def record_source(name: str, source: str) -> None:
    """Apunta de dónde salió un conjunto de datos, para el sello del final."""
    _sources[name] = source


def results_dir(name: str) -> Path:
    """Carpeta donde un cuaderno deja figuras, GIF y tablas; la crea si no existe.

    ``$GANCOOK_RESULTS/name`` si está definida; en ``quick``, una carpeta temporal que se borra al
    acabar el proceso; si no, ``resultados/name`` junto al cuaderno (ignorada por git).
    """
    if os.environ.get("GANCOOK_RESULTS"):
        folder = Path(os.environ["GANCOOK_RESULTS"]) / name
    elif profile() == "quick":
        folder = Path(_temporary_folder().name) / name
    else:
        folder = Path("resultados") / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def stamp() -> None:
    """Última celda de cada cuaderno: imprime con qué, dónde y en cuánto tiempo se ejecutó."""
    info = {
        "perfil": profile(),
        "dispositivo": _describe(get_device()),
        "versiones": f"gancook {__version__}, torch {torch.__version__.split('+')[0]}, "
        f"Python {platform.python_version()}",
        "minutos": f"{(time.perf_counter() - _started) / 60:.1f}".replace(".", ","),
        "datos": "; ".join(f"{name}: {source}" for name, source in _sources.items())
        or "sintéticos, generados en el cuaderno",
    }
    print("\n".join(f"{key}: {value}" for key, value in info.items()))


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="gancook-")


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device.type} ({threads} hilo{'s' if threads > 1 else ''})"
