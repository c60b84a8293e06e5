"""La receta final del cuaderno 03.3, con lo que cambian sus variantes, y su entrenamiento."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from gancook.data.batches import Batches
from gancook.session import seed_everything
from gancook.training.checkpoints import Checkpoints
from gancook.training.dynamics import RelativisticStep, average
from gancook.training.history import History
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss, relativistic_loss
from gancook.training.penalties import gradient_penalty
from gancook.training.precision import MixedPrecision
from gancook.training.steps import AdversarialStep, Logs
from redes_03 import critic, generator, initialize

Z_SIZE, COPY_EVERY = 100, 500


@dataclass(frozen=True)
class Recipe:
    """Las decisiones de la receta; los valores por omisión son los del cuaderno 03.3, §2."""

    network: str = "7×7"  # un nombre de redes_03
    loss: str = "relativista"  # un nombre de LOSSES
    slope: float = 0.2  # de la LeakyReLU de D; con 0 es una ReLU
    norm: bool = False  # BN en D
    spread: bool = False  # la desviación del lote, delante de la última capa de D
    gamma: float = 0.05  # peso de R1 y R2; con 0 no hay penalización
    anneal: float = 1.0  # γ al acabar, dividida por la del principio
    every: int = 8  # pasos entre dos penalizaciones
    batch: int = 64
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.99)
    decay: float = 0.5  # última parte de los pasos, en la que la tasa baja hasta casi 0
    cosine: bool = False  # en vez de eso, la tasa y γ bajan desde el principio como medio coseno
    emas: tuple[float, ...] = (0.999,)  # medias móviles de G que se llevan; la de 0 es G

    def gamma_at(self, progress: float) -> float:
        """γ cuando se ha hecho la parte ``progress`` de los pasos, de 0 a 1."""
        return self.gamma * (half_cosine(progress) if self.cosine else self.anneal**progress)

    def rate_at(self, progress: float) -> float:
        """Lo que multiplica a la tasa: 1 y, al final, en línea recta hasta 0,01; o medio coseno."""
        if self.cosine:
            return half_cosine(progress)
        return min(1.0, (1 - progress) / self.decay + 0.01) if self.decay else 1.0


def half_cosine(progress: float) -> float:
    """De 1 a 0 cuando ``progress`` va de 0 a 1."""
    return (1 + math.cos(math.pi * progress)) / 2


class Penalized:
    """La parte de D: lo real y lo falso, y la penalización una de cada ``every`` veces.

    Van en un lote, que es más rápido, salvo si lo que D ve en una imagen depende de las demás.
    """

    recipe: Recipe
    total: int  # pasos que se van a dar

    def discriminator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        r = self.recipe
        if r.norm or r.spread:
            scores = self.D(real), self.D(fake)
        else:
            scores = self.D(torch.cat([real, fake])).chunk(2)
        terms = {"d_loss": self.d_loss(*scores)}
        if r.gamma and self.count % r.every == 0:
            slope = gradient_penalty(self.D, real) + gradient_penalty(self.D, fake)
            terms["penalty"] = r.every * r.gamma_at(self.count / self.total) / 2 * slope
        return terms


class PairedStep(Penalized, RelativisticStep):
    pass


class PlainStep(Penalized, AdversarialStep):
    pass


LOSSES = {
    "relativista": (PairedStep, relativistic_loss, relativistic_loss),
    "no saturante": (PlainStep, discriminator_loss, non_saturating_loss),
}


class Passes(Batches):
    """Los lotes de una época tras otra hasta el paso ``last``, donde se corta la que toque."""

    last: int

    def epoch(self, number: int, start: int = 0) -> Iterator[Tensor]:
        return islice(super().epoch(number, start), self.last - number * len(self) - start)


class Training:
    """El entrenamiento de una receta, que avanza por tramos y se puede reanudar al bit.

    Siembra el azar global al construirse y lo gasta al entrenar: entre lo uno y lo otro, nadie más
    debe gastarlo.

    Args:
        recipe: la receta.
        total: pasos que dura, aunque no se lleguen a dar todos.
        seed: la de los pesos iniciales, el ruido y el orden de los datos.
        images: bytes (N, 1, 28, 28).
        folder: dónde van las copias, una por tramo y una cada ``COPY_EVERY`` pasos; sin ella, no
            las hay y reanudar es volver a empezar.

    Attributes:
        averages: las medias móviles de G, por su factor.
    """

    def __init__(
        self, recipe: Recipe, total: int, seed: int, images: Tensor, folder: Path | None = None
    ) -> None:
        seed_everything(seed)
        networks = generator(recipe.network), critic(*_critic_options(recipe))
        initialize(recipe.network, *networks)
        self.G, self.D = (MixedPrecision(network, "cpu") for network in networks)
        self.optimizers = [
            torch.optim.Adam(n.parameters(), recipe.lr, betas=recipe.betas, fused=True)
            for n in (self.D, self.G)
        ]
        self.schedules = [
            LambdaLR(o, lambda step: recipe.rate_at(step / total)) for o in self.optimizers
        ]
        kind, *losses = LOSSES[recipe.loss]
        self.step = kind(self.D, self.G, *self.optimizers, *losses, Z_SIZE)
        self.step.recipe, self.step.total = recipe, total
        self.averages = {decay: average(self.G, decay) for decay in recipe.emas}
        self.batches = Passes(images, recipe.batch, seed=seed)
        self.history: History | None = None
        self.copies = self._copies(folder, recipe) if folder else None

    def until(self, last: int) -> None:
        """Sigue hasta el paso ``last``, en otra sesión si hace falta.

        Raises:
            ValueError: si ya va más allá; pasa si se pierde la tabla y quedan las copias.
            FloatingPointError: si diverge.
        """
        if self.history is None:
            self.history = self.copies.load() if self.copies else History()
        if self.history.step > last:
            raise ValueError(
                f"Se pide el paso {last} y las copias de {self.copies.folder} van por el "
                f"{self.history.step}: aparta esa carpeta para empezar de cero."
            )
        start, self.batches.last = self.history.step, last
        hooks = [self.after_step, *([self.copies] if self.copies else [])]
        epochs = -(-last // len(self.batches))  # la última, quizá a medias
        fit(self.batches, self.step, epochs, hooks, self.history)
        if self.history.interrupted:
            raise KeyboardInterrupt
        if self.copies and last > start and last % COPY_EVERY:
            self.copies.save(self.history)

    def after_step(self, history: History | None = None) -> None:
        """Lo que se hace tras cada paso: las medias móviles y la tasa."""
        for averaged in self.averages.values():
            averaged.update_parameters(self.G)
        for schedule in self.schedules:
            schedule.step()

    def _copies(self, folder: Path, recipe: Recipe) -> Checkpoints:
        names = ("d_optimizer", "g_optimizer", "d_schedule", "g_schedule")
        parts = dict(zip(names, self.optimizers + self.schedules, strict=True))
        parts |= {f"ema_{decay}": averaged for decay, averaged in self.averages.items()}
        return Checkpoints(
            folder,
            every=COPY_EVERY,
            keep=1,
            settings=asdict(recipe) | {"pasos": self.step.total},
            G=self.G,
            D=self.D,
            step=self.step,
            batches=self.batches,
            **parts,
        )


def _critic_options(recipe: Recipe) -> tuple[str, float, bool, bool]:
    return recipe.network, recipe.slope, recipe.norm, recipe.spread
