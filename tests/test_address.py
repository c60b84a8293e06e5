"""La dirección del proyecto: cómo la usa la celda ``preparacion`` y dónde está escrita."""

import importlib.util
import re
import runpy
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from test_notebooks import PATHS, ROOT, in_use

from gancook.notebooks import code_cells, code_hash

NOTEBOOKS = [path for path in PATHS if not in_use(path)]  # en los suyos escribe quien lee
if not NOTEBOOKS:
    pytest.skip("todos los cuadernos tienen cambios sin confirmar", allow_module_level=True)
CLONE = re.compile(r"^git clone (\S+) gancook$", re.MULTILINE)
WHEEL = "gancook-0.1.0-py3-none-any.whl"
publish = runpy.run_path(str(ROOT / ".github" / "direccion.py"))["publish"]


def read(path):
    return nbformat.read(path, as_version=4)


def preparation(path):
    return code_cells(read(path))[0].source


def constant(source):
    return re.search(r'^REPOSITORY = "(.*?)"', source, re.MULTILINE)[1]


CELL = re.sub('^REPOSITORY = ".*?"', 'REPOSITORY = ""', preparation(NOTEBOOKS[0]), flags=re.M)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Ejecuta la celda en ``notebooks/``, sin gancook instalado; devuelve lo que pide a pip."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr("gancook.setup", lambda: "dispositivo")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "gancook" else find_spec(name, *rest),
    )

    def run(source=CELL, answers=()):
        pending, asked = list(answers), []
        names = {"input": lambda prompt: pending.pop(0)}
        magic = SimpleNamespace(
            run_line_magic=lambda name, line: asked.append(f"{name} {line.format(**names)}")
        )
        names["get_ipython"] = lambda: magic
        exec(TransformerManager().transform_cell(source), names)
        assert names["device"] == "dispositivo" and not pending
        return asked

    return run


def test_the_cell_uses_the_repository_beside_the_notebook(run, tmp_path):
    (tmp_path / "gancook").mkdir()
    (tmp_path / "gancook" / "__init__.py").touch()
    Path(WHEEL).touch()
    assert run() == []
    assert sys.path[0] == str(tmp_path)


def test_the_cell_installs_nothing_where_gancook_is_installed(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(name=name))
    assert run() == []


def test_the_cell_prefers_the_published_address(run):
    Path(WHEEL).touch()
    source = CELL.replace('REPOSITORY = ""', 'REPOSITORY = "https://github.com/a/b"')
    assert run(source) == ["pip install -q https://github.com/a/b/archive/HEAD.zip"]


def test_the_cell_then_looks_for_a_wheel_beside_the_notebook(run):
    Path("gancook-0.1.0-py3-none-any (1).whl").touch()  # pip no acepta ese nombre
    Path(WHEEL).touch()
    assert run() == [f"pip install -q {WHEEL}"]


@pytest.mark.parametrize(
    "pasted",
    [
        "https://github.com/ana-1/mis.gan",
        "  github.com/ana-1/mis.gan/ ",
        "www.GitHub.com/ana-1/mis.gan.git",
        "git@github.com:ana-1/mis.gan.git",
        "https://github.com/ana-1/mis.gan?tab=readme-ov-file#empezar",
        "https://github.com/ana-1/mis.gan/blob/main/notebooks/02_gan_mlp_fashion_mnist.ipynb",
        "https://colab.research.google.com/github/ana-1/mis.gan/blob/main/notebooks/03_3_receta_final.ipynb",
    ],
)
def test_the_cell_accepts_what_people_paste(run, pasted):
    asked = run(answers=[pasted])
    assert asked == ["pip install -q https://github.com/ana-1/mis.gan/archive/HEAD.zip"]


def test_the_cell_answers_anything_else_in_spanish_and_asks_again(run, capsys):
    wrong = ["", "no lo sé", "https://github.com", "https://github.com/ana", "gitlab.com/a/b"]
    assert len(run(answers=[*wrong, "github.com/ana/gan"])) == 1
    replies = capsys.readouterr().out.splitlines()
    assert len(replies) == len(wrong)
    assert all("https://github.com/usuario/repositorio" in reply for reply in replies)


def test_the_address_is_the_same_everywhere():
    tomllib = pytest.importorskip("tomllib", reason="tomllib es de Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"].get("Repository", "")
    for path in NOTEBOOKS:
        assert constant(preparation(path)) == address, path.name
        badges = re.findall(r"\(https://colab\S+/github/(\S+)\)", read(path).cells[0].source)
        name = address.removeprefix("https://github.com/")
        assert badges == ([f"{name}/blob/main/notebooks/{path.name}"] if address else [])
    (cloned,) = CLONE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert cloned == (address or "DIRECCIÓN-DEL-REPOSITORIO")


@pytest.fixture
def project(tmp_path):
    """Copia de los archivos que llevan la dirección, con ella vacía."""
    (tmp_path / "notebooks").mkdir()
    for path in [ROOT / "README.md", ROOT / "pyproject.toml", *NOTEBOOKS]:
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    publish("", tmp_path)
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_publishing_is_one_command_that_can_be_repeated_and_undone(project):
    before = contents(project)
    publish("https://github.com/ana/gan.git", project)
    once = contents(project)
    publish("https://github.com/ana/gan", project)
    assert contents(project) == once
    assert all(once[path].count(b"https://github.com/ana/gan") == 1 for path in once)
    publish("", project)
    assert contents(project) == before


def test_publishing_changes_only_the_badge_and_the_constant(project):
    before = {path.name: read(path) for path in project.glob("notebooks/*")}
    publish("https://github.com/ana/gan", project)
    for path in project.glob("notebooks/*"):
        old, new = before[path.name], read(path)
        assert constant(code_cells(new)[0].source) == "https://github.com/ana/gan"
        title, badge, _ = new.cells[0].source.split("\n\n", 2)
        assert title == old.cells[0].source.split("\n\n")[0]
        assert badge.endswith(f"/github/ana/gan/blob/main/notebooks/{path.name})")
        assert code_hash(new) == code_hash(old)
        assert [c.outputs for c in code_cells(new)] == [c.outputs for c in code_cells(old)]
        assert new.cells[2:] == old.cells[2:] and new.metadata == old.metadata


@pytest.mark.parametrize("wrong", ["gan", "https://github.com/ana", "https://gitlab.com/a/b"])
def test_publishing_refuses_other_addresses(project, wrong):
    before = contents(project)
    with pytest.raises(ValueError, match="https://github.com/usuario/repositorio"):
        publish(wrong, project)
    assert contents(project) == before
