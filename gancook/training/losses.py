"""Pérdidas de las GAN como funciones puras: logits entran, un escalar sale.

Un logit es la salida de D antes de la sigmoide: D(x) = σ(logit). ``softplus(t)`` es
log(1 + eᵗ), de modo que −log σ(t) = softplus(−t) y −log(1 − σ(t)) = softplus(t), sin
sigmoides ni logaritmos que desborden.
"""

from torch import Tensor
from torch.nn.functional import softplus


def discriminator_loss(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    """Entropía cruzada binaria media de D sobre reales y falsas (−V/2 sin suavizado).

    Args:
        real, fake: logits de D, cualquier forma.
        real_label: etiqueta α de las reales; 0,9 es el suavizado unilateral de
            Salimans et al. (2016).

    Returns:
        Escalar en nats. Si D(x) = 1/2 en todas partes vale ln 2 ≈ 0,693 con cualquier α.

    Fuente: Goodfellow et al. (2014). Se construye en el cuaderno 02, §4.
    """
    on_real = real_label * softplus(-real) + (1 - real_label) * softplus(real)
    return 0.5 * (on_real.mean() + softplus(fake).mean())


def non_saturating_loss(fake: Tensor) -> Tensor:
    """Pérdida no saturante de G: −E[log D(G(z))].

    Args:
        fake: logits de D sobre imágenes generadas, cualquier forma.

    Fuente: Goodfellow et al. (2014), §3. Se construye en el cuaderno 02, §4.
    """
    return softplus(-fake).mean()


def saturating_loss(fake: Tensor) -> Tensor:
    """Pérdida minimax (saturante) de G: E[log(1 − D(G(z)))], siempre negativa.

    Args:
        fake: logits de D sobre imágenes generadas, cualquier forma.

    Fuente: Goodfellow et al. (2014), ec. 1. Se construye en el cuaderno 02, §4.
    """
    return -softplus(fake).mean()


def relativistic_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Pérdida relativista emparejada: E[softplus(worse − better)].

    La de D es ``relativistic_loss(real, fake)``; la de G, ``relativistic_loss(fake, real)``. Si D
    no distingue nada valen ln 2 las dos.

    Args:
        better, worse: logits de la misma forma; el primero debería ser el mayor.

    Fuente: Jolicoeur-Martineau (2019). Se construye en el cuaderno 03, §8.
    """
    return softplus(worse - better).mean()
