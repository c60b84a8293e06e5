"""Copias de seguridad: reanudar da los mismos bits, y ni matar el proceso las estropea."""

import multiprocessing
import os
import random
import signal
import sys
import time
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gancook.data.batches import Batches
from gancook.session import seed_everything
from gancook.training.checkpoints import Checkpoints
from gancook.training.history import History
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.steps import discriminator_step, generator_step

EPOCHS = 3
needs_fork = pytest.mark.skipif(
    sys.platform != "linux", reason="bifurcar un proceso con torch cargado solo es fiable en Linux"
)


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

    def step(self, real):
        # Ruido de las tres fuentes de azar: las tres deben continuar donde estaban.
        z = torch.randn(len(real), 3) + random.random() + np.random.rand()  # noqa: NPY002
        logs = discriminator_step(real, z, self.D, self.G, self.d_opt, discriminator_loss)
        self.count += 1
        if self.count in self.presses:  # D ya ha aprendido de este lote y G todavía no
            signal.raise_signal(signal.SIGINT)
        z = torch.randn(len(real), 3)
        return logs | generator_step(z, self.D, self.G, self.g_opt, non_saturating_loss)

    def train(self, history=None, stop=None, step=None):
        self.count = history.step if history else 0
        self.presses = {stop}
        # A propósito, las copias delante de lo que cambia la media móvil.
        hooks = [self.checkpoints, lambda history: self.ema.update_parameters(self.G)]
        return fit(self.batches, step or self.step, EPOCHS, hooks, history)

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
    stopped = Game(tmp_path, every).train(stop=stop)
    assert stopped.interrupted and stopped.step == stop
    other = Game(tmp_path, every)
    if every <= stop:
        seed_everything(99)  # la copia manda sobre el azar que haya
    history = other.checkpoints.load()
    assert history.step == stop - stop % every
    history = other.train(history)
    assert history.frame().equals(whole[0])
    assert_same_bits(other.state(), whole[1])


@pytest.mark.parametrize("stop", [1, 8, 13])
def test_a_stopped_run_goes_on_with_its_history_and_keeps_saving(tmp_path, whole, stop):
    game = Game(tmp_path, every=4)
    history = game.train(game.train(stop=stop))
    assert not history.interrupted
    assert history.frame().equals(whole[0])
    assert_same_bits(game.state(), whole[1])
    last = Game(tmp_path)
    assert last.checkpoints.load().frame().equals(whole[0])
    assert_same_bits(last.state(), whole[1])


def test_keeps_the_last_copies_and_loads_the_one_asked_for(tmp_path, capsys):
    Game(tmp_path, every=4, keep=2).train()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["paso_000000020.pt", "paso_000000024.pt"]
    game = Game(tmp_path)
    assert game.checkpoints.load().step == 24
    assert game.checkpoints.load(step=20).step == 20
    assert capsys.readouterr().out.endswith("Se reanuda en el paso 20, de paso_000000020.pt.\n")
    with pytest.raises(FileNotFoundError, match="paso 21"):
        game.checkpoints.load(step=21)


def test_an_empty_folder_starts_from_scratch(tmp_path):
    assert Game(tmp_path / "nueva").checkpoints.load().step == 0


@pytest.mark.parametrize("wrong", [{"every": 0}, {"every": 1, "keep": 0}])
def test_impossible_numbers_of_steps_or_copies_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="al menos 1"):
        Checkpoints(tmp_path, **wrong)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root puede leer siempre")
def test_a_copy_without_permission_is_not_called_damaged(tmp_path):
    Game(tmp_path, every=8).train()
    (tmp_path / "paso_000000024.pt").chmod(0)
    with pytest.raises(PermissionError):
        Game(tmp_path, every=8).checkpoints.load()


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


