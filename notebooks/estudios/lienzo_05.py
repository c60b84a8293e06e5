"""Un lienzo en el que se pintan muchos cuadros a la vez, y el azar con que se decide cada uno.

Cada figura es una distancia con signo a su borde, negativa dentro, como en ``caras_04``. Se pintan
de atrás adelante, con el borde suavizado. Las coordenadas van de −1 a 1 y la y crece hacia abajo.
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from caras_04 import Surface


class Canvas(Surface):
    """Lo pintado, (n, 3, size, size), y los números al azar (n, K) con que se decide."""

    def __init__(self, numbers: Tensor, size: int):
        self.numbers, self.used, self.size, self.pixel = numbers, 0, size, 2 / size
        ticks = (torch.arange(size) + 0.5) * self.pixel - 1
        self.x, self.y = ticks.expand(1, size, size), ticks[:, None].expand(1, size, size)
        self.picture = torch.zeros(len(numbers), 3, size, size)

    def draw(self, low: float = 0.0, high: float = 1.0, count: int = 1) -> Tensor:
        """Números al azar entre ``low`` y ``high``: (n, 1, 1), o (n, count) si se piden varios."""
        values = low + (high - low) * self.numbers[:, self.used : self.used + count]
        self.used += count
        return values if count > 1 else values[..., None]

    def noise(self, cells: int) -> Tensor:
        """Manchas suaves (n, size, size), de 0 a 1, de unas ``cells`` por lado."""
        values = self.draw(count=cells**2).reshape(-1, 1, cells, cells)
        smooth = interpolate(values, (self.size, self.size), mode="bicubic", align_corners=False)
        return smooth[:, 0].clamp_(0, 1)

    def box(self, x, y, width, height) -> Tensor:
        """Un rectángulo: su centro y la mitad de su ancho y de su alto."""
        return torch.maximum((self.x - x).abs() - width, (self.y - y).abs() - height)

    def bytes(self) -> Tensor:
        """Los bytes, con el grano del lienzo."""
        weave = 1 + 0.05 * (self.noise(32) - 0.5)[:, None]
        return (self.picture * weave * 255).clamp_(0, 255).round_().byte()


def hsv(hue, saturation, value) -> Tensor:
    """De tono (n, …), en vueltas, saturación y valor a color RGB (n, 3, …)."""
    hue, saturation, value = torch.broadcast_tensors(
        *map(torch.as_tensor, (hue, saturation, value))
    )
    shift = torch.tensor([0, 2 / 3, 1 / 3]).reshape(3, *[1] * (hue.ndim - 1))
    ramp = ((6 * ((hue[:, None] + shift) % 1) - 3).abs() - 1).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * (1 - ramp))
