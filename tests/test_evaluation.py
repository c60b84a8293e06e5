"""``sample`` y ``evaluate`` contra cuentas aparte: qué azar, qué capas y qué modo usan."""

import warnings
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
from gancook.measure import evaluation, metrics
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
        if len(z) > 2:  # con dos comprueba que no dependan del lote
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
    last = iter([0.0, 0.0, 0.0, float("nan")])  # la segunda vez, dos solas
    with pytest.raises(ValueError, match="divergido"):
        sample(lambda z: z.tanh().view(-1, 1, 1, 2) + next(last), 700, 2)


def test_a_network_in_train_mode_behind_a_function_is_noticed(data):
    G, dropout = generator(), nn.Sequential(generator().eval(), nn.Dropout(0.2))
    for network in (G, dropout):
        with pytest.warns(UserWarning, match="eval"):
            sample(lambda z: network(z), 300, 5)  # noqa: B023
    with pytest.warns(UserWarning, match="eval"):
        evaluate(lambda z: G(z), data, "fila", **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        G.eval()
        sample(lambda z: G(z), 300, 5)
        sample(dropout, 300, 5)
        sample(lambda z: G(z), 1, 5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"z_size": 7}, RuntimeError, r"z de forma \(250, 7\).*z_size"),
        ({"count": 0}, ValueError, "count=0: debe ser 1"),
        ({"count": -3}, ValueError, "count=-3: debe ser 1"),
        ({"z_size": 0}, ValueError, "z_size=0: debe ser 1"),
        ({"neighbours": 0}, ValueError, "neighbours=0: debe ser 1"),
    ],
)
def test_wrong_settings_are_explained(data, change, error, message):
    with pytest.raises(error, match=message):
        evaluate(generator(), data, "fila", **SMALL | change)


def test_what_is_not_images_is_explained(data):
    images = fashion_mnist("test").images[:100]
    for wrong in (images.numpy(), (images, images), [images]):
        with pytest.raises(TypeError, match="tensor de torch y llega (ndarray|tuple|list)"):
            evaluate(wrong, data, "fila")
        with pytest.raises(TypeError, match="tensor de torch y llega (ndarray|tuple|list)"):
            reference(wrong, images)
    with pytest.raises(TypeError, match="llega tuple"):
        sample(lambda z: (z, z), 10, 5)
    with pytest.raises(ValueError, match="0 muestras"):
        evaluate(images[:0], data, "fila")


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


def test_sample_draws_the_noise_on_the_device():
    def G(z):
        raise RuntimeError(f"z está en {z.device}")

    with pytest.raises(RuntimeError, match="z está en meta"):
        sample(G, 4, 2, device="meta")


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
    assert one.equals(other)
    G.eval()
    unit = evaluate(lambda z: (G(z) + 1) / 2, data, "fila", scale=(0, 1), **SMALL)
    assert unit["FCD"].item() == pytest.approx(one["FCD"].item(), rel=1e-3)


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


