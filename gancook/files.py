"""Escribir archivos enteros o no escribirlos."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def write_atomic(path: Path) -> Iterator[IO[bytes]]:
    """Abre un archivo temporal junto a ``path`` que toma su nombre al salir sin errores.

    Quien lea ``path`` ve siempre el archivo anterior o el nuevo, nunca uno a medias, y dos procesos
    que escriban a la vez no mezclan sus bytes. Si algo falla dentro del ``with``, no queda rastro.
    Los permisos son los de cualquier archivo nuevo: los que deje la umask.

    Args:
        path: destino; su carpeta se crea si falta.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:  # tempfile lo dejaría legible solo para su dueño
            yield file
            file.flush()
            os.fsync(file.fileno())  # en el disco antes de que tenga nombre
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
