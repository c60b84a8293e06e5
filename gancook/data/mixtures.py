"""Datos de juguete en el plano con densidad conocida: anillo, rejilla y lunas.

Todos son mezclas de gaussianas, así que de todos se puede muestrear y calcular la densidad.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianMixture:
    """Mezcla equiprobable de gaussianas esféricas de R^d.

    Args:
        centers: los K centros, tensor (K, d).
        std: desviación típica común, positiva, en las mismas unidades que los centros.

    Raises:
        ValueError: si ``centers`` no es una matriz con alguna fila o ``std`` no es positiva.
    """

    centers: Tensor
    std: float

    def __post_init__(self) -> None:
        if self.centers.ndim != 2 or len(self.centers) == 0:
            raise ValueError(
                f"Los centros deben formar un tensor (K, d) con K ≥ 1 y tienen forma "
                f"{tuple(self.centers.shape)}. En la recta, usa centers.reshape(-1, 1)."
            )
        if not self.std > 0:
            raise ValueError(f"std={self.std} debe ser positiva: la mezcla no tendría densidad.")

    def sample(self, n: int) -> Tensor:
        """Toma ``n`` puntos independientes, tensor (n, d), con el azar global de torch."""
        mode = torch.randint(len(self.centers), (n,), device=self.centers.device)
        centers = self.centers[mode]
        return centers + self.std * torch.randn_like(centers)

    def log_prob(self, x: Tensor) -> Tensor:
        """Logaritmo de la densidad en cada fila de ``x``: (n, d) → (n,)."""
        modes, dim = self.centers.shape
        if x.ndim != 2 or x.shape[1] != dim:
            raise ValueError(
                f"Se esperaban puntos de forma (n, {dim}) y llegan {tuple(x.shape)}. "
                f"Prueba con x.reshape(-1, {dim})."
            )
        squared = (x[:, None, :] - self.centers).square().sum(dim=2)  # (n, K)
        constant = math.log(modes) + dim * math.log(self.std * math.sqrt(2 * math.pi))
        return torch.logsumexp(-squared / (2 * self.std**2), dim=1) - constant


def ring(modes: int = 8, radius: float = 1.0, std: float = 0.01) -> GaussianMixture:
    """Anillo de ``modes`` gaussianas, el primero en (radius, 0) y en sentido antihorario."""
    angle = 2 * math.pi * torch.arange(modes) / modes
    return GaussianMixture(radius * torch.stack([angle.cos(), angle.sin()], dim=1), std)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> GaussianMixture:
    """Rejilla de ``side``² gaussianas centrada en el origen; por omisión, {−4, −2, 0, 2, 4}²."""
    ticks = spacing * (torch.arange(side) - (side - 1) / 2)
    return GaussianMixture(torch.cartesian_prod(ticks, ticks), std)


def two_moons(std: float = 0.05, per_moon: int = 100) -> GaussianMixture:
    """Dos medias lunas enlazadas de radio 1, con ruido ``std``.

    Cada arco se reparte en ``per_moon`` centros: con los valores por omisión distan 0,03, menos
    que ``std``, y la densidad apenas ondula a lo largo del arco.
    """
    angle = math.pi * (torch.arange(per_moon) + 0.5) / per_moon
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    lower = torch.tensor([1.0, 0.5]) - upper
    shift = torch.tensor([0.5, 0.25])  # centra el conjunto en el origen
    return GaussianMixture(torch.cat([upper, lower]) - shift, std)
