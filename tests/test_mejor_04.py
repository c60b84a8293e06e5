"""La receta de caras del cuaderno 04.2 y su estudio con pocas imágenes."""

import importlib
import sys
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

recipe = importlib.import_module("mejor_04")
study = importlib.import_module("04_pocas_caras")
toy_faces = importlib.import_module("caras_04").toy_faces

SMALL = recipe.Settings(seen=96, batch=8, width=4, every=3)


def count(network):
    return sum(p.numel() for p in network.parameters())


def test_the_networks_have_the_parameters_of_their_layers():
    """Núcleo² · entrada · salida por capa; BN, dos por canal; en D, un sesgo por canal."""
    doubles = 16 * (128 * 128 + 128 * 64 + 64 * 32 + 32 * 3) + 9 * (128**2 + 64**2)
    norms = 2 * (2048 + 128 + 128 + 64 + 64 + 32)
    assert count(recipe.face_generator()) == 128 * 2048 + doubles + norms + 3
    halves = 16 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 128) + 9 * (64**2 + 128**2)
    biases = 32 + 64 + 64 + 128 + 128 + 128
    assert count(recipe.face_critic()) == halves + biases + 2048 + 1


def test_the_networks_go_from_noise_to_faces_and_back():
    images = recipe.face_generator(4)(torch.randn(2, 128))
    assert images.shape == (2, 3, 64, 64) and images.abs().max() <= 1
    assert recipe.face_critic(4)(images).shape == (2, 1)


class Half(nn.Module):
    """D(x) = ½‖x‖², de gradiente x."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x.flatten(1).square().sum(dim=1, keepdim=True) / 2 + 0 * self.unused


def test_the_lazy_penalty_counts_as_many_times_as_the_steps_it_skips():
    real, fake = torch.randn(6, 3, 4, 4), torch.randn(6, 3, 4, 4)
    step = recipe.LazyStep(Half(), None, None, None, recipe.relativistic_loss, None, 1, gamma=0.5)
    squares = sum(x.flatten(1).square().sum(dim=1).mean() for x in (real, fake))
    for step.count in range(17):
        terms = step.discriminator_terms(real, fake)
        assert ("penalty" in terms) == (step.count % 8 == 0)
        if "penalty" in terms:
            torch.testing.assert_close(terms["penalty"], 8 * 0.25 * squares)


def test_about_half_of_the_real_faces_go_mirrored_and_none_is_lost(monkeypatch):
    seen = []
    parent = recipe.RelativisticStep
    monkeypatch.setattr(parent, "__call__", lambda self, real: seen.append(real) or {})
    torch.manual_seed(0)
    real = torch.rand(400, 3, 4, 4)
    recipe.LazyStep(None, None, None, None, None, None, 1)(real)
    same, mirrored = ((seen[0] == x).flatten(1).all(1) for x in (real, real.flip(3)))
    assert (same ^ mirrored).all() and 150 < mirrored.sum() < 250


def weights(training):
    return torch.cat([p.flatten() for p in training.ema.parameters()])


def test_a_training_that_stops_and_goes_on_ends_like_a_whole_one(tmp_path):
    images = toy_faces(32).images
    whole = recipe.FaceTraining(images, SMALL, tmp_path / "a", copy_every=2)
    whole.run()
    part = recipe.FaceTraining(images, SMALL, tmp_path / "b", copy_every=2)
    part.run(epochs=2)
    other = recipe.FaceTraining(images, SMALL, tmp_path / "b", copy_every=2)
    assert other.run().step == 12 and torch.equal(weights(whole), weights(other))
    assert not torch.equal(weights(part), weights(other))


def test_the_rate_is_whole_half_the_way_and_ends_near_zero(tmp_path):
    training = recipe.FaceTraining(toy_faces(32).images, SMALL, tmp_path)
    assert training.epochs * len(training.batches) == 12
    assert [training._rate(k) for k in (0, 6)] == [1, 1]
    assert training._rate(9) == pytest.approx(0.51) and training._rate(12) == pytest.approx(0.01)


def test_only_the_augmented_training_has_augmentation(tmp_path):
    for augment in (True, False):
        settings = replace(SMALL, augment=augment)
        training = recipe.FaceTraining(toy_faces(8).images, settings, tmp_path / str(augment))
        kinds = [type(layer) for layer in training.D.network]
        assert (recipe.DiffAugment in kinds) is augment


class Drawn(NamedTuple):
    images: np.ndarray


@pytest.fixture
def command(monkeypatch, tmp_path):
    """El estudio en pequeño: un entrenamiento, dos momentos, redes estrechas."""
    for name, value in {"COUNT": 70, "SEEN": 140, "MOMENTS": 2, "UNITS": [("no", 0)]}.items():
        monkeypatch.setattr(study, name, value)
    monkeypatch.setattr(study, "Settings", lambda seen, **o: replace(SMALL, seen=seen, **o))
    training = partial(recipe.FaceTraining, copy_every=2)
    monkeypatch.setattr(study, "FaceTraining", training)
    drawn = toy_faces(140).images.numpy()
    monkeypatch.setattr(study, "faces", lambda size: Drawn(drawn))

    def run(folder):
        study.data.cache_clear(), study.seen.cache_clear()
        monkeypatch.setenv("GANCOOK_RESULTS", str(tmp_path / folder))
        table = tmp_path / folder / "tabla.csv"
        monkeypatch.setattr(sys, "argv", ["04_pocas_caras.py", "--out", str(table)])
        study.main()
        return pd.read_csv(table).drop(columns="segundos de CPU")

    yield run
    study.data.cache_clear(), study.seen.cache_clear()


def test_a_study_killed_before_its_last_row_ends_like_a_whole_one(command, monkeypatch):
    whole = command("entero")
    assert whole["aumento"].tolist() == ["caras apartadas", "no", "no"]
    assert whole["ventaja"].isna().tolist() == [True, False, False]
    original, calls = study.advantage, []

    def killed_the_second_time(D):
        calls.append(D)
        return original(D) if len(calls) == 1 else sys.exit()

    monkeypatch.setattr(study, "advantage", killed_the_second_time)
    with pytest.raises(SystemExit):
        command("partido")
    monkeypatch.setattr(study, "advantage", original)
    pd.testing.assert_frame_equal(command("partido"), whole)


def test_every_moment_is_measured_with_the_same_noise(command, monkeypatch):
    original, noise = study.sample, []

    def spy(*args):
        noise.append(torch.random.get_rng_state())
        return original(*args)

    monkeypatch.setattr(study, "sample", spy)
    command("entero")
    assert len(noise) == 2 and torch.equal(*noise)


def test_the_advantage_is_in_deviations_of_the_faces_never_seen(monkeypatch):
    seen = torch.full((4, 3, 64, 64), 255, dtype=torch.uint8)
    held = torch.zeros(6, 3, 64, 64, dtype=torch.uint8)
    held[:3] = 255
    monkeypatch.setattr(study, "data", lambda: (seen, held))

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(dim=(1, 2, 3))[:, None]

    values = torch.tensor([1.0, 1, 1, -1, -1, -1])
    assert study.advantage(Mean()) == pytest.approx(((1 - 0) / values.std()).item())
