"""Los pasos que cambian la dinámica, contra cuentas hechas de otra manera."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.swa_utils import AveragedModel

from dinamica_06 import (
    CriticStep,
    ExtragradientStep,
    FeatureMatchingStep,
    HistoricalStep,
    OptimisticStep,
    UnrolledStep,
    feature_distance,
    historical_distance,
    unrolled_weights,
)
from gancook.training.dynamics import RelativisticStep, average
from gancook.training.losses import discriminator_loss, non_saturating_loss, relativistic_loss
from gancook.training.steps import AdversarialStep

LOSSES = discriminator_loss, non_saturating_loss


def networks():
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    D = nn.Sequential(nn.Linear(2, 4), nn.Softplus(), nn.Linear(4, 1))
    return D.double(), G.double()


def make_step(kind, lr=0.1, losses=LOSSES, **options):
    D, G = networks()
    return kind(D, G, SGD(D.parameters(), lr), SGD(G.parameters(), lr), *losses, 3, **options)


@pytest.fixture(autouse=True)
def in_double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def vector(network):
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def test_the_average_is_the_recursion_with_its_short_memory():
    G = nn.Linear(1, 1, bias=False)
    ema, expected = average(G, decay=0.3), None
    for n in range(8):
        nn.init.constant_(G.weight, float(n))
        ema.update_parameters(G)
        keep = min(0.3, (1 + n) / (10 + n))
        expected = float(n) if expected is None else keep * expected + (1 - keep) * n
    assert ema.module.weight.item() == pytest.approx(expected)
    assert not ema.training and G.training


def test_the_average_also_follows_the_statistics_of_bn():
    G = nn.BatchNorm1d(2)
    ema, expected = average(G, decay=0.3), None
    for n in range(5):
        G(n + torch.randn(10, 2))
        ema.update_parameters(G)
        keep, now = min(0.3, (1 + n) / (10 + n)), G.running_mean.clone()
        expected = now if expected is None else keep * expected + (1 - keep) * now
    torch.testing.assert_close(ema.module.running_mean, expected)
    assert ema.module.num_batches_tracked == 5  # un contador no se promedia


def test_historical_distance_is_to_the_mean_of_all_the_steps():
    network, weights = nn.Linear(2, 1), []
    past = AveragedModel(network)
    for _ in range(4):
        nn.init.normal_(network.weight)
        past.update_parameters(network)
        weights.append(vector(network).numpy())
    distance = historical_distance(network, past)
    gap = weights[-1] - np.mean(weights, axis=0)
    assert distance.item() == pytest.approx(gap @ gap)
    distance.backward()
    pulled = np.append(network.weight.grad.numpy(), network.bias.grad.numpy())
    np.testing.assert_allclose(pulled, 2 * gap)
    assert all(p.grad is None for p in past.parameters())


def test_each_network_pays_for_leaving_its_past():
    step, real, passed = make_step(HistoricalStep, pull=2.0), torch.randn(8, 2), {"D": [], "G": []}
    for _ in range(3):
        for name, weights in passed.items():
            weights.append(vector(getattr(step, name)))
        logs = step(real)
    for term, weights in (("d_history", passed["D"]), ("g_history", passed["G"])):
        gap = weights[-1] - torch.stack(weights).mean(dim=0)
        assert logs[term].item() == pytest.approx(2 * gap.square().sum().item())
        assert logs[term] > 0


def test_feature_distance_is_between_the_means():
    real, fake = torch.randn(7, 3, 2), torch.randn(9, 3, 2)
    gap = real.numpy().mean(axis=0) - fake.numpy().mean(axis=0)
    assert feature_distance(real, fake).item() == pytest.approx((gap**2).sum())


def test_feature_matching_moves_g_towards_the_means_and_d_as_always():
    step, plain = make_step(FeatureMatchingStep), make_step(AdversarialStep)
    step.features = step.D[:-1]
    before, real = vector(step.G), torch.randn(8, 2)
    torch.manual_seed(1)
    step(real)
    torch.manual_seed(1)
    plain(real)
    assert torch.equal(vector(step.D), vector(plain.D))

    G = networks()[1]
    torch.manual_seed(1)
    f = step.D[:-1]  # D ya ha dado su paso
    loss = (f(real).mean(dim=0) - f(G(torch.randn(8, 3))).mean(dim=0)).square().sum()
    slopes = torch.autograd.grad(loss, list(G.parameters()))
    moved = before - 0.1 * nn.utils.parameters_to_vector(slopes)
    torch.testing.assert_close(vector(step.G), moved)


def test_g_also_compares_in_the_relativistic_step():
    step, real = make_step(RelativisticStep, losses=(relativistic_loss,) * 2), torch.randn(8, 2)
    G = networks()[1]
    torch.manual_seed(1)
    logs = step(real)
    torch.manual_seed(1)
    gap = step.D(real) - step.D(G(torch.randn(8, 3)))
    assert logs["g_loss"].item() == pytest.approx(nn.functional.softplus(gap).mean().item())


def test_the_critic_takes_its_steps_with_its_parts_and_g_only_one():
    calls = []
    step = make_step(CriticStep, n_critic=3, after=lambda: calls.append(vector(step.D)))
    D, G = networks()
    optimizers, real = (SGD(D.parameters(), 0.1), SGD(G.parameters(), 0.1)), torch.randn(6, 2)
    torch.manual_seed(1)
    step(real)
    torch.manual_seed(1)
    for part in (real[:2], real[2:4], real[4:]):
        fake = G(torch.randn(2, 3))
        optimizers[0].zero_grad()
        discriminator_loss(D(part), D(fake.detach())).backward()
        optimizers[0].step()
    optimizers[1].zero_grad()
    non_saturating_loss(D(fake)).backward()
    optimizers[1].step()
    torch.testing.assert_close(vector(step.D), vector(D))
    torch.testing.assert_close(vector(step.G), vector(G))
    assert len(calls) == 3 and torch.equal(calls[-1], vector(step.D)) and step.count == 1


def test_unrolled_weights_are_those_of_the_steps_really_taken():
    (D, _), real, fake = networks(), torch.randn(6, 2), torch.randn(6, 2)
    other, before = copy.deepcopy(D), vector(D)
    weights = unrolled_weights(D, discriminator_loss, real, fake, steps=4, lr=0.3)
    optimizer = SGD(other.parameters(), 0.3)
    for _ in range(4):
        optimizer.zero_grad()
        discriminator_loss(other(real), other(fake)).backward()
        optimizer.step()
    for name, value in other.named_parameters():
        torch.testing.assert_close(weights[name], value)
    assert torch.equal(vector(D), before) and all(p.grad is None for p in D.parameters())


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_unrolled_slope_of_g_is_the_one_of_finite_differences(steps):
    """También a través de los pasos de D: mover G cambia el D al que se enfrentará."""
    step = make_step(UnrolledStep, unroll=steps, inner_lr=0.5)
    real, z, weight = torch.randn(6, 2), torch.randn(6, 3), step.G[2].weight

    def loss():
        return step.generator_terms(real, step.G(z))["g_loss"]

    (slope,) = torch.autograd.grad(loss(), weight)
    for i, j in [(0, 0), (1, 3)]:
        values = []
        for h in (1e-5, -1e-5):
            with torch.no_grad():
                weight[i, j] += h
                values.append(loss().item())
                weight[i, j] -= h
        assert slope[i, j].item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


def test_without_steps_to_imagine_the_unrolled_gan_is_the_plain_one():
    unrolled, plain = make_step(UnrolledStep, unroll=0), make_step(AdversarialStep)
    for step in (unrolled, plain):
        torch.manual_seed(1)
        step(torch.linspace(-1, 1, 16).reshape(8, 2))
    torch.testing.assert_close(vector(unrolled.G), vector(plain.G))
    torch.testing.assert_close(vector(unrolled.D), vector(plain.D))


class Bilinear(nn.Module):
    """Un solo peso: con D(x) = ψx y G(z) = θ, y pérdidas lineales, el juego es ψθ."""

    def __init__(self, value, constant=False):
        super().__init__()
        self.weight, self.constant = nn.Parameter(torch.tensor(value)), constant

    def forward(self, x):
        return self.weight.expand(len(x), 1) if self.constant else self.weight * x


def bilinear_step(kind, lr):
    D, G = Bilinear(0.8), Bilinear(-0.6, constant=True)
    optimizers = SGD(D.parameters(), lr), SGD(G.parameters(), lr)
    return kind(D, G, *optimizers, lambda real, fake: -fake.mean(), lambda fake: fake.mean(), 1)


def test_extragradient_is_its_matrix_on_the_bilinear_game():
    """θ' = θ − η ψ½, ψ' = ψ + η θ½, con el punto de tanteo θ½ = θ − ηψ, ψ½ = ψ + ηθ."""
    lr, step = 0.3, bilinear_step(ExtragradientStep, 0.3)
    rotation = np.array([[0.0, 1.0], [-1.0, 0.0]])  # de (ψ, θ)
    matrix = np.eye(2) + lr * rotation @ (np.eye(2) + lr * rotation)
    point = np.array([0.8, -0.6])
    for _ in range(5):
        logs = step(torch.zeros(4, 1))
        assert logs["g_loss"].item() == pytest.approx(np.prod(point + lr * rotation @ point))
        point = matrix @ point
        assert [step.D.weight.item(), step.G.weight.item()] == pytest.approx(point)
    assert np.linalg.norm(point) < 0.9 and step.count == 5  # converge; alternando, gira sin fin


def test_the_optimistic_step_is_its_recursion_on_the_bilinear_game():
    """z' = z + 2η J z − η J z₋₁, como una sola matriz sobre (z, z₋₁)."""
    lr, step = 0.3, bilinear_step(OptimisticStep, 0.3)
    rotation = np.array([[0.0, 1.0], [-1.0, 0.0]])  # de (ψ, θ)
    matrix = np.block([[np.eye(2) + 2 * lr * rotation, -lr * rotation], [np.eye(2), 0 * rotation]])
    point = np.array([0.8, -0.6, 0.0, 0.0])  # antes de empezar no había gradiente
    for _ in range(30):
        step(torch.zeros(4, 1))
        point = matrix @ point
        assert [step.D.weight.item(), step.G.weight.item()] == pytest.approx(point[:2])
    assert np.linalg.norm(point[:2]) < 0.3 and step.count == 30


