"""Las comprobaciones de lo que se mide: escala de los píxeles y forma de las imágenes."""

import warnings

import numpy as np
import pytest
import torch

from gancook.data.images import to_uint8
from gancook.data.sets import fashion_mnist
from gancook.measure.checks import check_images, check_scale


def clothes():
    """Prendas reales en [0, 1]: (500, 1, 28, 28)."""
    return fashion_mnist("test").images[:500].float() / 255


def grainy():
    """Prendas en [0, 1] con el grano de una salida sin activación, que baja de cero."""
    torch.manual_seed(0)
    return clothes() + 0.1 * torch.randn(500, 1, 28, 28)


def one_pixel_below():
    images = clothes()
    images[3, 0, 5, 5] = -0.1
    return images


@pytest.mark.parametrize(
    ("images", "scale", "message"),
    [
        (clothes, (-1, 1), "no encajan"),
        (one_pixel_below, (-1, 1), "no encajan"),
        (grainy, (-1, 1), "no encajan"),
        (lambda: 0.2 + 0.8 * clothes(), (-1, 1), "no encajan"),  # sobre fondo gris oscuro
        (lambda: torch.rand(4, 1, 28, 28), (-1, 1), r"van de 0\.00 a 1\.00 y no encajan"),
        (lambda: 2 * clothes() - 1, (0, 1), "no encajan"),
        (lambda: 2 * torch.rand(4, 1, 28, 28) - 1, (0, 1), "no encajan"),
        (lambda: 255 * clothes(), (-1, 1), "to_uint8"),
        (lambda: 255 * clothes(), (0, 1), "no encajan"),
        (lambda: torch.full((4, 1, 28, 28), float("nan")), (-1, 1), "divergido"),
        (lambda: torch.full((4, 1, 28, 28), float("inf")), (-1, 1), "divergido"),
    ],
)
def test_wrong_ranges_are_explained(images, scale, message):
    with pytest.raises(ValueError, match=message):
        check_scale(images(), scale)


def untrained(spread):
    torch.manual_seed(0)
    return spread * torch.randn(50, 1, 28, 28)


@pytest.mark.parametrize(
    ("images", "scale"),
    [
        (clothes, (0, 1)),
        (grainy, (0, 1)),
        (lambda: 2 * clothes() - 1, (-1, 1)),
        (lambda: 2 * grainy() - 1, (-1, 1)),
        (lambda: 255 * clothes(), (0, 255)),
        (lambda: 1 - clothes(), (0, 1)),  # sobre fondo blanco
        (lambda: 1 - 2 * clothes(), (-1, 1)),
        (lambda: untrained(0.1), (-1, 1)),
        (lambda: untrained(0.1) + 0.1, (-1, 1)),  # los primeros pasos empujan a un lado
        (lambda: untrained(0.1), (0, 1)),  # sin activación: la mitad baja de cero
        (lambda: untrained(0.2).sigmoid(), (0, 1)),
        (lambda: untrained(1.0).tanh(), (-1, 1)),
        (lambda: torch.zeros(4, 1, 28, 28), (0, 1)),
        (lambda: -torch.ones(4, 1, 28, 28), (-1, 1)),
    ],
)
def test_right_ranges_pass_without_a_word(images, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_scale(images(), scale)


@pytest.mark.parametrize("images", [torch.ones(4, 1, 28, 28), 0.5 + 0.1 * torch.rand(4, 1, 28, 28)])
def test_what_cannot_be_decided_is_only_a_warning(images):
    with pytest.warns(UserWarning, match=r"casi todos, claros en scale=\(-1, 1\)"):
        check_scale(images, (-1, 1))


@pytest.mark.parametrize(
    ("found", "shape", "advice"),
    [
        ((5, 784), (1, 28, 28), r"reshape\(-1, 1, 28, 28\)"),
        ((5, 28, 28), (1, 28, 28), r"reshape\(-1, 1, 28, 28\)"),
        ((28, 28), (1, 28, 28), r"reshape\(-1, 1, 28, 28\)"),
        ((5, 28, 28, 1), (1, 28, 28), r"permute\(0, 3, 1, 2\)"),
        ((5, 64, 64, 3), (3, 64, 64), r"permute\(0, 3, 1, 2\)"),
        ((5, 3, 28, 28), (1, 28, 28), "rgb_to_grayscale"),
        ((5, 1, 64, 64), (3, 64, 64), "expand"),
        ((5, 1, 32, 32), (1, 28, 28), r"resize\(imágenes, \[28, 28\]"),
        ((5, 4, 28, 28), (1, 28, 28), "usa otro"),
        ((5, 1000), (1, 28, 28), "usa otro"),
    ],
)
def test_each_wrong_shape_gets_its_own_advice(found, shape, advice):
    with pytest.raises(ValueError, match=advice):
        check_images(torch.zeros(found, dtype=torch.uint8), shape)


def test_images_are_bytes_in_a_tensor():
    check_images(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), (1, 28, 28))
    with pytest.raises(TypeError, match="to_uint8"):
        check_images(torch.zeros(2, 1, 28, 28), (1, 28, 28))
    with pytest.raises(TypeError, match="llega ndarray.*from_numpy"):
        check_images(np.zeros((2, 1, 28, 28), np.uint8), (1, 28, 28))


def test_what_is_already_bytes_is_not_converted_again():
    with pytest.raises(TypeError, match="ya son bytes"):
        to_uint8(torch.full((2, 1, 4, 4), 9, dtype=torch.uint8))
