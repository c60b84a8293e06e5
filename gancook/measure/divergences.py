"""Distancias entre distribuciones: KL, JS, variación total y Wasserstein-1.

Las funciones sobre pesos sirven tanto para una distribución finita como para una densidad en una
rejilla: basta con pasar densidad × volumen de la celda.
"""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import identity, kron, vstack
from scipy.spatial.distance import cdist
from scipy.special import rel_entr


def kl(p: np.ndarray, q: np.ndarray) -> float:
    """Divergencia de Kullback-Leibler KL(p ‖ q), en nats; ``inf`` si q se anula donde p no.

    Args:
        p: pesos no negativos de suma 1, de cualquier forma.
        q: pesos de la misma forma.

    Se construye en el cuaderno 01.1, §3.
    """
    check_weights(p, q)
    return float(rel_entr(p, q).sum())


def js(p: np.ndarray, q: np.ndarray) -> float:
    """Divergencia de Jensen-Shannon, en nats: entre 0 y log 2. Cuaderno 01.1, §3."""
    m = (p + q) / 2
    return kl(p, m) / 2 + kl(q, m) / 2


def tv(p: np.ndarray, q: np.ndarray) -> float:
    """Distancia de variación total, entre 0 y 1. Se construye en el cuaderno 01.1, §3."""
    check_weights(p, q)
    return float(np.abs(p - q).sum() / 2)


def check_weights(p: np.ndarray, q: np.ndarray) -> None:
    """Lanza ``ValueError`` si p y q no son pesos de la misma forma y de suma 1 (salvo 1e-3)."""
    if p.shape != q.shape:
        raise ValueError(f"p y q deben tener la misma forma, y tienen {p.shape} y {q.shape}.")
    for name, weights in (("p", p), ("q", q)):
        if weights.min() < 0 or abs(weights.sum() - 1) > 1e-3:
            raise ValueError(
                f"Los pesos {name} deben ser no negativos y sumar 1 (mínimo {weights.min():.3g}, "
                f"suma {weights.sum():.6g}). Si son densidades, multiplícalas por el volumen de "
                "la celda y revisa que la rejilla cubra los soportes."
            )


def kl_gaussians(
    mean_p: np.ndarray, cov_p: np.ndarray, mean_q: np.ndarray, cov_q: np.ndarray
) -> float:
    """KL(N(mean_p, cov_p) ‖ N(mean_q, cov_q)): medias (d,), covarianzas (d, d) invertibles.

    Se demuestra en el cuaderno 01.1, §3.
    """
    delta = mean_q - mean_p
    trace = np.trace(np.linalg.solve(cov_q, cov_p))
    mahalanobis = delta @ np.linalg.solve(cov_q, delta)
    log_det = np.linalg.slogdet(cov_q)[1] - np.linalg.slogdet(cov_p)[1]
    return float((trace + mahalanobis - len(delta) + log_det) / 2)


def w1_primal(
    x: np.ndarray, y: np.ndarray, p: np.ndarray, q: np.ndarray
) -> tuple[float, np.ndarray]:
    """W₁ como transporte óptimo: puntos (n, d) y (m, d) con pesos (n,) y (m,).

    Devuelve el coste mínimo y un plan óptimo (n, m). Se construye en el cuaderno 01.1, §3.
    """
    n, m = len(x), len(y)
    rows = kron(identity(n), np.ones((1, m)))  # (n, nm): suma cada fila del plan
    columns = kron(np.ones((1, n)), identity(m))  # (m, nm): suma cada columna
    result = linprog(cdist(x, y).ravel(), A_eq=vstack([rows, columns]), b_eq=np.concatenate([p, q]))
    if not result.success:
        raise ValueError(f"No hay plan de transporte ({result.message}). ¿Suman p y q lo mismo?")
    return float(result.fun), result.x.reshape(n, m)


def w1_dual(points: np.ndarray, p: np.ndarray, q: np.ndarray) -> tuple[float, np.ndarray]:
    """W₁ como supremo sobre funciones 1-Lipschitz, con p y q sobre los mismos puntos (n, d).

    Devuelve el máximo de Σ (pᵢ − qᵢ) f(xᵢ) y un potencial óptimo (n,), con f(x₀) = 0.
    Se construye en el cuaderno 01.1, §3.
    """
    check_weights(p, q)
    i, j = np.nonzero(~np.eye(len(points), dtype=bool))
    identity_rows = identity(len(points), format="csr")
    differences = identity_rows[i] - identity_rows[j]  # fila: f(xᵢ) − f(xⱼ)
    bounds = [(0, 0)] + [(None, None)] * (len(points) - 1)
    distances = cdist(points, points)[i, j]
    result = linprog(q - p, A_ub=differences, b_ub=distances, bounds=bounds)
    return float(-result.fun), result.x
