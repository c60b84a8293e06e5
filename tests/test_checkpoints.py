"""Copias de seguridad: reanudar da los mismos bits, y ni matar el proceso las estropea."""

import os
import random
import signal
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gancook import seed_everything
from gancook.data.batches import Batches
from gancook.training.checkpoints import Checkpoints
from gancook.training.history import History
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.steps import discriminator_step, generator_step

EPOCHS = 3


class Game:
    """Una partida pequeña con todo lo que una copia debe llevar: BN, Adam, media móvil y azar."""

    def __init__(self, folder, every=1, keep=3, hidden=16, batch=8, settings=None):
        seed_everything(0)
        images = torch.randint(0, 256, (64, 1, 4, 4), dtype=torch.uint8)
        self.G = nn.Sequential(
            nn.Linear(3, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 16),
            nn.Unflatten(1, (1, 4, 4)),
        )  # fmt: skip
        self.D = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Dropout(0.2), nn.Linear(8, 1))
        self.d_opt, self.g_opt = Adam(self.D.parameters(), 1e-2), Adam(self.G.parameters(), 1e-2)
        self.ema = AveragedModel(self.G, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
        self.batches = Batches(images, batch)
        parts = {name: getattr(self, name) for name in ("G", "D", "d_opt", "g_opt", "ema")}
        self.checkpoints = Checkpoints(
            folder, every=every, keep=keep, settings=settings, batches=self.batches, **parts
        )

    def d_step(self, real):
        # Ruido de las tres fuentes de azar: las tres deben continuar donde estaban.
        z = torch.randn(len(real), 3) + random.random() + np.random.rand()  # noqa: NPY002
        return discriminator_step(real, z, self.D, self.G, self.d_opt, discriminator_loss)

    def g_step(self, real):
        z = torch.randn(len(real), 3)
        return generator_step(z, self.D, self.G, self.g_opt, non_saturating_loss)

    def train(self, history=None, stop=None, d_step=None):
        def hook(history):
            self.ema.update_parameters(self.G)
            self.checkpoints(history)
            if history.step == stop:
                raise KeyboardInterrupt

        return fit(self.batches, d_step or self.d_step, self.g_step, EPOCHS, hook, history)

    def state(self):
        return {name: part.state_dict() for name, part in self.checkpoints.parts.items()}


def flat(value):
    if isinstance(value, dict):
        return [leaf for key in value for leaf in flat(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def assert_same_bits(one, other):
    pairs = list(zip(flat(one), flat(other), strict=True))
    assert len(pairs) > 20
    for x, y in pairs:
        assert torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """La partida de una sola vez: su historial y su estado final."""
    game = Game(tmp_path_factory.mktemp("entera"), every=1000)
    history = game.train()
    return history.frame(), game.state()


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("stop", [1, 7, 8, 9, 13, 23])
def test_a_resumed_run_has_the_same_bits_as_a_whole_one(tmp_path, whole, every, stop):
    Game(tmp_path, every).train(stop=stop)
    other = Game(tmp_path, every)
    if every <= stop:
        seed_everything(99)  # la copia manda sobre el azar que haya
    history = other.checkpoints.load()
    assert history.step == stop - stop % every
    history = other.train(history)
    assert history.frame().equals(whole[0])
    assert_same_bits(other.state(), whole[1])


def test_a_run_interrupted_in_the_middle_of_a_step_goes_back_to_the_last_copy(tmp_path, whole):
    game = Game(tmp_path, every=4)
    count = iter(range(1000))

    def interrupted(real):
        logs = game.d_step(real)
        if next(count) == 10:  # D ya ha aprendido de este lote y G todavía no
            raise KeyboardInterrupt
        return logs

    game.train(d_step=interrupted)
    game = Game(tmp_path, every=4)
    history = game.train(game.checkpoints.load())
    assert history.frame().equals(whole[0])
    assert_same_bits(game.state(), whole[1])


def test_keeps_the_last_copies_and_loads_the_one_asked_for(tmp_path):
    Game(tmp_path, every=4, keep=2).train()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["paso_000000020.pt", "paso_000000024.pt"]
    game = Game(tmp_path)
    assert game.checkpoints.load().step == 24
    assert game.checkpoints.load(step=20).step == 20
    with pytest.raises(FileNotFoundError, match="paso 21"):
        game.checkpoints.load(step=21)


def test_an_empty_folder_starts_from_scratch(tmp_path):
    assert Game(tmp_path / "nueva").checkpoints.load().step == 0


def damage(path, kind, weights):
    content = bytearray(path.read_bytes())
    if kind == "cortada":
        content = content[: len(content) // 2]
    elif kind == "vacía":
        content = b""
    elif kind == "otra cosa":
        content = b"esto no es una copia"
    else:  # un solo bit de los datos de un tensor
        content[content.index(weights)] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["cortada", "vacía", "otra cosa", "un bit"])
def test_a_damaged_copy_is_named_kept_and_the_previous_one_offered(tmp_path, kind):
    game = Game(tmp_path, every=8)
    game.train()
    last = tmp_path / "paso_000000024.pt"
    damage(last, kind, game.G[0].weight.detach().numpy().tobytes())
    content = last.read_bytes()
    game = Game(tmp_path, every=8)
    before = [t.clone() for t in flat(game.state()) if isinstance(t, torch.Tensor)]
    with pytest.raises(ValueError, match=r"dañada[\s\S]*load\(step=16\)"):
        game.checkpoints.load()
    after = [t for t in flat(game.state()) if isinstance(t, torch.Tensor)]
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
    assert last.read_bytes() == content
    assert game.checkpoints.load(step=16).step == 16


@pytest.mark.parametrize(
    "change, message",
    [
        ({"hidden": 32}, "G no coincide"),
        ({"batch": 16}, "batches no coincide"),
        ({"settings": {"lr": 2}}, "se guardó con"),
    ],
)
def test_a_copy_of_another_run_is_refused_before_touching_anything(tmp_path, change, message):
    Game(tmp_path, every=8).train()
    game = Game(tmp_path, every=8, **change)
    before = nn.utils.parameters_to_vector(game.D.parameters()).clone()
    with pytest.raises(ValueError, match=message):
        game.checkpoints.load()
    assert torch.equal(before, nn.utils.parameters_to_vector(game.D.parameters()))


def test_a_foreign_file_is_refused(tmp_path):
    torch.save({"otra": "cosa"}, tmp_path / "paso_000000001.pt")
    with pytest.raises(ValueError, match="no la escribió"):
        Game(tmp_path).checkpoints.load()


def test_copies_that_were_not_loaded_are_never_overwritten(tmp_path):
    Game(tmp_path, every=8).train()
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="load"):
        Game(tmp_path, every=8).train()
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_copies_that_could_not_be_loaded_are_never_overwritten(tmp_path):
    Game(tmp_path, every=8).train()
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    game = Game(tmp_path, every=8, settings={"lr": 2})
    with pytest.raises(ValueError, match="otro entrenamiento"):
        game.checkpoints.load()
    with pytest.raises(FileExistsError, match="elige otra carpeta"):
        game.train()
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_going_back_to_an_older_copy_keeps_what_is_written_from_there(tmp_path):
    Game(tmp_path, every=8).train()
    game = Game(tmp_path, every=1)
    game.train(game.checkpoints.load(step=8), stop=13)
    steps = [int(p.stem.removeprefix("paso_")) for p in sorted(tmp_path.iterdir())]
    assert steps == [11, 12, 13, 16, 24]


def test_nothing_with_nans_is_saved(tmp_path):
    game = Game(tmp_path, every=8)
    history = game.train(stop=8)
    with torch.no_grad():
        game.D[1].weight[0, 0] = torch.nan
    with pytest.raises(FloatingPointError, match=r"D tras el paso 8[\s\S]*load\(step=8\)"):
        game.checkpoints.save(history)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_loss_that_diverges_stops_the_run_and_says_where(tmp_path, bad):
    game = Game(tmp_path, every=4)

    def diverging(real):
        logs = game.d_step(real)
        return {"d_loss": torch.tensor(bad)} if game.ema.n_averaged == 10 else logs

    with pytest.raises(FloatingPointError, match=r"paso 11 \(época 2\)[\s\S]*load\(\)"):
        game.train(d_step=diverging)
    assert Game(tmp_path, every=4).checkpoints.load().step == 8


def test_the_history_survives_a_round_trip():
    history, copy = History(), History()
    for i in range(7):
        history.record(i // 3, d_loss=torch.tensor(float(i)), g_loss=torch.tensor(1.0))
    copy.load_state_dict(history.state_dict())
    assert copy.frame().equals(history.frame()) and copy.step == 7
    empty = History()
    empty.load_state_dict(History().state_dict())
    assert empty.step == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="hace falta fork para matar sin esperar")
def test_killing_the_process_thirty_times_never_leaves_an_unreadable_state(tmp_path):
    chance = random.Random(0)
    steps = []
    for attempt in range(30):
        child = os.fork()
        if child == 0:
            _train_until_killed(tmp_path)
        if attempt % 2:  # las demás veces, quizá antes de que haya escrito nada
            _wait_for_a_copy_after(steps[-1], tmp_path, child)
        time.sleep(chance.uniform(0, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        steps.append(_big_game(tmp_path)[1].load().step)
    assert steps == sorted(steps)  # nunca hacia atrás
    assert all(after > before for before, after in zip(steps[::2], steps[1::2], strict=True))
    resumed, checkpoints = _big_game(tmp_path)
    checkpoints.load()
    whole, _ = _big_game(tmp_path)
    torch.manual_seed(0)
    for _ in range(steps[-1]):
        _advance(whole)
    assert torch.equal(resumed.weight, whole.weight)
    assert len(list(tmp_path.glob("*.pt"))) <= 3


def _wait_for_a_copy_after(step, folder, child):
    """Espera sin reloj: en una máquina lenta, la prueba tarda más, pero no cambia."""
    while not any(int(path.stem[5:]) > step for path in folder.glob("paso_*.pt")):
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "el hijo ha muerto solo"
        time.sleep(0.001)


def _big_game(folder):
    """Una red de 1 MB: casi todo el tiempo se va en escribirla, y ahí es donde se la mata."""
    network = nn.Linear(512, 512)
    nn.init.ones_(network.weight)
    return network, Checkpoints(folder, every=1, network=network)


@torch.no_grad()
def _advance(network):
    network.weight.mul_(0.99).add_(torch.randn(512, 1))


def _train_until_killed(folder):
    try:
        torch.set_num_threads(1)
        network, checkpoints = _big_game(folder)
        torch.manual_seed(0)
        history = checkpoints.load()
        while True:
            _advance(network)
            history.record(0, d_loss=torch.zeros(()))
            checkpoints(history)
    finally:
        os._exit(1)
