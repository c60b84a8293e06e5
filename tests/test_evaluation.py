"""``sample`` y ``evaluate`` contra cuentas aparte: qué azar, qué capas y qué modo usan."""

import weakref

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from torch import nn

from gancook.data.images import to_uint8
from gancook.data.sets import fashion_mnist
from gancook.measure import evaluation
from gancook.measure.evaluation import evaluate, reference, sample
from gancook.measure.extractors import Features, PixelPyramid, extract

SMALL = {"z_size": 5, "count": 300, "neighbours": 100}


@pytest.fixture(scope="module")
def data():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANCOOK_PROFILE", "quick")
        train, test = fashion_mnist().images, fashion_mnist("test").images
    return reference(train[:1500], test[:400])


def generator():
    """Red en modo ``train`` cuya BN da otra cosa en ``eval``."""
    torch.manual_seed(0)
    G = nn.Sequential(
        nn.Linear(5, 784), nn.BatchNorm1d(784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))
    )
    G[1].running_var.fill_(0.3)
    G[1].running_mean.fill_(0.1)
    return G.train()


# --- sample


def test_sample_is_the_network_in_eval_on_the_noise_of_the_seed():
    G = generator()
    buffers = [b.clone() for b in G.buffers()]
    torch.manual_seed(3)
    found = sample(G, 600, 5)
    torch.manual_seed(3)
    noise = torch.randn(600, 5)
    assert all(map(torch.equal, buffers, G.buffers()))
    with torch.no_grad():
        assert torch.equal(found, to_uint8(G.eval()(noise)))
    assert found.dtype == torch.uint8 and len(found.unique(dim=0)) == 600


def test_sample_keeps_the_bytes_and_drops_the_floats():
    """El generador ve cuántas de sus salidas anteriores siguen ocupando memoria."""
    outputs, sizes, alive = [], [], []

    def G(z):
        alive.append(sum(output() is not None for output in outputs))
        sizes.append(len(z))
        pixels = np.full((len(z), 1, 8, 8), -1, dtype=np.float32)
        outputs.append(weakref.ref(pixels))
        return torch.from_numpy(pixels)  # comparte la memoria de ``pixels``

    assert sample(G, 2000, 2).shape == (2000, 1, 8, 8)
    assert max(alive) <= 1 and max(sizes) <= 250 and sum(sizes) == 2000


def frozen_generator():
    G = generator()
    G[1].eval()  # congelada a propósito
    return G


def modes(network):
    return [module.training for module in network.modules()]


def broken(z):
    raise RuntimeError("sin memoria")


def test_every_layer_returns_to_its_own_mode(data):
    G = frozen_generator()
    sample(G, 10, 5)
    evaluate(G, data, "G", **SMALL)
    assert modes(G) == [True, True, False, True, True]


@pytest.mark.parametrize("measure", ["sample", "evaluate"])
def test_every_layer_returns_to_its_own_mode_after_an_error(data, measure):
    G = frozen_generator()
    G.append(nn.Identity()).forward = broken
    with pytest.raises(RuntimeError, match="sin memoria"):
        sample(G, 10, 5) if measure == "sample" else evaluate(G, data, "G", **SMALL)
    assert modes(G) == [True, True, False, True, True, True]


def test_the_extractor_works_in_eval_and_returns_to_its_mode():
    extractor = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Identity())
    extractor[2].eval()
    images = torch.full((6, 1, 2, 2), 7.0)
    assert torch.equal(extract(extractor, images).wide, images.flatten(1))
    assert modes(extractor) == [True, True, True, False]
    extractor[1].forward = broken
    with pytest.raises(RuntimeError, match="sin memoria"):
        extract(extractor, images)
    assert modes(extractor) == [True, True, True, False]


