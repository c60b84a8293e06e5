"""Huellas y parejas: contra ImageHash, contra la cuenta directa y ante cambios conocidos."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from duplicados_05 import dhash, near_pairs

IMAGEHASH = {  # imagehash.dhash, versión 4.3.2, de cada una de estas imágenes
    0: "b0362c4c27a7e36d",
    1: "19c666373171b170",
    2: "72a79618e6331b4c",
    3: "33db7234234e6666",
    4: "ce9ad8f97e9db0c9",
}


def picture(seed, size=(64, 64)):
    """Manchas suaves: lo que cambia de una casilla a otra es mucho más que el redondeo."""
    cells = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


def stack(*pictures):
    return np.stack([np.asarray(p).transpose(2, 0, 1) for p in pictures])


def as_hex(bits):
    return [f"{int(''.join(map(str, row.int().tolist())), 2):016x}" for row in bits]


def test_the_fingerprint_is_that_of_imagehash():
    assert as_hex(dhash(stack(*map(picture, IMAGEHASH)))) == [*IMAGEHASH.values()]
    wide = dhash(stack(picture(0, (128, 96))))
    assert wide.shape == (1, 64) and wide.dtype == torch.bool


def test_the_installed_imagehash_agrees():
    imagehash = pytest.importorskip("imagehash")
    pictures = [picture(seed) for seed in range(100, 120)]
    assert as_hex(dhash(stack(*pictures))) == [str(imagehash.dhash(p)) for p in pictures]


def test_light_and_contrast_leave_it_and_mirrors_do_not():
    seen = picture(7)
    darker = ImageEnhance.Brightness(seen).enhance(0.6)
    flatter = ImageEnhance.Contrast(seen).enhance(0.6)
    mirrored = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    bits = dhash(stack(seen, darker, flatter, mirrored))
    distances = (bits != bits[0]).sum(1).tolist()
    assert max(distances[1:3]) <= 2 and distances[3] > 20


@pytest.mark.parametrize("rows", [3, 1000])
def test_pairs_are_all_the_near_ones_once(rows, monkeypatch):
    monkeypatch.setattr("duplicados_05._ROWS", rows)
    chance = np.random.default_rng(0)
    bits = torch.from_numpy(chance.random((20, 64)) < 0.5)
    bits[7], bits[19] = bits[2], bits[2]
    bits[11] = bits[4].clone()
    bits[11, [0, 5, 9]] ^= True
    expected = [
        (i, j, d)
        for i in range(20)
        for j in range(i + 1, 20)
        if (d := int((bits[i] != bits[j]).sum())) <= 3
    ]
    found = near_pairs(bits, 3)
    assert list(found.columns) == ["i", "j", "bits"]
    assert found.to_numpy().tolist() == [[2, 7, 0], [2, 19, 0], [7, 19, 0], [4, 11, 3]]
    assert sorted(map(tuple, found.to_numpy().tolist())) == expected
    assert len(near_pairs(bits, 2)) == 3
