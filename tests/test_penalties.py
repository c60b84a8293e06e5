"""Las penalizaciones contra discriminadores cuyo gradiente se sabe escribir."""

import pytest
import torch
from torch import nn

from gancook.training.penalties import (
    dragan_penalty,
    gradient_penalty,
    slope_penalty,
    wgan_gp_penalty,
)

SHAPES = [(5, 2), (5, 7), (5, 1, 4, 4), (5, 3, 2, 6)]


def samples(shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_linear_critic_pays_the_square_of_its_weights(shape):
    x = samples(shape)
    D = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 1)).double()
    penalty = gradient_penalty(D, x)
    torch.testing.assert_close(penalty, D[1].weight.square().sum())
    (slope,) = torch.autograd.grad(penalty, D[1].weight)  # y se puede derivar por ellos
    torch.testing.assert_close(slope, 2 * D[1].weight)


@pytest.mark.parametrize("shape", SHAPES)
def test_half_the_square_of_the_norm_has_the_point_as_gradient(shape):
    x = samples(shape)
    quadratic = gradient_penalty(lambda x: x.flatten(1).square().sum(dim=1) / 2, x)
    torch.testing.assert_close(quadratic, x.flatten(1).norm(dim=1).square().mean())


@pytest.mark.parametrize("wanted", [False, True])
def test_leaves_its_input_as_it_was(wanted):
    x = samples((5, 2)).requires_grad_(wanted)
    before = x.detach().clone()
    D = nn.Sequential(nn.Linear(2, 4), nn.Softplus(), nn.Linear(4, 1)).double()
    gradient_penalty(D, x).backward()
    assert torch.equal(x, before) and x.requires_grad is wanted and x.grad is None
    assert D[0].weight.grad.abs().sum() > 0


def test_the_gradient_does_not_go_back_to_what_made_the_sample():
    """R2 penaliza a D sobre lo falso, y a G no le llega nada."""
    G, D = nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    gradient_penalty(D, G(torch.randn(6, 3))).backward()
    assert G.weight.grad is None and D[0].weight.grad is not None


def norms(x):
    return x.flatten(1).norm(dim=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_slope_penalty_of_a_linear_critic_compares_the_norm_of_its_weights_with_1(shape):
    """La norma es la de todos los pesos: por canales o por píxel daría otro número."""
    x = samples(shape)
    D = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 1)).double()
    expected = (D[1].weight.norm() - 1).square()
    penalty = slope_penalty(D, x)
    torch.testing.assert_close(penalty, expected)
    (slope,) = torch.autograd.grad(penalty, D[1].weight)
    torch.testing.assert_close(slope, torch.autograd.grad(expected, D[1].weight)[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_slope_penalty_of_half_the_square_is_the_distance_to_the_unit_sphere(shape):
    x = samples(shape)
    torch.testing.assert_close(slope_penalty(half_square, x), (norms(x) - 1).square().mean())


def half_square(x):
    return x.flatten(1).square().sum(dim=1) / 2


def test_a_flat_critic_pays_1_and_its_weights_get_a_finite_gradient():
    D = nn.Linear(3, 1)
    nn.init.zeros_(D.weight)
    penalty = slope_penalty(D, torch.randn(4, 3))
    penalty.backward()
    assert penalty.item() == 1 and D.weight.grad.isfinite().all()


@pytest.mark.parametrize("shape", SHAPES)
def test_wgan_gp_looks_between_each_pair_with_one_epsilon_per_sample(shape):
    """D = ½‖x‖² ve el punto exacto, que un crítico lineal no ve: con ε por píxel no estaría en la
    recta que une la pareja."""
    real, fake, seen = samples(shape), 3 + samples(shape).flip(0), []

    def D(x):
        seen.append(x.detach())
        return half_square(x)

    torch.manual_seed(0)
    penalty = wgan_gp_penalty(D, real, fake)
    torch.manual_seed(0)
    epsilon = torch.rand(5, dtype=torch.double).reshape(-1, *[1] * (len(shape) - 1))
    point = epsilon * real + (1 - epsilon) * fake
    torch.testing.assert_close(penalty, (norms(point) - 1).square().mean())
    way = ((seen[0] - fake) / (real - fake)).flatten(1)  # el ε de cada coordenada
    torch.testing.assert_close(way, way[:, :1].expand_as(way))
    assert way.min() >= 0 and way.max() <= 1 and way[:, 0].std() > 0.1


def test_dragan_looks_around_the_data_at_half_their_deviation():
    real, seen = 5 + 2 * samples((20_000, 2)), []

    def D(x):
        seen.append(x.detach())
        return half_square(x)

    penalty = dragan_penalty(D, real)
    torch.testing.assert_close(penalty, (norms(seen[0]) - 1).square().mean())
    noise = seen[0] - real
    assert noise.std().item() == pytest.approx(1, rel=0.02)  # la mitad de 2
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
