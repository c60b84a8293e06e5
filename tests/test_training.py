"""Los dos pasos, el bucle, el historial y los ganchos."""

import copy
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from gancook import seed_everything
from gancook.data.batches import Batches
from gancook.training.history import History
from gancook.training.hooks import Snapshots
from gancook.training.layers import init_weights
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.steps import discriminator_step, generator_step


def make_game(seed=0):
    seed_everything(seed)
    images = torch.randint(0, 256, (64, 1, 4, 4), dtype=torch.uint8)
    G = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, (1, 4, 4)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))
    d_optimizer, g_optimizer = Adam(D.parameters(), 1e-3), Adam(G.parameters(), 1e-3)

    def d_step(real):
        z = torch.randn(len(real), 3)
        return discriminator_step(real, z, D, G, d_optimizer, discriminator_loss)

    def g_step(real):
        return generator_step(torch.randn(len(real), 3), D, G, g_optimizer, non_saturating_loss)

    return Batches(images, 8), d_step, g_step, G, D


def weights(*modules):
    return nn.utils.parameters_to_vector([p for m in modules for p in m.parameters()])


def linear_pair(w=0.5, b=-0.2, g=1.5):
    """D(x) = σ(wx + b) y G(z) = gz, con números de una cifra para hacer la cuenta a mano."""
    D, G = nn.Linear(1, 1).double(), nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(D.weight, w)
    nn.init.constant_(D.bias, b)
    nn.init.constant_(G.weight, g)
    return D, G


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def test_discriminator_step_is_the_gradient_by_hand_and_leaves_g_alone():
    (D, G), x, z, lr = linear_pair(), 0.7, -1.1, 0.1
    before = weights(G).clone()
    logs = discriminator_step(
        torch.tensor([[x]]).double(),
        torch.tensor([[z]]).double(),
        D,
        G,
        SGD(D.parameters(), lr),
        discriminator_loss,
    )
    fake = 1.5 * z
    d_real, d_fake = sigmoid(0.5 * x - 0.2), sigmoid(0.5 * fake - 0.2)
    grad_w = 0.5 * (-(1 - d_real) * x + d_fake * fake)
    grad_b = 0.5 * (-(1 - d_real) + d_fake)
    assert D.weight.item() == pytest.approx(0.5 - lr * grad_w)
    assert D.bias.item() == pytest.approx(-0.2 - lr * grad_b)
    assert torch.equal(weights(G), before)
    assert G.weight.grad is None
    assert not logs["d_loss"].requires_grad


def test_generator_step_is_the_gradient_by_hand_and_leaves_d_alone():
    (D, G), z, lr = linear_pair(), -1.1, 0.1
    before = weights(D).clone()
    logs = generator_step(
        torch.tensor([[z]]).double(), D, G, SGD(G.parameters(), lr), non_saturating_loss
    )
    d_fake = sigmoid(0.5 * 1.5 * z - 0.2)
    assert G.weight.item() == pytest.approx(1.5 + lr * (1 - d_fake) * 0.5 * z)
    assert torch.equal(weights(D), before)
    assert D.weight.grad is None
    assert not logs["g_loss"].requires_grad


def test_same_seed_same_history_and_weights():
    runs = []
    for _ in range(2):
        batches, d_step, g_step, G, D = make_game()
        runs.append((fit(batches, d_step, g_step, 3).frame(), weights(G, D)))
    pd.testing.assert_frame_equal(runs[0][0], runs[1][0], check_exact=True)
    assert torch.equal(runs[0][1], runs[1][1])


def test_interrupting_returns_what_there_is_and_fit_continues_where_it_was(capsys):
    batches, d_step, g_step, G, D = make_game()
    whole = fit(batches, d_step, g_step, 3).frame()
    reference = weights(G, D)

    batches, d_step, g_step, G, D = make_game()

    def stop_button(history):
        if history.step == 11:  # a mitad de la segunda época
            raise KeyboardInterrupt

    partial = fit(batches, d_step, g_step, 3, hook=stop_button)
    assert partial.step == 11
    assert "Interrumpido en el paso 11" in capsys.readouterr().out
    resumed = fit(batches, d_step, g_step, 3, history=partial)
    pd.testing.assert_frame_equal(resumed.frame(), whole, check_exact=True)
    assert torch.equal(weights(G, D), reference)


