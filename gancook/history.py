"""Registro del entrenamiento: todo valor de cada paso, sin frenar al dispositivo."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor


class History:
    """Guarda los escalares de cada paso y los resume como tablas de pandas.

    Los tensores se acumulan sin leerlos y cada ``every`` pasos pasan todos juntos a la CPU: una
    sincronización con la GPU en vez de ``every``.

    Args:
        every: pasos entre lecturas; también el grano de :meth:`per_step`.

    Raises:
        FloatingPointError: al leerlos, si algún valor es NaN o infinito; los conserva.
    """

    def __init__(self, every: int = 50):
        self.every = every
        self.step = 0
        self.latest: dict[str, float] = {}
        self._pending: list[tuple[int, dict[str, Tensor]]] = []
        self._tables: list[pd.DataFrame] = []

    def record(self, epoch: int, **values: Tensor) -> None:
        """Apunta los tensores escalares de un paso (sin gradiente) de la época ``epoch``."""
        self.step += 1
        self._pending.append((epoch, values))
        if len(self._pending) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Pasa a la CPU lo que esté pendiente y actualiza ``latest`` con sus medias."""
        if not self._pending:
            return
        names = list(self._pending[0][1])
        stacked = torch.stack([torch.stack([row[n] for n in names]) for _, row in self._pending])
        table = pd.DataFrame(stacked.double().cpu().numpy(), columns=names)
        table.insert(0, "epoch", [epoch + 1 for epoch, _ in self._pending])
        table.insert(1, "step", range(self.step - len(table) + 1, self.step + 1))
        self._tables.append(table)
        self._pending = []
        self.latest = table[names].mean().to_dict()
        if not np.isfinite(table[names]).all(axis=None):
            raise FloatingPointError(_divergence(table, names))

    def state_dict(self) -> dict[str, Any]:
        """Todo el historial en tensores, para una copia de seguridad."""
        columns = self.frame().to_dict("series") if self.step else {}
        values = {name: torch.tensor(column.to_numpy()) for name, column in columns.items()}
        return {"step": self.step, "every": self.every, "values": values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Sustituye el historial por el de ``state_dict``."""
        self.step, self.every, self._pending = state["step"], state["every"], []
        values = {name: column.numpy() for name, column in state["values"].items()}
        self._tables = [pd.DataFrame(values)] if values else []

    def frame(self) -> pd.DataFrame:
        """Una fila por paso: ``epoch`` y ``step`` (desde 1) y los valores registrados."""
        self.flush()
        if not self._tables:
            raise ValueError("El historial está vacío: todavía no se ha dado ningún paso.")
        return pd.concat(self._tables, ignore_index=True)

    def per_epoch(self) -> pd.DataFrame:
        """Media de cada época, con ``epoch`` como índice."""
        return self.frame().drop(columns="step").groupby("epoch").mean()

    def per_step(self) -> pd.DataFrame:
        """Media de cada tramo de ``every`` pasos, con el último paso del tramo como índice."""
        frame = self.frame().drop(columns="epoch")
        means = frame.groupby((frame["step"] - 1) // self.every).mean()
        last = frame.groupby((frame["step"] - 1) // self.every)["step"].max()
        return means.drop(columns="step").set_index(last)

    def running_means(self) -> pd.DataFrame:
        """Media acumulada de todos los pasos hasta el final de cada época (cuaderno 02, §6)."""
        frame = self.frame()
        columns = frame.columns.difference(["epoch", "step"], sort=False)
        running = frame[columns].expanding().mean()
        return running.groupby(frame["epoch"]).last()


def _divergence(table: pd.DataFrame, names: list[str]) -> str:
    bad = table[~np.isfinite(table[names]).all(axis=1)].iloc[0]
    values = ", ".join(f"{name} = {bad[name]:.3g}" for name in names)
    return (
        f"El entrenamiento ha divergido en el paso {bad['step']:.0f} (época {bad['epoch']:.0f}): "
        f"{values}. Prueba con una tasa de aprendizaje menor. Si guardabas copias con Checkpoints, "
        "load() vuelve a la última buena."
    )
