"""De los bytes de una imagen cualquiera, en el formato que sea, a un cuadrado RGB."""

import io
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageOps


def decode_image(content: bytes, size: int, name: str, min_side: int) -> tuple[np.ndarray, str]:
    """Decodifica con Pillow, endereza, reduce el lado corto a ``size`` y recorta el centro.

    Devuelve la imagen uint8 (3, size, size) y un aviso de lo que hubo que cambiar (vacío si nada).
    Lanza ``ValueError`` si mide menos de ``min_side`` de lado o no se sabe la escala de sus números
    y, con un archivo dañado, lo que lance Pillow.
    """
    image = Image.open(io.BytesIO(content))
    if min(image.size) < min_side:
        raise ValueError(f"mide {image.width}×{image.height}: menos de {min_side} píxeles de lado")
    if image.format == "PNG":
        Image.open(io.BytesIO(content)).verify()  # al decodificar, Pillow no mira las sumas CRC
    notes = "; ".join(_notes(image, name))
    image.draft(None, (2 * size, 2 * size))  # un JPEG grande se decodifica ya reducido
    image = _to_rgb(ImageOps.exif_transpose(image))
    square = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(square).transpose(2, 0, 1), notes


def _notes(image: Image.Image, name: str) -> list[str]:
    kind = image.format.replace("MPO", "JPEG")  # las fotos con miniatura de algunas cámaras
    written = Image.registered_extensions().get(PurePosixPath(name).suffix.lower(), kind)
    frames = getattr(image, "n_frames", 1) if kind != "JPEG" else 1
    changed = image.mode == "CMYK" or image.mode.startswith("I")
    return [
        *[f"es {kind} aunque su extensión diga {written}"] * (written != kind),
        *[f"tiene {frames} fotogramas: se usa el primero"] * (frames > 1),
        *["es transparente: se pone sobre blanco"] * image.has_transparency_data,
        *[f"modo {image.mode}, pasado a RGB de 8 bits"] * changed,
    ]


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # convert("RGB") dejaría en blanco lo que pase de 255
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > 65_535:
            raise ValueError(f"no se sabe la escala de sus números (modo {image.mode})")
        image = Image.fromarray((values / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