def test_an_optimizer_of_another_type_is_refused_before_touching_anything(tmp_path):
    Game(tmp_path, every=8).train()
    game = Game(tmp_path, every=8)
    game.checkpoints.parts["d_opt"] = SGD(game.D.parameters(), 1e-2)
    before = nn.utils.parameters_to_vector(game.G.parameters()).clone()
    with pytest.raises(ValueError, match="d_opt era Adam y ahora es SGD"):
        game.checkpoints.load()
    assert torch.equal(before, nn.utils.parameters_to_vector(game.G.parameters()))


@pytest.mark.parametrize("missing", [True, False])
def test_a_copy_with_other_parts_is_refused(tmp_path, missing):
    Game(tmp_path, every=8).train()
    game = Game(tmp_path, every=8)
    if missing:
        del game.checkpoints.parts["ema"]
    else:
        game.checkpoints.parts["otra"] = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"guarda .*, ema y se piden batches, G"):
        game.checkpoints.load()


def test_an_optimizer_of_fewer_parameters_is_refused(tmp_path):
    Game(tmp_path, every=8).train()
    game = Game(tmp_path, every=8)
    game.checkpoints.parts["d_opt"] = Adam([*game.D.parameters()][:2], 1e-2)
    with pytest.raises(ValueError, match="d_opt no coincide"):
        game.checkpoints.load()


@pytest.mark.parametrize("content", [{"otra": "cosa"}, {"format": "gancook 1"}, [1, 2]])
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "paso_000000001.pt"
    torch.save(content, path)
    with pytest.raises(ValueError) as error:
        Game(tmp_path).checkpoints.load()
    assert str(error.value) == (
        f"La copia {path} es de otro entrenamiento: no la escribió esta versión de gancook. "
        "No hay ninguna anterior: elige otra carpeta para empezar de cero."
    )


def test_files_with_other_names_are_left_alone(tmp_path):
    for name in ("paso_final.pt", "paso_000000099 (1).pt", "notas.txt"):
        (tmp_path / name).write_text("mío", encoding="utf-8")
    Game(tmp_path, every=8, keep=1).train()
    assert Game(tmp_path).checkpoints.load().step == 24
    assert sum(path.read_bytes() == "mío".encode() for path in tmp_path.iterdir()) == 3


def some_function():
    pass


@pytest.mark.parametrize(
    "value, message",
    [
        (np.float64(0.5), r"settings\['x'\] es float64.*float\(valor\)"),
        (Path("datos"), r"settings\['x'\] es \w*Path.*str\(valor\)"),
        (nn.ReLU, r"settings\['x'\] es la clase ReLU.*valor.__name__"),
        (some_function, r"settings\['x'\] es function.*valor.__name__"),
        (lambda: None, r"settings\['x'\] es function.*valor.__name__"),
        (np.zeros(2), r"settings\['x'\] es ndarray.*tolist"),
        (defaultdict(list), r"settings\['x'\] es defaultdict.*guarda números"),
        ({"a": [1, Path("b")]}, r"settings\['x'\]\['a'\]\[1\] es \w*Path"),
        ({np.int64(3): 1}, r"la clave .*3.* de settings\['x'\] es int64"),
        (float("nan"), r"settings\['x'\].*None en vez de NaN"),
        (torch.zeros(3), r"settings\['x'\].*tolist"),
    ],
)
def test_settings_that_could_not_be_read_back_are_refused_at_once(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        Checkpoints(tmp_path, every=1, settings={"bien": 1, "x": value})


def test_the_names_of_the_settings_must_also_be_read_back(tmp_path):
    with pytest.raises(TypeError, match="la clave .*3.* es int64"):
        Checkpoints(tmp_path, every=1, settings={np.int64(3): 1})


def test_settings_changed_later_do_not_change_the_copies(tmp_path):
    settings = {"capas": [16, 8]}
    checkpoints = Checkpoints(tmp_path, every=1, settings=settings)
    settings["capas"].append(4)
    assert checkpoints.settings == {"capas": [16, 8]}


def test_settings_that_can_be_read_back_resume(tmp_path):
    settings = {"lr": 2e-4, "betas": (0.5, 0.9), "loss": "hinge", "ema": None, "d": {"n": [1, 2]}}
    settings |= {"torch": torch.float32, "dict": OrderedDict(a=1), "ok": True}
    Game(tmp_path, every=8, settings=settings).train()
    assert Game(tmp_path, settings=settings).checkpoints.load().step == 24


class Curve:
    """Una parte cuyo estado se elige."""

    def state_dict(self):
        return {"curve": self.values}

    def load_state_dict(self, state):
        self.values = state["curve"]


@pytest.fixture
def saved(tmp_path):
    """Una carpeta con la copia del paso 1, y cómo intentar la del 2."""
    curve, history = Curve(), History()
    curve.values = {1: 0.5}
    network = nn.Linear(2, 2)
    checkpoints = Checkpoints(tmp_path, every=1, keep=1, network=network, best=curve)
    history.record(0, d_loss=1.0)
    checkpoints(history)
    history.record(0, d_loss=1.0)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 1
    yield curve, lambda: checkpoints(history)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "value, message",
    [
        (np.float64(1), r"best\['curve'\]\[2\] es float64"),
        (lambda: None, r"best\['curve'\]\[2\] es function"),
        ([Path("a")], r"best\['curve'\]\[2\]\[0\] es \w*Path"),
    ],
)
def test_a_part_that_could_not_be_read_back_is_named_and_nothing_changes(saved, value, message):
    curve, save = saved
    curve.values[2] = value
    with pytest.raises(TypeError, match=f"No se guarda la copia: {message}"):
        save()


