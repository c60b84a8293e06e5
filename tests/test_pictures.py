"""Las figuras guardadas: menos bytes y exactamente los mismos píxeles."""

import base64
import io

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from PIL import Image

from gancook.notebooks import save
from gancook.pictures import shrink

NOISE = np.random.default_rng(0).integers(0, 256, (60, 90))


def figure(cmap):
    """Lo que matplotlib escribe de una imagen con ruido."""
    file = io.BytesIO()
    plt.imsave(file, NOISE, cmap=cmap, format="png")
    return file.getvalue()


def encode(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


@pytest.mark.parametrize(("cmap", "mode", "ratio"), [("gray", "L", 0.5), ("viridis", "RGB", 1)])
def test_same_pixels_in_fewer_bytes(cmap, mode, ratio):
    png = figure(cmap)
    smaller = shrink(png)
    assert len(smaller) < ratio * len(png)
    assert Image.open(io.BytesIO(smaller)).mode == mode
    assert (pixels(smaller) == pixels(png)).all()


def test_one_coloured_pixel_is_kept():
    image = Image.new("RGBA", (50, 50), (7, 7, 7, 255))
    image.putpixel((3, 4), (7, 7, 8, 255))
    png = encode(image)
    assert (pixels(shrink(png)) == pixels(png)).all()


def test_transparency_and_animations_are_left_alone():
    ghost = Image.new("RGBA", (50, 50), (7, 7, 7, 255))
    ghost.putpixel((3, 4), (7, 7, 7, 254))
    frames = [Image.new("RGBA", (50, 50), (k, k, k, 255)) for k in (0, 200)]
    for png in (encode(ghost), encode(frames[0], save_all=True, append_images=frames[1:])):
        assert shrink(png) == png


def test_what_has_no_spare_channels_is_left_alone():
    png = encode(Image.fromarray(NOISE.astype(np.uint8)), optimize=True)
    assert shrink(png) == png


def test_what_is_not_a_picture_is_left_alone():
    assert shrink(b"no soy un PNG") == b"no soy un PNG"


def test_saving_a_notebook_shrinks_its_figures(tmp_path):
    png = figure("gray")
    picture = {"image/png": base64.b64encode(png).decode() + "\n", "text/plain": "<Figure>"}
    cell = nbformat.v4.new_code_cell("1")
    cell.outputs = [nbformat.v4.new_output("display_data", picture)]
    text = nbformat.v4.new_markdown_cell("## Nada que encoger")
    save(nbformat.v4.new_notebook(cells=[text, cell]), tmp_path / "x.ipynb")
    written = nbformat.read(tmp_path / "x.ipynb", 4).cells[1].outputs[0].data["image/png"]
    assert base64.b64decode(written) == shrink(png)