def test_each_measure_looks_at_its_layer_and_at_the_whole_reference(capsys):
    torch.manual_seed(0)
    train, held_out, fake = (
        torch.randint(low, 256, (n, 1, 3, 4), dtype=torch.uint8)
        for low, n in ((0, 401), (0, 301), (60, 401))
    )
    fake[:40] = train[:40]
    fake[40:100] = fake[100:160]
    row = evaluate(fake, reference(train, held_out, Layers()), "fila", neighbours=401)
    row = row.loc["fila"]
    wide, deep, logits = (layer.numpy() for layer in Layers().stages(fake))
    seen, unseen = Layers().stages(train), Layers().stages(held_out)
    away = cdist(wide, seen.wide)
    near, far = away.min(axis=1), cdist(unseen.wide, seen.wide).min(axis=1)
    spacing = np.sort(cdist(seen.wide, seen.wide), axis=1)[:, 1]
    twins = np.sort(cdist(wide, wide), axis=1)[:, 1] <= np.quantile(spacing, 0.01)
    three, five = (compute_prdc(seen.wide.numpy(), wide, nearest_k=k) for k in (3, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    share = np.bincount(logits.argmax(axis=1)) / 401
    assert row["N"] == row["N vecinos"] == 401
    assert row["Fréchet"] == pytest.approx(frechet(seen.deep.numpy(), deep), rel=1e-4)
    assert row["memoria"] == pytest.approx(np.median(near) / np.median(far), rel=1e-4)
    low = np.quantile(near, 0.05) / np.quantile(far, 0.05)
    assert row["memoria 5 %"] == pytest.approx(low, abs=1e-4) and row["memoria 5 %"] < 1e-3
    authentic = (near > spacing[away.argmin(axis=1)] + 1e-6).mean()
    assert row["autenticidad"] == pytest.approx(authentic)
    assert row["repetición"] == pytest.approx(twins.mean()) and twins.mean() > 0.2
    assert row["precisión"] == pytest.approx(three["precision"])
    assert row["exhaustividad"] == pytest.approx(three["recall"])
    assert row["densidad"] == pytest.approx(five["density"])
    assert row["cobertura"] == pytest.approx(five["coverage"])
    assert row["clases"] == pytest.approx(np.exp(entropy(share)))
    expected = np.exp(np.mean([entropy(q, p.mean(axis=0)) for q in p]))
    assert row["IS"] == pytest.approx(expected, rel=0.05)  # este, en un solo grupo
    expected = 1e3 * kernel_mmd(seen.deep.numpy(), deep)
    assert row["KID·10³"] == pytest.approx(expected, rel=1e-4)  # un solo subconjunto posible
    assert row["± KID"] == pytest.approx(0, abs=1e-6)


def test_the_deviation_of_the_kid_is_the_one_of_its_subsets():
    torch.manual_seed(0)
    train, held_out, fake = (
        torch.randint(low, 256, (n, 1, 3, 4), dtype=torch.uint8)
        for low, n in ((0, 900), (0, 301), (60, 700))
    )
    row = evaluate(fake, reference(train, held_out, Layers()), "fila", neighbours=50).loc["fila"]
    x, y = (Layers().stages(images).deep.numpy() for images in (train, fake))
    random = np.random.default_rng(0)
    draws = [
        1e3 * kernel_mmd(random.permutation(x)[:50], random.permutation(y)[:50]) for _ in range(300)
    ]
    assert row["± KID"] == pytest.approx(np.std(draws), rel=0.5)
    assert row["KID·10³"] == pytest.approx(np.mean(draws), abs=float(np.std(draws)))


def test_a_tie_with_the_spacing_of_the_data_is_not_authentic():
    class First(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :1].float()

    def line(*values):
        return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1)

    train = line(*range(0, 201, 10))
    fake = line(210, 214, 205, 3).repeat(2, 1, 1, 1)  # a 10, 14, 5 y 3; el 200, a 10 del 190
    row = evaluate(fake, reference(train, line(4, 6, 8), First()), "fila").loc["fila"]
    assert row["autenticidad"] == 0.25 and row["memoria"] == pytest.approx(7.5 / 4)


def test_memory_and_authenticity_are_the_functions_of_the_metrics(data):
    fake = fashion_mnist("test").images[:300]
    row = evaluate(fake, data, "fila").loc["fila"]
    near = extract(data.extractor, fake).wide
    train, held_out = data.train.wide, data.held_out
    assert row["memoria"] == pytest.approx(metrics.memorization(near, train, held_out))
    assert row["memoria 5 %"] == pytest.approx(metrics.memorization(near, train, held_out, 0.05))
    assert row["autenticidad"] == pytest.approx(metrics.authenticity(near, train))


def test_the_neighbours_are_as_many_as_the_smaller_set():
    torch.manual_seed(0)
    train, held_out, fake = (
        torch.randint(256, (n, 1, 3, 4), dtype=torch.uint8) for n in (120, 90, 301)
    )
    same = fake[:1].expand(301, -1, -1, -1)  # cualquier subconjunto es el mismo
    row = evaluate(same, reference(train, held_out, Layers()), "fila").loc["fila"]
    assert row["N"] == 301 and row["N vecinos"] == 120
    row = evaluate(fake[:120], reference(train, held_out, Layers()), "fila").loc["fila"]
    seen, wide = (Layers().stages(images).wide.numpy() for images in (train, fake[:120]))
    expected = compute_prdc(seen, wide, nearest_k=3)
    assert row["precisión"] == pytest.approx(expected["precision"])
    assert row["exhaustividad"] == pytest.approx(expected["recall"])


def sorted_by_brightness(images):
    return images[images.float().mean(dim=(1, 2, 3)).argsort()]


def test_the_order_of_the_images_does_not_choose_the_neighbours(data):
    """Ordenadas, como las da un generador condicional, las primeras serían todas de una clase."""
    train, fake = fashion_mnist().images[:1500], fashion_mnist("test").images[:1000]
    held_out = fashion_mnist("test").images[600:]
    ordered = reference(sorted_by_brightness(train), held_out)
    options = {"neighbours": 300}
    mixed = [evaluate(fake, data, "fila", seed=s, **options).loc["fila"] for s in (0, 1)]
    row = evaluate(sorted_by_brightness(fake), ordered, "fila", **options).loc["fila"]
    for column, off in {
        "precisión": 0.1, "exhaustividad": 0.1, "densidad": 0.2, "cobertura": 0.1,
        "memoria": 0.1, "memoria 5 %": 0.2, "autenticidad": 0.1, "repetición": 0.05,
    }.items():  # fmt: skip
        assert row[column] == pytest.approx(mixed[0][column], abs=off), column
    for column in ("precisión", "densidad", "memoria", "autenticidad"):
        assert mixed[0][column] != mixed[1][column]  # con otra semilla, otro subconjunto


def test_tells_copies_from_noise_and_from_one_repeated_image(data):
    torch.manual_seed(0)
    train = fashion_mnist().images
    copies, one = train[:500], train[[5]].expand(500, -1, -1, -1)
    noise = torch.randint(256, (500, 1, 28, 28), dtype=torch.uint8)
    good, bad, same = (evaluate(x, data, "fila").loc["fila"] for x in (copies, noise, one))
    assert good["N"] == good["N vecinos"] == 500
    assert good["FCD"] < bad["FCD"] and good["KID·10³"] < bad["KID·10³"]
    assert min(good["precisión"], good["exhaustividad"]) > 0.8 > 0.05 > bad["exhaustividad"]
    assert good["cobertura"] > 0.6 > 0.05 > bad["cobertura"]
    assert good["memoria"] < 0.01 < 1 < bad["memoria"]
    assert good["autenticidad"] == same["autenticidad"] == 0 < 1 == bad["autenticidad"]
    assert max(same["exhaustividad"], same["cobertura"]) < 0.05
    assert same["clases"] == same["repetición"] == 1


COMMON = [
    "N", "N vecinos", "KID·10³", "± KID", "precisión", "exhaustividad", "densidad", "cobertura",
    "memoria", "memoria 5 %", "autenticidad", "repetición",
]  # fmt: skip


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
        "N", "N vecinos", "FCD", "KID·10³", "± KID", "IS", "precisión", "exhaustividad",
        "densidad", "cobertura", "clases", "memoria", "memoria 5 %", "autenticidad", "repetición",
    ]  # fmt: skip
    assert list(row.index) == ["fila"]
