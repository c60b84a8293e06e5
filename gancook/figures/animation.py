"""Animaciones: la evolución del generador como GIF, y cómo verla en un cuaderno y en su PDF."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont, ImageSequence
from torch import Tensor
from torchvision.utils import make_grid

from gancook.data.images import to_uint8
from gancook.files import write_atomic

if TYPE_CHECKING:
    from IPython.display import Image as NotebookImage

_CAPTION = 22  # alto de la franja del contador, en píxeles
_KEEPS_WHITE = Image.Quantize.MAXCOVERAGE  # las demás paletas lo mezclan con lo más claro


def save_gif(
    snapshots: Mapping[int, Tensor],
    path: str | Path,
    *,
    columns: int = 8,
    zoom: int = 2,
    seconds: float = 0.25,
    scale: tuple[float, float] = (-1.0, 1.0),
    colors: int = 256,
    unit: str = "paso",
) -> Path:
    """Guarda la evolución como GIF animado y devuelve su ruta.

    Cada cuadro lleva encima su instante («paso 1 875»); el último dura dos segundos.

    Args:
        snapshots: instante → imágenes (N, C, H, W) del mismo ruido.
        path: archivo ``.gif``.
        columns: imágenes por fila de cada cuadro.
        zoom: veces que se amplía cada píxel.
        seconds: duración de cada cuadro.
        scale: intervalo de los valores.
        colors: tamaño de la paleta, hasta 256; en gris, 32 bastan y el archivo encoge.
        unit: qué cuenta el instante.

    Raises:
        ValueError: si no hay ninguna instantánea.
    """
    if not snapshots:
        raise ValueError(
            "No hay instantáneas que animar: entrena hasta la primera, o pide también la del paso "
            "0 con Snapshots(…, steps=[0, …])."
        )
    frames = []
    for step, images in snapshots.items():
        tile = make_grid(to_uint8(images, scale), nrow=columns, padding=1, pad_value=255)
        frame = Image.fromarray(tile.permute(1, 2, 0).numpy())
        frame = frame.resize((frame.width * zoom, frame.height * zoom), Image.NEAREST)
        frames.append(
            _captioned(frame, f"{unit} {step:,}".replace(",", " ")).quantize(colors, _KEEPS_WHITE)
        )
    durations = [round(1000 * seconds)] * (len(frames) - 1) + [2000]
    with write_atomic(Path(path)) as file:
        frames[0].save(
            file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
        )
    return Path(path)


def _captioned(frame: Image.Image, text: str) -> Image.Image:
    canvas = Image.new("RGB", (frame.width, frame.height + _CAPTION), "white")
    canvas.paste(frame, (0, _CAPTION))
    font = ImageFont.truetype(findfont("DejaVu Sans"), 14)  # la que trae matplotlib
    ImageDraw.Draw(canvas).text((4, 2), text, fill="black", font=font)
    return canvas


def show_gif(path: str | Path) -> "NotebookImage":
    """Muestra un GIF animado dentro del cuaderno, también en GitHub y al exportarlo a PDF.

    GitHub solo dibuja las salidas ``image/png`` y LaTeX solo lee imágenes fijas. El PNG animado
    sirve a los dos: el navegador lo mueve y LaTeX ve el último fotograma. Queda junto al GIF, con
    su nombre y la extensión ``.png``.
    """
    from IPython.display import Image as NotebookImage  # fuera de un cuaderno puede no estar

    return NotebookImage(data=_animated_png(Path(path)).read_bytes(), format="png")


def _animated_png(gif_path: Path) -> Path:
    frames, durations = [], []
    with Image.open(gif_path) as gif:
        for frame in ImageSequence.Iterator(gif):
            frames.append(frame.convert("RGB"))
            durations.append(frame.info.get("duration", 100))
    frames = _share_palette(frames)
    path = gif_path.with_suffix(".png")
    with write_atomic(path) as file:
        # El primero es la imagen fija (default_image) y no forma parte de la animación.
        frames[-1].save(
            file,
            format="png",
            save_all=True,
            append_images=frames,
            default_image=True,
            duration=durations,
            loop=0,
        )
    return path


def _share_palette(frames: list[Image.Image]) -> list[Image.Image]:
    """Una paleta común para los fotogramas RGB: un PNG no admite más, y sin ella pesa el triple."""
    width, height = frames[0].size
    sheet = Image.new("RGB", (width, height * len(frames)))
    for k, frame in enumerate(frames):
        sheet.paste(frame, (0, k * height))
    palette = sheet.quantize(256, _KEEPS_WHITE)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