def test_sample_refuses_another_scale_and_late_infinities():
    with pytest.raises(ValueError, match="no encajan"):
        sample(lambda z: z.sigmoid().view(-1, 1, 1, 2), 300, 2)
    bytes_ = sample(lambda z: z.sigmoid().view(-1, 1, 1, 2), 300, 2, (0, 1))
    assert bytes_.min() < 60 < 200 < bytes_.max()
    last = iter([0.0, 0.0, float("nan")])
    with pytest.raises(ValueError, match="divergido"):
        sample(lambda z: z.tanh().view(-1, 1, 1, 2) + next(last), 700, 2)


def test_the_noise_goes_where_the_generator_is(monkeypatch):
    places = []

    def elsewhere(generator, count, z_size, scale, device):
        places.append(device.type)
        return blocks(150, 2)

    monkeypatch.setattr(evaluation, "sample", elsewhere)
    reality = colour()  # PixelPyramid no tiene parámetros: mira en la CPU
    evaluate(nn.Linear(5, 1, device="meta"), reality, "G")
    evaluate(lambda z: z, reality, "función")
    assert places == ["meta", "cpu"]


# --- evaluate: el azar


def test_evaluate_repeats_itself_and_leaves_the_global_generator_alone(data):
    torch.manual_seed(7)
    expected = torch.rand(3)
    for source in (generator(), fashion_mnist("test").images[:300]):
        torch.manual_seed(7)
        first = evaluate(source, data, "fila", **SMALL)
        assert torch.equal(torch.rand(3), expected)
        assert evaluate(source, data, "fila", **SMALL).equals(first)
        other = evaluate(source, data, "fila", seed=1, **SMALL)
        assert (other["KID·10³"] != first["KID·10³"]).item()
        assert (other["FCD"] != first["FCD"]).item() is isinstance(source, nn.Module)


def test_evaluate_a_network_is_evaluating_its_samples(data):
    G = generator()
    torch.manual_seed(0)
    images = sample(G, 300, 5)
    one, other = (evaluate(x, data, "fila", **SMALL) for x in (G, images))
    same = ["N", "N vecinos", "FCD", "precisión", "exhaustividad", "clases", "memoria"]
    assert one[same].equals(other[same])


# --- evaluate: las medidas


class Layers(nn.Module):
    """Tres capas sin relación entre sí, para saber de cuál sale cada medida."""

    def stages(self, images):
        x = images.flatten(1).float() / 255
        return Features(x[:, :3], x[:, 3:7].square(), 40 * x[:, 7:12])


def frechet(x, y):
    s, t = np.cov(x.T), np.cov(y.T)
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)


def kernel_mmd(x, y):
    within = [((a @ a.T / 4 + 1) ** 3, len(a)) for a in (x, y)]
    own = sum((k.sum() - k.trace()) / (n * (n - 1)) for k, n in within)
    return own - 2 * ((x @ y.T / 4 + 1) ** 3).mean()


def test_each_measure_looks_at_its_layer_and_at_the_whole_reference():
    torch.manual_seed(0)
    train, held_out, fake = (
        torch.randint(low, 256, (n, 1, 3, 4), dtype=torch.uint8)
        for low, n in ((0, 900), (0, 301), (60, 401))
    )
    row = evaluate(fake, reference(train, held_out, Layers()), "fila", neighbours=251)
    row = row.loc["fila"]
    wide, deep, logits = (layer.numpy() for layer in Layers().stages(fake))
    seen, unseen = Layers().stages(train), Layers().stages(held_out)
    near, far = (cdist(x, seen.wide).min(axis=1) for x in (wide[:251], unseen.wide.numpy()))
    both = compute_prdc(seen.wide.numpy()[:251], wide[:251], nearest_k=3)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    share = np.bincount(logits.argmax(axis=1)) / 401
    assert row["N"] == 401 and row["N vecinos"] == 251
    assert row["Fréchet"] == pytest.approx(frechet(seen.deep.numpy(), deep), rel=1e-4)
    assert row["memoria"] == pytest.approx(np.median(near) / np.median(far), rel=1e-4)
    assert row["precisión"] == pytest.approx(both["precision"])
    assert row["exhaustividad"] == pytest.approx(both["recall"])
    assert abs(row["precisión"] - row["exhaustividad"]) > 0.05
    assert row["clases"] == pytest.approx(np.exp(entropy(share)))
    expected = np.exp(np.mean([entropy(q, p.mean(axis=0)) for q in p]))
    assert row["IS"] == pytest.approx(expected, rel=0.05)  # este, en un solo grupo
    expected = 1e3 * kernel_mmd(seen.deep.numpy(), deep)
    assert row["KID·10³"] == pytest.approx(expected, rel=0.1)  # este, sin subconjuntos


