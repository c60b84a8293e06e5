"""Escribir archivos enteros o no escribirlos."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def write_atomic(path: Path) -> Iterator[IO[bytes]]:
    """Abre un archivo temporal junto a ``path`` que toma su nombre al salir sin errores.

    Quien lea ``path`` ve siempre el archivo anterior o el nuevo, nunca uno a medias, y dos procesos
    que escriban a la vez no mezclan sus bytes. Si algo falla dentro del ``with``, no queda rastro.

    Args:
        path: destino; su carpeta se crea si falta.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # en el disco antes de que tenga nombre
        temporary.chmod(0o666 & ~_umask())  # mkstemp lo deja legible solo para su dueño
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Los permisos que el usuario no da por omisión; leerlos obliga a cambiarlos un instante."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
