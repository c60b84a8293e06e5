"""Figuras que se repiten de un cuaderno a otro: rejillas, curvas, evolución y GIF."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from cycler import cycler
from IPython.display import Image as NotebookImage
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

# Okabe e Ito (2008): colores que distinguen también quienes no ven bien el rojo o el verde.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")


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
        }
    )


def show_gif(path: str | Path) -> NotebookImage:
    """Muestra un GIF animado dentro del cuaderno, también en GitHub.

    GitHub solo dibuja las salidas ``image/png``; como los navegadores reconocen el formato por
    su contenido, el GIF se entrega con esa etiqueta y se anima igual.
    """
    return NotebookImage(data=Path(path).read_bytes(), format="png")
