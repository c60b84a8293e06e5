"""Lectura del formato IDX, el de MNIST y FashionMNIST, con errores que dicen qué hacer."""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_UNSIGNED_BYTE = 0x08


def read_idx(path: str | Path, sha256: str | tuple[str, ...] = ()) -> Tensor:
    """Lee un archivo IDX de bytes, comprimido con gzip o no, como tensor uint8.

    Args:
        path: archivo ``…-ubyte`` o ``…-ubyte.gz``.
        sha256: sumas admitidas del contenido sin comprimir; vacío para no comprobarlo.

    Raises:
        FileNotFoundError: si el archivo no existe.
        ValueError: si está truncado, no es IDX o su suma no es ninguna de las admitidas.

    Formato: página de MNIST de Y. LeCun, C. Cortes y C. Burges.
    """
    path = Path(path)
    content = _decompress(path)
    array = _parse(content, path)
    expected = (sha256,) if isinstance(sha256, str) else sha256
    if expected and hashlib.sha256(content).hexdigest() not in expected:
        raise ValueError(
            f"{path}: la suma SHA-256 no es la esperada; el archivo está dañado o es otro. "
            "No se ha tocado: apártalo y consigue una copia nueva (python -m gancook data)."
        )
    return array


def _decompress(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no existe ese archivo. Revisa la ruta.")
    raw = path.read_bytes()
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path}: el gzip está incompleto o dañado ({error}). No se ha tocado: "
            "apártalo y vuelve a descargarlo."
        ) from error


def _parse(content: bytes, path: Path) -> Tensor:
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise ValueError(
            f"{path}: no empieza como un IDX de bytes (número mágico {content[:4].hex()}; "
            "se esperaba 0000080N). ¿Es de verdad un archivo …-ubyte?"
        )
    dims = content[3]
    header = 4 + 4 * dims
    shape = np.frombuffer(content[4:header], dtype=">u4", count=min(dims, len(content[4:]) // 4))
    if len(shape) != dims or len(content) - header != int(np.prod(shape)):
        raise ValueError(
            f"{path}: la cabecera anuncia {tuple(map(int, shape))} y el archivo trae "
            f"{max(len(content) - header, 0)} bytes de datos; está incompleto."
        )
    return torch.frombuffer(bytearray(content[header:]), dtype=torch.uint8).reshape(
        tuple(map(int, shape))
    )
