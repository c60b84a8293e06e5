"""El estudio de las semillas del cuaderno 02: entrena lo que dice y su tabla está entera."""

import importlib
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from gancook.data.shipped import measured

study = importlib.import_module("02_semillas")


@pytest.fixture(autouse=True)
def few_garments(monkeypatch):
    images = torch.randint(256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    monkeypatch.setattr(study, "fashion_mnist", lambda: SimpleNamespace(images=images))
    monkeypatch.setattr(study, "EPOCHS", 2)
    return images


def weights(recipe, seed):
    return torch.nn.utils.parameters_to_vector(study.RECIPES[recipe](seed).G.parameters())


def test_table_has_every_run_once_and_finished():
    table = pd.read_csv(measured("02_semillas.csv"))
    assert list(table) == ["receta", "semilla", *study.RESULTS, "estado"]
    keys = [{"receta": r, "semilla": s} for r, s in zip(table.receta, table.semilla, strict=True)]
    assert len(keys) == len(study.RUNS) and all(run in keys for run in study.RUNS)
    assert (table.estado == "completa").all() and table[study.RESULTS].notna().all(axis=None)


@pytest.mark.parametrize("recipe", study.RECIPES)
def test_each_seed_is_another_training_that_repeats_itself(recipe):
    first = weights(recipe, 1)
    assert len(first) == 98_934  # los parámetros publicados
    assert torch.equal(first, weights(recipe, 1))
    assert not torch.equal(first, weights(recipe, 2))


def test_the_seed_reaches_the_initial_weights_and_the_order(monkeypatch):
    seeds = []

    class Spy(study.Batches):
        def __init__(self, *arguments, seed, **options):
            seeds.append(seed)
            super().__init__(*arguments, seed=seed, **options)

    monkeypatch.setattr(study, "Batches", Spy)
    monkeypatch.setattr(study, "EPOCHS", 0)
    recipe = next(iter(study.RECIPES))
    assert not torch.equal(weights(recipe, 1), weights(recipe, 2))
    assert seeds == [1, 2]


def test_the_recipes_differ_only_in_the_scale_and_the_activation():
    plain, shifted, bounded = (study.RECIPES[name](0) for name in study.RECIPES)
    assert (plain.scale, shifted.scale, bounded.scale) == ((0, 1), (-1, 1), (-1, 1))
    z = 100 * torch.randn(50, study.Z_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert plain.G(z).abs().max() > 1 and shifted.G(z).abs().max() > 1
        assert bounded.G(z).abs().max() <= 1


def test_copies_of_the_data_have_their_spread_and_no_distance(few_garments, monkeypatch):
    monkeypatch.setattr(study, "draw", lambda trained, count=64: few_garments[:count])
    scores = study.describe(None)
    assert scores["dispersión"] == pytest.approx(1) and scores["vecino"] == pytest.approx(
        0, abs=0.1
    )


def test_losses_are_those_of_the_last_epoch_and_of_all(monkeypatch):
    history = study.RECIPES["[0, 1], sin activación"](0).history
    table = history.frame()
    found = study.losses(history)
    assert found["D"] == pytest.approx(table.d_loss[table.epoch == 2].mean())
    assert found["G acumulada"] == pytest.approx(table.g_loss.mean())
