"""Lo que llevan las copias: que se reabra con ``weights_only`` y sea de este entrenamiento."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import IO, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gancook.data.batches import Batches

FORMAT = "gancook 2"


class Stateful(Protocol):
    """Lo que se puede guardar: redes, optimizadores, medias móviles, lotes, historiales…"""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


def write_reopenable(state: dict[str, Any], file: IO[bytes]) -> None:
    """Escribe ``state`` en ``file`` y comprueba que lo escrito se reabre.

    Raises:
        TypeError: si no; nombra la parte (``state["parts"]``) y lo que lo impide dentro de ella.
    """
    try:
        torch.save(state, file)
        file.flush()
        torch.load(file.name, map_location="cpu", weights_only=True)
    except Exception as error:  # el disco lleno también llega aquí, y entonces no hay culpable
        for name, part in state["parts"].items():
            if problem := _culprit(part, name):
                raise TypeError(f"No se guarda la copia: {problem}.") from error
        raise


def reopened_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Los ajustes como se leerán de una copia, para saber ya si se podrán comparar.

    Raises:
        TypeError: si alguno no se puede reabrir o no sale igual; dice cuál y qué hacer.
    """
    for key, value in settings.items():
        if problem := _culprit(key, f"la clave {key!r}") or _culprit(value, f"settings[{key!r}]"):
            raise TypeError(f"Estos ajustes no se pueden guardar: {problem}.")
        if not _same(_round_trip(value), value):
            raise TypeError(
                f"settings[{key!r}] = {value} no se puede comparar al reanudar: usa None en vez de "
                "NaN y valor.tolist() en vez de un tensor."
            )
    return _round_trip(dict(settings))


def read_whole(path: Path) -> Any:
    """El estado de ``path``, en la CPU, tras comprobar sus sumas: torch no lo hace.

    Raises:
        ValueError: si el archivo está dañado o no lo escribió ``torch.save``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"falla {damaged}")
        return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise  # no está dañada: no se puede leer
    except Exception as error:  # según el byte que falte, falla en un sitio u otro
        raise ValueError(f"La copia {path} está dañada o no es una copia.") from error


def mismatch(state: Any, settings: dict[str, Any], parts: dict[str, Stateful]) -> str:
    """En qué no es ``state`` una copia de este entrenamiento; vacío si lo es."""
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        return "no la escribió esta versión de gancook"
    if state["settings"] != settings:
        return f"se guardó con {state['settings']} y ahora es {settings}"
    if state["parts"].keys() != parts.keys():
        return f"guarda {', '.join(state['parts'])} y se piden {', '.join(parts)}"
    for name, part in parts.items():
        before, now = state["types"][name], type(part).__name__
        if before != now:
            return f"{name} era {before} y ahora es {now}"
        if not _fits(part, state["parts"][name]):
            return f"{name} no coincide"
    return ""


def tensors(value: Any) -> Iterator[Tensor]:
    """Los tensores de un estado anidado en diccionarios y listas."""
    if isinstance(value, Tensor):
        yield value
    for _, item in _items(value):
        yield from tensors(item)


def _round_trip(value: Any) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)


def _culprit(value: Any, name: str) -> str:
    """Qué impide reabrir ``value`` y qué hacer; vacío si se reabre."""
    try:
        _round_trip(value)
        return ""
    except Exception:
        inside = (
            _culprit(key, f"la clave {key!r} de {name}") or _culprit(item, f"{name}[{key!r}]")
            for key, item in _items(value)
        )
        return next(filter(None, inside), "") or f"{name} es {_kind(value)}"


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, (list, tuple, set, frozenset)) else []


def _kind(value: Any) -> str:
    """El tipo de lo que no se puede reabrir y por qué otra cosa cambiarlo."""
    advice = {
        (type, FunctionType): "guarda su nombre, valor.__name__",
        Path: "guarda str(valor)",
        np.generic: "guarda valor.item(), o float(valor)",
        np.ndarray: "guarda valor.tolist() o torch.from_numpy(valor)",
    }
    options = [text for kind, text in advice.items() if isinstance(value, kind)]
    options.append("guarda números, textos, listas, diccionarios o tensores")
    name = f"la clase {value.__name__}" if isinstance(value, type) else type(value).__name__
    return f"{name}, que torch no reabre sin riesgo; {options[0]}"


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except RuntimeError:  # dos tensores con varios números
        return False


def _fits(part: Stateful, state: dict[str, Any]) -> bool:
    """Si ``state`` se puede cargar en ``part``: mismas formas, parámetros u orden de los lotes."""
    if isinstance(part, nn.Module):
        return _shapes(state) == _shapes(part.state_dict())
    if isinstance(part, Optimizer):
        groups = part.state_dict()["param_groups"]
        return [len(g["params"]) for g in state["param_groups"]] == [
            len(g["params"]) for g in groups
        ]
    return not isinstance(part, Batches) or state == part.state_dict()


def _shapes(state: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "shape", None) for name, value in state.items()}
