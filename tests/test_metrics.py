"""Las métricas contra SciPy, prdc, formas cerradas y cuentas hechas a mano."""

import math

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from scipy.linalg import sqrtm
from scipy.stats import entropy

from gancook.data.mixtures import GaussianMixture, grid, ring
from gancook.measure import metrics
from gancook.measure.metrics import mixture_report
from gancook.session import seed_everything


def gaussian(n, d, seed, shift=0.0):
    seed_everything(seed)
    return shift + torch.randn(n, d, dtype=torch.float64) @ torch.randn(d, d, dtype=torch.float64)


def exact_gaussian(mean, std, n=40):
    """Muestra (2n, d) cuya media y desviaciones por coordenada son exactamente las pedidas."""
    seed_everything(0)
    d = len(mean)
    q, _ = torch.linalg.qr(torch.randn(n, d, dtype=torch.float64))
    both = torch.cat([q, -q])  # media 0, y BᵀB = 2·I
    return both * math.sqrt((2 * n - 1) / 2) * torch.tensor(std) + torch.tensor(mean)


def test_frechet_matches_scipy_square_root():
    x, y = gaussian(300, 8, 0), gaussian(200, 8, 1, shift=0.5)
    s1, s2 = np.cov(x.numpy().T), np.cov(y.numpy().T)
    root = sqrtm(s1 @ s2).real
    expected = np.square((x.mean(0) - y.mean(0)).numpy()).sum() + np.trace(s1 + s2 - 2 * root)
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_frechet_matches_the_closed_form_of_diagonal_gaussians():
    x = exact_gaussian([0.0, 1.0, 2.0], [1.0, 2.0, 0.5])
    y = exact_gaussian([1.0, 1.0, -1.0], [3.0, 1.0, 0.5])
    expected = (1 + 0 + 9) + (4 + 1 + 0)  # Σ (μ₁ − μ₂)² + Σ (σ₁ − σ₂)²
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, abs=1e-6)
    assert metrics.frechet_distance(x.float(), x.float()) == pytest.approx(0, abs=1e-6)


def test_frechet_refuses_covariances_without_full_rank():
    with pytest.raises(ValueError, match="hacen falta 65"):
        metrics.frechet_distance(torch.randn(64, 64), torch.randn(100, 64))


def test_kid_on_one_full_subset_is_the_unbiased_mmd():
    x, y = gaussian(60, 5, 0).numpy(), gaussian(60, 5, 1).numpy()

    def kernel(a, b):
        return (a @ b / 5 + 1) ** 3

    n = len(x)
    within = sum(kernel(a[i], a[j]) for a in (x, y) for i in range(n) for j in range(n) if i != j)
    across = sum(kernel(a, b) for a in x for b in y)
    expected = within / (n * (n - 1)) - 2 * across / n**2
    mean, std = metrics.kernel_distance(torch.tensor(x), torch.tensor(y), subset_size=n, subsets=2)
    assert mean == pytest.approx(expected, rel=1e-6)
    assert std == pytest.approx(0, abs=1e-6 * abs(expected))


def test_inception_score_by_hand():
    seed_everything(0)
    logits = 3 * torch.randn(50, 4, dtype=torch.float64)
    p = logits.softmax(dim=1).numpy()
    expected = np.exp(np.mean([entropy(row, p.mean(axis=0)) for row in p]))
    assert metrics.inception_score(logits, splits=1) == pytest.approx(expected, rel=1e-6)


def test_inception_score_goes_from_one_to_the_number_of_classes():
    sure = 100 * torch.eye(10).repeat(20, 1)
    assert metrics.inception_score(sure, splits=1) == pytest.approx(10, abs=1e-6)
    assert metrics.inception_score(torch.zeros(200, 10)) == pytest.approx(1, abs=1e-6)


def test_inception_score_refuses_probabilities():
    with pytest.raises(ValueError, match="espera los logits"):
        metrics.inception_score(torch.randn(100, 10).softmax(dim=1))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_and_recall_match_prdc(k, capsys):
    x, y = gaussian(400, 6, 0), 0.7 * gaussian(400, 6, 0, shift=0.7).flip(0)[:, [1, 0, 2, 3, 4, 5]]
    expected = compute_prdc(x.numpy(), y.numpy(), nearest_k=k)
    assert abs(expected["precision"] - expected["recall"]) > 0.01  # intercambiarlas se nota
    found = metrics.precision_recall(x, y, k)
    assert found == pytest.approx((expected["precision"], expected["recall"]), abs=1e-6)
    assert min(found) > 0 and max(found) < 1


