"""El discriminador como paisaje: su mapa de calor y las flechas que mueven al generador."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from torch import Tensor

Critic = Callable[[Tensor], Tensor]
BANDS = plt.get_cmap("PuOr_r", 21)  # morado: falso; blanco: duda; naranja: real


def plane(limit: float, size: int) -> Tensor:
    """Rejilla de ``size``² puntos del cuadrado [−limit, limit]², tensor (size², 2), fila a fila."""
    axis = torch.linspace(-limit, limit, size)
    x, y = torch.meshgrid(axis, axis, indexing="xy")
    return torch.stack([x.ravel(), y.ravel()], dim=1)


def pull(discriminator: Critic, x: Tensor, saturating: bool = False) -> Tensor:
    """Hacia dónde empuja la pérdida de G a cada punto falso: −∇ₓ pérdida, tensor (n, 2).

    Args:
        discriminator: función (n, 2) → logits (n,) o (n, 1).
        x: puntos falsos, (n, 2).
        saturating: con ``True``, la pérdida log(1 − D); si no, −log D.

    Se explica en el cuaderno 01.2, §3.
    """
    x = x.detach().requires_grad_(True)  # hoja nueva: aquí solo se deriva respecto del punto
    logits = discriminator(x)
    # log(1 − σ(s)) = −softplus(s) y −log σ(s) = softplus(−s)
    loss = -F.softplus(logits) if saturating else F.softplus(-logits)
    return -torch.autograd.grad(loss.sum(), x)[0]


def plot_field(
    ax: Axes, discriminator: Critic, limit: float, size: int = 80, arrows: Tensor | None = None
) -> QuadMesh:
    """Dibuja σ(logit) en [−limit, limit]² y, en cada punto de ``arrows`` (n, 2), su empuje.

    La longitud de las flechas es relativa a la figura y se recorta al doble de su mediana, para que
    unas pocas no tapen el resto. Los tensores y la red están en la CPU.
    """
    points = plane(limit, size)
    with torch.no_grad():
        values = torch.sigmoid(discriminator(points)).reshape(size, size).numpy()
    axis = torch.linspace(-limit, limit, size).numpy()
    mesh = ax.pcolormesh(axis, axis, values, cmap=BANDS, vmin=0, vmax=1)
    if arrows is not None:
        force = pull(discriminator, arrows)
        length = force.norm(dim=1, keepdim=True)
        force = force * (2 * length.median() / length.clamp(min=1e-12)).clamp(max=1)
        ax.quiver(
            *arrows.detach().numpy().T, *force.numpy().T, color="black", width=0.0035, zorder=3
        )
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.grid(False)
    return mesh
