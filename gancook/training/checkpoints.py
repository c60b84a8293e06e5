"""Copias de un entrenamiento: se escriben enteras o no se escriben, y se reanudan al bit."""

import itertools
import random
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gancook.files import write_atomic
from gancook.training.history import History
from gancook.training.saved import (
    FORMAT,
    Stateful,
    mismatch,
    read_whole,
    reopened_settings,
    tensors,
    write_reopenable,
)

_ORPHAN = 3600  # s; un temporal más viejo lo dejó un proceso que murió mientras escribía


class Checkpoints:
    """Gancho para ``fit``: cada ``every`` pasos guarda lo necesario para seguir exactamente igual.

    Además de ``parts`` guarda el historial y el estado del azar (Python, NumPy, torch y CUDA).
    Uso: ``history = checkpoints.load()`` y ``fit(…, hooks=[checkpoints], history=history)``.

    Si se carga una copia anterior y se sigue desde ella, la primera que se escribe aparta las
    posteriores a la subcarpeta ``apartadas``: son de otra rama y no se borran nunca.

    Args:
        folder: carpeta de este entrenamiento y de ningún otro.
        every: pasos entre copias.
        keep: cuántas se conservan; al escribir una se borra la más antigua.
        settings: ajustes que han de coincidir al reanudar (tasas, nombre de la pérdida…).
        parts: objetos con ``state_dict`` y ``load_state_dict``; los lotes también.

    Raises:
        ValueError: si ``every`` o ``keep`` son menores que 1.
        TypeError: si algo de ``settings`` (al construir) o de ``parts`` (al guardar) no se podría
            reabrir; la copia no se escribe y las anteriores no cambian.
        FileExistsError: al guardar, si la carpeta tiene copias que no se han cargado o las está
            escribiendo otro proceso: no se pisan.
        FloatingPointError: si hay NaN o infinitos en lo que se iba a guardar.

    Se usa por primera vez en el cuaderno 03.3, §1.3.
    """

    goes_last = True  # los demás ganchos también cambian cosas, y la copia ha de llevarlas

    def __init__(
        self,
        folder: Path | str,
        *,
        every: int,
        keep: int = 3,
        settings: Mapping[str, Any] | None = None,
        **parts: Stateful,
    ):
        if every < 1 or keep < 1:
            raise ValueError(f"every={every} y keep={keep} deben ser al menos 1.")
        self.folder, self.every, self.keep = Path(folder), every, keep
        self.settings, self.parts = reopened_settings(settings or {}), parts
        self._seen: set[str] | None = None  # copias escritas aquí o que ya estaban al cargar
        self._last = 0  # paso de la última copia cargada o escrita…
        self._history: History | None = None  # …y el historial al que pertenece

    def __call__(self, history: History) -> None:
        self._claim()
        if history.step % self.every == 0:
            self.save(history)

    def save(self, history: History) -> Path:
        """Escribe la copia del paso actual y devuelve su ruta; conserva las ``keep`` últimas."""
        self._claim()
        state = self._state(history)
        path = self.folder / f"paso_{history.step:09d}.pt"
        with write_atomic(path) as file:
            write_reopenable(state, file)
            self._check_alone()  # lo último antes de darle nombre, por si acaba de llegar otro
            # Con otro historial se ha vuelto a empezar: las copias que hubiera son de otra rama.
            self._set_aside(self._last if history is self._history else 0)
        self._seen.add(path.name)
        self._last, self._history = history.step, history
        self._delete_old()
        return path

    def load(self, step: int | None = None) -> History:
        """Restaura la última copia (o la del paso ``step``) y devuelve su historial.

        Sin copias devuelve un historial vacío. Nada cambia si la copia no se puede usar, y ningún
        archivo se mueve por cargar.

        Raises:
            FileNotFoundError: si no hay copia del paso pedido.
            ValueError: si está dañada o es de otro entrenamiento; dice cuál es la anterior.
        """
        present = self._paths()
        paths = [path for path in present if step is None or _step(path) <= step]
        if step is not None and (not paths or _step(paths[-1]) != step):
            raise FileNotFoundError(f"No hay copia del paso {step} en {self.folder}.")
        history = History()
        state = self._read(paths) if paths else None
        self._seen = {path.name for path in present}  # si no se han podido leer, no se pisan
        self._last, self._history = (_step(paths[-1]) if paths else 0), history
        if state is None:
            return history
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        history.load_state_dict(state["history"])
        _restore_random(state["random"])
        print(f"Se reanuda en el paso {history.step}, de {paths[-1].name}.")
        return history

    def _state(self, history: History) -> dict[str, Any]:
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        for name, value in parts.items():
            if not all(tensor.isfinite().all() for tensor in tensors(value)):
                raise FloatingPointError(
                    f"Hay NaN o infinitos en {name} tras el paso {history.step}: no se guarda. "
                    + _advice(self._paths())
                )
        return {
            "format": FORMAT,
            "settings": self.settings,
            "types": {name: type(part).__name__ for name, part in self.parts.items()},
            "parts": parts,
            "history": history.state_dict(),
            "random": _random_state(),
        }

    def _claim(self) -> None:
        if self._seen is None and self._paths():
            raise FileExistsError(
                f"{self.folder} ya tiene copias de otro entrenamiento y no se tocan. Llama antes a "
                "load() para continuarlo, o elige otra carpeta para empezar de cero."
            )
        self._seen = self._seen or set()

    def _check_alone(self) -> None:
        if strange := [path.name for path in self._paths() if path.name not in self._seen]:
            raise FileExistsError(
                f"Otro proceso está escribiendo en {self.folder}: ha aparecido {strange[-1]}. Este "
                "ya no guarda nada. Deja un solo entrenamiento por carpeta; para seguir desde esas "
                "copias, crea otro Checkpoints y llama a load()."
            )

    def _set_aside(self, step: int) -> None:
        """Mueve las copias posteriores a ``step`` sin pisar las que ya se apartaron."""
        for path in [path for path in self._paths() if _step(path) > step]:
            folder = self.folder / "apartadas"
            folder.mkdir(exist_ok=True)
            names = (f"{path.stem} ({n}).pt" for n in itertools.count(2))
            names = itertools.chain([path.name], names)
            target = next(folder / name for name in names if not (folder / name).exists())
            path.rename(target)
            print(f"{path.name} es de otra rama, posterior al paso {step}: pasa a {target}.")

    def _delete_old(self) -> None:
        ours = [path for path in self._paths() if path.name in self._seen]
        orphans = [
            path
            for path in self.folder.glob(".paso_*.pt.*.tmp")
            if time.time() - path.stat().st_mtime > _ORPHAN
        ]
        for path in ours[: -self.keep] + orphans:
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        """Las copias, de la más antigua a la última; lo que se llame de otro modo no lo es."""
        paths = self.folder.glob("paso_*.pt")
        return sorted((p for p in paths if re.fullmatch(r"paso_\d+", p.stem)), key=_step)

    def _read(self, paths: list[Path]) -> dict[str, Any]:
        """La última de ``paths``, comprobada: entera, nuestra y de este entrenamiento."""
        path, advice = paths[-1], _advice(paths[:-1])
        try:
            state = read_whole(path)
        except ValueError as error:
            raise ValueError(f"{error} {advice}") from error
        if problem := mismatch(state, self.settings, self.parts):
            raise ValueError(f"La copia {path} es de otro entrenamiento: {problem}. {advice}")
        return state


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("paso_"))


def _advice(earlier: list[Path]) -> str:
    if not earlier:
        return "No hay ninguna anterior: elige otra carpeta para empezar de cero."
    return f"La anterior se recupera con load(step={_step(earlier[-1])})."


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
