"""La orden ``python -m gancook``: ejecutar cuadernos y listar datos."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import get_kernel_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gancook import notebooks
from gancook.__main__ import main

ROOT = Path(notebooks.__file__).parent.parent
SLEEPS = """
import os, time, pathlib
pathlib.Path("a_medias").write_text(str(os.getpid()))
os.replace("a_medias", "durmiendo")
time.sleep(600)
"""
# Un sello sin importar gancook, que tarda: cargaría torch en el núcleo.
STAMP = "import os; print('perfil:', os.environ['GANCOOK_PROFILE']); print('versiones: ninguna')"
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
    source = write(folder, "91_bien.ipynb", "1", STAMP)
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
    source = write(
        folder, "93_mal.ipynb", "raise KeyError('queriendo')", "", "raise ValueError('así no')",
        tags=["raises-exception"],
    )  # fmt: skip
    original = source.read_bytes()
    assert main(["run", "93", "--in-place"]) == 1
    message = capsys.readouterr().err
    assert "celda de código 3" in message and "queriendo" not in message
    assert "raise ValueError" in message and "ValueError: así no" in message
    assert source.read_bytes() == original


def only_the_client(client, kernel):
    os.kill(client, signal.SIGINT)


def the_group_when_the_kernel_is_dead(client, kernel):
    os.kill(kernel, signal.SIGKILL)
    os.killpg(client, signal.SIGINT)


# Dos veces en el mismo proceso: lo que más tarda es importar torch.
TWICE = """
import sys
from gancook.__main__ import main
print("códigos:", *(main(sys.argv[1:]) for _ in range(2)))
"""


@pytest.mark.skipif(os.name != "posix", reason="las señales a un grupo son de POSIX")
def test_interruption_ends_with_one_line_whoever_dies_first(folder):
    source = write(folder, "95_duerme.ipynb", SLEEPS)
    original, marker, kernels = source.read_bytes(), folder / "durmiendo", []
    process = subprocess.Popen(
        [sys.executable, "-c", TWICE, "run", "95", "--in-place"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    for interrupt in (only_the_client, the_group_when_the_kernel_is_dead):
        while not marker.exists() and process.poll() is None:
            time.sleep(0.02)
        kernels.append(int(marker.read_text(encoding="utf-8")))
        marker.unlink()
        interrupt(process.pid, kernels[-1])
    printed, errors = process.communicate()
    assert errors == 2 * "Interrumpido: no se ha escrito nada.\n"
    assert printed.endswith("códigos: 130 130\n")
    assert source.read_bytes() == original
    for kernel in kernels:
        with pytest.raises(ProcessLookupError):  # tampoco quedan los núcleos
            os.kill(kernel, 0)


def test_interruption_that_reaches_the_cell_is_not_a_failure(folder, capsys):
    write(folder, "97_señal.ipynb", "raise KeyboardInterrupt")
    assert main(["run", "97", "--in-place"]) == 130
    assert capsys.readouterr().err == "Interrumpido: no se ha escrito nada.\n"


def test_kernel_that_dies_alone_is_not_an_interruption(folder, capsys):
    write(folder, "96_muere.ipynb", "1", "", "import os; os._exit(9)")
    assert main(["run", "96", "--in-place"]) == 1
    message = capsys.readouterr().err
    assert "se cerró" in message and "celda de código 3" in message and "memoria" in message
    assert "Traceback" not in message


@pytest.mark.parametrize("content", ["esto no es JSON", "{}"])
def test_damaged_notebook(folder, capsys, content):
    (folder / "98_roto.ipynb").write_text(content, encoding="utf-8")
    assert main(["run", "98"]) == 1
    assert "98_roto.ipynb está dañado" in capsys.readouterr().err


NAMES = ["01_10_c", "01_1_a", "01_2_b", "02_d", "03_dcgan", "03_dcgan-Copy1", "20_e"]


@pytest.mark.parametrize(
    "asked, found",
    [
        ("2", "02_d"), ("02", "02_d"), ("20", "20_e"), ("1.1", "01_1_a"), ("01.1", "01_1_a"),
        ("01_1", "01_1_a"), ("1_10", "01_10_c"), ("01_2_b", "01_2_b"), ("03_dcgan", "03_dcgan"),
        ("notebooks/02_d.ipynb", "02_d"), ("02_d.ipynb", "02_d"),
    ],
)  # fmt: skip
def test_number_means_what_it_says(folder, asked, found):
    for name in NAMES:
        (folder / f"{name}.ipynb").touch()
    assert notebooks.find(asked, Path("notebooks")) == Path("notebooks", f"{found}.ipynb")


@pytest.mark.parametrize(
    "asked, reason, listed",
    [("99", "ningún", NAMES), ("1", "varios", NAMES[:3]), ("3", "varios", NAMES[4:6])],
)
def test_unknown_or_ambiguous_number_lists_the_candidates(folder, capsys, asked, reason, listed):
    for name in NAMES:
        (folder / f"{name}.ipynb").touch()
    assert main(["run", asked]) == 1
    first, *names = capsys.readouterr().err.splitlines()
    assert reason in first and f"«{asked}»" in first
    assert sorted(name.strip() for name in names) == sorted(listed)


def test_folder_without_notebooks(folder, capsys):
    assert main(["run", "02"]) == 1
    assert "no hay cuadernos" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["archivo", "archivo/dentro", "a" * 300])
def test_impossible_out_is_refused_before_executing(folder, capsys, out):
    write(folder, "90_marca.ipynb", "open('ejecutado', 'w')")
    Path("archivo").touch()
    assert main(["run", "90", "--out", out]) == 1
    assert "No se puede escribir en" in capsys.readouterr().err
    assert not (folder / "ejecutado").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root puede escribir siempre")
def test_out_without_permission_is_refused_before_executing(folder, capsys):
    write(folder, "90_marca.ipynb", "open('ejecutado', 'w')")
    Path("ajena").mkdir(mode=0o555)
    assert main(["run", "90", "--out", "ajena"]) == 1
    assert "no tienes permiso" in capsys.readouterr().err
    assert not (folder / "ejecutado").exists()


def test_notebook_that_cannot_be_saved_is_kept_elsewhere(folder, capsys):
    write(
        folder, "90_quita.ipynb", "import os; os.rmdir('../out'); open('../out', 'w').close(); 41"
    )
    Path("90_quita.ipynb").write_text("del usuario", encoding="utf-8")
    assert main(["run", "90", "--out", "out"]) == 1  # sin sello tampoco se pierde
    printed = capsys.readouterr()
    assert "No se pudo escribir" in printed.err and "no lleva sello" in printed.out
    rescued = Path(printed.err.split(" está en ")[1].strip())
    assert rescued == folder.parent / "90_quita-2.ipynb"
    assert nbformat.read(rescued, 4).cells[1].outputs[0].data["text/plain"] == "41"
    assert Path("90_quita.ipynb").read_text(encoding="utf-8") == "del usuario"


def gancook(*arguments, options=(), **environment):
    return subprocess.run(
        [sys.executable, *options, "-m", "gancook", *arguments], capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def test_environment_without_the_libraries_says_so_in_one_line():
    without_site_packages = gancook("run", "02", options=["-S"], PYTHONIOENCODING="utf-8")
    assert without_site_packages.returncode == 1
    (line,) = without_site_packages.stderr.decode().splitlines()
    assert "falta numpy" in line and "pip install -r requirements.txt" in line


def test_import_without_the_libraries_is_still_an_import_error():
    process = subprocess.run(
        [sys.executable, "-S", "-c", "import gancook"], capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert b"ModuleNotFoundError" in process.stderr


@pytest.mark.parametrize("name", ["ipykernel", "nbclient"])
def test_missing_notebook_library_is_named(folder, capsys, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "gancook.notebooks")
    monkeypatch.delattr("gancook.notebooks")
    assert main(["run", "02"]) == 1
    assert f"falta {name}" in capsys.readouterr().err


def test_output_redirected_in_cp1252_survives_other_signs(folder):
    write(folder, "90_a.ipynb", "1")
    notebook = nbformat.read(folder / "90_a.ipynb", 4)
    notebook.cells[0].source = "# Añade −1 ⚠"
    nbformat.write(notebook, folder / "90_a.ipynb")
    process = gancook("run", "90", PYTHONIOENCODING="cp1252")
    assert process.returncode == 0, process.stderr
    assert "Añade ?1 ?" in process.stdout.decode("cp1252")


def test_threads_reach_the_kernel_and_leave_this_process_alone(folder, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    write(folder, "90_hilos.ipynb", "import os; os.environ['OMP_NUM_THREADS']")
    assert main(["run", "90", "--in-place", "--threads", "3"]) == 0
    output = nbformat.read(folder / "90_hilos.ipynb", 4).cells[1].outputs[0]
    assert output.data["text/plain"] == "'3'" and os.environ["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize(
    "load, threads, advice",
    [(0.3, "4", None), (2.0, "4", "--threads 2"), (9.0, "4", "--threads 1"), (9.0, "1", None)],
)
def test_busy_machine_is_announced_with_what_to_do(
    folder, capsys, monkeypatch, load, threads, advice
):
    def stop(*_):
        raise notebooks.NotebookFailed("hasta aquí")

    monkeypatch.setattr(notebooks, "execute", stop)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0), raising=False)
    write(folder, "90_a.ipynb", "1")
    assert main(["run", "90", "--threads", threads]) == 1
    printed = capsys.readouterr().out
    assert advice in printed if advice else not printed
    monkeypatch.delattr(os, "getloadavg")  # como en Windows
    assert main(["run", "90", "--threads", threads]) == 1
    assert not capsys.readouterr().out


ENGLISH = {
    "usage", "argument", "positional", "options", "show", "exit", "required", "unrecognized",
    "invalid", "choice", "choose", "expected", "ignored", "explicit", "allowed", "ambiguous",
    "could", "match",
}  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    ["-h", "run -h", "", "run", "nada", "run 2 3", "run 2 --nada", "run 2 --profile x",
     "run 2 --profile", "run 2 --threads 0", "run 2 --threads dos", "run 2 --in-place=1",
     "run 2 --in-place --out x", "run 2 --=1"],
)  # fmt: skip
def test_help_and_usage_errors_are_in_spanish(capsys, arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments.split())
    assert exit_.value.code == (0 if "-h" in arguments else 2)
    printed = "".join(capsys.readouterr())
    assert printed.startswith("uso: ")
    assert not ENGLISH & set(re.findall(r"[a-z]+", printed.replace("--", "")))


def test_jupyter_saves_the_notebook_without_changing_a_byte(folder):
    manager = pytest.importorskip("jupyter_server.services.contents.filemanager")
    source = write(folder, "90_a.ipynb", "print('−1')\nprint('a\\n')", "1.5")
    assert main(["run", "90", "--in-place"]) == 0
    ours = source.read_bytes()
    contents = manager.FileContentsManager(root_dir=str(folder))
    model = contents.get(source.name)
    contents.save({"type": "notebook", "format": "json", "content": model["content"]}, source.name)
    assert source.read_bytes() == ours
    kernelspec = nbformat.read(source, 4).metadata["kernelspec"]
    kernel = get_kernel_dict()
    assert kernelspec == {
        "name": "python3", "display_name": kernel["display_name"], "language": kernel["language"],
    }  # fmt: skip


def test_hash_ignores_preparation_exercises_and_prose():
    def build(code, preparation="a", prose="b", exercise="c"):
        cells = [new_markdown_cell(prose), *map(new_code_cell, (preparation, code, exercise))]
        cells[1].metadata["tags"], cells[3].metadata["tags"] = ["preparacion"], ["ejercicio"]
        return notebooks.code_hash(new_notebook(cells=cells))

    for ignored in ("preparation", "prose", "exercise"):
        assert build("x = 1") == build("x = 1", **{ignored: "otra"})
    assert build("x = 1") != build("x = 2")


def test_what_another_last_cell_prints_is_not_a_stamp(capsys):
    cell = new_code_cell("print('pérdida:', 3)", outputs=[new_output("stream", text="pérdida: 3")])
    notebook = new_notebook(cells=[cell])
    notebooks.add_stamp(notebook)
    assert "gancook" not in notebook.metadata
    assert "no lleva sello" in capsys.readouterr().out


def test_data_lists_both_sets(capsys):
    assert main(["data"]) == 0
    printed = capsys.readouterr().out
    assert "FashionMNIST" in printed and "6000 imágenes" in printed
    assert "MNIST" in printed and "3000 imágenes" in printed
