"""Pérdidas contra la BCE de PyTorch, los gradientes analíticos y el óptimo conocido."""

import math

import pytest
import torch
from scipy.stats import wasserstein_distance
from torch.nn.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    hinge_embedding_loss,
    mse_loss,
)

from gancook.training.losses import (
    critic_loss,
    discriminator_loss,
    hinge_loss,
    least_squares_loss,
    non_saturating_loss,
    relativistic_average_loss,
    relativistic_loss,
    saturating_loss,
    two_sided_loss,
    wasserstein_loss,
)

torch.manual_seed(0)
REAL, FAKE = 3 * torch.randn(64, 1).double(), 3 * torch.randn(64, 1).double()


@pytest.mark.parametrize("alpha", [1.0, 0.9, 0.5])
def test_discriminator_loss_is_the_mean_bce(alpha):
    labels = torch.cat([torch.full_like(REAL, alpha), torch.zeros_like(FAKE)])
    expected = binary_cross_entropy_with_logits(torch.cat([REAL, FAKE]), labels)
    torch.testing.assert_close(discriminator_loss(REAL, FAKE, alpha), expected)


def test_without_saying_it_the_labels_are_not_smoothed():
    labels = torch.cat([torch.ones_like(REAL), torch.zeros_like(FAKE)])
    expected = binary_cross_entropy_with_logits(torch.cat([REAL, FAKE]), labels)
    torch.testing.assert_close(discriminator_loss(REAL, FAKE), expected)


def test_generator_losses_are_their_definitions():
    d = FAKE.sigmoid()
    torch.testing.assert_close(
        non_saturating_loss(FAKE), binary_cross_entropy(d, torch.ones_like(d))
    )
    torch.testing.assert_close(saturating_loss(FAKE), torch.log1p(-d).mean())


@pytest.mark.parametrize(
    "loss, slope",
    [(saturating_loss, lambda d: -d), (non_saturating_loss, lambda d: d - 1)],
)
def test_gradients_with_respect_to_the_logit(loss, slope):
    logits = FAKE.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(logits), logits)
    torch.testing.assert_close(grad, slope(FAKE.sigmoid()) / len(FAKE))


@pytest.mark.parametrize("alpha, d", [(1.0, 0.5), (0.9, 0.45), (0.7, 0.35)])
def test_smoothing_moves_the_equilibrium_to_half_alpha(alpha, d):
    """Con p_g = p_datos el mejor D constante es α/2 (óptimo α p/(p + q))."""
    grid = torch.linspace(-3, 3, 60_001).double()
    values = torch.stack([discriminator_loss(t, t, alpha) for t in grid[::100]])
    best = grid[::100][values.argmin()].sigmoid().item()
    assert best == pytest.approx(d, abs=0.003)


@pytest.mark.parametrize("alpha", [1.0, 0.9])
def test_indifferent_discriminator_costs_ln_2(alpha):
    zeros = torch.zeros(5)
    assert discriminator_loss(zeros, zeros, alpha).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_huge_logits_stay_finite(logit):
    t = torch.tensor([logit], requires_grad=True)
    total = discriminator_loss(t, t) + non_saturating_loss(t) + saturating_loss(t)
    total = total + relativistic_loss(t, -t) + relativistic_loss(-t, t)
    total = total + relativistic_average_loss(t, -t) + relativistic_average_loss(-t, t)
    total = total + two_sided_loss(t, t)
    total.backward()
    assert total.isfinite() and t.grad.isfinite().all()


def test_relativistic_loss_is_the_bce_of_the_difference():
    """Convencer de que el primero es real: la BCE con etiqueta 1 de la resta de logits."""
    expected = binary_cross_entropy_with_logits(REAL - FAKE, torch.ones_like(REAL))
    torch.testing.assert_close(relativistic_loss(REAL, FAKE), expected)
    assert relativistic_loss(REAL, REAL).item() == pytest.approx(math.log(2))
    assert relativistic_loss(FAKE + 9, FAKE) < relativistic_loss(FAKE, FAKE + 9)


def test_relativistic_average_loss_is_the_bce_of_each_logit_against_the_other_mean():
    logits = torch.cat([REAL - FAKE.mean(), FAKE - REAL.mean()])
    labels = torch.cat([torch.ones_like(REAL), torch.zeros_like(FAKE)])
    expected = binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(relativistic_average_loss(REAL, FAKE), expected)
    swapped = binary_cross_entropy_with_logits(
        logits, 1 - labels
    )  # la de G, con los papeles al revés
    torch.testing.assert_close(relativistic_average_loss(FAKE, REAL), swapped)


@pytest.mark.parametrize("alpha, beta", [(0.9, 0.1), (0.8, 0.3), (1.0, 0.0)])
def test_two_sided_smoothing_is_the_mean_bce(alpha, beta):
    labels = torch.cat([torch.full_like(REAL, alpha), torch.full_like(FAKE, beta)])
    expected = binary_cross_entropy_with_logits(torch.cat([REAL, FAKE]), labels)
    torch.testing.assert_close(two_sided_loss(REAL, FAKE, alpha, beta), expected)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_least_squares_loss_is_half_the_mse(target):
    expected = mse_loss(REAL, torch.full_like(REAL, target)) / 2
    torch.testing.assert_close(least_squares_loss(REAL, target), expected)


def test_the_best_critic_of_slope_1_measures_the_wasserstein_distance():
    """En la recta, si lo real está todo a la derecha de lo falso, el mejor crítico es D(x) = x."""
    real, fake = REAL.abs(), -FAKE.abs()
    distance = wasserstein_distance(real.flatten().numpy(), fake.flatten().numpy())
    assert -critic_loss(real, fake).item() == pytest.approx(distance)
    torch.testing.assert_close(wasserstein_loss(FAKE), critic_loss(FAKE, torch.zeros(1).double()))


def test_hinge_loss_is_pytorchs_and_stops_at_the_margin():
    minus = -torch.ones_like(REAL)  # con etiqueta −1, PyTorch da max(0, 1 − t)
    expected = hinge_embedding_loss(REAL, minus) + hinge_embedding_loss(-FAKE, minus)
    torch.testing.assert_close(hinge_loss(REAL, FAKE), expected)
    logits = torch.tensor([1.5, 0.5], requires_grad=True)
    hinge_loss(logits, -logits).backward()
    assert logits.grad.tolist() == [0.0, -1.0]
