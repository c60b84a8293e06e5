"""Los archivos que hay en una carpeta o en un zip, y los que no se deben abrir y por qué."""

import os
import stat
from pathlib import Path
from zipfile import ZipFile

# Nombre desde la raíz y con «/», motivo para no abrirlo (o nada), bytes, y fecha o suma CRC.
Entry = tuple[str, str, int, int]

_LARGEST = 2**28  # bytes; un zip de pocos KB puede anunciar muchos más


def list_folder(root: Path, skip: Path) -> list[Entry]:
    """Los archivos de ``root`` y sus subcarpetas, en orden; ni los ocultos ni los de ``skip``.

    No se sigue ningún enlace: unos salen de la carpeta y otros repetirían imágenes.
    """
    found, blocked = [], []
    for here, folders, files in os.walk(root, onerror=blocked.append):
        folders[:] = [f for f in folders if not _hidden(f) and Path(here, f) != skip]
        for name in (*folders, *(f for f in files if not _hidden(f))):
            path = os.path.join(here, name)
            info = os.lstat(path)
            if not stat.S_ISDIR(info.st_mode):
                found.append((path, _problem(path, info, root), info.st_size, info.st_mtime_ns))
    found += [(e.filename, f"carpeta que no se puede leer: {e.strerror}", 0, 0) for e in blocked]
    return sorted((Path(path).relative_to(root).as_posix(), *rest) for path, *rest in found)


def list_zip(archive: ZipFile) -> list[Entry]:
    """Los archivos de un zip, en orden, salvo los ocultos."""
    infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    shown = [name for name in sorted(infos) if not any(map(_hidden, name.split("/")))]
    return [(n, _too_large(infos[n].file_size), infos[n].file_size, infos[n].CRC) for n in shown]


def _problem(path: str, info: os.stat_result, root: Path) -> str:
    if stat.S_ISREG(info.st_mode):
        return _too_large(info.st_size)
    if not stat.S_ISLNK(info.st_mode):
        return "no es un archivo corriente"
    try:
        inside = Path(path).resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # RuntimeError: un círculo, hasta Python 3.12
        return "enlace roto o en círculo"
    return "enlace a algo que ya está en la carpeta" if inside else "enlace que sale de la carpeta"


def _too_large(size: int) -> str:
    return f"ocupa {size >> 20} MB: demasiado para una imagen" if size > _LARGEST else ""


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")
