"""El generador de cuadros con estilo del cuaderno 05.2, su entrenamiento y sus estudios."""

import importlib
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import condicional_05 as recipe
import lector_05
from gancook.data.shipped import shipped
from mejor_04 import FaceTraining, Settings, face_critic, face_generator
from pinturas_05 import toy_paintings
from wikiart_05 import Paintings

screening, long_run, families = (
    importlib.import_module(f"05_{name}") for name in ("criba", "larga", "familias")
)

SMALL = recipe.PaintingSettings(seen=96, batch=8, width=4, every=3)
STYLED = replace(SMALL, classes=5, repeat=True)


@pytest.fixture(scope="module")
def toys():
    return toy_paintings(32)


def count(network):
    return sum(p.numel() for p in network.parameters())


def weights(network):
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def test_the_networks_have_the_parameters_of_their_layers():
    """Con k estilos, k vectores de 2048; pegados, k de e números, y e entradas más."""
    plain_G, plain_D, k, e = face_generator(), face_critic(), 4, recipe.PASTED
    before = count(plain_G)
    transposed = 16 * (128 * 128 + 128 * 64 + 64 * 32 + 32 * 3)
    repeated = recipe.by_repetition(plain_G)
    assert count(repeated) == before - transposed * 7 // 16
    assert count(recipe.PastedGenerator(repeated, k)) == count(repeated) + e * (k + 2048)
    assert count(recipe.StyleGenerator(repeated, k)) == count(repeated) + k * 2048
    critic = recipe.StyleCritic(nn.Sequential(plain_D), k)
    assert count(critic) == count(plain_D) + k * 2048


