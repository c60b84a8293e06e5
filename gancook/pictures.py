"""Las figuras de un cuaderno, en menos bytes y con los mismos píxeles."""

import base64
import io

from nbformat import NotebookNode
from PIL import Image, UnidentifiedImageError


def shrink_outputs(notebook: NotebookNode) -> None:
    """Pasa por :func:`shrink` cada salida ``image/png`` del cuaderno, en su sitio."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if picture := output.get("data", {}).get("image/png"):
                smaller = shrink(base64.b64decode(picture))
                output.data["image/png"] = base64.b64encode(smaller).decode()


def shrink(png: bytes) -> bytes:
    """El mismo PNG sin los canales que no dicen nada.

    matplotlib escribe siempre rojo, verde, azul y opacidad, también si todo es gris y opaco: en una
    rejilla de imágenes grises sobra la tercera parte. Lo animado, lo que tiene transparencia y lo
    que no se puede leer se devuelven como estaban.
    """
    try:
        image = Image.open(io.BytesIO(png))
    except UnidentifiedImageError:  # que una salida rara no impida guardar el cuaderno
        return png
    if getattr(image, "n_frames", 1) > 1 or image.mode != "RGBA":
        return png
    *colors, opacity = image.split()
    if opacity.getextrema() != (255, 255):
        return png
    grey = len({channel.tobytes() for channel in colors}) == 1
    file = io.BytesIO()
    (colors[0] if grey else image.convert("RGB")).save(file, "PNG", optimize=True)
    return file.getvalue()
