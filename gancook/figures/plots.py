"""Figuras que se repiten de un cuaderno a otro: rejillas, curvas y evolución."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch import Tensor
from torchvision.utils import make_grid

from gancook.data.images import to_uint8

_LABELS = {"d_loss": "discriminador", "g_loss": "generador"}


def show_grid(
    images: Tensor,
    title: str,
    *,
    titles: Sequence[str] | None = None,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    columns: int = 10,
    scale: tuple[float, float] = (-1.0, 1.0),
    cell: float = 0.8,
) -> None:
    """Dibuja una rejilla de imágenes, cada una con su rótulo si se dan ``titles``.

    Args:
        images: (N, 1 o 3, H, W), en ``scale`` o bytes.
        title: título de la figura.
        titles: un rótulo por imagen; con ellos no se dibujan los de filas y columnas.
        row_names: un rótulo por fila, a su izquierda.
        column_names: un rótulo por columna, encima.
        columns: imágenes por fila.
        scale: intervalo de los valores, si no son bytes.
        cell: lado de cada imagen, en pulgadas.
    """
    if len(images) == 0:
        print(f"{title}: no hay imágenes que dibujar.")
        return
    images = images if images.dtype == torch.uint8 else to_uint8(images, scale)
    if titles is None:
        _show_tiles(images, title, columns, cell, row_names, column_names)
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
    if not snapshots:
        print(f"{title}: todavía no hay instantáneas que dibujar.")
        return
    width = max(0.75 * len(snapshots), 4)  # que quepa el título también si hay pocas
    height = 0.7 * min(count, len(next(iter(snapshots.values())))) + 0.6
    fig, axes = plt.subplots(1, len(snapshots), figsize=(width, height), squeeze=False)
    for ax, (step, images) in zip(axes[0], snapshots.items(), strict=True):
        tile = make_grid(to_uint8(images[:count], scale), nrow=1, padding=1, pad_value=255)
        ax.imshow(tile.permute(1, 2, 0).numpy())
        ax.set_title(f"{step:,}".replace(",", " "), fontsize=8)
        _name_tiles(ax, images.shape[-2:], (), ())
    names = [f"$z_{{{k}}}$" for k in range(1, len(images[:count]) + 1)]
    _name_tiles(axes[0, 0], images.shape[-2:], names, ())
    fig.suptitle(f"{title} ({unit})", fontsize=11)
    plt.show()


def _show_tiles(
    images: Tensor,
    title: str,
    columns: int,
    cell: float,
    row_names: Sequence[str],
    column_names: Sequence[str],
) -> None:
    tile = make_grid(images, nrow=columns, padding=1, pad_value=255)
    rows = -(-len(images) // columns)
    _, ax = plt.subplots(figsize=(columns * cell, rows * cell + 0.4))
    ax.imshow(tile.permute(1, 2, 0).numpy())
    ax.set_title(title)
    _name_tiles(ax, images.shape[-2:], row_names, column_names)
    plt.show()


def _name_tiles(
    ax: plt.Axes, size: Sequence[int], row_names: Sequence[str], column_names: Sequence[str]
) -> None:
    """Rótulos a la izquierda y encima de un mosaico de imágenes (H, W) separadas un píxel."""
    height, width = size
    ax.set_yticks([(k + 0.5) * (height + 1) for k in range(len(row_names))], row_names)
    ax.set_xticks([(k + 0.5) * (width + 1) for k in range(len(column_names))], column_names)
    ax.tick_params(length=0, labelsize=9, labelbottom=False, labeltop=True)
    ax.spines[:].set_visible(False)
    ax.grid(False)
