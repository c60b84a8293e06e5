"""De los valores con que calcula una red a los bytes con que se mira y se mide."""

import torch
from torch import Tensor


def to_uint8(images: Tensor, scale: tuple[float, float] = (-1.0, 1.0)) -> Tensor:
    """Imágenes (…, H, W) del intervalo ``scale`` a bytes en la CPU; recorta lo que se salga.

    Raises:
        TypeError: si ya son bytes, que saldrían todos blancos.
    """
    if images.dtype == torch.uint8:
        raise TypeError("to_uint8 espera números reales en scale, y esas imágenes ya son bytes.")
    low, high = scale
    unit = (images.detach().cpu().float() - low) / (high - low)
    return (unit.clamp(0, 1) * 255).round().byte()
