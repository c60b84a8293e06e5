"""Quedarse con los mejores pesos según una métrica."""

import torch
from torch import nn

from gancook.training.history import History
from gancook.training.hooks import Best


def run(best, network, values, start=0):
    """Un paso por valor; la red «vale» lo que su único peso."""
    history = History()
    history.step = start
    for value in values:
        nn.init.constant_(network.weight, value)
        history.record(0, d_loss=torch.zeros(()))
        best(history)
    return best


def make():
    network = nn.Linear(1, 1, bias=False)
    return Best(network, lambda net: net.weight.item(), every=2), network


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