def test_a_finished_history_trains_no_more():
    batches, d_step, g_step, G, D = make_game()
    history = fit(batches, d_step, g_step, 2)
    before = weights(G, D).clone()
    assert fit(batches, d_step, g_step, 2, history=history).step == 16
    assert torch.equal(weights(G, D), before)


def test_learns_a_constant_image():
    """Una GAN de juguete: con datos constantes, G debe acabar dando esa constante."""
    seed_everything(0)
    batches = Batches(torch.full((256, 1, 1, 1), 191, dtype=torch.uint8), 64)
    G, D = nn.Sequential(nn.Linear(1, 1), nn.Unflatten(1, (1, 1, 1))), nn.Linear(1, 1)
    D = nn.Sequential(nn.Flatten(), nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    g_opt, d_opt = Adam(G.parameters(), 1e-2, (0.0, 0.9)), Adam(D.parameters(), 3e-2, (0.0, 0.9))

    def d_step(x):
        return discriminator_step(x, torch.randn(64, 1), D, G, d_opt, discriminator_loss)

    def g_step(x):
        return generator_step(torch.randn(64, 1), D, G, g_opt, non_saturating_loss)

    fit(batches, d_step, g_step, 150)
    target = 191 / 127.5 - 1
    assert G(torch.randn(1000, 1)).mean().item() == pytest.approx(target, abs=0.15)


def test_history_means_agree_with_numpy():
    history = History(every=7)
    values = np.random.default_rng(0).normal(size=(3, 10))
    for epoch, row in enumerate(values):
        for value in row:
            history.record(epoch, loss=torch.tensor(value))
    flat = values.ravel()
    np.testing.assert_allclose(history.per_epoch()["loss"], values.mean(axis=1))
    np.testing.assert_allclose(
        history.running_means()["loss"], [flat[: 10 * (k + 1)].mean() for k in range(3)]
    )
    chunks = [flat[i : i + 7].mean() for i in range(0, 30, 7)]
    np.testing.assert_allclose(history.per_step()["loss"], chunks)
    assert history.per_step().index.tolist() == [7, 14, 21, 28, 30]
    assert history.per_epoch().index.tolist() == [1, 2, 3]


def test_history_reads_the_device_only_every_so_often(monkeypatch):
    history, reads = History(every=10), []
    flush = history.flush
    monkeypatch.setattr(history, "flush", lambda: reads.append(history.step) or flush())
    for _ in range(35):
        history.record(0, loss=torch.tensor(1.0))
    assert reads == [10, 20, 30]


def test_empty_history_says_so():
    with pytest.raises(ValueError, match="vacío"):
        History().per_epoch()


def test_snapshots_keep_the_same_noise_and_the_mode_of_g():
    batches, d_step, g_step, G, _ = make_game()
    z = torch.randn(5, 3)
    initial = copy.deepcopy(G)
    snapshots = Snapshots(G, z, steps=[0, 8, 16])
    fit(batches, d_step, g_step, 2, hook=snapshots)
    assert list(snapshots.images) == [0, 8, 16]
    torch.testing.assert_close(snapshots.images[0], initial(z))
    torch.testing.assert_close(snapshots.images[16], G(z))
    assert G.training and not snapshots.images[16].requires_grad
    other = Snapshots(G, z, steps=[24])
    other.load_state_dict(snapshots.state_dict())
    fit(batches, d_step, g_step, 3, hook=other, history=_at_step(16))
    assert list(other.images) == [0, 8, 16, 24]


def _at_step(step):
    history = History()
    history.step = step
    return history


def test_init_weights_has_the_published_statistics():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(500, 500), nn.BatchNorm1d(20_000), nn.ConvTranspose2d(64, 64, 8, bias=False)
    ).apply(init_weights)
    linear, norm, conv = net
    for layer, mean in [(linear, 0.0), (norm, 1.0), (conv, 0.0)]:
        assert layer.weight.mean().item() == pytest.approx(mean, abs=1e-3)
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert linear.bias.eq(0).all() and norm.bias.eq(0).all()


def test_fit_passes_whatever_the_steps_report():
    """Una penalización añadida por una receta llega al historial sin tocar fit."""
    counter = itertools.count(1)
    history = fit(
        Batches(torch.zeros(4, 1, 1, 1, dtype=torch.uint8), 2),
        lambda real: {"d_loss": torch.tensor(1.0), "penalty": torch.tensor(float(next(counter)))},
        lambda real: {},
        epochs=1,
    )
    assert history.frame()["penalty"].tolist() == [1.0, 2.0]
