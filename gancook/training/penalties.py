"""Penalizaciones que se suman a la pérdida de D para que no sea demasiado escarpado."""

import torch
from torch import Tensor, nn


def gradient_penalty(D: nn.Module, x: Tensor) -> Tensor:
    """E‖∇ₓD(x)‖²: R1 sobre datos reales y R2 sobre falsos, sin el factor γ/2.

    Args:
        D: discriminador sin BN: cada logit debe depender solo de su fila.
        x: imágenes (B, C, H, W) o puntos (B, d).

    Returns:
        Escalar derivable respecto de los pesos de D.

    Fuente: Mescheder, Geiger y Nowozin (2018). Se construye en el cuaderno 03.3, §2.2.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).mean()


def slope_penalty(D: nn.Module, x: Tensor) -> Tensor:
    """E(‖∇ₓD(x)‖ − 1)²: la pendiente de D en ``x`` debe ser 1, sin el factor λ.

    Args:
        D: discriminador sin BN: cada logit debe depender solo de su fila.
        x: imágenes (B, C, H, W) o puntos (B, d). La norma es la de toda la imagen, y donde vale 0
            su derivada es 0 y no infinito.

    Returns:
        Escalar derivable respecto de los pesos de D.

    Fuente: Gulrajani et al. (2017), ec. 3. Se construye en el cuaderno 06.2, §2.2.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    norm = torch.linalg.vector_norm(gradient.flatten(1), dim=1)  # (B,)
    return (norm - 1).square().mean()


def wgan_gp_penalty(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """La pendiente de D en un punto al azar del segmento que une cada real con su falsa.

    Args:
        D: discriminador sin BN.
        real, fake: lotes (B, …) de la misma forma; cada pareja, con un solo ε de U(0, 1).

    Fuente: Gulrajani et al. (2017), algoritmo 1. El peso de ese artículo es 10. Se construye en el
    cuaderno 06.2, §2.2.
    """
    epsilon = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    return slope_penalty(D, epsilon * real + (1 - epsilon) * fake)


def dragan_penalty(D: nn.Module, real: Tensor, noise: float = 0.5) -> Tensor:
    """La pendiente de D alrededor de los datos: en cada real más un ruido gaussiano.

    Args:
        D: discriminador sin BN.
        real: lote (B, …).
        noise: desviación del ruido, en desviaciones típicas del lote.

    Fuente: Kodali et al. (2017). El peso de ese artículo es 10. Se construye en el cuaderno 06.2,
    §2.3.
    """
    return slope_penalty(D, real + noise * real.std() * torch.randn_like(real))
