"""Lo que se declara dos veces se mantiene igual: dependencias, muestras y ejemplos del README."""

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from gancook.testing import __name__ as plugin

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

needs_tomllib = pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib es de Python 3.11")


def pyproject():
    import tomllib

    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@needs_tomllib
def test_requirements_are_those_of_the_package_and_the_package():
    project = pyproject()["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["notebooks"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert listed == [*declared, "-e ."]


@needs_tomllib
def test_pytest_loads_the_plugin_that_sets_the_quick_profile():
    options = pyproject()["tool"]["pytest"]["ini_options"]["addopts"]
    assert f"-p {plugin}" in options


def test_conda_environment_delegates_to_requirements():
    assert "- -r requirements.txt" in (ROOT / "environment.yml").read_text(encoding="utf-8")


def test_readme_lists_every_notebook_and_only_those():
    linked = set(re.findall(r"\(notebooks/([^)]+\.ipynb)\)", README))
    assert linked == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("name", ["README.md", ".github/CONTRIBUTING.md"])
def test_links_exist(name):
    path = ROOT / name
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_readme_has_the_two_commands():
    assert "pip install -r requirements.txt && jupyter lab notebooks" in README
    assert "pip install -r requirements.txt && pytest" in README


def test_readme_starts_in_the_order_a_reader_follows():
    steps = [
        "git clone",
        "-m venv .venv",
        "activate",
        "\npip install -r requirements.txt\n",
        "\npython -m gancook run 02 --profile quick\n",
        "\njupyter lab notebooks\n",
    ]
    places = [README.index(step) for step in steps]
    assert places == sorted(places)


def test_readme_map_names_the_package_as_it_is():
    section = README.split("## El paquete")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", section, flags=re.MULTILINE)
    listed = [name for names, _ in rows for name in re.findall(r"`([\w/]+)`", names)]
    package = ROOT / "gancook"
    rooms = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert sorted(listed) == sorted(rooms | modules)
    for room, contents in rows:
        for modules in re.findall(r"\((`[^)]+`)\)", contents):
            for module in re.findall(r"`(\w+)`", modules):
                assert (package / room.strip("`") / f"{module}.py").is_file(), module


@needs_tomllib
@pytest.mark.parametrize(
    "folder, words",
    [
        ("fashion-mnist", ["2017 Zalando SE", "Permission is hereby granted", "WITHOUT WARRANTY"]),
        ("mnist", ["Yann LeCun", "Corinna Cortes", "https://creativecommons.org/licenses/by-sa/3"]),
    ],
)
def test_wheel_carries_the_licence_of_each_sample(folder, words):
    notice = ROOT / "data" / "samples" / folder / "LICENCIA.txt"
    for word in words:
        assert word in notice.read_text(encoding="utf-8")
    build = pyproject()["tool"]["hatch"]["build"]["targets"]
    carried = [ROOT / source for source in build["wheel"]["force-include"]]
    assert any(notice.is_relative_to(source) for source in carried)
    assert any(notice.is_relative_to(ROOT / source) for source in build["sdist"]["include"])


PACKAGE = ROOT / "gancook"
LAYERS = (  # de abajo arriba: cada una solo importa de las anteriores y de sí misma
    ("files", "style", "version"),
    ("session",),
    ("data",),
    ("training",),
    ("measure",),
    ("figures",),
    ("pretrained",),
    ("pictures",),
    ("notebooks", "testing"),
    ("__init__",),
    ("__main__",),
)
HEIGHT = {room: height for height, rooms in enumerate(LAYERS) for room in rooms}


def modules():
    """Nombre de cada módulo del paquete y su ruta; los ``__init__``, con el de su carpeta."""
    paths = {path.relative_to(ROOT).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {
        ".".join(p for p in short.parts if p != "__init__"): path for short, path in paths.items()
    }


def imports(path, names):
    """Módulos de ``names`` que importa un archivo, también dentro de sus funciones."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: importación relativa"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in names else node.module for name in inside}
    return found & names


def room(name):
    """Primer nivel de un módulo: «data» para «gancook.data.idx»."""
    return name.split(".")[1] if "." in name else "__init__"


def test_imports_go_only_downwards():
    paths = modules()
    graph = {name: imports(path, paths.keys()) for name, path in paths.items()}
    tuple(TopologicalSorter(graph).static_order())  # tampoco hay círculos dentro de un cuarto
    for name, imported in graph.items():
        for above, below in ((room(name), room(other)) for other in imported):
            assert above == below or HEIGHT[below] < HEIGHT[above], f"{name} importa {below}"
            assert above == below or below != "figures", f"{name} importa {below}"


def test_the_package_stays_small():
    lines = {n: len(p.read_text(encoding="utf-8").splitlines()) for n, p in modules().items()}
    assert max(lines.values()) <= 250, max(lines, key=lines.get)
    assert sum(lines.values()) <= 4500
