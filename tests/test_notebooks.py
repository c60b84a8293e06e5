"""Los cuadernos confirmados: ejecutados enteros, al día, legibles y sin huellas de la máquina."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import nbformat
import pytest

import gancook
from gancook.notebooks import code_cells, code_hash

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(?<![\w.])(/home/|/root/|/tmp/|/work/|/Users/|[A-Z]:\\\\)")

pytestmark = pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def tags(cell):
    return cell.metadata.get("tags", [])


def test_is_valid_and_uses_the_plain_kernel(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert path.stat().st_size <= 2_000_000


def test_was_executed_from_top_to_bottom_without_errors(path):
    notebook = read(path)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


def test_stamp_matches_the_code_as_it_stands(path):
    notebook = read(path)
    stamp = notebook.metadata["gancook"]
    assert stamp["suma del código"] == code_hash(notebook), (
        f"{path.name} cambió después de ejecutarse: "
        f"python -m gancook run {path.stem.split('_')[0]} --in-place"
    )
    assert stamp["perfil"] in ("laptop", "full")
    assert "gancook" in stamp["versiones"]
    assert code_cells(notebook)[-1].source == "gancook.stamp()"


def test_opens_and_closes_like_the_others(path):
    notebook = read(path)
    text = prose(notebook)
    assert notebook.cells[0].source.startswith("# ")
    for section in ("**Requisitos", "**Para quién", "**Al terminar sabrás", "**Tiempo"):
        assert section in text, section
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[-3:] == ["Resumen", "Ejercicios", "Referencias"]


def test_preparation_cell_is_the_common_one(path):
    first = code_cells(read(path))[0]
    assert "preparacion" in tags(first)
    assert first.source == code_cells(read(PATHS[0]))[0].source


def test_cells_are_short_and_interleaved_with_prose(path):
    notebook = read(path)
    lengths = [
        len([li for li in c.source.splitlines() if li.strip()]) for c in code_cells(notebook)
    ]
    assert max(lengths) <= 40
    kinds = "".join("c" if cell.cell_type == "code" else "." for cell in notebook.cells)
    assert "ccc" not in kinds


def test_shows_no_path_of_the_machine(path):
    notebook = read(path)
    texts = [cell.source for cell in notebook.cells]
    texts += [str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in
              outputs(notebook)]  # fmt: skip
    for text in texts:
        assert not MACHINE_PATH.search(text), text[:200]


def test_pictures_in_the_prose_exist(path):
    for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", prose(read(path))):
        assert (FOLDER / target).is_file(), target


def test_mirrored_functions_are_the_ones_of_the_package(path):
    for cell in code_cells(read(path)):
        for tag in tags(cell):
            if tag.startswith("espejo:"):
                name = tag.removeprefix("espejo:")
                assert definition(cell.source, name) == PACKAGE[name], name


def definition(source, name):
    """AST de la función o clase ``name``, sin docstrings."""
    found = next(n for n in ast.parse(source).body if getattr(n, "name", None) == name)
    for node in ast.walk(found):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(found)


def package_definitions():
    found = {}
    for module in pkgutil.iter_modules(gancook.__path__):
        if module.name == "__main__":
            continue
        source = Path(importlib.import_module(f"gancook.{module.name}").__file__).read_text("utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found[node.name] = definition(source, node.name)
    return found


PACKAGE = package_definitions()
