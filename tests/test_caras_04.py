"""Caras dibujadas: deterministas, con factores conocidos y que cada factor se vea."""

import pytest
import torch

from caras_04 import CONTINUOUS, DISCRETE, draw, toy_faces


def test_same_seed_same_faces_whatever_their_number():
    few, many = toy_faces(10, 32, seed=3), toy_faces(100, 32, seed=3)
    assert few.images.shape == (10, 3, 32, 32) and few.images.dtype == torch.uint8
    assert torch.equal(few.images, many.images[:10])
    assert all(torch.equal(f, many.factors[name][:10]) for name, f in few.factors.items())
    assert not torch.equal(few.images, toy_faces(10, 32, seed=4).images)
    assert len(torch.unique(many.images.flatten(1), dim=0)) == 100


def test_factors_fill_their_ranges_and_are_independent():
    factors = toy_faces(2000, 1).factors
    assert set(factors) == {*CONTINUOUS, *DISCRETE}
    for name, (low, high) in CONTINUOUS.items():
        unit = (factors[name] - low) / (high - low)
        grid = torch.linspace(0, 1, 2000)
        assert (unit.sort().values - grid).abs().max() < 0.045, name  # Kolmogórov-Smirnov, α < 1e-3
    for name, thresholds in DISCRETE.items():
        expected = torch.tensor([*thresholds, 1.0]).diff(prepend=torch.zeros(1))
        found = factors[name].long().bincount() / 2000
        torch.testing.assert_close(found, expected, atol=0.045, rtol=0)
    correlations = torch.corrcoef(torch.stack([*factors.values()])).fill_diagonal_(0)
    assert correlations.abs().max() < 0.09


@pytest.fixture(scope="module")
def plain():
    """Una cara de frente, centrada, con pelo, ojos medianos y sonrisa leve."""
    faces = {name: torch.tensor([(low + high) / 2]) for name, (low, high) in CONTINUOUS.items()}
    return faces | {name: torch.ones(1) for name in DISCRETE} | {"glasses": torch.zeros(1)}


@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_each_factor_can_be_seen(name, plain):
    ends = CONTINUOUS.get(name, (0, len(DISCRETE.get(name, ()))))
    if name in ("light", "background", "clothes"):
        ends = ends[0], (ends[0] + ends[1]) / 2  # dan la vuelta: los extremos son el mismo
    low, high = (draw(plain | {name: torch.tensor([float(end)])}, 64).int() for end in ends)
    assert (low - high).abs().float().mean() > 0.2


def test_small_drawings_are_the_large_ones_reduced(plain):
    """Suavizado: el color de un píxel es la media de lo que hay dentro, no el de su centro."""
    faces = toy_faces(10, 64).factors
    small, large = draw(faces, 32).float(), draw(faces, 128).float()
    reduced = torch.nn.functional.avg_pool2d(large, 4)
    error = (small - reduced).abs()
    assert error.mean() < 1.5 and error.quantile(0.99) < 20
    aliased = (large[:, :, 2::4, 2::4] - reduced).abs()
    assert error.mean() < 0.6 * aliased.mean()


def test_position_moves_the_head_and_light_comes_from_its_side(plain):
    def brightness(**changes):
        image = draw(plain | {k: torch.tensor([v]) for k, v in changes.items()}, 64)
        return image.float().mean(dim=1)[0]

    right, left = (brightness(x=x, light=torch.pi / 2) for x in (0.06, -0.06))
    mirrored = (right - left.flip(1)).abs().mean()
    assert mirrored < 0.1 * (right - right.flip(1)).abs().mean()
    lit = brightness(light=0.0)
    assert (lit - lit.flip(1))[:, 32:].mean() > 10
    lit = brightness(light=torch.pi)
    assert (lit - lit.flip(1))[:, 32:].mean() < -10
