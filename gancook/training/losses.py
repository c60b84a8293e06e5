"""Pérdidas de las GAN como funciones puras: logits entran, un escalar sale.

Un logit es la salida de D antes de la sigmoide: D(x) = σ(logit). ``softplus(t)`` es
log(1 + eᵗ), de modo que −log σ(t) = softplus(−t) y −log(1 − σ(t)) = softplus(t), sin
sigmoides ni logaritmos que desborden.
"""

from torch import Tensor
from torch.nn.functional import relu, softplus


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

    Fuente: Jolicoeur-Martineau (2019). Se construye en el cuaderno 03.3, §2.1.
    """
    return softplus(worse - better).mean()


def relativistic_average_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Pérdida relativista media: cada logit se compara con la media de los del otro bando.

    Los papeles y el valor con un D indiferente (ln 2) son los de :func:`relativistic_loss`.

    Args:
        better, worse: logits de cualquier forma; los primeros deberían ser los mayores.

    Fuente: Jolicoeur-Martineau (2019), ec. 9 y 10. Se construye en el cuaderno 06.2, §1.5.
    """
    return 0.5 * (softplus(worse.mean() - better).mean() + softplus(worse - better.mean()).mean())


def two_sided_loss(
    real: Tensor, fake: Tensor, real_label: float = 0.9, fake_label: float = 0.1
) -> Tensor:
    """Entropía cruzada binaria media de D con las dos etiquetas suavizadas.

    Con p_datos y p_g, el mejor D es (α p_datos + β p_g) / (p_datos + p_g): si β no es cero, su
    forma depende de p_g también donde no hay datos.

    Args:
        real, fake: logits de D, cualquier forma.
        real_label, fake_label: las etiquetas α y β.

    Fuente: Salimans et al. (2016), §3.4. Se construye en el cuaderno 06.3, §2.2.
    """
    # β softplus(−t) + (1 − β) softplus(t) = softplus(t) − β t
    return discriminator_loss(real, fake, real_label) - 0.5 * fake_label * fake.mean()


def least_squares_loss(logits: Tensor, target: float) -> Tensor:
    """½ E(logit − objetivo)²: la LSGAN no pasa los logits por la sigmoide.

    La de D es la suma con objetivo 1 en lo real y 0 en lo falso; la de G, con objetivo 1 en lo
    falso.

    Args:
        logits: salida de D, cualquier forma.
        target: valor al que se quiere llevar.

    Fuente: Mao et al. (2017), ec. 9. Se construye en el cuaderno 06.2, §1.2.
    """
    return 0.5 * (logits - target).square().mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Pérdida del crítico de la WGAN: E[D(G(z))] − E[D(x)].

    Cambiada de signo estima la distancia de Wasserstein, salvo un factor, siempre que D no pueda
    ser tan escarpado como quiera: hay que recortar sus pesos o penalizar su gradiente.

    Args:
        real, fake: salidas de D, cualquier forma.

    Fuente: Arjovsky, Chintala y Bottou (2017). Se construye en el cuaderno 06.2, §1.3.
    """
    return fake.mean() - real.mean()


def wasserstein_loss(fake: Tensor) -> Tensor:
    """Pérdida de G en la WGAN y con la bisagra: −E[D(G(z))].

    Args:
        fake: salidas de D sobre lo generado, cualquier forma.

    Fuente: Arjovsky, Chintala y Bottou (2017). Se construye en el cuaderno 06.2, §1.3.
    """
    return -fake.mean()


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Pérdida bisagra de D: deja de empujar los logits que pasan de ±1; la de G es la de la WGAN.

    Args:
        real, fake: logits de D, cualquier forma.

    Fuentes: Lim y Ye (2017); Miyato et al. (2018), ec. 16. Se construye en el cuaderno 06.2, §1.4.
    """
    return relu(1 - real).mean() + relu(1 + fake).mean()
