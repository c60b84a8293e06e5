"""La penalización del gradiente contra discriminadores cuyo gradiente se sabe escribir."""

import pytest
import torch
from torch import nn

from gancook.training.penalties import gradient_penalty

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