def test_a_full_disk_is_not_blamed_on_a_part(saved, monkeypatch):
    memory_save = torch.save

    def full(state, file):
        if hasattr(file, "name"):
            raise OSError(28, "No queda espacio en el dispositivo")
        memory_save(state, file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="espacio"):
        saved[1]()


def test_what_is_on_disk_is_read_back_before_it_gets_its_name(saved, monkeypatch):
    """Un disco que pierde bytes: la copia mala no llega a llamarse copia ni echa a las buenas."""
    whole_save = torch.save

    def losing(state, file):
        whole_save(state, file)
        if hasattr(file, "name"):
            file.truncate(1000)

    monkeypatch.setattr(torch, "save", losing)
    with pytest.raises(RuntimeError, match="central directory"):
        saved[1]()


def test_copies_that_were_not_loaded_are_never_overwritten(tmp_path):
    Game(tmp_path, every=8).train()
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(FileExistsError) as error:
        Game(tmp_path, every=8).train()
    assert str(error.value) == (
        f"{tmp_path} ya tiene copias de otro entrenamiento y no se tocan. Llama antes a load() "
        "para continuarlo, o elige otra carpeta para empezar de cero."
    )
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


def steps_in(folder):
    return [int(p.stem.removeprefix("paso_")) for p in sorted(folder.glob("paso_*.pt"))]


def test_going_back_to_an_older_copy_sets_aside_the_later_ones(tmp_path, whole, capsys):
    Game(tmp_path, every=8).train()
    later = [(tmp_path / f"paso_0000000{n}.pt").read_bytes() for n in (16, 24)]
    game = Game(tmp_path, every=1)
    game.train(game.checkpoints.load(step=8), stop=13)
    assert steps_in(tmp_path) == [11, 12, 13]
    aside = sorted((tmp_path / "apartadas").iterdir())
    assert [path.name for path in aside] == ["paso_000000016.pt", "paso_000000024.pt"]
    assert [path.read_bytes() for path in aside] == later
    assert "paso_000000024.pt es de otra rama" in capsys.readouterr().out
    game = Game(tmp_path, every=1)
    history = game.checkpoints.load()
    assert history.step == 13 and game.train(history).step == 24


