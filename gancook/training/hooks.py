"""Ganchos para ``fit``: guardar muestras de G mientras aprende y quedarse con la mejor red."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from gancook.training.history import History
from gancook.training.modes import eval_mode


class Snapshots:
    """Guarda G(z) para el mismo ruido en los pasos elegidos.

    Args:
        G: generador; se evalúa en modo ``eval`` y cada capa vuelve al modo que tenía.
        z: ruido fijo (B, n).
        steps: pasos en que se guarda; con 0, también antes de empezar.
    """

    def __init__(self, G: nn.Module, z: Tensor, steps: Iterable[int]):
        self.G, self.z, self.steps = G, z, set(steps)
        self.images: dict[int, Tensor] = {}
        if 0 in self.steps:
            self._take(0)

    def __call__(self, history: History) -> None:
        if history.step in self.steps:
            self._take(history.step)

    def state_dict(self) -> dict[int, Tensor]:
        return dict(self.images)

    def load_state_dict(self, state: dict[int, Tensor]) -> None:
        self.images = dict(state)

    @torch.no_grad()
    def _take(self, step: int) -> None:
        with eval_mode(self.G):
            self.images[step] = self.G(self.z).cpu()


class Best:
    """Mide una red cada ``every`` pasos y conserva los pesos con que mejor salió.

    Se guarda con :class:`gancook.training.checkpoints.Checkpoints`, como una parte más.

    Args:
        network: la que se mide; puede ser la media móvil de otra.
        measure: función red → número; cuanto menor, mejor. No debe alterar el azar global.
        every: pasos entre medidas.

    Attributes:
        curve: paso → medida, también las que no son un número finito.

    Se usa por primera vez en el cuaderno 03.3, §2.4.
    """

    def __init__(self, network: nn.Module, measure: Callable[[nn.Module], float], every: int):
        if every < 1:
            raise ValueError(f"every={every} debe ser al menos 1: son los pasos entre medidas.")
        self.network, self.measure, self.every = network, measure, every
        self.curve: dict[int, float] = {}
        self.weights: dict[str, Any] = {}

    def __call__(self, history: History) -> None:
        if history.step % self.every == 0:
            # float: los números de NumPy no se podrían reabrir de una copia.
            self.curve[history.step] = float(self.measure(self.network))
            if self.step == history.step:
                self.weights = {k: v.clone() for k, v in self.network.state_dict().items()}

    @property
    def step(self) -> int | None:
        """Paso en que se midió el mejor valor; ``None`` si todavía no hay ninguno."""
        finite = {step: value for step, value in self.curve.items() if math.isfinite(value)}
        return min(finite, key=finite.__getitem__, default=None)

    def restore(self) -> None:
        """Devuelve a la red los pesos con que mejor salió; si no se ha medido, la deja igual."""
        if self.weights:
            self.network.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"curve": dict(self.curve), "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.curve, self.weights = dict(state["curve"]), state["weights"]
