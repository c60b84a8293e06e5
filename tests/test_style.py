"""El estilo tal como se ve: lo que escriben las tablas y los ejes, y el tamaño de su letra."""

import ast
import json
import locale
import math
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import LogNorm
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from test_notebooks import in_use

from gancook.figures import plots
from gancook.style import number, use_style

ROOT = Path(__file__).parent.parent
SMALLEST = 8  # puntos
SIZES = {"fontsize", "labelsize", "title_fontsize"}


@pytest.fixture(autouse=True)
def styled(monkeypatch):
    monkeypatch.setattr(locale, "_override_localeconv", {})
    with plt.rc_context(), pd.option_context("display.float_format", None):
        use_style()
        yield
    plt.close("all")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (588.699, "588,7"),
        (0.0124, "0,0124"),
        (0.5, "0,5"),
        (1234.0, "1234"),
        (12345.6, "12\u00a0346"),
        (9999.7, "10\u00a0000"),  # con 4 cifras en coma flotante sería 1e+04
        (-3.25, "−3,25"),
        (1.5e-7, "1,5·10⁻⁷"),
        (-0.00001, "−1·10⁻⁵"),
        (3e12, "3·10¹²"),
        (-0.0, "0"),
        (np.float32(2.5), "2,5"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_number_has_a_comma_and_four_figures(value, text):
    assert number(value) == text


def test_number_loses_less_than_its_last_figure():
    for value in np.random.default_rng(0).lognormal(0, 6, 500):
        text = number(value).replace("\u00a0", "").replace(",", ".")
        mantissa, _, power = text.partition("·10")
        exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
        assert float(mantissa) * 10.0**exponent == pytest.approx(value, rel=5.01e-4)


def table():
    return pd.DataFrame(
        {"FCD": [588.699, math.nan], "n": [20000, 3], 0.5: [-0.25, 1e-9]}, index=[0.7, 1.0]
    )


def test_tables_have_commas_as_text_and_as_html():
    lines = [line.split() for line in str(table()).splitlines()]
    assert lines == [
        ["FCD", "n", "0,5"],
        ["0,7", "588,7", "20000", "−0,25"],
        ["1", "NaN", "3", "1·10⁻⁹"],
    ]
    cells = pd.Series(table()._repr_html_()).str.findall(r"<t[hd]>(.*?)</t[hd]>")[0]
    assert cells == ["", "FCD", "n", "0,5", *lines[1], *lines[2]]


def tick_labels(axis):
    axis.figure.canvas.draw()
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_axes_and_color_bars_have_commas():
    # También avisa si matplotlib o Python dejan de mirar donde lo pone use_style.
    fig, (ax, picture) = plt.subplots(1, 2)
    ax.plot([0, 1], [0, 0.5])
    bar = fig.colorbar(picture.imshow([[0.0, 0.5]]))
    for axis in (ax.xaxis, ax.yaxis, bar.ax.yaxis):
        labels = tick_labels(axis)
        assert any("," in label for label in labels), labels
        assert not any("." in label for label in labels), labels


def test_logarithmic_axes_stay_readable():
    fig, (ax, picture) = plt.subplots(1, 2)
    ax.loglog([1e-3, 1e3], [0.5, 2.5])
    bar = fig.colorbar(picture.imshow([[0.1, 10.0]], norm=LogNorm()))
    for axis in (ax.xaxis, bar.ax.yaxis):
        labels = "".join(tick_labels(axis))
        assert re.search(r"10\^\{", labels) and "," not in labels and "." not in labels


def test_importing_the_package_changes_nobody_elses_numbers(monkeypatch):
    monkeypatch.setattr(locale, "_override_localeconv", {})
    assert locale.format_string("%.1f", 0.5) == "0.5"
    use_style()
    assert locale.format_string("%.1f", 0.5) == "0,5"


def code_sources():
    for path in (ROOT / "gancook" / "figures").glob("*.py"):
        yield path.name, path.read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        if in_use(path):
            continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                code = re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", "".join(cell["source"]))
                yield f"{path.name}, celda {cell['id']}", code


def written_sizes(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg in SIZES:
            yield node.value.value if isinstance(node.value, ast.Constant) else node.value


def points(size):
    return FontProperties(size=size).get_size_in_points()


def test_no_text_is_asked_smaller_than_8_points():
    sizes = [(name, size) for name, code in code_sources() for size in written_sizes(code)]
    assert sizes, "la búsqueda no encuentra ningún tamaño: ya no mira donde debe"
    assert [(name, size) for name, size in sizes if points(size) < SMALLEST] == []


def test_no_default_text_is_smaller_than_8_points():
    names = [name for name in plt.rcParams if name.endswith(("fontsize", "labelsize", "titlesize"))]
    sizes = {name: plt.rcParams[name] for name in [*names, "font.size"]}
    assert {n: s for n, s in sizes.items() if s is not None and points(s) < SMALLEST} == {}


def test_the_figures_of_the_package_have_no_smaller_text():
    images = torch.zeros(4, 1, 8, 8)
    plots.show_grid(images, "Rejilla", titles=list("abcd"))
    plots.evolution_strip({0: images, 20_000: images}, "Evolución")
    plots.plot_losses(pd.DataFrame({"d_loss": [0.5, 0.6]}), "Pérdidas")
    texts = [t for n in plt.get_fignums() for t in plt.figure(n).findobj(Text)]
    assert len(plt.get_fignums()) == 3
    assert min(text.get_fontsize() for text in texts) >= SMALLEST
