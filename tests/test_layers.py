"""Las capas contra su definición, calculada fila a fila, y contra lo que ya hace PyTorch."""

import pytest
import torch
from torch import nn

from capas_06 import (
    GaussianNoise,
    MinibatchDiscrimination,
    Pack,
    SelfAttention,
    VirtualBatchNorm,
    WithReference,
    clip_weights,
)
from gancook.training.layers import MinibatchStd


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_clipping_leaves_every_weight_inside_and_the_small_ones_alone():
    D = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    before = [p.detach().clone() for p in D.parameters()]
    clip_weights(D, 0.1)
    for p, old in zip(D.parameters(), before, strict=True):
        assert torch.equal(p.detach(), old.clamp(-0.1, 0.1)) and p.requires_grad
    assert any((old.abs() > 0.1).any() for old in before)


@pytest.mark.parametrize("m", [1, 2, 4])
@pytest.mark.parametrize("shape", [(8, 2), (8, 3, 5, 6)])
def test_a_pack_is_m_neighbours_side_by_side(m, shape):
    x = torch.randn(shape)
    expected = [torch.cat(list(x[i : i + m])) for i in range(0, 8, m)]
    torch.testing.assert_close(Pack(m)(x), torch.stack(expected), rtol=0, atol=0)


def test_a_batch_that_is_not_whole_packs_is_refused():
    with pytest.raises(RuntimeError):
        Pack(4)(torch.randn(6, 2))


def test_gaussian_noise_has_the_deviation_it_says_and_can_fade():
    noise, x = GaussianNoise(0.3), torch.full((100_000, 2), 5.0)
    y = noise(x)
    assert (y - x).std().item() == pytest.approx(0.3, rel=0.02)
    assert (y - x).mean().item() == pytest.approx(0, abs=0.01)
    noise.std = 0.0
    assert torch.equal(noise(x), x)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4, 5)])
def test_minibatch_std_adds_the_mean_deviation_of_the_batch(shape):
    x = torch.randn(shape).double()
    y = MinibatchStd()(x)
    expected = x.numpy().std(axis=0).mean()
    assert y.shape == (6, 4, *shape[2:]) and torch.equal(y[:, :3], x)
    torch.testing.assert_close(y[:, 3], torch.full_like(y[:, 3], expected), rtol=1e-6, atol=0)


def test_minibatch_std_can_be_derived_when_all_the_samples_are_equal():
    x = torch.ones(4, 2, requires_grad=True)
    MinibatchStd()(x).sum().backward()
    assert x.grad.isfinite().all()


def test_minibatch_discrimination_is_its_definition_pair_by_pair():
    layer, x = MinibatchDiscrimination(5, features=3, size=2).double(), torch.randn(4, 5).double()
    y = layer(x)
    assert y.shape == (4, 8) and torch.equal(y[:, :5], x)
    T = layer.T.detach()
    for i in range(4):
        for b in range(3):
            M = [x[j] @ T[:, b] for j in range(4)]
            o = sum(torch.exp(-(M[i] - M[j]).abs().sum()) for j in range(4))
            torch.testing.assert_close(y[i, 5 + b], o)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 5)])
def test_virtual_bn_uses_the_reference_and_the_sample_and_nothing_else(shape):
    R, B = 6, 4
    layer = VirtualBatchNorm(3, R).double()
    nn.init.uniform_(layer.weight, 0.5, 2)
    nn.init.normal_(layer.bias)
    x = 2 + 3 * torch.randn(R + B, *shape).double()
    y, axes = layer(x), (0, *range(2, x.ndim))
    for i in range(B):  # la BN de PyTorch en modo train, sobre la referencia y una sola muestra
        group = torch.cat([x[:R], x[R + i : R + i + 1]])
        expected = normal_batch(group, layer, axes)[-1]
        torch.testing.assert_close(y[R + i], expected)
    torch.testing.assert_close(y[:R], normal_batch(x[:R], layer, axes))


def normal_batch(x, layer, axes):
    bn = nn.functional.batch_norm
    return bn(x, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)


def test_with_reference_a_sample_does_not_depend_on_its_batch():
    reference, z = torch.randn(6, 2), torch.randn(5, 2)
    stack = nn.Sequential(nn.Linear(2, 4), VirtualBatchNorm(4, 6), nn.ReLU(), nn.Linear(4, 2))
    network = WithReference(stack, reference)
    together, alone = network(z), torch.cat([network(row[None]) for row in z])
    assert together.shape == (5, 2)
    torch.testing.assert_close(together, alone)
    assert "reference" in network.state_dict() and not network.reference.requires_grad


def test_attention_is_the_one_of_pytorch_without_its_scale():
    layer, x = SelfAttention(16).double(), torch.randn(2, 16, 4, 5).double()
    assert torch.equal(layer(x), x)  # γ empieza en 0
    nn.init.constant_(layer.gamma, 0.7)
    nn.init.normal_(layer.query.weight)  # pesos grandes: sin ellos la escala apenas se nota
    nn.init.normal_(layer.key.weight)
    q, k, v = (f(x).flatten(2).mT for f in (layer.query, layer.key, layer.value))
    mixed = nn.functional.scaled_dot_product_attention(q, k, v, scale=1.0)
    expected = x + 0.7 * layer.out(mixed.mT.reshape(2, 8, 4, 5))
    torch.testing.assert_close(layer(x), expected)


def test_attention_can_be_derived_twice():
    layer, x = SelfAttention(8), torch.randn(2, 8, 3, 3, requires_grad=True)
    nn.init.constant_(layer.gamma, 0.7)
    (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert layer.query.weight.grad.abs().sum() > 0


def test_spectral_norm_leaves_the_largest_singular_value_at_1():
    """La de PyTorch, que es la que se usa: contra la SVD."""
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 9), n_power_iterations=50)
    for _ in range(20):
        layer(torch.randn(2, 6))
    assert torch.linalg.svdvals(layer.weight.detach())[0].item() == pytest.approx(1, abs=1e-4)