def test_repetition_keeps_every_shape_and_enlarges_without_mixing():
    images = recipe.by_repetition(face_generator(4))(torch.randn(2, 128))
    assert images.shape == (2, 3, 64, 64) and images.abs().max() <= 1
    up, convolution = recipe.by_repetition(nn.Sequential(nn.ConvTranspose2d(2, 3, 4, 2, 1)))
    x = torch.randn(1, 2, 5, 5)
    assert torch.equal(up(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert convolution.bias is not None and up(x).shape[2:] == convolution(up(x)).shape[2:]
    assert convolution.weight.std() < 0.04  # N(0, 0,02), y no la inicial de PyTorch


def critic(classes=3, front=()):
    network = recipe.StyleCritic(nn.Sequential(*front, face_critic(4)), classes)
    nn.init.normal_(network.embedding.weight)
    return network


def test_the_score_is_the_plain_one_plus_the_projection_on_the_style():
    D, x, labels = critic(), torch.randn(4, 3, 64, 64), torch.tensor([0, 2, 2, 1])
    h = D.features(x).detach().numpy()
    w, b = D.score.weight.detach().numpy()[0], D.score.bias.item()
    e = D.embedding.weight.detach().numpy()
    by_hand = [h[i] @ w + b + h[i] @ e[k] for i, k in enumerate(labels.tolist())]
    np.testing.assert_allclose(D(x, labels).detach().numpy()[:, 0], by_hand, rtol=1e-4)


def test_a_new_critic_starts_as_the_one_without_styles():
    plain, x = face_critic(4), torch.randn(2, 3, 64, 64)
    expected = plain(x)
    styled = recipe.StyleCritic(nn.Sequential(plain), 3)
    torch.testing.assert_close(styled(x, torch.tensor([0, 2])), expected)


def test_the_augmentation_of_the_critic_goes_in_front():
    class Zero(nn.Module):
        def forward(self, x):
            return 0 * x

    D, labels = critic(front=[Zero()]), torch.zeros(2, dtype=torch.long)
    one, other = torch.randn(2, 2, 3, 64, 64)
    assert torch.equal(D(one, labels), D(other, labels))


def test_a_new_generator_paints_the_same_in_every_style():
    plain, z = face_generator(4).eval(), torch.randn(2, 128)
    expected = plain(z)
    styled = recipe.StyleGenerator(plain, 3)
    torch.testing.assert_close(styled(z, torch.tensor([0, 2])), expected)


@pytest.mark.parametrize("kind", [recipe.StyleGenerator, recipe.PastedGenerator])
def test_the_style_changes_the_painting_and_its_numbers_learn(kind):
    G, z = kind(face_generator(4), 3).eval(), torch.randn(2, 128)
    nn.init.normal_(G.embedding.weight)
    images = G(z, torch.tensor([0, 2]))
    assert not torch.allclose(images, G(z, torch.tensor([1, 2])))
    images.square().sum().backward()
    touched = G.embedding.weight.grad.abs().sum(dim=1) > 0
    assert touched.tolist() == [True, False, True]


class Spy(nn.Module):
    """Apunta los estilos que recibe, y da lo que da la red que envuelve."""

    def __init__(self, network):
        super().__init__()
        self.network, self.seen = network, []

    def forward(self, x, labels):
        self.seen.append(labels)
        return self.network(x, labels)


def test_every_invention_is_compared_with_a_painting_of_its_style(toys):
    D = Spy(critic(5))
    G = Spy(recipe.StyleGenerator(face_generator(4), 5))
    adams = [torch.optim.Adam(network.parameters()) for network in (D, G)]
    scores = []

    def loss(better, worse):
        scores.append((better.shape, worse.shape))
        return (worse - better).mean()

    step = recipe.ConditionalStep(D, G, *adams, loss, loss, 128)
    labels = toys.labels[:8]
    logs = step((toys.images[:8] / 127.5 - 1, labels))
    assert set(logs) == {"d_loss", "g_loss", "penalty"} and step.count == 1
    assert all(torch.equal(seen, labels) for seen in D.seen + G.seen)
    assert len(D.seen) == 6 and len(G.seen) == 1 and set(scores) == {((8, 1), (8, 1))}
    assert step.D is D and step.G is G  # la copia de seguridad guarda las redes, sin el lote


def training(toys, settings, folder):
    return recipe.PaintingTraining(toys.images, toys.labels, settings, folder, copy_every=2)


def test_with_one_style_it_is_the_recipe_without_styles(toys, tmp_path):
    faces = FaceTraining(toys.images, Settings(96, batch=8, width=4, every=3), tmp_path / "a")
    faces.run()
    plain = training(toys, SMALL, tmp_path / "b")
    plain.run()
    for name in ("G", "D", "ema"):
        assert torch.equal(weights(getattr(faces, name)), weights(getattr(plain, name)))
    images, labels = plain.sample(3, seed=5)
    assert images.shape == (3, 3, 64, 64) and labels is None


def test_a_training_that_stops_and_goes_on_ends_like_a_whole_one(toys, tmp_path):
    whole = training(toys, STYLED, tmp_path / "a")
    whole.run()
    training(toys, STYLED, tmp_path / "b").run(epochs=1)
    other = training(toys, STYLED, tmp_path / "b")
    assert other.run().step == 12
    for name in ("G", "D", "ema"):
        assert torch.equal(weights(getattr(whole, name)), weights(getattr(other, name)))


def test_the_samples_have_the_styles_of_the_data_and_leave_the_randomness_alone(toys, tmp_path):
    some = training(toys, STYLED, tmp_path)
    some.labels = torch.tensor([1, 4, 4, 4])
    before = torch.random.get_rng_state()
    images, labels = some.sample(300, seed=7)
    assert torch.equal(before, torch.random.get_rng_state())
    assert images.dtype == torch.uint8 and set(labels.tolist()) == {1, 4}
    assert 0.65 < (labels == 4).float().mean() < 0.85
    again, same = some.sample(300, seed=7)
    assert torch.equal(images, again) and torch.equal(labels, same)


def test_painting_in_parts_gives_every_row_its_own_style():
    G = recipe.StyleGenerator(face_generator(4), 3)
    nn.init.normal_(G.embedding.weight)
    z, labels = torch.randn(260, 128), torch.arange(260) % 3
    painted = recipe.paint(G, z, labels)
    assert painted.shape == (260, 3, 64, 64) and G.training
    alone = recipe.paint(G, z[[3, 257]], labels[[3, 257]])
    assert (painted[[3, 257]].int() - alone.int()).abs().max() <= 1


def test_the_painting_generator_that_is_shipped_is_small_and_obeys():
    """Con el mismo ruido, cada estilo da otra cosa, y los de un estilo no son todos iguales."""
    assert shipped("models", "paintings_generator.safetensors").stat().st_size < 15_000_000
    network, z = recipe.load_painting_generator(), torch.randn(40, 128)
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    first, *others = (
        recipe.paint(network, z, torch.full((40,), k)).float() for k in range(len(recipe.STYLES))
    )
    assert all((first - other).abs().mean() > 10 for other in others)
    assert first.mean(dim=(2, 3)).std(dim=0).min() > 15


def test_other_weights_are_refused_as_a_painting_generator(tmp_path):
    path = tmp_path / "otro.safetensors"
    save_file(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ValueError, match="otro.safetensors no contiene"):
        recipe.load_painting_generator(path)


def test_a_painting_generator_is_loaded_frozen_with_its_weights(tmp_path):
    built, path = recipe.painting_generator(), tmp_path / "bueno.safetensors"
    halved = {k: v.half() if v.is_floating_point() else v for k, v in built.state_dict().items()}
    save_file(halved, path)
    loaded = recipe.load_painting_generator(path)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    z, labels = torch.randn(2, 128), torch.tensor([0, 3])
    torch.testing.assert_close(loaded(z, labels), built.eval()(z, labels), atol=0.01, rtol=0)


def test_the_confusion_matrix_adds_up_by_rows():
    asked, read = torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([0, 1, 0, 1, 0, 0])
    expected = torch.tensor([[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(lector_05.confusion(asked, read, 3), expected)


def test_a_reader_learns_to_tell_black_from_white():
    labels = torch.arange(64) % 2
    images = (labels * 255).byte()[:, None, None, None].expand(-1, 3, 64, 64).contiguous()
    before = torch.random.get_rng_state()
    reader = lector_05.train_reader(images, labels, 2, epochs=12)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(lector_05.read_styles(reader, images), labels)


def found(toys):
    """Los 32 cuadros y los tres primeros otra vez: tres parejas repetidas."""
    rows = [*range(32), 0, 1, 2]
    images, labels = toys.images[rows].numpy(), toys.labels[rows].numpy()
    return Paintings(images, labels, tuple("abcde"), [str(k) for k in rows], "de prueba")


def test_nothing_set_apart_is_in_the_training(toys):
    split = screening.split_paintings(found(toys), 10)
    assert len(split.apart) == len(split.apart_labels) == 10
    assert len(split.images) + 10 <= 32 and split.styles == tuple("abcde")
    flat = torch.cat([split.images, split.apart]).flatten(1)
    assert len(flat.unique(dim=0)) == len(flat)
    rows = {tuple(image.flatten().tolist()): k for image, k in zip(*toys, strict=True)}
    for images, labels in (split[:2], split[2:4]):
        for image, label in zip(images, labels, strict=True):
            assert rows[tuple(image.flatten().tolist())] == label
    again = screening.split_paintings(found(toys), 10)
    assert torch.equal(split.apart, again.apart)


@pytest.fixture
def studies(monkeypatch, tmp_path, toys):
    """Los dos estudios en pequeño: pocos cuadros, redes estrechas y carpeta propia."""
    many = toy_paintings(150)
    split = screening.Split(
        many.images[:80], many.labels[:80], many.images[80:], many.labels[80:], tuple("abcde")
    )
    for name, value in {"COUNT": 70, "DRAWS": 2, "SEEN": 160}.items():
        monkeypatch.setattr(screening, name, value)
    monkeypatch.setattr(screening, "data", lambda: split)
    small = {"batch": 16, "width": 4}
    monkeypatch.setattr(
        screening, "PaintingSettings", lambda seen, **o: recipe.PaintingSettings(seen, **o | small)
    )
    monkeypatch.setattr(screening, "VARIANTS", {"base": {}, "estilo": {"classes": 4}})
    monkeypatch.setattr(long_run, "CHOSEN", replace(recipe.CHOSEN, seen=160, **small))
    for name, value in {"MOMENTS": 2, "READER_EPOCHS": 1}.items():
        monkeypatch.setattr(long_run, name, value)
    monkeypatch.setenv("GANCOOK_RESULTS", str(tmp_path / "resultados"))
    for module in (screening, long_run):
        copying = partial(recipe.PaintingTraining, copy_every=3)
        monkeypatch.setattr(module, "PaintingTraining", copying)
    screening.seen.cache_clear()

    def command(name):
        table = tmp_path / f"{name}.csv"
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--out", str(table)])
        long_run.main()
        return pd.read_csv(table)

    yield command
    screening.seen.cache_clear()


def test_the_screening_measures_what_is_real_and_every_variant(studies):
    rows = pd.DataFrame([screening.measure(name) for name in (screening.CONTROL, "base", "estilo")])
    assert [*rows] == [*screening.RESULTS] and rows["imágenes"].tolist() == [0, 160, 160]
    assert rows["± FTD"].isna().tolist() == [True, False, False]
    assert rows["FTD"][0] < rows["FTD"][1:].min() and rows["cobertura"][0] > 0.5


def test_the_long_run_goes_by_moments_and_reads_the_styles(studies, monkeypatch):
    whole = studies("entera")
    assert whole["momento"].tolist() == [0, 1, 2] and whole["imágenes"].tolist() == [0, 80, 160]
    assert whole["exactitud"].between(0, 1).all()
    pd.testing.assert_frame_equal(studies("otra").iloc[0:1], whole.iloc[0:1])


def test_every_row_of_the_families_says_where_all_its_paintings_were_read(tmp_path, monkeypatch):
    small = {"COUNT": 60, "APART": 20, "SEEN": 40, "READER_EPOCHS": 1}
    for name, value in small.items():
        monkeypatch.setattr(families, name, value)
    settings = partial(recipe.PaintingSettings, batch=8, width=4)
    monkeypatch.setattr(families, "PaintingSettings", settings)
    monkeypatch.setenv("GANCOOK_RESULTS", str(tmp_path))
    families.matrices.cache_clear()
    try:
        rows = [families.measure(c, f) for c in families.matrices() for f in families.FAMILIES]
    finally:
        families.matrices.cache_clear()
    assert len(rows) == 10 and all(set(row) == set(families.FAMILIES) for row in rows)
    apart = rows[: len(families.FAMILIES)]  # hay alguno de cada familia
    assert all(abs(sum(row.values()) - 1) < 1e-3 for row in apart)
