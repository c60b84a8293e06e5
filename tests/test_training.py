"""El bucle: recorre, registra, se para con la iteración entera y sigue donde estaba."""

import _thread
import copy
import random
import re
import signal
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gancook.data.batches import Batches
from gancook.session import seed_everything, temporary_seed
from gancook.training.history import History
from gancook.training.hooks import Best, Snapshots
from gancook.training.layers import init_weights
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.steps import discriminator_step, generator_step
from gancook.training.stop import StopButton


class Game:
    """Un entrenamiento pequeño con todo lo que se puede quedar a medias.

    BN, dropout, Adam, un paso que pone G en ``eval``, una BN que se deja en ``eval`` a propósito,
    y ganchos que retratan a G, la miden y llevan su media móvil.
    """

    epochs, total = 2, 8

    def __init__(self):
        seed_everything(0)
        self.batches = Batches(torch.randint(0, 256, (16, 1, 2, 2), dtype=torch.uint8), 4)
        self.G = nn.Sequential(
            nn.Linear(3, 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4).eval(), nn.Unflatten(1, (1, 2, 2))
        )
        self.D = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Dropout(0.3), nn.Linear(4, 1))
        self.optimizers = [Adam(net.parameters(), 0.01) for net in (self.D, self.G)]
        self.average = AveragedModel(
            self.G, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True
        )
        self.snapshots = Snapshots(self.G, torch.randn(5, 3), steps=range(9))
        self.best = Best(self.average, self.measure, every=2)
        self.history = History(every=3)

    def measure(self, network):
        with temporary_seed(1), torch.no_grad():
            return network(torch.randn(6, 3)).square().mean()

    def step(self, real):
        modes = [module.training for module in self.G.modules()]
        self.G.eval()
        z = torch.randn(len(real), 3)
        logs = discriminator_step(real, z, self.D, self.G, self.optimizers[0], discriminator_loss)
        for module, mode in zip(self.G.modules(), modes, strict=True):
            module.training = mode
        z = torch.randn(len(real), 3)
        return logs | generator_step(z, self.D, self.G, self.optimizers[1], non_saturating_loss)

    def fit(self, epochs=epochs, hooks=()):
        def average(history):
            self.average.update_parameters(self.G)

        hooks = [average, self.snapshots, self.best, *hooks]
        return fit(self.batches, self.step, epochs, hooks, self.history)

    def state(self):
        """Todo lo que ha de coincidir, bit a bit."""
        networks = [self.D, self.G, self.average, *self.optimizers]
        modes = [m.training for net in networks[:3] for m in net.modules()]
        return [
            *(part.state_dict() for part in networks),
            (self.snapshots.state_dict(), self.best.state_dict(), modes, torch.get_rng_state()),
        ]

    def assert_is(self, other):
        """Historial, pesos, optimizadores, modos y azar iguales a los de ``other``."""
        mine, theirs = self.history.frame(), other.history.frame()
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
        torch.testing.assert_close(self.state(), other.state(), rtol=0, atol=0)


@pytest.fixture
def whole():
    game = Game()
    game.fit()
    return game


@pytest.fixture
def deaf():
    """Fuera de ``fit``, Ctrl-C no hace nada: una señal tardía no ha de cortar las pruebas."""
    previous = signal.signal(signal.SIGINT, lambda number, frame: None)
    yield signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, previous)


def press(history=None):
    signal.raise_signal(signal.SIGINT)


def press_at(step):
    return lambda history: press() if history.step == step else None


def count_calls(action, press_at=None):
    """Cuenta entradas y salidas de funciones, también de C; en la número ``press_at``, pulsa."""
    calls = 0

    def on_call(frame, event, argument):
        nonlocal calls
        calls += 1
        if calls == press_at:
            sys.setprofile(None)
            press()

    sys.setprofile(on_call)
    try:
        action()
    except KeyboardInterrupt:  # antes o después del bucle no hay iteración que acabar
        pass
    finally:
        sys.setprofile(None)
    return calls


def test_sixty_blind_interrupts_change_nothing(whole):
    dice, calls, stopped = random.Random(0), count_calls(Game().fit), 0
    for k in range(60):  # una en cada sesentavo del entrenamiento
        game = Game()
        count_calls(game.fit, press_at=int((k + dice.random()) / 60 * calls))
        stopped += 0 < game.history.step < game.total
        game.fit()
        game.assert_is(whole)
    assert stopped > 40  # las demás, en la última iteración o al acabar


def test_interrupts_from_a_clock_change_nothing(whole, deaf):
    game, dice = Game(), random.Random(0)
    while game.history.step < game.total:
        timer = threading.Timer(dice.uniform(0, 0.02), _thread.interrupt_main)
        timer.start()
        game.fit()
        timer.cancel()
        timer.join()
    game.assert_is(whole)
    assert signal.getsignal(signal.SIGINT) is deaf