def test_the_neighbours_are_as_many_as_the_smaller_set():
    torch.manual_seed(0)
    train, held_out, fake = (
        torch.randint(256, (n, 1, 3, 4), dtype=torch.uint8) for n in (120, 90, 301)
    )
    row = evaluate(fake, reference(train, held_out, Layers()), "fila").loc["fila"]
    seen, wide = (Layers().stages(images).wide.numpy() for images in (train, fake[:120]))
    expected = compute_prdc(seen, wide, nearest_k=3)
    assert row["N"] == 301 and row["N vecinos"] == 120
    assert row["precisión"] == pytest.approx(expected["precision"])
    assert row["exhaustividad"] == pytest.approx(expected["recall"])


def test_tells_copies_from_noise_and_from_one_repeated_image(data):
    torch.manual_seed(0)
    train = fashion_mnist().images
    copies, one = train[:500], train[[5]].expand(500, -1, -1, -1)
    noise = torch.randint(256, (500, 1, 28, 28), dtype=torch.uint8)
    good, bad, same = (evaluate(x, data, "fila").loc["fila"] for x in (copies, noise, one))
    assert good["N"] == good["N vecinos"] == 500
    assert good["FCD"] < bad["FCD"] and good["KID·10³"] < bad["KID·10³"]
    assert good["precisión"] == good["exhaustividad"] == 1 and bad["exhaustividad"] < 0.05
    assert good["memoria"] < 0.01 < 1 < bad["memoria"]
    assert same["precisión"] == 1 > 0.01 > same["exhaustividad"]
    assert same["clases"] == same["repetición"] == 1


COMMON = ["N", "N vecinos", "KID·10³", "precisión", "exhaustividad", "memoria", "repetición"]


def blocks(count, seed):
    """Imágenes en color de 64×64: bloques de 16×16 con ruido."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randint(40, 216, (count, 3, 4, 4), generator=random)
    large = coarse.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)
    return (large + torch.randint(-40, 40, large.shape, generator=random)).byte()


def colour():
    return reference(blocks(300, 0), blocks(150, 1), PixelPyramid())


def test_evaluates_colour_images_with_another_extractor():
    reality, alike = colour(), blocks(300, 2)
    good, bad = (evaluate(x, reality, "fila") for x in (alike, alike // 2))
    assert list(good) == [*COMMON[:2], "FPD", *COMMON[2:]]  # sin logits, ni IS ni clases
    assert 0 < good["FPD"].item() < bad["FPD"].item()
    assert good["memoria"].item() == pytest.approx(1, abs=0.1)


def test_evaluates_with_any_network_of_images_to_features():
    class Means(nn.Module):
        num_features = 3

        def forward(self, images):
            return images.float().mean(dim=(2, 3))

    x, y = blocks(300, 0), blocks(300, 2) // 2
    row = evaluate(y, reference(x, blocks(150, 1), Means()), "fila")
    assert set(row) == {*COMMON, "Fréchet"}
    expected = frechet(*(images.float().mean(dim=(2, 3)).numpy() for images in (x, y)))
    assert row["Fréchet"].item() == pytest.approx(expected, rel=1e-4)


def test_the_row_of_the_classifier_keeps_its_columns(data):
    row = evaluate(fashion_mnist("test").images[:100], data, "fila", neighbours=50)
    assert list(row) == [
        "N", "N vecinos", "FCD", "KID·10³", "IS", "precisión", "exhaustividad", "clases",
        "memoria", "repetición",
    ]  # fmt: skip
    assert list(row.index) == ["fila"]
