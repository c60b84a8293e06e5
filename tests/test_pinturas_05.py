"""Cuadros dibujados: deterministas, suavizados, variados y de familias que se distinguen."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, one_hot

from gancook.measure.extractors import PixelPyramid
from lienzo_05 import Canvas, hsv
from pinturas_05 import FAMILIES, toy_paintings


@pytest.fixture(scope="module")
def many():
    return toy_paintings(600, 64, seed=3)


def test_same_seed_same_paintings_whatever_their_number(many):
    few = toy_paintings(70, 64, seed=3)
    assert few.images.shape == (70, 3, 64, 64) and few.images.dtype == torch.uint8
    assert few.labels.dtype == torch.int64
    assert torch.equal(few.images, many.images[:70]) and torch.equal(few.labels, many.labels[:70])
    assert not torch.equal(few.images, toy_paintings(70, 64, seed=4).images)
    assert len(torch.unique(many.images.flatten(1), dim=0)) == 600


def test_every_family_is_as_likely(many):
    counts = many.labels.bincount(minlength=len(FAMILIES))
    assert len(counts) == len(FAMILIES) == 5
    assert (counts - 120).abs().max() < 3.9 * (600 * 0.2 * 0.8) ** 0.5  # α ≈ 5·10⁻⁴ con las cinco


def test_a_small_classifier_tells_the_families_apart(many):
    seen = PixelPyramid().eval()(many.images)
    seen = (seen - seen.mean(0)) / seen.std(0)
    squares = torch.cdist(seen, seen).square()
    kernel = torch.exp(-squares / squares.median()).double()  # regresión de núcleo gaussiano
    wanted = one_hot(many.labels[:400]).double()
    weights = torch.linalg.solve(kernel[:400, :400] + 0.1 * torch.eye(400), wanted)
    guess = (kernel[400:, :400] @ weights).argmax(1)
    right = (guess == many.labels[400:]).double()
    assert right.mean() > 0.88
    for k, name in enumerate(FAMILIES):
        assert right[many.labels[400:] == k].mean() > 0.6, name


@pytest.mark.parametrize("family", range(5))
def test_there_is_real_variety_inside_each_family(many, family):
    images = many.images[many.labels == family].float()
    small = avg_pool2d(images, 16).flatten(1)  # solo la composición y los colores
    distances = torch.cdist(small, small).fill_diagonal_(torch.inf) / small.shape[1] ** 0.5
    assert distances.min() > 6  # ni siquiera los dos más parecidos se parecen
    spread = small.std(0).mean()
    assert spread > 30
    assert torch.pca_lowrank(small, q=6)[1][5] > 0.1 * torch.pca_lowrank(small, q=6)[1][0]


def test_small_paintings_are_the_large_ones_reduced():
    """Suavizado: el color de un píxel es la media de lo que hay dentro, no el de su centro."""
    small = toy_paintings(60, 32).images.float()
    large, labels = toy_paintings(60, 128)
    reduced = avg_pool2d(large.float(), 4)
    error, aliased = (small - reduced).abs(), (large[:, :, 2::4, 2::4] - reduced).abs()
    for k, name in enumerate(FAMILIES):
        mine, theirs = error[labels == k].mean(), aliased[labels == k].mean()
        assert mine < 3.5, name
        assert mine < 0.8 * theirs or k in (1, 4)  # los bordes de estas ya son difusos


def test_edges_take_one_pixel_and_numbers_are_spent_once():
    canvas = Canvas(torch.arange(10.0).expand(2, 10) / 10, 8)
    canvas.paint(canvas.x - 0.125, torch.ones(2, 3, 1, 1))  # un borde a mitad de la columna 4
    assert torch.equal(canvas.picture[0, 0, 0], torch.tensor([1, 1, 1, 1, 0.5, 0, 0, 0]))
    torch.testing.assert_close(canvas.draw(1, 3)[0], torch.tensor([[1.0]]))
    torch.testing.assert_close(canvas.draw(0, 10, 3)[1], torch.tensor([1.0, 2.0, 3.0]))
    assert canvas.used == 4


def test_hsv_is_that_of_colorsys():
    import colorsys

    values = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.tensor([colorsys.hsv_to_rgb(*row) for row in values.double().tolist()])
    torch.testing.assert_close(hsv(*values.T), expected.float(), atol=1e-5, rtol=0)
