"""Los defectos de la calibración: con fuerza cero no hacen nada y con más fuerza hacen más."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from caras_04 import toy_faces
from defectos_04 import SPOILERS

NOTHING = {"pixelado": 1, "trozos": 1}  # los demás, con 0; el desenfoque no lo admite
FACES = toy_faces(24, 64, seed=5).images


def error(name, level):
    images = SPOILERS[name][0](FACES, level)
    assert images.shape == FACES.shape and images.dtype == torch.uint8
    return (images.float() - FACES.float()).square().mean().item()


@pytest.mark.parametrize("name", SPOILERS)
def test_stronger_defects_change_the_images_more(name):
    levels = SPOILERS[name][1]
    errors = [error(name, level) for level in levels]
    assert errors == sorted(errors) and errors[0] > 0
    if name != "desenfoque":
        assert error(name, NOTHING.get(name, 0)) < 0.6  # los de color redondean


def test_blur_is_the_gaussian_of_scipy():
    found = SPOILERS["desenfoque"][0](FACES[:2], 2)
    expected = gaussian_filter(FACES[:2].numpy().astype(float), (0, 0, 2, 2), mode="mirror")
    assert abs(found.numpy() - expected).max() < 3


def test_noise_board_and_brightness_have_the_stated_levels():
    flat = torch.full((4, 3, 64, 64), 128, dtype=torch.uint8)
    assert SPOILERS["ruido"][0](flat, 20).float().std().item() == pytest.approx(20, rel=0.02)
    board = SPOILERS["tablero"][0](flat, 8)[0, 0].int() - 128
    assert board[0, :3].tolist() == [8, -8, 8] and board[1, :3].tolist() == [-8, 8, -8]
    assert (SPOILERS["brillo"][0](flat, 10) == 138).all()


def test_shift_moves_down_and_right():
    shifted = SPOILERS["desplazamiento"][0](FACES, 4)
    assert torch.equal(shifted[:, :, 4:, 4:], FACES[:, :, :-4, :-4])


def test_shuffled_pieces_are_the_same_pieces():
    shuffled = SPOILERS["trozos"][0](FACES, 4)

    def pieces(image):
        tiles = image.unfold(1, 16, 16).unfold(2, 16, 16).permute(1, 2, 0, 3, 4).flatten(0, 1)
        return sorted(tile.flatten().tolist() for tile in tiles)

    assert all(pieces(a) == pieces(b) for a, b in zip(FACES[:5], shuffled[:5], strict=True))