def test_copies_set_aside_twice_do_not_overwrite_each_other(tmp_path):
    Game(tmp_path, every=8).train()
    for _ in range(3):
        game = Game(tmp_path, every=8)
        game.train(game.checkpoints.load(step=8))
    names = sorted(path.name for path in (tmp_path / "apartadas").iterdir())
    assert names == [
        f"paso_0000000{step}{suffix}.pt" for step in (16, 24) for suffix in (" (2)", " (3)", "")
    ]
    assert steps_in(tmp_path) == [8, 16, 24]


def test_looking_at_an_older_copy_moves_nothing(tmp_path):
    Game(tmp_path, every=8).train()
    game = Game(tmp_path, every=8)
    game.checkpoints.load(step=8)
    game.train(game.checkpoints.load(step=8), stop=12)  # ni dar pasos sin llegar a guardar
    assert steps_in(tmp_path) == [8, 16, 24] and len(list(tmp_path.iterdir())) == 3
    game.checkpoints.load(step=8)
    game.train(game.checkpoints.load())  # al final se sigue desde la última
    assert len(list(tmp_path.iterdir())) == 3


def test_starting_again_after_loading_sets_aside_the_old_run(tmp_path):
    Game(tmp_path, every=8).train()
    game = Game(tmp_path, every=8)
    old = (tmp_path / "paso_000000008.pt").read_bytes()
    game.checkpoints.load()
    game.train(stop=8)  # sin history=: empieza de cero
    assert steps_in(tmp_path) == [8]
    assert (tmp_path / "apartadas" / "paso_000000008.pt").read_bytes() == old
    assert len(list((tmp_path / "apartadas").iterdir())) == 3


@pytest.mark.parametrize("loaded, every", [(8, 8), (8, 12)])
def test_starting_again_sets_aside_also_the_loaded_step_and_the_earlier(tmp_path, loaded, every):
    Game(tmp_path, every=8).train(stop=loaded)
    game = Game(tmp_path, every=every)
    game.checkpoints.load()
    game.train(stop=every)  # sin history=, y la primera copia no es anterior a la cargada
    assert steps_in(tmp_path) == [every]
    assert [path.name for path in (tmp_path / "apartadas").iterdir()] == ["paso_000000008.pt"]


def test_saving_the_same_step_again_keeps_one_copy_and_the_rest(tmp_path):
    game = Game(tmp_path, every=8)
    history = game.train()
    assert game.checkpoints.save(history) == tmp_path / "paso_000000024.pt"
    assert steps_in(tmp_path) == [8, 16, 24] and len(list(tmp_path.iterdir())) == 3


def test_another_writer_in_the_folder_stops_this_one(tmp_path):
    one = Game(tmp_path, every=8)
    history = one.train(stop=8)
    other = Game(tmp_path, every=8)
    other.train(other.checkpoints.load(), stop=16)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(FileExistsError) as error:
        one.train(history)
    assert str(error.value) == (
        f"Otro proceso está escribiendo en {tmp_path}: ha aparecido paso_000000016.pt. Este ya no "
        "guarda nada. Deja un solo entrenamiento por carpeta; para seguir desde esas copias, crea "
        "otro Checkpoints y llama a load()."
    )
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert other.train(other.checkpoints.load()).step == 24


def test_deleting_copies_by_hand_is_not_an_error(tmp_path):
    game = Game(tmp_path, every=4, keep=2)
    history = game.train(stop=12)
    (tmp_path / "paso_000000008.pt").unlink()
    history = game.train(history, stop=16)
    assert steps_in(tmp_path) == [12, 16]
    for path in tmp_path.iterdir():
        path.unlink()
    game.train(history)
    assert steps_in(tmp_path) == [20, 24]


