"""Los cuadernos confirmados: ejecutados enteros, al día, legibles y sin huellas de la máquina."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

from gancook.notebooks import code_cells, code_hash

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
# Lo que JupyterLab escribe al guardar: así, abrir un cuaderno no lo cambia para git.
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
NUMBER = r"\d\d(?:\.\d)?"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
NOT_PROSE = re.compile(r"```.*?```|`[^`\n]*`|!\[[^\]]*\]\([^)]*\)", re.DOTALL)
# «cuaderno 02», y también el 07 de «cuadernos 02 (el bucle) y 07»; § es un enlace ya comprobado.
MENTION = re.compile(
    rf"cuadernos?\s+((?:{NUMBER}|§)(?:(?:\s*\([^)]*\))?(?:,|\s+y|\s+o)\s+(?:{NUMBER}|§))*)", re.I
)
MACHINE_PATH = re.compile(r"(?<![\w.])(/home/|/root/|/tmp/|/work/|/Users/|[A-Z]:\\\\)")


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def committed(request):
    """Un cuaderno que quien lee no ha tocado: en el suyo puede escribir lo que quiera."""
    skip_if_in_use(request.param)
    return request.param


def skip_if_in_use(path):
    if in_use(path):
        pytest.skip(
            f"{path.name} tiene cambios sin confirmar: se comprobará al confirmarlo "
            "(o ahora mismo, con la variable de entorno CI=true)"
        )


def in_use(path):
    """Si git lo ve modificado; nunca en CI, sin git, en una copia suelta o en un archivo nuevo."""
    if os.environ.get("CI") or not shutil.which("git"):
        return False
    order = ["git", "status", "--porcelain", "--untracked-files=no", "--", path.name]
    return bool(subprocess.run(order, cwd=path.parent, capture_output=True).stdout)


def read(path):
    return nbformat.read(path, as_version=4)


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def tags(cell):
    return cell.metadata.get("tags", [])


@pytest.mark.skipif(not shutil.which("git"), reason="no hay git")
def test_only_a_modified_notebook_is_in_use_and_never_in_ci(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    monkeypatch.delenv("CI", raising=False)
    path, new = tmp_path / "02_a.ipynb", tmp_path / "04_b.ipynb"
    path.write_text("{}", encoding="utf-8")
    assert not in_use(path)  # una copia suelta, sin repositorio
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "El cuaderno")
    path.touch()
    new.touch()
    assert not in_use(path) and not in_use(new)
    path.write_text('{"metadata": {}}', encoding="utf-8")
    assert in_use(path)
    monkeypatch.setenv("CI", "true")
    assert not in_use(path)


def test_is_valid_and_as_jupyter_would_save_it(committed):
    notebook = read(committed)
    nbformat.validate(notebook)
    assert notebook.metadata["kernelspec"] == KERNEL
    assert committed.read_bytes().decode() == nbformat.writes(notebook) + "\n"
    assert committed.stat().st_size <= 2_000_000


def test_was_executed_from_top_to_bottom_without_errors(committed):
    notebook = read(committed)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


def test_stamp_matches_the_code_as_it_stands(committed):
    notebook = read(committed)
    stamp = notebook.metadata["gancook"]
    assert stamp["suma del código"] == code_hash(notebook), (
        f"{committed.name} cambió después de ejecutarse: "
        f"python -m gancook run {number(committed)} --in-place"
    )
    assert stamp["perfil"] in ("laptop", "full")
    assert "gancook" in stamp["versiones"]
    assert code_cells(notebook)[-1].source == "gancook.stamp()"


def test_opens_and_closes_like_the_others(committed):
    notebook = read(committed)
    text = prose(notebook)
    assert notebook.cells[0].source.startswith("# ")
    for section in ("**Requisitos", "**Para quién", "**Al terminar sabrás", "**Tiempo"):
        assert section in text, section
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[-3:] == ["Resumen", "Ejercicios", "Referencias"]


def test_preparation_cell_is_the_common_one(committed):
    first = code_cells(read(committed))[0]
    assert "preparacion" in tags(first)
    assert {first.source} == {code_cells(read(p))[0].source for p in PATHS if not in_use(p)}


def test_cells_are_short_and_interleaved_with_prose(committed):
    notebook = read(committed)
    lengths = [
        len([li for li in c.source.splitlines() if li.strip()]) for c in code_cells(notebook)
    ]
    assert max(lengths) <= 40
    kinds = "".join("c" if cell.cell_type == "code" else "." for cell in notebook.cells)
    assert "ccc" not in kinds


def test_shows_no_path_of_the_machine(committed):
    notebook = read(committed)
    texts = [cell.source for cell in notebook.cells]
    texts += [str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in
              outputs(notebook)]  # fmt: skip
    for text in texts:
        assert not MACHINE_PATH.search(text), text[:200]


def test_pictures_in_the_prose_exist(committed):
    for target in re.findall(r"!\[[^\]]+\]\((?!https:)([^)]+)\)", prose(read(committed))):
        assert (FOLDER / target).is_file(), target


@pytest.mark.parametrize("document", [*PATHS, ROOT / "README.md"], ids=lambda p: p.stem)
def test_every_notebook_it_names_is_a_link_and_every_link_exists(document):
    skip_if_in_use(document)
    text = prose(read(document)) if document in PATHS else document.read_text(encoding="utf-8")
    assert not unlinked(text, {number(p) for p in PATHS})
    for label, target in LINK.findall(text):
        if not re.match(r"https?:|#|mailto:", target):
            file = (document.parent / target.partition("#")[0]).resolve()
            assert file.exists(), target
            # JupyterLab se abre en notebooks/: lo que hay por encima no se puede enlazar.
            assert document not in PATHS or file.is_relative_to(FOLDER.resolve()), target
            named = re.match(rf"(?:cuadernos?\s+)?({NUMBER})\b", label, re.I)
            assert not named or number(file) == named[1], (label, target)


@pytest.mark.parametrize(
    "text, missing",
    [
        ("como en el cuaderno 02, §4", ["02"]),
        ("Cuaderno 01.2. Fin", ["01.2"]),
        ("los cuadernos 02 (el bucle) y 07", ["02", "07"]),
        ("los cuadernos [02](02_a.ipynb), 05 y 07", ["07"]),
        ("el [cuaderno 02](02_a.ipynb) y el cuaderno 06", []),
        ("![del cuaderno 02](a.png) y `cuaderno 07`", []),
    ],
)
def test_finds_the_names_that_are_not_links(text, missing):
    assert unlinked(text, {"01.2", "02", "07"}) == missing


def unlinked(text, existing):
    """Los números de cuadernos de ``existing`` que ``text`` nombra sin enlazarlos."""
    text = LINK.sub(lambda link: re.sub(NUMBER, "§", link[1]), NOT_PROSE.sub("", text))
    named = [found for mention in MENTION.findall(text) for found in re.findall(NUMBER, mention)]
    return [name for name in named if name in existing]


def number(path):
    """El de su nombre, como se dice en la prosa: ``02`` o ``01.1``."""
    return re.match(r"\d+(_\d+)?(?=_)", path.name)[0].replace("_", ".")


def test_mirrored_functions_are_the_ones_of_the_package(committed):
    package = definitions(ROOT / "gancook", ROOT / "notebooks" / "estudios")
    for cell in code_cells(read(committed)):
        for tag in tags(cell):
            if tag.startswith("espejo:"):
                name = tag.removeprefix("espejo:")
                assert definition(cell.source, name) == the_only_one(name, package), name


def test_a_mirror_needs_one_definition_and_only_one(tmp_path):
    (tmp_path / "training").mkdir()
    for file in ("a.py", "training/b.py"):
        (tmp_path / file).write_text("def update():\n    return 1\n", encoding="utf-8")
    (tmp_path / "training" / "c.py").write_text("class Best:\n    pass\n", encoding="utf-8")
    package = definitions(tmp_path)
    assert the_only_one("Best", package) == definition("class Best:\n    pass", "Best")
    with pytest.raises(LookupError, match=r"«update».*a\.py, training/b\.py"):
        the_only_one("update", package)
    with pytest.raises(LookupError, match="«fit».*ningún módulo"):
        the_only_one("fit", package)


def definition(source, name):
    """AST de la función o clase ``name``, sin docstrings."""
    found = next(n for n in ast.parse(source).body if getattr(n, "name", None) == name)
    for node in ast.walk(found):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(found)


def definitions(*folders):
    """``{nombre: {módulo: AST}}`` de todo lo que hay en ellas; se lee sin importarlo."""
    found = {}
    for folder, file in ((f, file) for f in folders for file in sorted(f.rglob("*.py"))):
        source = file.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                module = file.relative_to(folder).as_posix()
                found.setdefault(node.name, {})[module] = definition(source, node.name)
    return found


def the_only_one(name, package):
    """El AST de ``name``; ``LookupError`` si no se sabe de qué definición es espejo una celda."""
    modules = package.get(name, {})
    if len(modules) != 1:
        where = ", ".join(modules) or "ningún módulo"
        raise LookupError(
            f"Hay una celda con la etiqueta espejo:{name} y «{name}» se define en {where}: debe "
            "definirse en un módulo y solo en uno. Cambia un nombre o la etiqueta."
        )
    return next(iter(modules.values()))
