"""Los pasos con lote falso compartido, la penalización del gradiente y la precisión mixta."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from gancook import seed_everything
from gancook.training.losses import discriminator_loss, non_saturating_loss, relativistic_loss
from gancook.training.penalties import gradient_penalty
from gancook.training.precision import MixedPrecision, has_bf16
from gancook.training.steps import AdversarialSteps, discriminator_step, generator_step


def networks():
    seed_everything(0)
    G = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Softplus(), nn.Linear(8, 1))
    return D, G


def make_steps(D, G, optimizer=SGD, lr=0.1, **options):
    optimizers = optimizer(D.parameters(), lr), optimizer(G.parameters(), lr)
    options = {"d_loss": discriminator_loss, "g_loss": non_saturating_loss} | options
    return AdversarialSteps(D, G, *optimizers, z_size=3, **options)


def vector(network):
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def real_batch():
    return torch.linspace(-1, 1, 8 * 16).reshape(8, 1, 4, 4)


@pytest.mark.parametrize("joint", [False, True])
def test_is_the_two_steps_of_notebook_02_with_the_same_noise(joint):
    D, G = networks()
    D2, G2 = copy.deepcopy(D), copy.deepcopy(G)
    steps, real = make_steps(D, G, Adam, joint=joint), real_batch()
    d_optimizer, g_optimizer = Adam(D2.parameters(), 0.1), Adam(G2.parameters(), 0.1)
    for seed in range(3):
        torch.manual_seed(seed)
        logs = steps.discriminator_step(real) | steps.generator_step(real)
        torch.manual_seed(seed)
        z = torch.randn(8, 3)
        expected = discriminator_step(real, z, D2, G2, d_optimizer, discriminator_loss)
        expected |= generator_step(z, D2, G2, g_optimizer, non_saturating_loss)
        assert {k: v.item() for k, v in logs.items()} == pytest.approx(
            {k: v.item() for k, v in expected.items()}
        )
    torch.testing.assert_close(vector(D), vector(D2))
    torch.testing.assert_close(vector(G), vector(G2))


def test_each_step_moves_only_its_own_network():
    D, G = networks()
    steps, d, g = make_steps(D, G), vector(D), vector(G)
    steps.discriminator_step(real_batch())
    assert torch.equal(vector(G), g) and not torch.equal(vector(D), d)
    assert all(p.grad is None for p in G.parameters())
    d, gradients = vector(D), [p.grad.clone() for p in D.parameters()]
    steps.generator_step(real_batch())
    assert torch.equal(vector(D), d) and not torch.equal(vector(G), g)
    assert all(map(torch.equal, gradients, [p.grad for p in D.parameters()]))


def test_the_penalty_counts_once_every_so_many_steps_and_weighs_as_many():
    D, G = networks()
    calls = []

    def penalty(D, real, fake):
        calls.append(fake.requires_grad)
        return sum(p.sum() for p in D.parameters())  # gradiente 1 en cada peso

    options = {"d_loss": lambda r, f: 0 * (r.sum() + f.sum()), "penalty": penalty, "every": 3}
    steps = make_steps(D, G, lr=1.0, **options)
    shifts = []
    for _ in range(6):
        before = vector(D)
        logs = steps.discriminator_step(real_batch())
        shifts.append((before - vector(D)).mean().item())
        assert logs["d_loss"] == 0  # lo que se apunta es la pérdida, sin penalización
    assert shifts == pytest.approx([3, 0, 0, 3, 0, 0], abs=1e-5)
    assert calls == [False, False]


def test_the_count_of_steps_survives_a_round_trip():
    steps = make_steps(*networks())
    for _ in range(4):
        steps.discriminator_step(real_batch())
    other = make_steps(*networks())
    other.load_state_dict(steps.state_dict())
    assert other.step == 4


def test_a_paired_loss_receives_fake_then_real_logits():
    D, G = networks()
    steps = make_steps(D, G, d_loss=relativistic_loss, g_loss=relativistic_loss, paired=True)
    real = real_batch()
    steps.discriminator_step(real)
    expected = nn.functional.softplus(D(real) - D(steps.fake)).mean()
    assert steps.generator_step(real)["g_loss"] == pytest.approx(expected.item())


def test_relativistic_loss_is_the_logistic_loss_of_the_difference():
    seed_everything(0)
    real, fake = torch.randn(2, 50, 1, dtype=torch.float64)
    logistic = nn.BCEWithLogitsLoss()(real - fake, torch.ones(50, 1, dtype=torch.float64))
    torch.testing.assert_close(relativistic_loss(real, fake), logistic)
    assert relativistic_loss(real, real).item() == pytest.approx(0.693147, abs=1e-6)


def test_penalty_of_a_linear_and_of_a_quadratic_discriminator():
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    penalty = gradient_penalty(D, torch.randn(5, 1, 4, 4))
    torch.testing.assert_close(penalty, D[1].weight.square().sum())
    (slope,) = torch.autograd.grad(penalty, D[1].weight)
    torch.testing.assert_close(slope, 2 * D[1].weight)

    x = torch.randn(5, 1, 4, 4)
    quadratic = gradient_penalty(lambda x: x.square().sum(dim=(1, 2, 3)) / 2, x)  # ∇D = x
    torch.testing.assert_close(quadratic, x.square().sum(dim=(1, 2, 3)).mean())


def test_mixed_precision_off_changes_nothing():
    D, _ = networks()
    x = real_batch()
    torch.testing.assert_close(MixedPrecision(D, "cpu", False)(x), D(x), rtol=0, atol=0)


def test_mixed_precision_computes_in_bf16_and_answers_in_float32():
    D, _ = networks()
    wrapped, x = MixedPrecision(D, "cpu", True), real_batch()
    seen = []
    D[1].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    logits = wrapped(x)
    assert seen == [torch.bfloat16] and logits.dtype == torch.float32
    torch.testing.assert_close(logits, D(x), rtol=0.05, atol=0.02)
    logits.sum().backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in D.parameters())


def test_unknown_devices_have_no_bf16():
    assert has_bf16("meta") is False and isinstance(has_bf16("cpu"), bool)
