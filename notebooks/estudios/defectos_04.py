"""Maneras de estropear imágenes de color, cada una con sus intensidades, para calibrar una medida.

Todas reciben y devuelven bytes (N, 3, H, W) y sacan el azar de la misma semilla: dos llamadas
iguales dan lo mismo.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, pad
from torchvision.transforms import functional as tv


def noise(images: Tensor, levels: float) -> Tensor:
    """Ruido gaussiano de desviación ``levels``, en niveles de 0 a 255."""
    return _bytes(images.float() + levels * torch.randn(images.shape, generator=_random()))


def blur(images: Tensor, pixels: float) -> Tensor:
    """Desenfoque gaussiano de desviación ``pixels``."""
    return tv.gaussian_blur(images, 2 * math.ceil(3 * pixels) + 1, pixels)


def board(images: Tensor, levels: float) -> Tensor:
    """Suma un tablero de ajedrez de un píxel, de ±``levels``, como el de las transpuestas."""
    row, column = (torch.arange(n) for n in images.shape[2:])
    return _bytes(images.float() + levels * (1 - 2 * ((row[:, None] + column) % 2)))


def pixelate(images: Tensor, side: int) -> Tensor:
    """Cada cuadrado de ``side`` píxeles, de su color medio."""
    return _bytes(interpolate(avg_pool2d(images.float(), side), scale_factor=side))


def shift(images: Tensor, pixels: int) -> Tensor:
    """Desplaza en diagonal; lo que falta se rellena con el reflejo."""
    height, width = images.shape[2:]
    return pad(images.float(), (pixels, 0, pixels, 0), "reflect")[:, :, :height, :width].byte()


def zoom(images: Tensor, pixels: int) -> Tensor:
    """Recorta ``pixels`` por cada lado y amplía al tamaño de antes."""
    height, width = images.shape[2:]
    inside = tv.center_crop(images, [height - 2 * pixels, width - 2 * pixels])
    return tv.resize(inside, [height, width], antialias=True)


def rotate(images: Tensor, degrees: float) -> Tensor:
    """Gira; las esquinas se rellenan con el reflejo."""
    padded = tv.pad(images, [16], padding_mode="reflect")
    turned = tv.rotate(padded, degrees, tv.InterpolationMode.BILINEAR)
    return tv.center_crop(turned, list(images.shape[2:]))


def warp(images: Tensor, pixels: float) -> Tensor:
    """Ondula: cada punto se mueve unos ``pixels`` hacia un lado que cambia despacio."""
    size = images.shape[2:]
    coarse = torch.randn(len(images), 2, 5, 5, generator=_random()) * 2 * pixels / size[0]
    waves = interpolate(coarse, size, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    grid = waves + affine_grid(torch.eye(2, 3)[None], [1, 3, *size], align_corners=False)
    options = {"padding_mode": "reflection", "align_corners": False}
    pairs = zip(images.split(256), grid.split(256), strict=True)
    return torch.cat([_bytes(grid_sample(x.float(), g, **options)) for x, g in pairs])


def shuffle(images: Tensor, pieces: int) -> Tensor:
    """Corta en ``pieces`` × ``pieces`` trozos y los baraja: queda la textura, no la figura."""
    side = images.shape[2] // pieces
    tiles = images.unfold(2, side, side).unfold(3, side, side).flatten(2, 3)  # (N, 3, p², s, s)
    order = torch.rand(len(images), pieces**2, generator=_random()).argsort(dim=1)
    tiles = tiles.gather(2, order[:, None, :, None, None].expand(-1, 3, -1, side, side))
    return tiles.unflatten(2, (pieces, pieces)).permute(0, 1, 2, 4, 3, 5).reshape(images.shape)


def mix(images: Tensor, percent: float) -> Tensor:
    """Deja ver otra imagen del conjunto, con ese peso."""
    return _bytes(torch.lerp(images.float(), images.roll(1, dims=0).float(), percent / 100))


def grey(images: Tensor, percent: float) -> Tensor:
    """Quita ese tanto por ciento del color."""
    return tv.adjust_saturation(images, 1 - percent / 100)


def hue(images: Tensor, degrees: float) -> Tensor:
    """Gira el tono de todos los colores."""
    return torch.cat([tv.adjust_hue(part, degrees / 360) for part in images.split(256)])


def flatten(images: Tensor, percent: float) -> Tensor:
    """Quita ese tanto por ciento del contraste, hacia el gris medio."""
    return _bytes(127.5 + (images.float() - 127.5) * (1 - percent / 100))


def brighten(images: Tensor, levels: float) -> Tensor:
    """Aclara todos los píxeles ese número de niveles."""
    return _bytes(images.float() + levels)


def _bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).byte()


def _random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


SPOILERS = {  # nombre: función e intensidades, de menos a más
    "ruido": (noise, (5, 10, 20, 40)),
    "desenfoque": (blur, (0.5, 1, 2, 4)),
    "tablero": (board, (4, 8, 16, 32)),
    "pixelado": (pixelate, (2, 4, 8)),
    "desplazamiento": (shift, (1, 2, 4, 8)),
    "recorte": (zoom, (1, 2, 4, 8)),
    "giro": (rotate, (3, 6, 12, 24)),
    "deformación": (warp, (0.5, 1, 2, 4)),
    "trozos": (shuffle, (2, 4, 8)),
    "mezcla": (mix, (5, 10, 25, 50)),
    "menos color": (grey, (25, 50, 100)),
    "tono": (hue, (10, 20, 45, 90)),
    "menos contraste": (flatten, (10, 20, 40, 80)),
    "brillo": (brighten, (10, 20, 40, 80)),
}
