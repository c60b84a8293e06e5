"""La precisión mixta: dónde calcula en bf16, qué devuelve y en qué orden de memoria trabaja."""

import copy

import torch
from torch import nn

from gancook import seed_everything
from gancook.training.precision import MixedPrecision, has_bf16

CHANNELS_LAST = torch.channels_last


def convolutional():
    seed_everything(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 1)
    )


def images():
    return torch.linspace(-1, 1, 4 * 3 * 16).reshape(4, 3, 4, 4)


def test_off_changes_nothing():
    D = convolutional()
    plain = copy.deepcopy(D)
    wrapped = MixedPrecision(D, "cpu", False)
    torch.testing.assert_close(wrapped(images()), plain(images()))
    for network in (wrapped, plain):
        network(images()).sum().backward()
    for ours, theirs in zip(D.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_computes_in_bf16_and_answers_in_float32():
    D = convolutional()
    wrapped, expected = MixedPrecision(D, "cpu", True), D(images())
    seen = []
    D[0].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    logits = wrapped(images())
    assert seen == [torch.bfloat16] and logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected, rtol=0.05, atol=0.02)
    logits.sum().backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in D.parameters())


def test_asks_the_device_unless_told():
    network = MixedPrecision(nn.Linear(1, 1), "cpu")
    assert network.enabled == has_bf16("cpu")
    assert has_bf16("meta") is False and isinstance(has_bf16("cpu"), bool)


def test_weights_and_gradients_stay_in_channels_last():
    D = convolutional()
    wrapped = MixedPrecision(D, "cpu", False)
    assert D[0].weight.is_contiguous(memory_format=CHANNELS_LAST)
    assert not D[0].weight.is_contiguous()
    gradients = []
    D[1].register_full_backward_pre_hook(lambda module, grad: gradients.append(grad[0]))
    wrapped(images()).sum().backward()
    (gradient,) = gradients  # el que llega a la ReLU desde Flatten
    assert gradient.is_contiguous(memory_format=CHANNELS_LAST) and not gradient.is_contiguous()


def test_a_flatten_without_gradient_or_without_images_is_left_alone():
    wrapped = MixedPrecision(nn.Flatten(), "cpu", False)
    assert wrapped(images()).shape == (4, 48)
    points = torch.randn(5, 2, requires_grad=True)
    wrapped(points).sum().backward()
    torch.testing.assert_close(points.grad, torch.ones(5, 2))
