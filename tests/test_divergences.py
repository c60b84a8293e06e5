"""Las divergencias contra SciPy, formas cerradas y la dualidad consigo misma."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, norm, wasserstein_distance

from gancook.measure import divergences as dv

RNG = np.random.default_rng(0)
P, Q = RNG.dirichlet(np.ones(20), size=2)
DISJOINT = np.array([1.0, 0.0]), np.array([0.0, 1.0])


def test_kl_and_js_match_scipy():
    assert dv.kl(P, Q) == pytest.approx(entropy(P, Q), rel=1e-12)
    assert dv.js(P, Q) == pytest.approx(jensenshannon(P, Q) ** 2, rel=1e-12)


def test_extremes_of_the_three_divergences():
    assert dv.kl(*DISJOINT) == math.inf
    assert dv.js(*DISJOINT) == pytest.approx(math.log(2), rel=1e-15)
    assert dv.tv(*DISJOINT) == 1
    assert dv.kl(P, P) == dv.js(P, P) == dv.tv(P, P) == 0


def test_zero_weights_in_p_do_not_count():
    assert dv.kl(np.array([0.0, 1.0]), np.array([0.5, 0.5])) == pytest.approx(math.log(2))


def test_tv_is_the_largest_gap_over_all_events():
    p, q = P[:10] / P[:10].sum(), Q[:10] / Q[:10].sum()
    events = (np.arange(1024)[:, None] >> np.arange(10)) & 1  # los 2^10 sucesos
    assert dv.tv(p, q) == pytest.approx(np.abs(events @ (p - q)).max(), rel=1e-12)


def test_tv_of_shifted_gaussians_has_a_closed_form():
    x = np.linspace(-12, 12, 20_001)
    p, q = (norm.pdf(x, loc) * (x[1] - x[0]) for loc in (-0.7, 0.7))
    assert dv.tv(p, q) == pytest.approx(2 * norm.cdf(0.7) - 1, abs=1e-6)


def test_kl_of_gaussians_matches_integration_in_the_plane():
    mean_p, mean_q = np.array([0.3, -0.2]), np.array([-0.5, 0.4])
    cov_p, cov_q = np.array([[1.0, 0.3], [0.3, 0.5]]), np.array([[0.8, -0.2], [-0.2, 1.2]])
    axis = np.linspace(-9, 9, 401)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)

    def weights(mean, cov):
        delta = points - mean
        quadratic = np.einsum("...i,ij,...j", delta, np.linalg.inv(cov), delta)
        return np.exp(-quadratic / 2) / (2 * np.pi * np.sqrt(np.linalg.det(cov))) * 0.045**2

    closed = dv.kl_gaussians(mean_p, cov_p, mean_q, cov_q)
    assert dv.kl(weights(mean_p, cov_p), weights(mean_q, cov_q)) == pytest.approx(closed, rel=1e-6)
    assert dv.kl_gaussians(mean_p, cov_p, mean_p, cov_p) == pytest.approx(0, abs=1e-12)


def test_w1_primal_and_dual_agree_with_each_other_and_with_scipy_on_the_line():
    x = RNG.normal(size=(20, 1))
    cost, plan = dv.w1_primal(x, x, P, Q)
    value, potential = dv.w1_dual(x, P, Q)
    expected = wasserstein_distance(x[:, 0], x[:, 0], P, Q)
    assert cost == pytest.approx(expected, abs=1e-9)
    assert value == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(plan.sum(axis=1), P, atol=1e-9)
    np.testing.assert_allclose(plan.sum(axis=0), Q, atol=1e-9)
    slopes = np.abs(potential[:, None] - potential) - np.abs(x - x.T)
    assert slopes.max() <= 1e-9 and potential[0] == 0


def test_w1_of_a_translation_is_its_length_and_ignores_the_number_of_points():
    x = RNG.normal(size=(30, 2))
    shift = np.array([3.0, -4.0])
    uniform = np.full(30, 1 / 30)
    assert dv.w1_primal(x, x + shift, uniform, uniform)[0] == pytest.approx(5, abs=1e-9)
    assert dv.w1_primal(x, shift[None], uniform, np.ones(1))[0] == pytest.approx(
        np.linalg.norm(x - shift, axis=1).mean(), abs=1e-9
    )


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        (P, P[:5], "misma forma"),
        (P, 2 * Q, "volumen"),
        (np.array([1.5, -0.5]), np.array([0.5, 0.5]), "no negativos"),
    ],
)
def test_bad_weights_explain_themselves(p, q, message):
    for divergence in (dv.kl, dv.tv):
        with pytest.raises(ValueError, match=message):
            divergence(p, q)


def test_impossible_transport_says_so():
    with pytest.raises(ValueError, match="Suman"):
        dv.w1_primal(np.zeros((1, 1)), np.ones((1, 1)), np.ones(1), 2 * np.ones(1))
