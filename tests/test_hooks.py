"""Ganchos: los retratos de G y quedarse con los mejores pesos según una métrica."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gancook.data.batches import Batches
from gancook.training.checkpoints import Checkpoints
from gancook.training.history import History
from gancook.training.hooks import Best, Snapshots
from gancook.training.loop import fit
from gancook.training.modes import eval_mode


def at_step(step):
    history = History()
    history.step = step
    return history


def run(best, network, values, start=0):
    """Un paso por valor; la red «vale» lo que su único peso."""
    history = at_step(start)
    for value in values:
        nn.init.constant_(network.weight, value)
        history.record(0, d_loss=torch.zeros(()))
        best(history)
    return best


def make(every=2):
    network = nn.Linear(1, 1, bias=False)
    return Best(network, lambda net: net.weight.item(), every), network


def test_impossible_number_of_steps_between_measures_is_refused():
    with pytest.raises(ValueError, match="al menos 1"):
        make(every=0)


def test_keeps_the_lowest_of_the_measured_steps_and_gives_it_back():
    best, network = make()
    run(best, network, [9, 5, 0, 3, 1, 4])  # el 0 y el 1 caen en pasos que no se miden
    assert best.curve == {2: 5, 4: 3, 6: 4} and best.step == 4
    assert network.weight.item() == 4
    best.restore()
    assert network.weight.item() == 3


def test_its_state_continues_in_another_one():
    one, other = make(), make()
    run(*one, [9, 5, 0, 3])
    other[0].load_state_dict(one[0].state_dict())
    run(*other, [8, 7], start=4)
    assert other[0].curve == {2: 5, 4: 3, 6: 7}
    other[0].restore()
    assert other[1].weight.item() == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_measure_that_is_not_a_number_is_noted_and_does_not_count(bad):
    best, network = make(every=1)
    run(best, network, [bad])
    assert best.step is None
    best.restore()
    assert network.weight.item() == pytest.approx(bad, nan_ok=True)  # como estaba
    run(best, network, [5, bad, 3, bad, 4], start=1)
    assert list(best.curve.values()) == pytest.approx([bad, 5, bad, 3, bad, 4], nan_ok=True)
    assert best.step == 4
    best.restore()
    assert network.weight.item() == 3


def test_of_two_equal_measures_the_first_stays():
    best, network = make(every=1)
    best.measure = lambda net: 1
    run(best, network, [7, 8])
    best.restore()
    assert best.step == 1 and network.weight.item() == 7


def test_without_measures_nothing_is_restored():
    best, network = make()
    nn.init.constant_(network.weight, 6)
    best.restore()
    assert best.step is None and network.weight.item() == 6


@pytest.mark.parametrize("number", [np.float64, np.float32, torch.tensor, int])
def test_any_kind_of_number_goes_to_a_copy_and_back(tmp_path, number):
    best, network = make(every=1)
    best.measure = lambda net: number(2)
    run(best, network, [9])
    Checkpoints(tmp_path, every=1, best=best).save(at_step(0))
    other, other_network = make(every=1)
    Checkpoints(tmp_path, every=1, best=other).load()
    assert other.curve == {1: 2.0} and other.step == 1
    other.restore()
    assert other_network.weight.item() == 9


class Portrait(nn.Module):
    """Un generador cuya salida depende del modo: con BN y ``Dropout``, y una BN congelada."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.BatchNorm1d(3)
        self.rest = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Dropout(0.5))
        self.frozen.eval()

    def forward(self, z):
        return self.rest(self.frozen(z)).unflatten(1, (1, 4, 4))


def train_portrait(G, hooks, epochs=2, history=None):
    optimizer = torch.optim.SGD(G.parameters(), 0.1)

    def step(real):
        loss = G(torch.randn(len(real), 3)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"g_loss": loss}

    images = torch.zeros(64, 1, 4, 4, dtype=torch.uint8)
    return fit(Batches(images, 8), step, epochs, hooks, history)


def in_eval(G, z):
    """G en modo eval sin pasar por el código que se prueba."""
    copy = Portrait()
    copy.load_state_dict(G.state_dict())
    return copy.eval()(z).detach()


def test_snapshots_are_taken_in_eval_at_their_steps_and_leave_g_as_it_was():
    torch.manual_seed(0)
    G, z, expected = Portrait(), torch.randn(5, 3), {}
    expected[0] = in_eval(G, z)
    snapshots = Snapshots(G, z, steps=[0, 8, 16])

    def reference(history):
        if history.step in (8, 16):
            expected[history.step] = in_eval(G, z)

    train_portrait(G, [snapshots, reference])
    assert list(snapshots.images) == [0, 8, 16]
    for step, images in snapshots.images.items():
        assert torch.equal(images, expected[step]) and not images.requires_grad
    assert G.training and G.rest[1].training and not G.frozen.training
    assert not torch.equal(expected[0], expected[16])


def test_taking_snapshots_does_not_change_the_training():
    weights = []
    for steps in ([], range(17)):
        torch.manual_seed(0)
        G = Portrait()
        train_portrait(G, [Snapshots(G, torch.ones(5, 3), steps)])
        weights.append(G.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_snapshots_without_zero_do_not_portrait_at_the_start():
    assert Snapshots(Portrait(), torch.ones(5, 3), steps=[1]).images == {}


def test_snapshots_go_on_in_another_one():
    G, z = Portrait(), torch.ones(5, 3)
    first = Snapshots(G, z, steps=[0, 8])
    history = train_portrait(G, [first], epochs=1)
    other = Snapshots(G, z, steps=[16])
    other.load_state_dict(first.state_dict())
    train_portrait(G, [other], history=history)
    assert list(other.images) == [0, 8, 16] and list(first.images) == [0, 8]


def test_eval_mode_gives_each_layer_its_mode_back_even_after_an_error():
    G = Portrait()
    with pytest.raises(KeyboardInterrupt), eval_mode(G):
        assert not any(module.training for module in G.modules())
        raise KeyboardInterrupt
    assert [name for name, module in G.named_modules() if not module.training] == ["frozen"]


def test_eval_mode_leaves_alone_what_is_not_a_network():
    with eval_mode(torch.sin):
        pass
