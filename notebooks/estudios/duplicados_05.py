"""Cuadros repetidos o casi: una huella de 64 bits por imagen y las parejas que casi coinciden.

La huella es la de ``imagehash.dhash``, de la biblioteca ImageHash. Esa biblioteca la calcula con
Pillow, que ya usamos, y no busca las parejas, que es lo que cuesta: por eso no se depende de ella.
"""

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

_ROWS = 1000  # huellas que se comparan de una vez con todas las demás


def dhash(images: np.ndarray) -> Tensor:
    """Bytes (N, 3, H, W) → (N, 64) bits: si cada casilla es más clara que la de su izquierda.

    Se reduce el gris a 9×8 casillas. No cambia si cambian el tamaño o, sin llegar al blanco ni al
    negro, el brillo y el contraste; un recorte o un reflejo la cambian.

    Fuente: Krawetz (2013). Se construye en el cuaderno 05.1, §3.3.
    """
    bits = np.empty((len(images), 8, 8), bool)
    for k, image in enumerate(images):
        gray = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).convert("L")
        cells = np.asarray(gray.resize((9, 8), Image.Resampling.LANCZOS))
        bits[k] = cells[:, 1:] > cells[:, :-1]
    return torch.from_numpy(bits).flatten(1)


def near_pairs(bits: Tensor, distance: int) -> pd.DataFrame:
    """Las parejas ``i`` < ``j`` con ``distance`` bits distintos o menos, de menos a más distintas.

    Con ±1 en vez de bits, el producto escalar es 64 menos dos veces los que difieren.

    Se construye en el cuaderno 05.1, §3.3.
    """
    signs = 2 * bits.float() - 1  # (N, 64)
    found = []
    for start in range(0, len(signs), _ROWS):
        differing = (signs.shape[1] - signs[start : start + _ROWS] @ signs[start:].T) / 2
        i, j = (differing <= distance).triu(1).nonzero(as_tuple=True)
        found.append(torch.stack([i + start, j + start, differing[i, j].long()], dim=1))
    table = pd.DataFrame(torch.cat(found).numpy(), columns=["i", "j", "bits"])
    return table.sort_values(["bits", "i", "j"], ignore_index=True)
