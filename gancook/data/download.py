"""Descarga de un archivo: con progreso, suma comprobada y nunca a medias en su sitio."""

import gzip
import hashlib
import urllib.request
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO

from fastprogress import progress_bar

from gancook.files import write_atomic

_CHUNK = 1 << 18  # bytes


def download(url: str, target: Path, sha256: str, timeout: float = 15.0) -> None:
    """Descarga ``url`` (gzip) en ``target``, si no está ya, y comprueba su contenido.

    Lo recibido se guarda en la memoria hasta comprobarlo: si algo falla no se crea nada, ni
    siquiera la carpeta.

    Args:
        url: dirección ``http(s)://`` o ``file://`` de un archivo ``.gz``.
        target: destino; si existe, no se toca.
        sha256: suma del contenido sin comprimir (vale la misma para cualquier espejo).
        timeout: segundos sin recibir nada antes de rendirse.

    Raises:
        OSError: si no hay conexión, la descarga se corta o la suma no coincide.
    """
    if target.exists():
        return
    content = _fetch(url, timeout)
    _check(content, sha256, url)
    with write_atomic(target) as file:
        file.write(content)


def _fetch(url: str, timeout: float) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            print(f"Descargando {url}")
            chunks = _chunks(response)
            if size := int(response.headers.get("Content-Length") or 0):
                chunks = progress_bar(chunks, total=-(-size // _CHUNK))
            return b"".join(chunks)
    except HTTPException as error:
        raise OSError(f"la descarga de {url} se cortó: {error!r}") from error


def _chunks(response: IO[bytes]) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK):
        yield chunk


def _check(content: bytes, sha256: str, url: str) -> None:
    try:
        digest = hashlib.sha256(gzip.decompress(content)).hexdigest()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OSError(f"lo recibido de {url} no es un gzip completo: {error}") from error
    if digest != sha256:
        raise OSError(f"lo recibido de {url} no tiene la suma SHA-256 esperada")
