"""DiffAugment contra lo que hace a imágenes en las que se ve qué ha pasado."""

import pytest
import torch

from gancook.training.augment import DiffAugment, change_color, cut_out, translate


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_a_translation_moves_each_image_whole_and_at_most_an_eighth():
    x, seen = torch.randn(60, 2, 16, 24), set()
    y = translate(x, background=-7.0)
    wide = torch.nn.functional.pad(x, (3, 3, 2, 2), value=-7.0)
    for before, after in zip(wide, y, strict=True):
        moves = [
            (i - 2, j - 3)
            for i in range(5)
            for j in range(7)
            if torch.equal(before[:, i : i + 16, j : j + 24], after)
        ]
        assert len(moves) == 1
        seen |= set(moves)
    assert {i for i, _ in seen} == set(range(-2, 3)) and {j for _, j in seen} == set(range(-3, 4))


@pytest.mark.parametrize("shape", [(16, 24), (7, 9)])
def test_a_cutout_hides_one_rectangle_of_half_the_side_that_may_stick_out(shape):
    H, W = shape
    hidden = cut_out(torch.ones(400, 2, H, W), background=-1.0)[:, 0] == -1
    rows, columns = hidden.any(dim=2), hidden.any(dim=1)
    assert torch.equal(hidden, rows[:, :, None] & columns[:, None, :])  # un rectángulo
    for side, band in ((H, rows), (W, columns)):
        width = int(side / 2 + 0.5)
        assert band.sum(dim=1).max() == width
        assert (band.int().diff(dim=1).abs().sum(dim=1) <= 2).all()  # de una pieza
        share = band.float().mean(dim=0)
        assert (share > 0.15).all()  # alcanza cualquier fila
    assert (cut_out(torch.ones(4, 2, H, W)) == 0).any()


def test_color_shifts_the_mean_and_scales_the_spread_of_each_image():
    x = torch.randn(5000, 1, 4, 4)
    y = change_color(x)
    spread = y.flatten(1).std(dim=1) / x.flatten(1).std(dim=1)
    shift = y.flatten(1).mean(dim=1) - x.flatten(1).mean(dim=1)
    for values, low, high in ((spread, 0.5, 1.5), (shift, -0.5, 0.5)):
        assert values.min() >= low - 1e-4 and values.max() <= high + 1e-4
        assert values.min() < low + 0.01 and values.max() > high - 0.01
    straight = (x - x.mean(dim=(1, 2, 3), keepdim=True)) * spread[:, None, None, None]
    torch.testing.assert_close(y - y.mean(dim=(1, 2, 3), keepdim=True), straight)


def test_saturation_scales_what_separates_a_pixel_from_its_grey():
    x = torch.randn(5000, 3, 2, 2).double()
    y = change_color(x)

    def color(image):
        return image - image.mean(dim=1, keepdim=True)

    factor = (color(y) / color(x)).flatten(1)  # saturación por contraste, en todos los píxeles
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), rtol=1e-6, atol=1e-6)
    assert factor.min() >= -1e-6 and 2.7 < factor[:, 0].max() <= 3 + 1e-6


def test_a_pixel_gets_gradient_if_and_only_if_it_is_still_shown():
    x = torch.arange(1.0, 1 + 20 * 16 * 16).reshape(20, 1, 16, 16).requires_grad_()  # sin repetir
    y = cut_out(translate(x, -1.0), -1.0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert 0 < slope.mean() < 1
    torch.testing.assert_close(slope, torch.isin(x, y).float())


def test_the_gradient_goes_through_and_each_image_gets_its_own():
    x = torch.ones(8, 1, 8, 8, requires_grad=True)
    y = DiffAugment(background=-1.0)(x)
    assert y.shape == x.shape and not torch.equal(y[0], y[1])
    assert (y == -1).any()
    (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    slope.square().sum().backward()  # y dos veces, que es lo que pide R1
    assert (x.grad.flatten(1).abs().sum(dim=1) > 0).all()
