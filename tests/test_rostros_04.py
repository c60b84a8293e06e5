"""Las caras de los cuadernos 04 y las redes de sus dos recetas publicadas."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from redes_04 import dcgan64_discriminator, dcgan64_generator
from rostros_04 import coarse, faces
from s0_04 import (
    S0Step,
    SharedAdam,
    glorot,
    s0_discriminator,
    s0_generator,
    same_conv,
    same_conv_transpose,
)


def save_faces(folder, count, value, size=16):
    folder.mkdir(parents=True)
    for k in range(count):
        Image.new("RGB", (size, size), (value, value, value)).save(folder / f"cara_{k}.png")


def test_faces_come_from_the_folder_of_the_user_before_anything_else(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANCOOK_DATA", str(tmp_path))
    save_faces(tmp_path / "caras" / "16", 3, 200)
    save_faces(tmp_path / "caras" / "8", 2, 100)
    found = faces(16)
    assert found.images.shape == (3, 3, 16, 16) and (found.images == 200).all()
    assert found.names == ["cara_0.png", "cara_1.png", "cara_2.png"] and found.traits.shape == (
        3,
        0,
    )
    assert "3 imágenes" in capsys.readouterr().out
    assert len(faces(12).images) == 5  # sin subcarpeta de ese tamaño, todas las que haya
    save_faces(tmp_path / "otras", 1, 50)
    assert (faces(16, tmp_path / "otras").images == 50).all()


def test_faces_are_drawn_when_there_is_nothing_else_and_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANCOOK_DATA", str(tmp_path))
    found = faces(32, drawn=5)
    said = capsys.readouterr().out
    assert "CelebA no está" in said and "5 dibujadas" in said
    assert found.images.shape == (5, 3, 32, 32) and found.images.dtype == np.uint8
    assert list(found.traits.index) == found.names and "glasses" in found.traits
    with pytest.raises(FileNotFoundError):
        faces(32, tmp_path / "no_existe")


def test_celeba_goes_before_the_drawn_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOOK_DATA", str(tmp_path))
    module = sys.modules[faces.__module__]
    data = importlib.import_module("celeba_04").FaceData(
        np.zeros((1, 3, 8, 8), np.uint8),
        module.pd.DataFrame({"Male": [True]}, index=["000001.jpg"]),
        np.zeros(1),
        "1 de CelebA",
    )
    monkeypatch.setattr(module, "celeba", lambda size: data)
    found = faces(8)
    assert found.names == ["000001.jpg"] and found.traits["Male"].all()


def trainable(network):
    return sum(p.numel() for p in network.parameters())


def test_the_four_networks_have_the_published_sizes():
    with torch.device("meta"):
        G, D = s0_generator(), s0_discriminator()
        assert trainable(G) == 19_085_888 and trainable(D) == 17_433_024
        for network, total in ((G, 19_120_576), (D, 17_436_864)):
            moving = [b for name, b in network.named_buffers() if "running" in name]
            assert trainable(network) + sum(b.numel() for b in moving) == total
        assert G(torch.empty(2, 100)).shape == (2, 3, 128, 128)
        assert D(torch.empty(2, 3, 128, 128)).shape == (2, 1)
        assert trainable(dcgan64_generator()) == 3_576_704
        assert trainable(dcgan64_discriminator()) == 2_765_568


def test_dcgan64_is_the_one_of_the_pytorch_example(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "bench")
    example = importlib.import_module("published").dcgan64_networks(sigmoid=False)
    z, images = torch.randn(3, 100), torch.randn(3, 3, 64, 64)
    for theirs, ours, x in zip(
        example, (dcgan64_generator(), dcgan64_discriminator()), (z, images), strict=True
    ):
        weights = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
        ours.load_state_dict(weights)
        torch.testing.assert_close(ours(x), theirs(x))


def keras_same(x, kernel, stride):
    """Convolución 'same' por su definición: ceil(n / s) salidas y el cero que sobre, al final."""
    n, k = x.shape[-1], kernel.shape[-1]
    out = -(-n // stride)
    total = max((out - 1) * stride + k - n, 0)
    padded = np.pad(x.numpy(), [(0, 0)] * 2 + [(total // 2, total - total // 2)] * 2)
    y = np.empty((len(x), len(kernel), out, out))
    for i in range(out):
        for j in range(out):
            window = padded[:, :, i * stride : i * stride + k, j * stride : j * stride + k]
            y[:, :, i, j] = np.einsum("bchw,fchw->bf", window, kernel.numpy())
    return torch.from_numpy(y)


def test_padding_is_that_of_keras_and_not_the_symmetric_one():
    layer, x = same_conv(2, 3).double(), torch.randn(2, 2, 8, 8).double()
    kernel = layer[1].weight.detach()
    torch.testing.assert_close(layer(x).detach(), keras_same(x, kernel, 2))
    symmetric = F.conv2d(x, kernel, stride=2, padding=2)
    assert symmetric.shape == layer(x).shape and not torch.allclose(symmetric, layer(x))


def test_the_transpose_is_the_adjoint_of_the_convolution():
    down, up = same_conv(2, 3).double(), same_conv_transpose(3, 2).double()
    up[0].weight.data = down[1].weight.data
    x, y = torch.randn(2, 2, 12, 12).double(), torch.randn(2, 3, 6, 6).double()
    torch.testing.assert_close((down(x) * y).sum(), (x * up(y)).sum())


def test_batch_norm_keeps_three_tenths_of_the_past_and_glorot_bounds_the_weights():
    network = s0_discriminator(2)
    layer = next(m for m in network if isinstance(m, nn.BatchNorm2d))
    x = torch.randn(4, 4, 5, 5) + 3
    layer(x)
    torch.testing.assert_close(layer.running_mean, 0.3 * 0 + 0.7 * x.mean((0, 2, 3)))
    assert layer.eps == 1e-3
    seen = s0_generator(2).apply(glorot)
    dense, conv = seen[0].weight, seen[4][0].weight  # (512, 100) y (32, 16, 5, 5)
    for weight, fans in ((dense, 100 + 512), (conv, 25 * (32 + 16))):
        bound = (6 / fans) ** 0.5
        assert 0.99 * bound < weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_shared_adam_follows_the_formula_of_keras_with_one_counter():
    a, b = (nn.Parameter(torch.tensor([v, -v], dtype=torch.float64)) for v in (1.0, 2.0))
    optimizer = SharedAdam([a, b], lr=0.1, epsilon=0.01)
    expected = {p: [p.detach().clone(), 0.0, 0.0] for p in (a, b)}
    for t, p in enumerate((a, a, b, a, a, b, a), start=1):
        optimizer.zero_grad()
        p.grad = torch.tensor([0.3 * t, -0.02], dtype=torch.float64)
        value, m, v = expected[p]
        m, v = 0.5 * m + 0.5 * p.grad, 0.999 * v + 0.001 * p.grad**2
        rate = 0.1 * (1 - 0.999**t) ** 0.5 / (1 - 0.5**t)
        expected[p] = [value - rate * m / (v.sqrt() + 0.01), m, v]
        optimizer.step()
        for q in (a, b):  # el otro no se mueve
            torch.testing.assert_close(q.detach(), expected[q][0], rtol=1e-6, atol=0)


def small_s0():
    torch.manual_seed(0)
    D, G = s0_discriminator(1).apply(glorot), s0_generator(1).apply(glorot)
    return D, G


def test_the_step_is_the_published_one():
    (D, G), (d, g) = small_s0(), small_s0()
    real = torch.rand(4, 3, 128, 128) * 2 - 1
    torch.manual_seed(7)
    logs = S0Step(D, G, SharedAdam([*D.parameters(), *G.parameters()]))(real)

    torch.manual_seed(7)  # lo mismo, escrito a mano con probabilidades
    optimizer = SharedAdam([*d.parameters(), *g.parameters()])
    g.eval()
    fake = g(torch.randn(4, 100)).detach()
    g.train()
    losses = []
    for frozen, images, target in ((g, real, 0.9), (g, fake, 0.0), (d, None, 1.0)):
        images = g(torch.randn(4, 100)) if images is None else images
        p = d(images).sigmoid()
        loss = F.binary_cross_entropy(p, torch.full((4, 1), target))
        optimizer.zero_grad()
        loss.backward()
        for weight in frozen.parameters():
            weight.grad = None
        optimizer.step()
        losses += [loss.item(), p.mean().item()]
    assert [*logs] == [f"{n}_{w}" for n in ("d_real", "d_fake", "g") for w in ("loss", "output")]
    assert [v.item() for v in logs.values()] == pytest.approx(losses, rel=1e-5)
    for ours, theirs in zip((D, G), (d, g), strict=True):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=2e-6)
    assert G.training and D.training


def test_s0_learns_to_tell_faces_from_noise():
    D, G = small_s0()
    step = S0Step(D, G, SharedAdam([*D.parameters(), *G.parameters()], lr=2e-3))
    real = torch.ones(4, 3, 128, 128) * torch.linspace(-1, 1, 4).view(4, 1, 1, 1)
    logs = [step(real) for _ in range(8)]
    assert logs[-1]["d_real_output"] > logs[-1]["d_fake_output"]


def test_coarse_colours_are_32_and_at_most_four_levels_away():
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    bytes_, numbers = coarse(every), coarse(every / 127.5 - 1)
    assert bytes_.unique().numel() == 32 and bytes_.dtype == torch.uint8
    assert (bytes_.int() - every.int()).abs().max() <= 4
    assert (bytes_.int() - numbers.int()).abs().max() <= 8  # un número justo en el borde
