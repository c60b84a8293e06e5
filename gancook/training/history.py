"""Registro del entrenamiento: todo valor de cada paso, sin frenar al dispositivo."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor


class History:
    """Guarda los escalares de cada paso y los resume como tablas de pandas.

    Los tensores se acumulan sin leerlos y cada ``every`` pasos pasan todos juntos a la CPU: una
    sincronización con la GPU en vez de ``every``. Un paso puede registrar nombres que otro no: lo
    que falta queda como NaN y las medias no lo cuentan.

    Args:
        every: pasos entre lecturas; también el grano de :meth:`per_step`.

    Attributes:
        step: pasos dados.
        latest: medias del último tramo leído.
        interrupted: si se pidió parar durante el último ``fit``.

    Raises:
        FloatingPointError: al leerlos, si algún valor registrado es NaN o infinito; los conserva.
    """

    def __init__(self, every: int = 50):
        self.every = every
        self.step = 0
        self.latest: dict[str, float] = {}
        self.interrupted = False
        self._pending: list[tuple[int, dict[str, Tensor]]] = []
        self._tables: list[pd.DataFrame] = []

    def record(self, epoch: int, /, **values: Tensor | float) -> None:
        """Apunta los escalares de un paso de la época ``epoch``, que empieza en 0.

        Raises:
            ValueError: si un valor no es un escalar o se llama ``step`` o ``epoch``.
        """
        row = {name: _scalar(name, value) for name, value in values.items()}
        self.step += 1
        self._pending.append((epoch, row))
        if len(self._pending) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Pasa a la CPU lo que esté pendiente y actualiza ``latest`` con sus medias."""
        if not self._pending:
            return
        numbers = iter(_read([value for _, row in self._pending for value in row.values()]))
        rows = [{name: next(numbers) for name in row} for _, row in self._pending]
        bad = next(
            (k for k, row in enumerate(rows) if not np.isfinite([*row.values()]).all()), None
        )
        table = pd.DataFrame(rows)
        table.insert(0, "epoch", [epoch + 1 for epoch, _ in self._pending])
        table.insert(1, "step", range(self.step - len(table) + 1, self.step + 1))
        # De una vez: una interrupción entre las dos cosas repetiría las filas.
        self._tables, self._pending = [*self._tables, table], []
        self.latest = table.drop(columns=["epoch", "step"]).mean().to_dict()
        if bad is not None:
            raise FloatingPointError(_divergence(*table.loc[bad, ["epoch", "step"]], rows[bad]))

    def state_dict(self) -> dict[str, Any]:
        """Todo el historial en tensores, para una copia de seguridad."""
        columns = self.frame().to_dict("series") if self.step else {}
        values = {name: torch.tensor(column.to_numpy()) for name, column in columns.items()}
        return {"step": self.step, "every": self.every, "values": values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Sustituye el historial por el de ``state_dict``."""
        self.step, self.every = state["step"], state["every"]
        self._pending, self.latest = [], {}
        values = {name: column.numpy() for name, column in state["values"].items()}
        self._tables = [pd.DataFrame(values)] if values else []

    def frame(self) -> pd.DataFrame:
        """Una fila por paso: ``epoch`` y ``step`` (desde 1) y los valores registrados."""
        self.flush()
        if not self._tables:
            raise ValueError("El historial está vacío: todavía no se ha dado ningún paso.")
        return pd.concat(self._tables, ignore_index=True)

    def per_epoch(self) -> pd.DataFrame:
        """Media de cada época, con ``epoch`` como índice; la última puede estar a medias."""
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


def _scalar(name: str, value: Tensor | float) -> Tensor:
    """Una copia sin gradiente: ni guarda el grafo ni cambia si se reutiliza el tensor."""
    if not isinstance(value, Tensor):
        value = torch.tensor(value, dtype=torch.float64, device="cpu")  # sin redondear un float
    value = value.detach().clone()
    if name in ("epoch", "step") or value.numel() != 1:
        raise ValueError(
            f"No se puede registrar {name}, de forma {tuple(value.shape)}: los pasos devuelven "
            "escalares (prueba con .mean()), y los nombres «epoch» y «step» están reservados."
        )
    return value.reshape(())


def _read(values: list[Tensor]) -> list[float]:
    """Los números, en una sola lectura del dispositivo si todos son del mismo tipo."""
    if len({(value.device, value.dtype) for value in values}) == 1:
        return torch.stack(values).cpu().double().tolist()  # en este orden: MPS no tiene float64
    return [value.item() for value in values]


def _divergence(epoch: int, step: int, row: dict[str, float]) -> str:
    values = ", ".join(f"{name} = {value:.3g}" for name, value in row.items())
    return (
        f"El entrenamiento ha divergido en el paso {step:.0f} (época {epoch:.0f}): {values}. "
        "Prueba con una tasa de aprendizaje menor. Si guardabas copias con Checkpoints, load() "
        "vuelve a la última buena."
    )
