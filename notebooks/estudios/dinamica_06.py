"""Maneras de mover D y G que solo usa el cuaderno 06: variantes de ``AdversarialStep``."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.optim.swa_utils import AveragedModel

from gancook.training.steps import AdversarialStep, Logs, update


def historical_distance(network: nn.Module, past: AveragedModel) -> Tensor:
    """‖θ − θ̄‖²: lo que se han alejado los pesos de su media histórica, sin el factor λ.

    Args:
        network: la red que aprende.
        past: ``AveragedModel(network)``, que se actualiza con ``update_parameters(network)`` tras
            cada paso; por omisión todos los pasos pesan igual.

    Fuente: Salimans et al. (2016), §3.3. Se construye en el cuaderno 06.3, §3.4.
    """
    pairs = zip(network.parameters(), past.parameters(), strict=True)
    return sum((p - mean.detach()).square().sum() for p, mean in pairs)


def feature_distance(real: Tensor, fake: Tensor) -> Tensor:
    """‖E f(x) − E f(G(z))‖² entre las características medias de dos lotes (B, …).

    Con una capa intermedia de D es *feature matching*, y sustituye a la pérdida de G. Con una red
    ya entrenada que no cambia es una regularización perceptual, que se suma a ella.

    Fuente: Salimans et al. (2016), §3.1. Se construye en el cuaderno 06.3, §3.7.
    """
    return (real.mean(dim=0) - fake.mean(dim=0)).square().sum()


@dataclass
class FeatureMatchingStep(AdversarialStep):
    """G ya no busca engañar a D, sino repetir las medias de una de sus capas.

    Args:
        features: la parte de D que llega hasta esa capa, por ejemplo ``D[:-1]``.

    Fuente: Salimans et al. (2016), §3.1. Se construye en el cuaderno 06.3, §3.7.
    """

    features: nn.Module | None = None

    def generator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        with torch.no_grad():  # lo real no depende de G
            wanted = self.features(real)
        return {"g_loss": feature_distance(wanted, self.features(fake))}


@dataclass
class HistoricalStep(AdversarialStep):
    """Promedio histórico: cada red paga además por alejarse de la media de sus pesos pasados.

    Args:
        pull: el factor λ de :func:`historical_distance`.

    Fuente: Salimans et al. (2016), §3.3. Se construye en el cuaderno 06.3, §3.4.
    """

    pull: float = 1.0

    def __post_init__(self) -> None:
        self.d_past, self.g_past = AveragedModel(self.D), AveragedModel(self.G)

    def __call__(self, real: Tensor) -> Logs:
        self.d_past.update_parameters(self.D)
        self.g_past.update_parameters(self.G)
        return super().__call__(real)

    def discriminator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        history = self.pull * historical_distance(self.D, self.d_past)
        return super().discriminator_terms(real, fake) | {"d_history": history}

    def generator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        history = self.pull * historical_distance(self.G, self.g_past)
        return super().generator_terms(real, fake) | {"g_history": history}


@dataclass
class CriticStep(AdversarialStep):
    """``n_critic`` pasos de D por cada uno de G, con un lote ``n_critic`` veces mayor.

    Cada paso de D toma su parte del lote y un ruido nuevo; G aprende de las falsas del último.

    Args:
        n_critic: pasos de D; 5 en la WGAN. El lote debe tener al menos otras tantas filas.
        after: función sin argumentos que se llama tras cada paso de D, como el recorte de pesos.

    Se construye en el cuaderno 06.2, §1.3.
    """

    n_critic: int = 5
    after: Callable[[], None] = lambda: None

    def __call__(self, real: Tensor) -> Logs:
        for part in real.chunk(self.n_critic):
            fake = self.G(torch.randn(len(part), self.z_size, device=real.device))
            terms = self.discriminator_terms(part, fake.detach())
            update(self.d_optimizer, sum(terms.values()))
            self.after()
        g_terms = self.generator_terms(part, fake)
        update(self.g_optimizer, sum(g_terms.values()))
        self.count += 1
        return {name: term.detach() for name, term in (terms | g_terms).items()}


def unrolled_weights(
    D: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    steps: int,
    lr: float,
) -> dict[str, Tensor]:
    """Los pesos que tendría D tras ``steps`` pasos de gradiente de tasa ``lr``; D no cambia.

    Son derivables respecto de ``fake`` a través de todos los pasos.

    Args:
        D: discriminador sin capas con memoria (BN o normalización espectral).
        loss: función (logits reales, logits falsos) → escalar.
        real, fake: lotes (B, …).

    Fuente: Metz et al. (2017), ec. 5 y 6. Se construye en el cuaderno 06.3, §3.6.
    """

    def d_loss(weights):
        return loss(*(functional_call(D, weights, (x,)) for x in (real, fake)))

    weights = dict(D.named_parameters())
    for _ in range(steps):
        slopes = grad(d_loss)(weights)
        weights = {name: w - lr * slopes[name] for name, w in weights.items()}
    return weights


@dataclass
class UnrolledStep(AdversarialStep):
    """GAN desenrollada: G se enfrenta al D de dentro de ``unroll`` pasos, y D solo da uno.

    Args:
        unroll, inner_lr: los pasos imaginados y su tasa, de descenso de gradiente.

    Fuente: Metz et al. (2017). Se construye en el cuaderno 06.3, §3.6.
    """

    unroll: int = 5
    inner_lr: float = 0.1

    def generator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        weights = unrolled_weights(self.D, self.d_loss, real, fake, self.unroll, self.inner_lr)
        return {"g_loss": self.g_loss(functional_call(self.D, weights, (fake,)))}


@dataclass
class ExtragradientStep(AdversarialStep):
    """Extragradiente: se da un paso de tanteo y se vuelve, y el que vale usa el gradiente de allí.

    D y G se mueven a la vez en los dos, con el mismo lote y ruido nuevo. Con Adam, sus medias
    cuentan los dos gradientes.

    Fuentes: Korpelevich (1976); Gidel et al. (2019). Se construye en el cuaderno 06.3, §3.3.
    """

    def __call__(self, real: Tensor) -> Logs:
        weights = [*self.D.parameters(), *self.G.parameters()]
        start = [w.detach().clone() for w in weights]
        self._gradients(real)
        self._move()
        logs = self._gradients(real)
        with torch.no_grad():
            for w, old in zip(weights, start, strict=True):
                w.copy_(old)
        self._move()
        self.count += 1
        return logs

    def _gradients(self, real: Tensor) -> Logs:
        """Deja en ``grad`` el gradiente de cada red en el punto actual y devuelve los términos."""
        fake = self.G(torch.randn(len(real), self.z_size, device=real.device))
        d_terms = self.discriminator_terms(real, fake.detach())
        g_terms = self.generator_terms(real, fake)
        for network, terms in ((self.D, d_terms), (self.G, g_terms)):
            network.zero_grad()
            sum(terms.values()).backward(inputs=list(network.parameters()))
        return {name: term.detach() for name, term in (d_terms | g_terms).items()}

    def _move(self) -> None:
        self.d_optimizer.step()
        self.g_optimizer.step()


@dataclass
class OptimisticStep(ExtragradientStep):
    """Optimista: en vez de tantear, corrige el paso con el anterior y gasta un solo gradiente.

    Si Δₜ es lo que movería el optimizador en el paso t, los pesos se mueven 2Δₜ − Δₜ₋₁, con Δ₀ = 0.
    Con SGD es 2ηgₜ − ηgₜ₋₁; con Adam, su versión optimista.

    Fuente: Daskalakis et al. (2018), algoritmo 1. Se construye en el cuaderno 06.3, §3.3.
    """

    def __post_init__(self) -> None:
        weights = [*self.D.parameters(), *self.G.parameters()]
        self.last = [torch.zeros_like(w) for w in weights]

    def __call__(self, real: Tensor) -> Logs:
        weights = [*self.D.parameters(), *self.G.parameters()]
        start = [w.detach().clone() for w in weights]
        logs = self._gradients(real)
        self._move()
        with torch.no_grad():
            for w, old, last in zip(weights, start, self.last, strict=True):
                move = w - old
                w += move - last
                last.copy_(move)
        self.count += 1
        return logs
