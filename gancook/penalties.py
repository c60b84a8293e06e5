"""Penalizaciones que se suman a la pérdida de D para que no sea demasiado escarpado."""

import torch
from torch import Tensor, nn


def gradient_penalty(D: nn.Module, images: Tensor) -> Tensor:
    """E‖∇ₓD(x)‖²: R1 sobre imágenes reales y R2 sobre falsas, sin el factor γ/2.

    Args:
        D: discriminador sin BN: cada logit debe depender solo de su imagen.
        images: (B, C, H, W).

    Returns:
        Escalar derivable respecto de los pesos de D.

    Fuente: Mescheder, Geiger y Nowozin (2018). Se construye en el cuaderno 03, §8.
    """
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(images).sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
