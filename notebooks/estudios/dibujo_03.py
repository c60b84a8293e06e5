"""Lo que dibujan el 03.2 y el 03.3: las redes, por sus formas, y las láminas de los estudios."""

import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

from gancook.data.shipped import measured


@torch.no_grad()
def flow(network, x):
    """Cada forma por la que pasa ``x`` (B, …), sin la B, con las capas que llevan a ella.

    Se construye en el cuaderno 03.2, §2.1.
    """
    path = [([], x.shape[1:])]
    for layer in network:
        x = layer(x)
        if x.shape[1:] != path[-1][1]:
            path.append(([], x.shape[1:]))
        path[-1][0].append(type(layer).__name__)
    return path


def draw_network(ax, path, title, color, x=0.0):
    """Dibuja en los ejes ``ax`` lo que da :func:`flow`: una caja por forma y sus capas encima.

    Cada caja es tan alta como el lado de la imagen, y más ancha cuantos más canales. La primera
    empieza en la abscisa ``x``. Se construye en el cuaderno 03.2, §2.1.
    """
    for layers, shape in path:
        if layers:
            ax.annotate("", (x + 1.5, 0), (x + 0.1, 0), arrowprops={"arrowstyle": "->"})
            ax.text(x + 0.8, 0.06, "\n".join(layers), ha="center", va="bottom", fontsize=8)
            x += 1.6
        image = len(shape) == 3
        height = shape[1] / 28 if image else 0.3 + 0.15 * math.log10(shape[0])
        width = 0.12 + 0.12 * math.log2(shape[0]) if image else 0.12
        ax.add_patch(plt.Rectangle((x, -height / 2), width, height, fc=color, ec="black"))
        label = " × ".join(map(str, shape))
        ax.text(x + width / 2, -0.55, label, ha="center", va="top", fontsize=9)
        x += width
    ax.set(xlim=(-0.5, 9.2), ylim=(-0.75, 0.7), title=title)
    ax.axis("off")


def load_tiles(name, padding):
    """Las imágenes de una lámina de ``data/measured``: bytes (N, 1, 28, 28).

    Si no está, lo dice y N es 0. Se construye en el cuaderno 03.2, §3.3.

    Args:
        name: nombre del archivo.
        padding: píxeles que separan las imágenes.
    """
    if not measured(name).exists():
        print(f"Falta data/measured/{name}.")
        return torch.empty(0, 1, 28, 28, dtype=torch.uint8)
    sheet = torch.from_numpy(np.array(Image.open(measured(name)).convert("L")))
    sheet, stride = sheet[padding:, padding:], 28 + padding
    return sheet.unfold(0, 28, stride).unfold(1, 28, stride).reshape(-1, 1, 28, 28)
