"""Figuras: la conversión a bytes y el contenido de los archivos, no su aspecto."""

import base64

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from PIL import Image

from gancook import plots

RAMP = torch.linspace(-1, 1, 4 * 784).reshape(4, 1, 28, 28)
SNAPSHOTS = {step: RAMP.roll(step, dims=3) for step in (0, 10, 20)}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("scale", [(-1, 1), (0, 1)])
def test_to_uint8_inverts_the_normalization_and_clips(scale):
    low, high = scale
    values = torch.arange(256) / 255 * (high - low) + low
    assert torch.equal(plots.to_uint8(values, scale), torch.arange(256).byte())
    outside = torch.tensor([low - 5.0, high + 5.0])
    assert plots.to_uint8(outside, scale).tolist() == [0, 255]


def test_gif_has_a_frame_per_snapshot_and_rests_on_the_last(tmp_path):
    path = plots.save_gif(SNAPSHOTS, tmp_path / "e.gif", columns=2, zoom=3, seconds=0.2)
    durations = []
    with Image.open(path) as gif:
        assert gif.n_frames == 3
        assert gif.size == (3 * (2 * 28 + 3), 3 * (2 * 28 + 3))
        for k in range(3):
            gif.seek(k)
            durations.append(gif.info["duration"])
    assert durations == [200, 200, 2000]


def test_gif_travels_as_png_so_that_github_draws_it(tmp_path):
    path = plots.save_gif(SNAPSHOTS, tmp_path / "e.gif")
    shown = base64.b64decode(plots.show_gif(path)._repr_png_())
    assert shown == path.read_bytes()
    assert shown.startswith(b"GIF89a")


def test_grid_draws_one_titled_axis_per_image():
    plots.show_grid(SNAPSHOTS[0], "Rejilla", titles=list("abcd"), columns=3)
    titles = [ax.get_title() for ax in plt.gcf().axes]
    assert titles == ["a", "b", "c", "d", "", ""]
    assert plt.gcf().get_suptitle() == "Rejilla"


def test_losses_are_drawn_with_their_names_and_ln_2():
    history = pd.DataFrame({"d_loss": [0.5, 0.6], "g_loss": [1.0, 0.9], "extra": [0, 0]})
    plots.plot_losses(history, "Pérdidas")
    labels = [line.get_label() for line in plt.gca().lines]
    assert labels == ["discriminador", "generador", "ln 2 (D = 1/2)"]


def test_evolution_has_a_column_per_snapshot():
    plots.evolution_strip(SNAPSHOTS, "Evolución", count=2)
    assert [ax.get_title() for ax in plt.gcf().axes] == ["0", "10", "20"]
