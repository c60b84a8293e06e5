"""Figuras: la conversión a bytes y el contenido de los archivos, no su aspecto."""

import base64
import importlib
import io
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageChops, ImageSequence

from gancook import session, style
from gancook.data.images import to_uint8
from gancook.figures import animation, fields, plots

RAMP = torch.linspace(-1, 1, 4 * 784).reshape(4, 1, 28, 28)
SNAPSHOTS = {step: RAMP.roll(step, dims=3) for step in (0, 10, 20)}
CAPTION = 22  # alto de la franja del contador


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("scale", [(-1, 1), (0, 1)])
def test_to_uint8_inverts_the_normalization_and_clips(scale):
    low, high = scale
    values = torch.arange(256) / 255 * (high - low) + low
    assert torch.equal(to_uint8(values, scale), torch.arange(256).byte())
    outside = torch.tensor([low - 5.0, high + 5.0])
    assert to_uint8(outside, scale).tolist() == [0, 255]


def test_gif_has_a_frame_per_snapshot_and_rests_on_the_last(tmp_path):
    path = animation.save_gif(SNAPSHOTS, tmp_path / "e.gif", columns=2, zoom=3, seconds=0.2)
    durations = []
    with Image.open(path) as gif:
        assert gif.n_frames == 3
        assert gif.size == (3 * (2 * 28 + 3), 3 * (2 * 28 + 3) + CAPTION)
        for k in range(3):
            gif.seek(k)
            durations.append(gif.info["duration"])
    assert durations == [200, 200, 2000]


def rgb_frames(path):
    with Image.open(path) as picture:
        return [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]


def strips(path):
    """La franja del contador de cada fotograma, en gris."""
    frames = rgb_frames(path)
    return [frame.crop((0, 0, frame.width, CAPTION)).convert("L") for frame in frames]


def test_gif_counts_the_steps_above_the_images_without_covering_them(tmp_path):
    same = {step: RAMP for step in (0, 8, 1875)}
    path = animation.save_gif(same, tmp_path / "e.gif", columns=2, zoom=3)
    zero, eight, many = strips(path)
    widths = [strip.point(lambda v: 255 * (v < 128)).getbbox()[2] for strip in strips(path)]
    assert ImageChops.difference(zero, eight).getbbox()  # otra cifra
    assert widths[2] > max(widths[:2]) and widths[2] < zero.width  # «1 875», entero
    for frame in rgb_frames(path):
        corner = frame.crop((3, CAPTION + 3, 3 + 84, CAPTION + 3 + 84)).resize((28, 28), 0)
        drawn = torch.from_numpy(np.array(corner.convert("L")))
        assert (drawn - to_uint8(RAMP)[0, 0].int()).abs().max() <= 8


def test_gif_names_what_it_counts(tmp_path):
    steps = strips(animation.save_gif({3: RAMP}, tmp_path / "a.gif"))
    epochs = strips(animation.save_gif({3: RAMP}, tmp_path / "b.gif", unit="época"))
    assert ImageChops.difference(steps[0], epochs[0]).getbbox()


def colored_gif(path):
    """Tres fotogramas con paletas que no comparten ningún color, como los de matplotlib."""
    frames = [Image.new("RGB", (40, 30), "white") for _ in range(3)]
    for frame, color in zip(frames, ("#0072B2", "#E69F00", "#009E73"), strict=True):
        frame.paste(color, (5, 5, 20, 20))
    first, *rest = [frame.quantize(16) for frame in frames]
    first.save(path, save_all=True, append_images=rest, duration=[100, 200, 1500], loop=0)
    return path


def test_shown_animation_is_a_png_file_beside_the_gif(tmp_path):
    path = animation.save_gif(SNAPSHOTS, tmp_path / "e.gif")
    shown = base64.b64decode(animation.show_gif(path)._repr_png_())
    assert shown.startswith(b"\x89PNG\r\n\x1a\n")  # lo único que admite LaTeX
    assert shown == (tmp_path / "e.png").read_bytes()
    assert sorted(p.name for p in tmp_path.glob("e*")) == ["e.gif", "e.png"]


@pytest.mark.parametrize("make", ["gray", "colored"])
def test_animated_png_moves_like_the_gif_and_rests_on_the_last(tmp_path, make):
    path = tmp_path / "e.gif"
    if make == "gray":
        animation.save_gif(SNAPSHOTS, path)
    else:
        colored_gif(path)
    animation.show_gif(path)
    with Image.open(path) as gif:
        expected = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
    with Image.open(tmp_path / "e.png") as png:
        assert png.default_image and png.info["loop"] == 0
        durations = [frame.info.get("duration") for frame in ImageSequence.Iterator(png)]
    assert durations[1:] == expected
    gif_frames, (still, *frames) = rgb_frames(path), rgb_frames(tmp_path / "e.png")
    for ours, theirs in zip([still, *frames], [gif_frames[-1], *gif_frames], strict=True):
        assert max(high for _, high in ImageChops.difference(ours, theirs).getextrema()) <= 8


def without_animation(png):
    """El archivo como lo ve quien no sabe de animaciones: sin los trozos que las describen."""
    kept, start = png[:8], 8
    while start < len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        kept += b"" if png[start + 4 : start + 8] in (b"acTL", b"fcTL", b"fdAT") else png[start:end]
        start = end
    return kept


