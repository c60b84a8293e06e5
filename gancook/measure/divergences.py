"""Distancias entre distribuciones: KL, JS y variación total.

Las funciones sobre pesos sirven tanto para una distribución finita como para una densidad en una
rejilla: basta con pasar densidad × volumen de la celda.
"""

import numpy as np
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
