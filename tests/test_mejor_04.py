"""La receta de caras del cuaderno 04.2 y su estudio con pocas imágenes."""

import importlib
import sys
from dataclasses import asdict, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gancook.data.images import to_uint8
from gancook.data.shipped import shipped
from gancook.measure.extractors import extract
from gancook.measure.metrics import frechet_distance
from gancook.measure.toy_network import load_toy_network

recipe = importlib.import_module("mejor_04")
study, screening = (importlib.import_module(f"04_{name}") for name in ("pocas_caras", "criba"))
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


def test_a_second_round_starts_where_the_first_ended_with_the_whole_rate(tmp_path):
    images, again = toy_faces(24).images, replace(SMALL, seed=1)
    first = recipe.FaceTraining(images, SMALL, tmp_path / "primera")
    first.run()
    more = recipe.FaceTraining(images, again, tmp_path / "segunda")
    recipe.follow(more, first)
    for name in ("D", "G", "ema"):
        for mine, theirs in zip(states(more, name), states(first, name), strict=True):
            assert torch.equal(mine, theirs), name
    for mine, theirs in zip(optimizers(more), optimizers(first), strict=True):
        assert mine.param_groups[0]["lr"] == SMALL.lr > 10 * theirs.param_groups[0]["lr"]
        moments = mine.state.values(), theirs.state.values()
        assert all(
            torch.equal(a["exp_avg_sq"], b["exp_avg_sq"]) for a, b in zip(*moments, strict=True)
        )
    more.run()
    anew = recipe.FaceTraining(images, again, tmp_path / "segunda")
    recipe.follow(anew, first)  # ya tiene copias: se queda con lo suyo
    assert anew.history.step == more.history.step
    for mine, theirs in zip(states(anew, "G"), states(more, "G"), strict=True):
        assert torch.equal(mine, theirs)


def states(training, name):
    return getattr(training, name).state_dict().values()


def optimizers(training):
    return training.step.d_optimizer, training.step.g_optimizer


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
    found = toy_faces(140).images.numpy()
    monkeypatch.setattr(study, "faces", lambda size, drawn: Drawn(found))

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

    def killed_the_second_time(*args):
        calls.append(args)
        return original(*args) if len(calls) == 1 else sys.exit()

    monkeypatch.setattr(study, "advantage", killed_the_second_time)
    with pytest.raises(SystemExit):
        command("partido")
    monkeypatch.setattr(study, "advantage", original)
    pd.testing.assert_frame_equal(command("partido"), whole)


def test_the_screening_changes_what_each_row_says_and_nothing_else():
    start = asdict(recipe.Settings(study.SEEN))
    changed = {
        name: {key for key, value in asdict(settings).items() if value != start[key]}
        for name, settings in screening.VARIANTS.items()
    }
    assert list(changed.values()) == [{"betas"}, *[{"betas", "gamma"}] * 2, {"betas"}]


def test_the_fine_networks_have_another_convolution_at_half_resolution(tmp_path):
    images = toy_faces(16).images
    settings = replace(SMALL, width=32, seen=8)
    plain, fine = (
        kind(images, settings, tmp_path / kind.__name__)
        for kind in (recipe.FaceTraining, screening.FineTraining)
    )
    extra = 9 * 32 * 32
    assert count(fine.G) - count(plain.G) == extra + 2 * 32
    assert count(fine.D) - count(plain.D) == extra + 32
    sides, convolutions = [], (nn.Conv2d, nn.ConvTranspose2d)
    for network in (fine.G, fine.D):
        for layer in network.modules():
            if isinstance(layer, convolutions) and layer.kernel_size == (3, 3):
                layer.register_forward_hook(lambda m, x, out: sides.append(out.shape[-1]))
    assert fine.D(fine.G(torch.randn(2, 128))).shape == (2, 1)
    assert sides == [8, 16, 32, 32, 16, 8]
    new = fine.G.network[-3][0].weight
    assert new.std().item() == pytest.approx(0.02, rel=0.1)  # los pesos iniciales de las demás


def test_the_screening_measures_like_the_study_it_is_compared_with(command, monkeypatch):
    whole = command("entero").query("aumento == 'no'")
    monkeypatch.setattr(screening, "VARIANTS", {"igual": replace(SMALL, seen=140, augment=False)})
    monkeypatch.setattr(study, "SEEDS", (0,))
    monkeypatch.setattr(screening, "FaceTraining", study.FaceTraining)
    monkeypatch.setattr(study, "main", screening.main)
    rows = command("criba")
    assert rows["momento"].tolist() == [1, 2]
    same = whole.columns.drop(["aumento"])
    pd.testing.assert_frame_equal(rows[same], whole[same].reset_index(drop=True))


