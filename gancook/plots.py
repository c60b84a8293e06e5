"""Figuras que se repiten de un cuaderno a otro: rejillas, curvas, evolución y GIF."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from cycler import cycler
from IPython.display import Image as NotebookImage
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

# Okabe e Ito (2008): colores que distinguen también quienes no ven bien el rojo o el verde.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
_LABELS = {"d_loss": "discriminador", "g_loss": "generador"}


def use_style() -> None:
    """Estilo común: nítido al ancho de GitHub, rejilla tenue y colores para daltónicos."""
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "image.cmap": "gray",
            # Píxeles nítidos, y archivos tres veces más pequeños que suavizándolos.
            "image.interpolation": "nearest",
        }
    )


def to_uint8(images: Tensor, scale: tuple[float, float] = (-1.0, 1.0)) -> Tensor:
    """Imágenes (…, H, W) del intervalo ``scale`` a bytes; recorta lo que se salga."""
    low, high = scale
    unit = (images.detach().cpu().float() - low) / (high - low)
    return (unit.clamp(0, 1) * 255).round().byte()


def show_grid(
    images: Tensor,
    title: str,
    *,
    titles: Sequence[str] | None = None,
    columns: int = 10,
    scale: tuple[float, float] = (-1.0, 1.0),
    cell: float = 0.8,
) -> None:
    """Dibuja una rejilla de imágenes, cada una con su rótulo si se dan ``titles``.

    Args:
        images: (N, 1 o 3, H, W), en ``scale`` o bytes.
        title: título de la figura.
        titles: un rótulo por imagen.
        columns: imágenes por fila.
        scale: intervalo de los valores, si no son bytes.
        cell: lado de cada imagen, en pulgadas.
    """
    images = images if images.dtype == torch.uint8 else to_uint8(images, scale)
    if titles is None:
        _show_tiles(images, title, columns, cell)
        return
    rows = -(-len(images) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(columns * cell, rows * (cell + 0.25) + 0.4), squeeze=False
    )
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, text in zip(axes.flat, images, titles, strict=False):
        ax.imshow(image.permute(1, 2, 0).squeeze().numpy(), vmin=0, vmax=255)
        ax.set_title(text, fontsize=9)
    fig.suptitle(title)
    plt.show()


def plot_losses(history: pd.DataFrame, title: str, xlabel: str = "paso") -> None:
    """Curvas de las columnas ``*_loss`` y, de referencia, ln 2.

    Args:
        history: tabla de ``History.per_step()`` o ``per_epoch()``; su índice va en abscisas.
        title: título de la figura.
        xlabel: qué cuenta el índice.
    """
    _, ax = plt.subplots(figsize=(7, 3.2))
    for column in history.filter(like="_loss"):
        ax.plot(history.index, history[column], label=_LABELS.get(column, column), lw=1.2)
    ax.axhline(0.6931, color="gray", ls="--", lw=1, label="ln 2 (D = 1/2)")
    ax.set(title=title, xlabel=xlabel, ylabel="pérdida (nats)")
    ax.legend()
    plt.show()


def evolution_strip(
    snapshots: Mapping[int, Tensor],
    title: str,
    *,
    count: int = 8,
    unit: str = "paso",
    scale: tuple[float, float] = (-1.0, 1.0),
) -> None:
    """Una columna por instantánea y una fila por vector de ruido: cómo cambia G al entrenar.

    Args:
        snapshots: instante → imágenes (N, C, H, W) del mismo ruido.
        title: título de la figura.
        count: cuántos vectores de ruido se dibujan.
        unit: qué cuenta el instante.
        scale: intervalo de los valores.
    """
    fig, axes = plt.subplots(1, len(snapshots), figsize=(0.75 * len(snapshots), 0.7 * count + 0.6))
    for ax, (step, images) in zip(axes, snapshots.items(), strict=True):
        tile = make_grid(to_uint8(images[:count], scale), nrow=1, padding=1, pad_value=255)
        ax.imshow(tile.permute(1, 2, 0).numpy())
        ax.set_title(f"{step:,}".replace(",", " "), fontsize=8)
        ax.axis("off")
    fig.suptitle(f"{title} ({unit})", fontsize=11)
    plt.show()


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


def _show_tiles(images: Tensor, title: str, columns: int, cell: float) -> None:
    tile = make_grid(images, nrow=columns, padding=1, pad_value=255)
    rows = -(-len(images) // columns)
    _, ax = plt.subplots(figsize=(columns * cell, rows * cell + 0.4))
    ax.imshow(tile.permute(1, 2, 0).numpy())
    ax.set_title(title)
    ax.axis("off")
    plt.show()