def test_only_the_temporaries_of_dead_processes_are_cleaned(tmp_path):
    game = Game(tmp_path, every=8, keep=1)
    names = (".paso_000000008.pt.0a1b.tmp", ".paso_000000016.pt.2c3d.tmp", ".mío.tmp")
    old, recent, foreign = (tmp_path / name for name in names)
    for path in (old, recent, foreign):
        path.write_bytes(b"a medias")
    for path in (old, foreign):
        os.utime(path, (time.time() - 7200,) * 2)
    game.train()
    assert not old.exists() and recent.exists() and foreign.exists()


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
        logs = game.step(real)
        return {"d_loss": torch.tensor(bad)} if game.ema.n_averaged == 10 else logs

    with pytest.raises(FloatingPointError, match=r"paso 11 \(época 2\)[\s\S]*load\(\)"):
        game.train(step=diverging)
    assert Game(tmp_path, every=4).checkpoints.load().step == 8


def test_the_random_state_of_the_gpus_is_saved_and_put_back_only_where_there_are(
    tmp_path, monkeypatch
):
    """Una copia hecha con GPU se abre sin ella; con ella, el azar sigue donde estaba."""
    states, restored = [torch.arange(8, dtype=torch.uint8), torch.ones(8).byte()], []
    network = nn.Linear(2, 2)
    with monkeypatch.context() as gpus:
        gpus.setattr(torch.cuda, "is_available", lambda: True)
        gpus.setattr(torch.cuda, "get_rng_state_all", lambda: states)
        gpus.setattr(torch.cuda, "set_rng_state_all", restored.extend)
        Checkpoints(tmp_path, every=1, network=network).save(History())
        Checkpoints(tmp_path, every=1, network=network).load()
    assert torch.equal(torch.stack(restored), torch.stack(states))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", restored.extend)
    Checkpoints(tmp_path, every=1, network=network).load()
    assert len(restored) == 2


def test_the_history_survives_a_round_trip():
    history, copy = History(), History()
    for i in range(7):
        history.record(i // 3, d_loss=torch.tensor(float(i)), g_loss=torch.tensor(1.0))
    copy.load_state_dict(history.state_dict())
    assert copy.frame().equals(history.frame()) and copy.step == 7
    empty = History()
    empty.load_state_dict(History().state_dict())
    assert empty.step == 0


@needs_fork
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
    checkpoints.save(checkpoints.load())  # la que sobra, si se mató antes de borrarla
    assert len(list(tmp_path.glob("*.pt"))) == 3


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


@needs_fork
def test_of_two_processes_in_one_folder_one_stops_and_all_copies_are_readable(tmp_path):
    fork = multiprocessing.get_context("fork")
    start, ends = fork.Barrier(2), fork.SimpleQueue()
    children = [fork.Process(target=_save_thirty, args=(tmp_path, n, start, ends)) for n in (0, 1)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    finished, stopped = sorted((ends.get(), ends.get()), key=len)
    assert finished == "acaba" and stopped.startswith("FileExistsError: Otro proceso está")
    assert steps_in(tmp_path) == [28, 29, 30]
    for step in (28, 29, 30):
        network = nn.Linear(2, 2)
        assert Checkpoints(tmp_path, every=1, network=network).load(step).step == step
        assert network.weight.eq(step).all()
    assert len(list(tmp_path.iterdir())) == 3  # ni temporales ni nada a medias


def _save_thirty(folder, number, start, ends):
    torch.set_num_threads(1)
    chance = random.Random(number)  # sin esto irían acompasados por el disco
    network, history = nn.Linear(2, 2), History()
    checkpoints = Checkpoints(folder, every=1, network=network)
    start.wait()
    try:
        for step in range(1, 31):
            nn.init.constant_(network.weight, step)
            history.record(0, d_loss=torch.zeros(()))
            time.sleep(chance.uniform(0, 0.004))
            checkpoints(history)
        ends.put("acaba")
    except Exception as error:
        ends.put(f"{type(error).__name__}: {error}")
