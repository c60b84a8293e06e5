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

    Fuente: Mescheder, Geiger y Nowozin (2018). Se construye en el cuaderno 03, §8.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).mean()
