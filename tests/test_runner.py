"""La orden ``python -m gancook``: ejecutar cuadernos y listar datos."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gancook import notebooks
from gancook.__main__ import main

SLEEPS = """
import os, time, pathlib
pathlib.Path("a_medias").write_text(str(os.getpid()))
os.replace("a_medias", "durmiendo")
time.sleep(600)
"""
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


def only_the_client(client, kernel):
    os.kill(client, signal.SIGINT)


def the_group_when_the_kernel_is_dead(client, kernel):
    os.kill(kernel, signal.SIGKILL)
    os.killpg(client, signal.SIGINT)


@pytest.mark.skipif(os.name != "posix", reason="las señales a un grupo son de POSIX")
@pytest.mark.parametrize("interrupt", [only_the_client, the_group_when_the_kernel_is_dead])
def test_interruption_ends_with_one_line_whoever_dies_first(folder, interrupt):
    source = write(folder, "95_duerme.ipynb", SLEEPS)
    original, marker = source.read_bytes(), folder / "durmiendo"
    process = subprocess.Popen(
        [sys.executable, "-m", "gancook", "run", "95", "--in-place"],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(notebooks.__file__).parent.parent)},
    )  # fmt: skip
    while not marker.exists() and process.poll() is None:
        time.sleep(0.02)
    kernel = int(marker.read_text())
    interrupt(process.pid, kernel)
    assert process.communicate()[1] == "Interrumpido: no se ha escrito nada.\n"
    assert process.returncode == 130
    assert source.read_bytes() == original
    with pytest.raises(ProcessLookupError):  # tampoco queda el núcleo
        os.kill(kernel, 0)


def test_interruption_that_reaches_the_cell_is_not_a_failure(folder, capsys):
    write(folder, "97_señal.ipynb", "raise KeyboardInterrupt")
    assert main(["run", "97", "--in-place"]) == 130
    assert capsys.readouterr().err == "Interrumpido: no se ha escrito nada.\n"


def test_kernel_that_dies_alone_is_not_an_interruption(folder, capsys):
    write(folder, "96_muere.ipynb", "1", "import os; os._exit(9)")
    assert main(["run", "96", "--in-place"]) == 1
    message = capsys.readouterr().err
    assert "se cerró ejecutando la celda de código 2" in message and "memoria" in message
    assert "Traceback" not in message


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
