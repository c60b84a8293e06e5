"""Animaciones: la evolución del generador como GIF, y cómo verla dentro de un cuaderno."""

from collections.abc import Mapping
from pathlib import Path

from IPython.display import Image as NotebookImage
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gancook.data.images import to_uint8


def save_gif(
    snapshots: Mapping[int, Tensor],
    path: str | Path,
    *,
    columns: int = 8,
    zoom: int = 2,
    seconds: float = 0.25,
    scale: tuple[float, float] = (-1.0, 1.0),
    colors: int = 256,
) -> Path:
    """Guarda la evolución como GIF animado y devuelve su ruta; el último cuadro dura dos segundos.

    Args:
        snapshots: instante → imágenes (N, C, H, W) del mismo ruido.
        path: archivo ``.gif``.
        columns: imágenes por fila de cada cuadro.
        zoom: veces que se amplía cada píxel.
        seconds: duración de cada cuadro.
        scale: intervalo de los valores.
        colors: tamaño de la paleta, hasta 256; en gris, 32 bastan y el archivo encoge.
    """
    frames = []
    for images in snapshots.values():
        tile = make_grid(to_uint8(images, scale), nrow=columns, padding=1, pad_value=255)
        frame = Image.fromarray(tile.permute(1, 2, 0).numpy()).quantize(colors)
        frames.append(frame.resize((frame.width * zoom, frame.height * zoom), Image.NEAREST))
    durations = [round(1000 * seconds)] * (len(frames) - 1) + [2000]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return Path(path)


def show_gif(path: str | Path) -> NotebookImage:
    """Muestra un GIF animado dentro del cuaderno, también en GitHub.

    GitHub solo dibuja las salidas ``image/png``; como los navegadores reconocen el formato por
    su contenido, el GIF se entrega con esa etiqueta y se anima igual.
    """
    return NotebookImage(data=Path(path).read_bytes(), format="png")