def test_collapse_loses_recall_and_keeps_precision():
    seed_everything(0)
    real = torch.randn(600, 4, dtype=torch.float64)
    collapsed = real[:1] + 1e-3 * torch.randn(600, 4, dtype=torch.float64)
    precision, recall = metrics.precision_recall(real, collapsed)
    assert precision > 0.95 and recall < 0.01


def test_effective_classes():
    one, all_ten = torch.eye(10)[[3] * 50], torch.eye(10).repeat(5, 1)
    assert metrics.effective_classes(one) == pytest.approx(1)
    assert metrics.effective_classes(all_ten) == pytest.approx(10)
    assert metrics.effective_classes(torch.eye(10)[[0, 0, 0, 1]]) == pytest.approx(
        math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    )


def test_memorization_is_zero_for_copies_and_one_for_unseen():
    train = torch.arange(10.0)[:, None] * 10
    unseen = train + 2
    usual = metrics.kth_distance(unseen, train)
    assert usual.tolist() == [2] * 10
    assert metrics.memorization(train[:5], train, usual) == 0
    assert metrics.memorization(unseen, train, usual) == 1
    assert metrics.memorization(train - 1, train, usual) == 0.5


def test_memorization_compares_quantiles():
    fake = torch.tensor([[1.0], [2.0], [3.0], [4.0], [90.0]])
    usual = torch.tensor([2.0, 0.0, 80.0, 4.0, 1.0])  # ordenadas: 0, 1, 2, 4, 80
    origin = torch.zeros(5, 1)
    assert metrics.memorization(fake, origin, usual) == 3 / 2
    assert metrics.memorization(fake, origin, usual, 0.25) == 2 / 1
    assert metrics.memorization(fake, origin, usual, 0.75) == 4 / 4


def test_the_low_quantile_sees_the_copies_that_the_median_does_not():
    train, unseen, fresh = gaussian(3000, 8, 0).split(1000)
    usual = metrics.kth_distance(unseen, train)
    partial = torch.cat([train[:400], fresh[400:]])
    assert metrics.memorization(partial, train, usual) > 0.6
    assert metrics.memorization(partial, train, usual, 0.05) < 1e-6
    assert metrics.memorization(fresh, train, usual, 0.05) == pytest.approx(1, abs=0.15)


def test_authenticity_by_brute_force():
    train, fake = (x.numpy() for x in gaussian(500, 4, 0).split([300, 200]))
    authentic = 0
    for x in fake:
        away = np.linalg.norm(train - x, axis=1)
        others = np.linalg.norm(train - train[away.argmin()], axis=1)
        authentic += away.min() > np.sort(others)[1]
    found = metrics.authenticity(torch.tensor(fake), torch.tensor(train))
    assert 0.1 < found < 0.9 and found == pytest.approx(authentic / 200)


def test_authenticity_is_zero_for_copies_and_usual_for_unseen():
    train, unseen, fresh = gaussian(3000, 8, 0).split(1000)
    assert metrics.authenticity(train[::2], train) == 0
    usual = metrics.authenticity(unseen, train)
    assert 0.4 < usual < 0.6  # con dos muestras iguales, la mitad
    assert metrics.authenticity(fresh, train) == pytest.approx(usual, abs=0.08)
    partial = torch.cat([train[:400], fresh[400:]])
    assert metrics.authenticity(partial, train) == pytest.approx(0.6 * usual, abs=0.08)
    line = torch.tensor([[0.0], [3.0], [10.0]])  # la vecina del 10 está a 7
    assert metrics.authenticity(torch.tensor([[17.0], [17.1], [13.5], [-2.9]]), line) == 0.25


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage_match_prdc(k, capsys):
    x, y = gaussian(400, 6, 0), 0.7 * gaussian(700, 6, 0, shift=0.7)[:, [1, 0, 2, 3, 4, 5]]
    expected = compute_prdc(x.numpy(), y.numpy(), nearest_k=k)
    found = metrics.density_coverage(x, y, k)
    assert found == pytest.approx((expected["density"], expected["coverage"]), abs=1e-6)
    assert min(found) > 0 and abs(found[0] - found[1]) > 0.01


