"""Pone la dirección pública del proyecto en todas partes, o la quita.

    python .github/direccion.py https://github.com/usuario/repositorio
    python .github/direccion.py ""

La escribe en la celda ``preparacion`` y en la insignia de Colab de cada cuaderno, en la orden de
clonar del README y en ``[project.urls]``. Ni las salidas ni la suma del código cambian, y repetirlo
deja todo igual.
"""

import re
import sys
from pathlib import Path

import nbformat

from gancook.notebooks import code_cells, save

ROOT = Path(__file__).resolve().parent.parent
_COLAB = "https://colab.research.google.com"
_BADGE = (
    "[![Abrir en Colab]({colab}/assets/colab-badge.svg)]"
    "({colab}/github/{name}/blob/main/notebooks/{file})\n\n"
)


def publish(address: str, root: Path = ROOT) -> None:
    """Escribe ``address`` en los archivos de ``root``; si está vacía, la quita de todos.

    Raises:
        ValueError: si no es la dirección de un repositorio de GitHub, o si a un archivo le falta
            el sitio donde escribirla.
    """
    name = _repository_name(address) if address else ""
    address = f"https://github.com/{name}" if name else ""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        badge = _BADGE.format(colab=_COLAB, name=name, file=path.name) if name else ""
        opening, setup = notebook.cells[0], code_cells(notebook)[0]
        opening.source = _replace(
            r"\A(# .+\n\n)(?:\[!\[Abrir en Colab.+\n\n)?", badge, opening.source
        )
        setup.source = _replace(r'^(REPOSITORY = ")[^"]*', address, setup.source)
        save(notebook, path)
    _edit(root / "README.md", r"^(git clone )\S+", address or "DIRECCIÓN-DEL-REPOSITORIO")
    url = f'Repository = "{address}"\n' if address else ""
    _edit(root / "pyproject.toml", r"^(\[project\.urls\]\n)(?:Repository = .+\n)?", url)


def _repository_name(address: str) -> str:
    found = re.fullmatch(r"https://github\.com/([\w-]+/[\w.-]*?\w)(?:\.git)?/?", address)
    if not found:
        raise ValueError(f"{address!r} no es como https://github.com/usuario/repositorio")
    return found[1]


def _edit(path: Path, pattern: str, new: str) -> None:
    text = _replace(pattern, new, path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8", newline="\n")


def _replace(pattern: str, new: str, text: str) -> str:
    """``text`` con ``new`` tras el primer grupo de ``pattern``, que debe estar una vez."""
    text, times = re.subn(pattern, lambda found: found[1] + new, text, flags=re.MULTILINE)
    if times != 1:
        raise ValueError(f"«{pattern}» debería estar una vez y está {times}: {text[:80]}…")
    return text


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        publish(sys.argv[1].strip())
    except ValueError as error:
        sys.exit(f"direccion.py: {error}")