def test_the_optimistic_step_with_adam_corrects_the_moves_of_adam():
    """Con gradientes constantes, lo que mueve Adam se sabe: la tasa, en el sentido del signo."""
    D, G = Bilinear(0.0), Bilinear(0.0, constant=True)
    optimizers = Adam(D.parameters(), 0.1), Adam(G.parameters(), 0.1)
    losses = lambda real, fake: -D.weight.sum(), lambda fake: fake.mean()
    step = OptimisticStep(D, G, *optimizers, *losses, 1)
    places = []
    for _ in range(3):
        step(torch.zeros(4, 1))
        places.append(D.weight.item())
    assert places == pytest.approx([0.2, 0.3, 0.4], abs=1e-6)  # 2Δ, y después 2Δ − Δ


def test_extragradient_with_adam_starts_each_step_from_where_it_was():
    """Con tasa 0 en el paso que vale no se mueve nada: el tanteo se deshace entero."""
    D, G = networks()
    optimizers = Adam(D.parameters(), 0.1), Adam(G.parameters(), 0.1)
    step, before = ExtragradientStep(D, G, *optimizers, *LOSSES, 3), (vector(D), vector(G))
    seen = []

    def stop_second(optimizer, *_):
        seen.append(optimizer)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 if seen.count(optimizer) < 1 else 0.0

    for optimizer in optimizers:
        optimizer.register_step_post_hook(stop_second)
    step(torch.randn(8, 2))
    assert len(seen) == 4
    assert torch.equal(vector(D), before[0]) and torch.equal(vector(G), before[1])