def test_density_and_coverage_of_copies_of_a_half_and_of_the_rest():
    x = gaussian(600, 6, 0)
    density, coverage = metrics.density_coverage(x, x)
    assert density == pytest.approx(1, abs=0.01) and coverage == 1
    collapsed = x[:1] + 1e-3 * torch.randn(600, 6, dtype=torch.float64)
    assert metrics.density_coverage(x, collapsed)[1] < 0.05
    assert metrics.density_coverage(x, x + 1e3) == (0, 0)


FAR = [
    metrics.precision_recall,
    metrics.density_coverage,
    lambda x, y: (metrics.authenticity(y, x), metrics.repetition(x, y)),
    lambda x, y: metrics.memorization(y, x, metrics.kth_distance(x.flip(0) + 0.5, x)),
]


@pytest.mark.parametrize("measure", FAR)
def test_float32_far_from_the_origin_keeps_the_distances(measure):
    x, y = (0.25 * gaussian(200, 3, seed, 0.3 * seed).mul(32).round() / 32 for seed in (0, 1))
    expected = measure(x, y)  # múltiplos de 1/128: exactos también en float32 y lejos
    assert measure((x + 8192).float(), (y + 8192).float()) == pytest.approx(expected, rel=1e-6)


def test_repetition_counts_near_twins():
    real = torch.arange(100.0)[:, None]
    fake = torch.cat([real[:40] * 3, real[:30] * 3 + 500, real[:30] * 3 + 500])
    assert metrics.repetition(real, fake) == pytest.approx(0.6)
    close = torch.cat([real[:50] * 0.75, real[:50] * 0.5 + 500])
    assert metrics.repetition(real, close) == 1  # el umbral es el de lo real


def test_mixture_report_on_constructed_cases():
    data = ring()
    perfect = data.centers.repeat(5, 1)
    assert mixture_report(perfect, data) == {
        "modos": 8, "calidad": 1.0, "KL inversa": pytest.approx(0, abs=1e-6)
    }  # fmt: skip
    half = torch.cat([data.centers[:4].repeat(5, 1), data.centers[:4] * 0.9])
    report = mixture_report(half, data)
    assert report["modos"] == 4
    assert report["calidad"] == pytest.approx(20 / 24)
    assert report["KL inversa"] == pytest.approx(math.log(2), abs=1e-6)


def test_the_reverse_kl_leaves_out_what_is_far_unless_told():
    data = GaussianMixture(torch.tensor([[0.0, 0.0], [10.0, 0.0]]), 1.0)
    near, far = [[0.0, 1.0]] * 3 + [[10.0, 2.9]], [[10.0, 3.1]] * 4
    samples = torch.tensor(near + far)
    only = mixture_report(samples, data)
    every = mixture_report(samples, data, only_near=False)
    assert only["KL inversa"] == pytest.approx(entropy([3 / 4, 1 / 4], [1 / 2, 1 / 2]))
    assert every["KL inversa"] == pytest.approx(entropy([3 / 8, 5 / 8], [1 / 2, 1 / 2]))
    assert only["calidad"] == every["calidad"] == 0.5 and only["modos"] == every["modos"] == 2
    lost = mixture_report(torch.tensor(far), data)
    assert math.isnan(lost["KL inversa"]) and lost["modos"] == lost["calidad"] == 0


def test_mixture_report_matches_the_loop_of_pacgan():
    seed_everything(0)
    samples = torch.cat([ring().sample(400)[:300], 0.02 * torch.randn(500, 2) + ring().centers[2]])
    counts = np.zeros(8)
    for point in samples.numpy():
        distance = np.sqrt(((point - ring().centers.numpy()) ** 2 / 0.01**2).sum(axis=1))
        if distance.min() < 3:
            counts[distance.argmin()] += 1
    report = mixture_report(samples, ring())
    assert 0.5 < report["calidad"] < 0.9
    assert report["calidad"] == pytest.approx(counts.sum() / 800)
    assert report["modos"] == np.count_nonzero(counts)
    assert report["KL inversa"] == pytest.approx(entropy(counts / counts.sum(), np.full(8, 1 / 8)))


