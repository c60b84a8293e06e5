"""Quedarse con la mejor red según una métrica, y no con la última."""

from collections.abc import Callable
from typing import Any

from torch import nn

from gancook.history import History


class Best:
    """Gancho para ``fit``: mide una red cada ``every`` pasos y conserva sus mejores pesos.

    Se guarda con :class:`gancook.checkpoints.Checkpoints`, como una parte más.

    Args:
        network: la que se mide; puede ser la media móvil de otra.
        measure: función red → número; cuanto menor, mejor. No debe alterar el azar global.
        every: pasos entre medidas.

    Se usa por primera vez en el cuaderno 03, §5.
    """

    def __init__(self, network: nn.Module, measure: Callable[[nn.Module], float], every: int):
        self.network, self.measure, self.every = network, measure, every
        self.curve: dict[int, float] = {}
        self.weights: dict[str, Any] = {}

    def __call__(self, history: History) -> None:
        if history.step % self.every == 0:
            value = self.measure(self.network)
            if value < min(self.curve.values(), default=float("inf")):
                self.weights = {k: v.clone() for k, v in self.network.state_dict().items()}
            self.curve[history.step] = value

    @property
    def step(self) -> int:
        """Paso en que se midió el mejor valor."""
        return min(self.curve, key=self.curve.__getitem__)

    def restore(self) -> None:
        """Devuelve a la red los pesos con que mejor salió."""
        self.network.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"curve": dict(self.curve), "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.curve, self.weights = dict(state["curve"]), state["weights"]