def test_the_best_of_the_screening_is_repeated_with_the_other_seeds(command, monkeypatch):
    tiny = replace(SMALL, seen=140, augment=False)
    monkeypatch.setattr(screening, "VARIANTS", {"una": tiny, "otra": replace(tiny, lr=0.0)})
    monkeypatch.setattr(study, "SEEDS", (0, 3))
    monkeypatch.setattr(screening, "FaceTraining", study.FaceTraining)
    monkeypatch.setattr(study, "main", screening.main)
    distances = iter([5.0, 1.0, 0.5, 2.0, 7.0, 7.0])  # «una» acaba más cerca
    original = study.compare
    monkeypatch.setattr(study, "compare", lambda *args: original(*args) | {"FTD": next(distances)})
    rows = command("criba")[["variante", "semilla", "momento"]].values.tolist()
    assert rows == [["una", 0, 1], ["una", 0, 2], ["otra", 0, 1], ["otra", 0, 2]] + [
        ["una", 3, 1],
        ["una", 3, 2],
    ]


def test_every_moment_is_measured_with_the_same_noise(command, monkeypatch):
    original, noise = study.sample, []

    def spy(*args):
        noise.append(torch.random.get_rng_state())
        return original(*args)

    monkeypatch.setattr(study, "sample", spy)
    command("entero")
    assert len(noise) == 2 and torch.equal(*noise)


def test_the_advantage_is_in_deviations_of_the_faces_never_seen():
    seen = torch.full((4, 3, 64, 64), 255, dtype=torch.uint8)
    held = torch.zeros(6, 3, 64, 64, dtype=torch.uint8)
    held[:3] = 255

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(dim=(1, 2, 3))[:, None]

    values = torch.tensor([1.0, 1, 1, -1, -1, -1])
    expected = ((1 - 0) / values.std()).item()
    assert recipe.advantage(Mean(), seen, held) == pytest.approx(expected)


def test_the_split_has_no_face_twice_and_is_always_the_same():
    trained, apart = recipe.split_faces(2080, 2000)
    assert len(trained) == 2000 and sorted([*trained, *apart]) == list(range(2080))
    torch.manual_seed(5)  # el azar de quien llama no lo cambia, ni cambia el suyo
    before = torch.random.get_rng_state()
    again = recipe.split_faces(2080, 2000)
    assert (again[0] == trained).all() and torch.equal(before, torch.random.get_rng_state())
    assert (trained != range(2000)).any() and len(recipe.split_faces(9000, 2000)[1]) == 1000


def test_the_last_step_is_always_kept(tmp_path):
    training = recipe.FaceTraining(toy_faces(32).images, SMALL, tmp_path, copy_every=5)
    assert training.run().step == 12
    kept = [path.name for path in sorted(tmp_path.glob("*.pt"))]
    assert kept == ["paso_000000005.pt", "paso_000000010.pt", "paso_000000012.pt"]
    again = recipe.FaceTraining(toy_faces(32).images, SMALL, tmp_path, copy_every=5)
    steps = []
    assert again.run([lambda history: steps.append(history.step)]).step == 12 and not steps


def test_the_face_generator_that_is_shipped_draws_faces():
    """Sus caras se parecen a las dibujadas más que estas estropeadas a la vista."""
    path = shipped("models", "toy_faces_generator.safetensors")
    assert path.stat().st_size < 4_000_000
    network = recipe.load_face_generator()
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    torch.manual_seed(0)
    fake = to_uint8(network(torch.randn(300, 128)))
    real = toy_faces(600).images
    noisy = (real[300:] + 40 * torch.randn(300, 3, 64, 64)).clamp(0, 255).byte()
    look = partial(extract, load_toy_network())
    deep = [look(images).deep for images in (real[:300], fake, noisy)]
    assert frechet_distance(deep[0], deep[1]) < frechet_distance(deep[0], deep[2])


def test_other_weights_are_refused_as_a_face_generator(tmp_path):
    path = tmp_path / "otro.safetensors"
    save_file(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ValueError, match="otro.safetensors no contiene"):
        recipe.load_face_generator(path)
    with pytest.raises(FileNotFoundError):
        recipe.load_face_generator(tmp_path / "ninguno.safetensors")
