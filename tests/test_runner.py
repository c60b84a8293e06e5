"""La orden ``python -m gancook``: ejecutar cuadernos y listar datos."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gancook import notebooks
from gancook.__main__ import main

PIXEL = "from IPython.display import Image, display\ndisplay(Image(data=bytes({}), format='png'))"


def write(folder, name, *sources, tags=()):
    cells = [new_markdown_cell("# Título"), *(new_code_cell(source) for source in sources)]
    if tags:
        cells[1].metadata["tags"] = list(tags)
    path = folder / name
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def test_run_writes_a_stamped_copy_and_never_overwrites(folder, capsys):
    source = write(folder, "91_bien.ipynb", "import gancook; gancook.setup();", "gancook.stamp()")
    original = source.read_bytes()
    assert main(["run", "91", "--out", "salida"]) == main(["run", "91", "--out", "salida"]) == 0
    assert source.read_bytes() == original
    written = sorted(p.name for p in (folder.parent / "salida").iterdir())
    assert written == ["91_bien-2.ipynb", "91_bien.ipynb"]
    notebook = nbformat.read(folder.parent / "salida" / "91_bien.ipynb", as_version=4)
    assert notebook.metadata["gancook"]["perfil"] == "quick"
    assert [c.execution_count for c in notebooks.code_cells(notebook)] == [1, 2]
    assert "[ 2/2] Título" in capsys.readouterr().out


def test_in_place_replaces_the_notebook_and_saves_its_cover(folder):
    png = b"\x89PNG de mentira"
    source = write(
        folder, "92_portada.ipynb", PIXEL.format(list(png)), "import gancook; gancook.stamp()",
        tags=["portada"],
    )  # fmt: skip
    assert main(["run", "92", "--in-place", "--profile", "laptop"]) == 0
    stamp = nbformat.read(source, as_version=4).metadata["gancook"]
    assert stamp["perfil"] == "laptop"
    assert (folder / "portadas" / "92_portada.png").read_bytes() == png
    assert sorted(p.name for p in folder.iterdir()) == ["92_portada.ipynb", "portadas"]


def test_failing_cell_is_named_and_nothing_is_written(folder, capsys):
    source = write(folder, "93_mal.ipynb", "x = 1", "raise ValueError('así no')", "x = 2")
    original = source.read_bytes()
    assert main(["run", "93", "--in-place"]) == 1
    message = capsys.readouterr().err
    assert "celda de código 2" in message
    assert "raise ValueError" in message and "ValueError: así no" in message
    assert source.read_bytes() == original


def test_unknown_notebook_lists_the_ones_there_are(folder, capsys):
    write(folder, "94_algo.ipynb", "1")
    assert main(["run", "99"]) == 1
    assert "94_algo.ipynb" in capsys.readouterr().err


def test_ambiguous_number(folder, capsys):
    write(folder, "06_1_a.ipynb", "1")
    write(folder, "06_2_b.ipynb", "1")
    assert main(["run", "06"]) == 1
    assert "varios" in capsys.readouterr().err


def test_hash_ignores_preparation_exercises_and_prose():
    def build(code, preparation="a", prose="b"):
        cells = [new_markdown_cell(prose), new_code_cell(preparation), new_code_cell(code)]
        cells[1].metadata["tags"] = ["preparacion"]
        return notebooks.code_hash(new_notebook(cells=cells))

    assert build("x = 1") == build("x = 1", preparation="otra", prose="otra")
    assert build("x = 1") != build("x = 2")


def test_data_lists_both_sets(capsys):
    assert main(["data"]) == 0
    printed = capsys.readouterr().out
    assert "FashionMNIST" in printed and "6000 imágenes" in printed
    assert "MNIST" in printed and "3000 imágenes" in printed
