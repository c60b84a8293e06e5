"""DiffAugment: las mismas perturbaciones, derivables, en todo lo que ve D."""

import torch
from torch import Tensor, nn


class DiffAugment(nn.Module):
    """Color, traslación y recorte al azar, distintos en cada imagen. Va delante de D.

    Uso: ``nn.Sequential(DiffAugment(), D)``. Se perturba también lo falso, y el gradiente llega a
    G: si solo se perturbara lo real, G aprendería a imitar las perturbaciones.

    Args:
        background: valor de lo que entra por los bordes y de lo recortado; el de las imágenes en
            [−1, 1] es −1 si su fondo es negro.

    Fuente: Zhao et al. (2020). Se construye en el cuaderno 06.4, §5.
    """

    def __init__(self, background: float = 0.0):
        super().__init__()
        self.background = background

    def forward(self, x: Tensor) -> Tensor:
        x = translate(change_color(x), self.background)
        return cut_out(x, self.background)


def change_color(x: Tensor) -> Tensor:
    """Brillo ± 0,5, saturación por un factor de 0 a 2 y contraste por uno de 0,5 a 1,5.

    Args:
        x: imágenes (B, C, H, W); con C = 1 la saturación no cambia nada.

    Se construye en el cuaderno 06.4, §5.
    """
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1, device=x.device)
    x = x + brightness - 0.5
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * 2 * saturation
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * (contrast + 0.5)


def translate(x: Tensor, background: float = 0.0, ratio: float = 1 / 8) -> Tensor:
    """Mueve cada imagen del lote (B, C, H, W) hasta ``ratio`` de su lado en las dos direcciones.

    Lo que entra por los bordes vale ``background``. Se construye en el cuaderno 06.4, §5.
    """
    B, _, H, W = x.shape
    rows, columns = _shifts(B, H, ratio, x), _shifts(B, W, ratio, x)
    outside = (rows.sum(dim=3) == 0)[..., None] | (columns.sum(dim=3) == 0)[:, :, None]
    return (rows @ x @ columns.mT).masked_fill(outside, background)


def cut_out(x: Tensor, background: float = 0.0, ratio: float = 0.5) -> Tensor:
    """Borra de cada imagen (C, H, W) un rectángulo de ``ratio`` de su lado, centrado al azar.

    Lo borrado vale ``background``; el rectángulo puede salirse en parte. Se construye en el
    cuaderno 06.4, §5.
    """
    B, _, H, W = x.shape
    rows, columns = _inside(B, H, ratio, x.device), _inside(B, W, ratio, x.device)
    hidden = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, H, W)
    return x.masked_fill(hidden, background)


def _shifts(count: int, side: int, ratio: float, like: Tensor) -> Tensor:
    """Matrices (B, 1, side, side) de ceros y unos: la fila i de su producto es la i + salto de x.

    Elegir las filas con índices es lo mismo, pero su gradiente se acumula elemento a elemento.
    """
    limit = int(side * ratio + 0.5)
    shift = torch.randint(-limit, limit + 1, (count, 1, 1, 1), device=like.device)
    place = torch.arange(side, device=like.device)
    return (place[:, None] + shift == place).to(like.dtype)


def _inside(count: int, side: int, ratio: float, device: torch.device) -> Tensor:
    """Qué filas (B, side) caen en una franja de ``ratio`` del lado, a la altura que salga."""
    width = int(side * ratio + 0.5)
    start = torch.randint(side + 1 - width % 2, (count, 1), device=device) - width // 2
    place = torch.arange(side, device=device)
    return (place >= start) & (place < start + width)
