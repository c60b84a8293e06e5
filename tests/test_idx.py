"""Lectura de IDX: contra el lector de torchvision y contra archivos estropeados a propósito."""

import gzip
import hashlib
import struct

import pytest
import torch
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from gancook.data.idx import read_idx
from gancook.data.sets import FASHION_MNIST, sample_dir

SAMPLE = sample_dir(FASHION_MNIST)


def idx_bytes(array: torch.Tensor) -> bytes:
    header = struct.pack(f">BBBB{array.dim()}I", 0, 0, 8, array.dim(), *array.shape)
    return header + array.numpy().tobytes()


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_agrees_with_torchvision(name, tmp_path):
    packed = SAMPLE / f"{name}.gz"
    plain = tmp_path / name
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    expected = read_sn3_pascalvincent_tensor(str(plain))
    assert torch.equal(read_idx(packed), expected)
    assert torch.equal(read_idx(plain), expected)


def test_checksum_is_of_the_uncompressed_content(tmp_path):
    array = torch.arange(12, dtype=torch.uint8).reshape(3, 4)
    content = idx_bytes(array)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(content))
    digest = hashlib.sha256(content).hexdigest()
    assert torch.equal(read_idx(path, digest), array)
    assert torch.equal(read_idx(path, ("0" * 64, digest)), array)
    with pytest.raises(ValueError, match="SHA-256"):
        read_idx(path, "0" * 64)


GOOD = idx_bytes(torch.arange(6, dtype=torch.uint8).reshape(2, 3))
BROKEN = {
    "otro número mágico": (b"\x89PNG" + GOOD[4:], "número mágico"),
    "tipo que no es byte": (b"\0\0\x0d\x02" + GOOD[4:], "número mágico"),
    "vacío": (b"", "número mágico"),
    "datos cortados": (GOOD[:-1], "incompleto"),
    "datos de más": (GOOD + b"\0", "incompleto"),
    "cabecera cortada": (GOOD[:7], "incompleto"),
    "gzip truncado": (gzip.compress(GOOD)[:-9], "gzip"),
    "gzip corrompido": (gzip.compress(GOOD)[:12] + b"\xff" * 20, "gzip"),
}


@pytest.mark.parametrize("content, message", BROKEN.values(), ids=BROKEN.keys())
def test_broken_files_say_what_is_wrong_and_stay_untouched(content, message, tmp_path):
    path = tmp_path / "archivo"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_idx(path)
    assert path.read_bytes() == content


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="Revisa la ruta"):
        read_idx(tmp_path / "nada")