def test_stopping_is_said_and_going_on_to_the_end_clears_it(whole, capsys, deaf):
    game = Game()
    assert game.fit(hooks=[press_at(3)]).interrupted is True
    assert game.history.step == 3
    assert capsys.readouterr().out.endswith(
        "Parado tras el paso 3, con la iteración entera. Para seguir donde estaba: "
        "fit(…, history=history). Si vuelves a ejecutar la celda empieza de cero, salvo que "
        "reanude de copias de seguridad.\n"
    )
    assert signal.getsignal(signal.SIGINT) is deaf
    assert game.fit().interrupted is False
    assert "Parado" not in capsys.readouterr().out
    game.assert_is(whole)


def test_a_table_of_runs_stops_at_the_one_that_was_cut(deaf):
    rows = {}
    for name in "ABC":
        rows[name] = Game().fit(hooks=[press_at(5)] if name == "B" else [])
        if rows[name].interrupted:
            break
    assert {name: history.step for name, history in rows.items()} == {"A": 8, "B": 5}
    assert not rows["A"].interrupted


def test_a_stop_is_not_lost_if_the_last_values_had_diverged(deaf):
    history = History()
    batches = Batches(torch.zeros(4, 1, dtype=torch.uint8), 1)
    with pytest.raises(FloatingPointError):
        fit(batches, lambda real: {"loss": torch.tensor(torch.nan)}, 1, [press], history)
    assert history.interrupted and history.step == 1


def test_the_third_press_does_not_wait(deaf):
    game, presses = Game(), []

    def stuck(real):
        for _ in range(5):
            presses.append(None)
            press()

    with pytest.raises(KeyboardInterrupt):
        fit(game.batches, stuck, 1, history=game.history)
    assert len(presses) == 3 and game.history.step == 0
    assert signal.getsignal(signal.SIGINT) is deaf


@pytest.mark.parametrize("where", ["step", "hook"])
def test_an_error_gives_the_keyboard_back_and_leaves_the_history_whole(where, whole, deaf):
    game, step, failed = Game(), Game.step, []

    def fail(when):
        if when == where and game.history.step == 5 and not failed:
            failed.append(when)
            raise RuntimeError("sin memoria")

    game.step = lambda real: (fail("step"), step(game, real))[1]
    with pytest.raises(RuntimeError, match="sin memoria"):
        game.fit(hooks=[lambda history: fail("hook")])
    assert signal.getsignal(signal.SIGINT) is deaf
    assert game.history.frame()["step"].tolist() == [1, 2, 3, 4, 5]
    game.fit()
    game.assert_is(whole)


def test_in_another_thread_it_trains_and_leaves_the_keyboard_alone(whole, deaf):
    game = Game()
    thread = threading.Thread(target=game.fit)
    thread.start()
    thread.join()
    game.assert_is(whole)
    assert signal.getsignal(signal.SIGINT) is deaf


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_program_that_does_not_listen_to_the_keyboard_still_does_not(handler):
    previous = signal.signal(signal.SIGINT, handler)
    try:
        with StopButton() as button:
            assert signal.getsignal(signal.SIGINT) is handler
            if handler is signal.SIG_IGN:
                press()
        assert not button.pressed and signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, previous)


def test_same_seed_same_everything(whole):
    other = Game()
    other.fit()
    other.assert_is(whole)


def test_a_finished_history_trains_no_more(whole, capsys):
    before = copy.deepcopy(whole.state())
    for epochs in (0, 1, 2):
        assert whole.fit(epochs) is whole.history and whole.history.step == 8
    torch.testing.assert_close(whole.state(), before, rtol=0, atol=0)
    assert whole.fit(3).frame()["epoch"].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert fit(whole.batches, whole.step, 0).step == 0


class Pairs:
    """Lotes con etiquetas: cualquier objeto con ``len()`` y ``epoch(número, desde)`` sirve."""

    def __len__(self):
        return 3

    def epoch(self, number, start=0):
        for i in range(start, 3):
            yield torch.full((2, 1), float(i)), torch.tensor([number, i])


def test_goes_over_every_batch_in_order_and_resumes_in_the_exact_one(deaf):
    seen = []

    def step(batch):
        points, labels = batch
        seen.append(labels.tolist())
        return {"mean": points.mean()}

    history = fit(Pairs(), step, 2, [press_at(4)])
    history = fit(Pairs(), step, 3, history=history)
    assert seen == [[epoch, i] for epoch in range(3) for i in range(3)]
    assert history.frame()["mean"].tolist() == [0, 1, 2] * 3
    assert history.frame()["epoch"].tolist() == [1] * 3 + [2] * 3 + [3] * 3