def test_mixture_report_of_true_samples_has_the_share_of_a_gaussian():
    seed_everything(0)
    report = mixture_report(grid().sample(100_000), grid())
    assert report["modos"] == 25
    assert report["calidad"] == pytest.approx(1 - math.exp(-4.5), abs=2e-3)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (torch.full((100, 3), float("nan")), ValueError, "NaN"),
        (torch.ones(100, 3, dtype=torch.int64), TypeError, "extract"),
        (torch.randn(100, 4), ValueError, "mismo d"),
        (torch.randn(100), ValueError, "mismo d"),
        (torch.randn(3, 3), ValueError, "3 muestras"),
    ],
)
def test_bad_features_are_explained(bad, error, message):
    good = torch.randn(100, 3)
    for metric in (metrics.frechet_distance, metrics.precision_recall):
        with pytest.raises(error, match=message):
            metric(good, bad)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: metrics.kth_distance(x, x, 0), "k=0: debe ser 1"),
        (lambda x: metrics.kth_distance(x[:2], x[:4], 5), "4 muestras y hacen falta 5"),
        (lambda x: metrics.precision_recall(x, x, 0), "k=0: debe ser 1"),
        (lambda x: metrics.density_coverage(x, x, 0), "k=0: debe ser 1"),
        (lambda x: metrics.density_coverage(x, x[:6]), "6 muestras y hacen falta 7"),
        (lambda x: metrics.kernel_distance(x, x, subset_size=1), "subset_size=1: debe ser 2"),
        (lambda x: metrics.kernel_distance(x, x, 50, subsets=0), "subsets=0: debe ser 1"),
        (lambda x: metrics.inception_score(x, splits=0), "splits=0: debe ser 1"),
        (lambda x: metrics.authenticity(x, x[:1]), "1 muestras y hacen falta 2"),
        (lambda x: metrics.memorization(x, x[:0], x[:, 0]), "0 muestras"),
        (lambda x: metrics.authenticity(x, x[:, :2]), "mismo d"),
    ],
)
def test_impossible_settings_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.randn(100, 3))


@pytest.mark.parametrize("bad", [np.ones((100, 3)), (torch.ones(100, 3),)])
def test_what_is_not_a_tensor_is_explained(bad):
    good = torch.randn(100, 3)
    for metric in (metrics.frechet_distance, metrics.kth_distance, metrics.authenticity):
        with pytest.raises(TypeError, match="tensor de torch y llega (ndarray|tuple)"):
            metric(good, bad)
    for metric in (metrics.effective_classes, metrics.inception_score):
        with pytest.raises(TypeError, match="from_numpy"):
            metric(bad)
    with pytest.raises(TypeError, match="llega float"):
        metrics.memorization(good, good, 1.0)


class NoFloat64(torch.Tensor):
    """Un tensor como los de MPS: sin float64 y sin mezclarse con los de la CPU."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.Tensor.__ior__ and type(args[0]) is torch.Tensor:
            raise RuntimeError("un tensor de la CPU no recoge lo de otro dispositivo")
        result = super().__torch_function__(func, types, args, kwargs)
        if func is torch.Tensor.cpu:
            return result.as_subclass(torch.Tensor)
        if isinstance(result, torch.Tensor) and result.dtype == torch.float64:
            raise TypeError("MPS no tiene float64")
        return result


@pytest.mark.parametrize(
    "measure",
    [
        metrics.frechet_distance,
        lambda x, y: metrics.kernel_distance(x, y, subset_size=80, subsets=1),
        lambda x, y: metrics.inception_score(y, splits=1),
        lambda x, y: metrics.effective_classes(y),
        metrics.precision_recall,
        metrics.repetition,
        metrics.density_coverage,
        metrics.authenticity,
        lambda x, y: metrics.memorization(x, y, metrics.kth_distance(y + 1, x)),
        lambda x, y: list(mixture_report(x, GaussianMixture(y[:4], 0.5)).values()),
    ],
)
def test_measures_work_on_devices_without_float64(measure):
    x, y = gaussian(80, 3, 0).float(), gaussian(80, 3, 1).float()
    elsewhere = (z.as_subclass(NoFloat64) for z in (x, y))
    assert measure(*elsewhere) == pytest.approx(measure(x, y))
