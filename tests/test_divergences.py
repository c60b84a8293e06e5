"""Las divergencias contra SciPy, formas cerradas y todos los sucesos."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, norm

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