def test_the_bar_shows_what_is_left_of_the_epoch_and_the_latest_means(capsys, deaf):
    def step(batch):
        return {"mean": batch[0].mean(), "half": torch.tensor(0.5)}

    history = fit(Pairs(), step, 1, [press_at(2)], History(every=1))
    capsys.readouterr()
    fit(Pairs(), step, 1, history=history)
    last = r"Epoch 1/1 .*100\.00% \[1/1 .*mean 2\.000 · half 0\.500\]"
    assert re.search(last, capsys.readouterr().out)


def test_hooks_run_in_order_after_each_step_and_the_copies_last():
    calls = []

    def hook(name, **attributes):
        def call(history):
            calls.append((name, history.step))

        call.__dict__.update(attributes)
        return call

    hooks = [hook("copia", goes_last=True), hook("media"), hook("medida", goes_last=False)]
    fit(Pairs(), lambda batch: {}, 1, iter(hooks))
    assert calls == [(name, k) for k in (1, 2, 3) for name in ("media", "medida", "copia")]


def test_several_steps_of_d_for_each_one_of_g():
    """Las iteraciones sin paso de G no registran su pérdida, y las otras no se pierden."""
    game, count = Game(), iter(range(100))

    def step(real):
        z, (d_optimizer, g_optimizer) = torch.randn(4, 3), game.optimizers
        logs = discriminator_step(real, z, game.D, game.G, d_optimizer, discriminator_loss)
        if next(count) % 3 == 2:
            logs |= generator_step(z, game.D, game.G, g_optimizer, non_saturating_loss)
        return logs

    history = fit(game.batches, step, 3, history=History(every=5))
    assert history.frame()["d_loss"].notna().all()
    assert history.frame()["g_loss"].notna().tolist() == [False, False, True] * 4


def test_extragradient_follows_its_closed_form():
    """En min máx xy, (x, y) gira y encoge en (1 − η²) + iη a cada paso (Korpelevich, 1976)."""
    x, y = (torch.ones((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    rate = 0.3

    def gradients(a, b):
        return torch.autograd.grad(a * b, (a, b))

    @torch.no_grad()
    def step(batch):
        with torch.enable_grad():
            gx, gy = gradients(x, y)
            gx, gy = gradients(x - rate * gx, y + rate * gy)
        x.sub_(rate * gx)
        y.add_(rate * gy)
        return {"x": x, "y": y}

    frame = fit(Pairs(), step, 4).frame()
    path = (1 + 1j) * (1 - rate**2 + 1j * rate) ** np.arange(1, 13)
    np.testing.assert_allclose(frame["x"] + 1j * frame["y"], path)


def test_learns_a_constant_image():
    """Una GAN de juguete: con datos constantes, G debe acabar dando esa constante."""
    seed_everything(0)
    batches = Batches(torch.full((256, 1, 1, 1), 191, dtype=torch.uint8), 64)
    G = nn.Sequential(nn.Linear(1, 1), nn.Unflatten(1, (1, 1, 1)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    g_opt, d_opt = Adam(G.parameters(), 1e-2, (0.0, 0.9)), Adam(D.parameters(), 3e-2, (0.0, 0.9))

    def step(real):
        logs = discriminator_step(real, torch.randn(64, 1), D, G, d_opt, discriminator_loss)
        return logs | generator_step(torch.randn(64, 1), D, G, g_opt, non_saturating_loss)

    fit(batches, step, 150)
    assert G(torch.randn(1000, 1)).mean().item() == pytest.approx(191 / 127.5 - 1, abs=0.15)


def test_snapshots_keep_the_same_noise_and_the_mode_of_each_layer():
    game = Game()
    z, initial = game.snapshots.z, copy.deepcopy(game.G).eval()
    game.fit()
    images, modes = game.snapshots.images, [m.training for m in game.G]
    assert list(images) == list(range(9)) and not images[8].requires_grad
    torch.testing.assert_close(images[0], initial(z))
    torch.testing.assert_close(images[8], game.G.eval()(z))
    assert modes == [True, True, False, True]


def test_init_weights_has_the_published_statistics():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(500, 500), nn.BatchNorm1d(20_000), nn.ConvTranspose2d(64, 64, 8, bias=False)
    )
    nn.init.ones_(net[1].bias)
    linear, norm, conv = net.apply(init_weights)
    for layer, mean in [(linear, 0.0), (norm, 1.0), (conv, 0.0)]:
        assert layer.weight.mean().item() == pytest.approx(mean, abs=1e-3)
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert linear.bias.eq(0).all() and norm.bias.eq(0).all()


def test_init_weights_leaves_alone_what_it_does_not_know():
    torch.manual_seed(0)
    net = nn.Sequential(nn.PReLU(), nn.BatchNorm2d(3, affine=False), nn.Embedding(5, 2))
    before = copy.deepcopy(net.state_dict())
    torch.testing.assert_close(net.apply(init_weights).state_dict(), before, rtol=0, atol=0)
