"""Copias de un entrenamiento: se escriben enteras o no se escriben, y se reanudan al bit."""

import os
import random
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gancook.data.batches import Batches
from gancook.training.history import History

_FORMAT = "gancook 1"


class Stateful(Protocol):
    """Lo que se puede guardar: redes, optimizadores, medias móviles, lotes, historiales…"""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


class Checkpoints:
    """Gancho para ``fit``: cada ``every`` pasos guarda lo necesario para seguir exactamente igual.

    Además de ``parts`` guarda el historial y el estado del azar (Python, NumPy, torch y CUDA).
    Uso: ``history = checkpoints.load()`` y después ``fit(…, hook=checkpoints, history=history)``.

    Args:
        folder: carpeta de este entrenamiento y de ningún otro.
        every: pasos entre copias.
        keep: cuántas se conservan hasta el paso actual; al escribir una se borra la más antigua.
        settings: ajustes que han de coincidir al reanudar (tasas, nombre de la pérdida…).
        parts: objetos con ``state_dict`` y ``load_state_dict``; los lotes también.

    Raises:
        FileExistsError: si la carpeta tiene copias que no se han cargado: no se pisan.
        FloatingPointError: si hay NaN o infinitos en lo que se iba a guardar.

    Se usa por primera vez en el cuaderno 03, §7.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        every: int,
        keep: int = 3,
        settings: Mapping[str, Any] | None = None,
        **parts: Stateful,
    ):
        self.folder, self.every, self.keep = Path(folder), every, keep
        self.settings, self.parts = dict(settings or {}), parts
        self._is_ours = False

    def __call__(self, history: History) -> None:
        self._claim()
        if history.step % self.every == 0:
            self.save(history)

    def save(self, history: History) -> Path:
        """Escribe la copia del paso actual y devuelve su ruta; conserva las ``keep`` últimas."""
        self._claim()
        state = {
            "format": _FORMAT,
            "settings": self.settings,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "history": history.state_dict(),
            "random": _random_state(),
        }
        for name, value in state["parts"].items():
            if not all(t.isfinite().all() for t in _tensors(value)):
                raise FloatingPointError(
                    f"Hay NaN o infinitos en {name} tras el paso {history.step}: no se guarda. "
                    + self._advice(self._paths())
                )
        path = self.folder / f"paso_{history.step:09d}.pt"
        _write(state, path)
        until_now = [old for old in self._paths() if _step(old) <= history.step]
        for old in until_now[: -self.keep]:
            old.unlink()
        return path

    def load(self, step: int | None = None) -> History:
        """Restaura la última copia (o la del paso ``step``) y devuelve su historial.

        Sin copias devuelve un historial vacío. Nada cambia si la copia no se puede usar.

        Raises:
            FileNotFoundError: si no hay copia del paso pedido.
            ValueError: si está dañada o es de otro entrenamiento; dice cuál es la anterior.
        """
        paths = self._paths()
        if step is not None:
            paths = [path for path in paths if _step(path) <= step]
            if not paths or _step(paths[-1]) != step:
                raise FileNotFoundError(f"No hay copia del paso {step} en {self.folder}.")
        history = History()
        state = self._read(paths) if paths else None
        self._is_ours = True  # solo si se han podido leer: lo que no se entiende no se pisa
        if state is None:
            return history
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        history.load_state_dict(state["history"])
        _restore_random(state["random"])
        print(f"Se reanuda en el paso {history.step}, de {paths[-1].name}.")
        return history

    def _claim(self) -> None:
        if not self._is_ours and self._paths():
            raise FileExistsError(
                f"{self.folder} ya tiene copias de otro entrenamiento y no se tocan. Llama antes a "
                "load() para continuarlo, o elige otra carpeta para empezar de cero."
            )
        self._is_ours = True

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("paso_*.pt"))

    def _read(self, paths: list[Path]) -> dict[str, Any]:
        """La última de ``paths``, comprobada: entera, nuestra y de este entrenamiento."""
        path, advice = paths[-1], self._advice(paths[:-1])
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()  # torch no comprueba las sumas al leer
            state = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # según el byte que falte, falla en un sitio u otro
            raise ValueError(f"La copia {path} está dañada o no es una copia. {advice}") from error
        if damaged:
            raise ValueError(f"La copia {path} está dañada (falla {damaged}). {advice}")
        if problem := self._mismatch(state):
            raise ValueError(f"La copia {path} es de otro entrenamiento: {problem}. {advice}")
        return state

    def _mismatch(self, state: Any) -> str:
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            return "no la escribió esta versión de gancook"
        if state["settings"] != self.settings:
            return f"se guardó con {state['settings']} y ahora es {self.settings}"
        if state["parts"].keys() != self.parts.keys():
            return f"guarda {', '.join(state['parts'])} y se piden {', '.join(self.parts)}"
        for name, part in self.parts.items():
            if not _fits(part, state["parts"][name]):
                return f"{name} no coincide"
        return ""

    def _advice(self, earlier: list[Path]) -> str:
        if not earlier:
            return "No hay ninguna anterior: elige otra carpeta para empezar de cero."
        return f"La anterior se recupera con load(step={_step(earlier[-1])})."


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("paso_"))


def _write(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.parent.name}.tmp")  # si quedó una a medias, se reescribe
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())  # en el disco antes de que tenga nombre
    os.replace(temporary, path)


def _tensors(value: Any) -> Iterator[Tensor]:
    """Los tensores de un estado anidado en diccionarios y listas."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _fits(part: Stateful, state: dict[str, Any]) -> bool:
    """Si ``state`` se puede cargar en ``part``: mismas formas, parámetros u orden de los lotes."""
    if isinstance(part, nn.Module):
        current = part.state_dict()
        return {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in current.items()}
    if isinstance(part, Optimizer):
        groups = part.state_dict()["param_groups"]
        return [len(g["params"]) for g in state["param_groups"]] == [
            len(g["params"]) for g in groups
        ]
    return not isinstance(part, Batches) or state == part.state_dict()


def _random_state() -> dict[str, Any]:
    version, keys, gauss = random.getstate()
    name, array, *rest = np.random.get_state()  # noqa: NPY002  (el global, que también se siembra)
    return {
        "python": (version, keys, gauss),
        "numpy": (name, torch.from_numpy(array.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore_random(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
