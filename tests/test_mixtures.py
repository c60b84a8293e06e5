"""Las mezclas del plano contra SciPy, contra su geometría y contra la integral de su densidad."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from gancook import seed_everything
from gancook.data import mixtures


def test_log_prob_matches_scipy_on_the_grid_of_25():
    data = mixtures.grid()
    seed_everything(0)
    x = data.sample(50)
    expected = np.mean(
        [multivariate_normal(c, 0.05**2).pdf(x.numpy()) for c in data.centers.numpy()], axis=0
    )
    np.testing.assert_allclose(data.log_prob(x).exp().numpy(), expected, rtol=2e-3)


def test_ring_has_the_published_geometry():
    centers = mixtures.ring().centers
    assert centers.shape == (8, 2) and mixtures.ring().std == 0.01
    torch.testing.assert_close(centers.norm(dim=1), torch.ones(8))
    neighbours = (centers - centers.roll(1, dims=0)).norm(dim=1)
    torch.testing.assert_close(neighbours, torch.full((8,), 2 * math.sin(math.pi / 8)))


def test_grid_centers_are_the_25_even_points():
    expected = {(float(a), float(b)) for a in range(-4, 5, 2) for b in range(-4, 5, 2)}
    assert {tuple(c) for c in mixtures.grid().centers.tolist()} == expected


@pytest.mark.parametrize(
    "data", [mixtures.ring(std=0.1), mixtures.two_moons(), mixtures.grid(2, std=0.1)]
)
def test_densities_integrate_to_one(data):
    axis = torch.linspace(-3, 3, 301)
    points = torch.cartesian_prod(axis, axis)
    cell = (axis[1] - axis[0]).item() ** 2
    assert data.log_prob(points).exp().sum().item() * cell == pytest.approx(1, abs=1e-3)


def test_moons_are_two_half_circles_centred_on_the_origin():
    data = mixtures.two_moons(std=0.01, per_moon=1000)
    upper, lower = data.centers.split(1000)
    for moon, center, sign in ((upper, (-0.5, -0.25), 1), (lower, (0.5, 0.25), -1)):
        offset = moon - torch.tensor(center)
        torch.testing.assert_close(offset.norm(dim=1), torch.ones(1000), atol=1e-4, rtol=0)
        assert (sign * offset[:, 1] >= -1e-4).all()
    assert data.centers.mean(dim=0).abs().max() < 1e-3


def test_sample_moments_match_those_of_the_mixture():
    data = mixtures.two_moons()
    seed_everything(0)
    x = data.sample(100_000)
    covariance = torch.cov(data.centers.T, correction=0) + data.std**2 * torch.eye(2)
    torch.testing.assert_close(x.mean(dim=0), data.centers.mean(dim=0), atol=0.01, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), covariance, atol=0.01, rtol=0)


def test_same_seed_same_points():
    draws = []
    for _ in range(2):
        seed_everything(3)
        draws.append(mixtures.ring().sample(10))
    assert torch.equal(*draws)


@pytest.mark.parametrize(
    ("centers", "std", "message"),
    [
        (torch.zeros(3), 1.0, "reshape"),
        (torch.zeros(0, 2), 1.0, "K ≥ 1"),
        (torch.zeros(1, 2), 0.0, "positiva"),
    ],
)
def test_bad_mixtures_explain_themselves(centers, std, message):
    with pytest.raises(ValueError, match=message):
        mixtures.GaussianMixture(centers, std)


def test_log_prob_rejects_points_of_another_dimension():
    with pytest.raises(ValueError, match="forma"):
        mixtures.ring().log_prob(torch.zeros(5, 3))