def test_a_reader_of_still_images_sees_the_last_frame(tmp_path):
    path = colored_gif(tmp_path / "e.gif")
    shown = base64.b64decode(animation.show_gif(path)._repr_png_())
    with Image.open(io.BytesIO(without_animation(shown))) as still:
        assert not getattr(still, "is_animated", False)
        still = still.convert("RGB")
    for corner in ((10, 10), (0, 0)):
        assert still.getpixel(corner) == rgb_frames(path)[-1].getpixel(corner)


def test_animated_png_in_color_weighs_less_than_the_gif_and_keeps_white(tmp_path):
    generator = torch.Generator().manual_seed(0)
    noisy = {k: 1 - torch.rand(16, 3, 28, 28, generator=generator) ** 3 for k in range(4)}
    path = animation.save_gif(noisy, tmp_path / "e.gif")
    animation.show_gif(path)
    assert (tmp_path / "e.png").stat().st_size < path.stat().st_size
    assert rgb_frames(tmp_path / "e.png")[0].getpixel((0, 0)) == (255, 255, 255)


def test_a_single_snapshot_can_be_animated_and_none_says_why(tmp_path):
    path = animation.save_gif({0: RAMP}, tmp_path / "e.gif")
    animation.show_gif(path)
    assert len(rgb_frames(tmp_path / "e.png")) >= 1
    with pytest.raises(ValueError, match="No hay instantáneas"):
        animation.save_gif({}, tmp_path / "vacio.gif")
    assert not (tmp_path / "vacio.gif").exists()


def test_figures_do_not_need_ipython(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "IPython", None)  # importarlo da ModuleNotFoundError
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    for module in (animation, plots, fields, style, session):
        importlib.reload(module)
    assert animation.save_gif(SNAPSHOTS, tmp_path / "e.gif").exists()


def test_grid_draws_one_titled_axis_per_image():
    plots.show_grid(SNAPSHOTS[0], "Rejilla", titles=list("abcd"), columns=3)
    titles = [ax.get_title() for ax in plt.gcf().axes]
    assert titles == ["a", "b", "c", "d", "", ""]
    assert plt.gcf().get_suptitle() == "Rejilla"


def test_grid_names_its_rows_and_columns_at_the_centre_of_each():
    images = torch.full((6, 1, 20, 28), -1.0)
    plots.show_grid(images, "R", columns=3, row_names=["a", "b"], column_names=list("xyz"))
    ax = plt.gca()
    drawn = ax.images[0].get_array()[..., 0]
    for ticks, count, axis, names in [(ax.get_yticks(), 2, 0, ax.get_yticklabels()),
                                      (ax.get_xticks(), 3, 1, ax.get_xticklabels())]:  # fmt: skip
        lit = (drawn == 255).all(axis=1 - axis).nonzero()[0]  # las líneas blancas que separan
        assert len(ticks) == count
        assert ticks == pytest.approx((lit[:-1] + lit[1:]) / 2, abs=0.51)
        assert [name.get_text() for name in names] == (["a", "b"], ["x", "y", "z"])[axis]


def test_grid_without_names_has_no_ticks():
    plots.show_grid(SNAPSHOTS[0], "Rejilla")
    assert len(plt.gca().get_xticks()) == len(plt.gca().get_yticks()) == 0


def test_losses_are_drawn_with_their_names_and_ln_2():
    history = pd.DataFrame({"d_loss": [0.5, 0.6], "g_loss": [1.0, 0.9], "extra": [0, 0]})
    plots.plot_losses(history, "Pérdidas")
    labels = [line.get_label() for line in plt.gca().lines]
    assert labels == ["discriminador", "generador", "ln 2 (D = 1/2)"]


def test_evolution_has_a_column_per_snapshot():
    plots.evolution_strip(SNAPSHOTS, "Evolución", count=2)
    assert [ax.get_title() for ax in plt.gcf().axes] == ["0", "10", "20"]
    rows = [[name.get_text() for name in ax.get_yticklabels()] for ax in plt.gcf().axes]
    assert rows == [["$z_{1}$", "$z_{2}$"], [], []]  # solo delante de la primera columna


def test_evolution_with_one_snapshot_has_room_for_its_title():
    plots.evolution_strip({0: RAMP}, "Evolución con el ruido fijo", unit="iteración")
    figure = plt.gcf()
    figure.canvas.draw()
    assert [ax.get_title() for ax in figure.axes] == ["0"]
    title = figure.findobj(lambda a: getattr(a, "get_text", str)() == figure.get_suptitle())[0]
    box = title.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_evolution_is_as_tall_as_its_rows():
    """Con dos vectores de ruido no queda hueco entre el título y las imágenes."""
    squares = torch.zeros(2, 1, 8, 8)
    plots.evolution_strip({step: squares for step in (0, 10, 20, 30, 40, 50)}, "Evolución")
    figure = plt.gcf()
    figure.canvas.draw()
    top = max(ax.get_window_extent().y1 for ax in figure.axes)
    assert figure.bbox.height - top < 0.4 * figure.bbox.height


def test_nothing_to_draw_is_said_and_not_drawn(capsys):
    plots.evolution_strip({}, "Evolución")
    assert capsys.readouterr().out == "Evolución: todavía no hay instantáneas que dibujar.\n"
    for titles in (None, []):
        plots.show_grid(RAMP[:0], "Rejilla", titles=titles)
        assert capsys.readouterr().out == "Rejilla: no hay imágenes que dibujar.\n"
    assert plt.get_fignums() == []
