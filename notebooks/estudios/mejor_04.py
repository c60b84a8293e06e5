"""La receta del cuaderno 04.2: caras de 64×64 con pocas imágenes y un ordenador corriente."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from gancook.data.batches import Batches
from gancook.data.shipped import shipped
from gancook.pretrained import load_frozen
from gancook.session import get_device, seed_everything, temporary_seed
from gancook.training.augment import DiffAugment
from gancook.training.checkpoints import Checkpoints
from gancook.training.dynamics import RelativisticStep, average
from gancook.training.history import History
from gancook.training.layers import init_weights
from gancook.training.loop import Hook, fit
from gancook.training.losses import relativistic_loss
from gancook.training.modes import eval_mode
from gancook.training.penalties import gradient_penalty
from gancook.training.precision import MixedPrecision
from gancook.training.steps import Logs

Z_SIZE = 128


def split_faces(count: int, trained: int) -> tuple[np.ndarray, np.ndarray]:
    """Los números de las caras con que se entrena y de las apartadas, hasta 1000, al azar.

    El reparto solo depende de ``count``. Se construye en el cuaderno 04.2, §1.
    """
    with temporary_seed(0):
        order = torch.randperm(count).numpy()
    return order[:trained], order[trained : trained + 1000]


def face_generator(width: int = 32) -> nn.Sequential:
    """z (B, 128) → caras (B, 3, 64, 64) en [−1, 1]; con 32 canales, 878 915 parámetros.

    La DCGAN de 64×64 con la mitad de canales, la cuarta parte a 4×4, y una convolución 3×3 de más
    a 8×8 y a 16×16. Se construye en el cuaderno 04.2, §2.
    """

    def normalized(layer: nn.Module, channels: int) -> list[nn.Module]:
        return [layer, nn.BatchNorm2d(channels), nn.ReLU()]

    def double(n_in: int, n_out: int) -> list[nn.Module]:
        return normalized(nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=False), n_out)

    def same(n: int) -> list[nn.Module]:
        return normalized(nn.Conv2d(n, n, 3, 1, 1, bias=False), n)

    wide = 4 * width
    return nn.Sequential(
        *[nn.Linear(Z_SIZE, 16 * wide, bias=False), nn.BatchNorm1d(16 * wide), nn.ReLU()],
        nn.Unflatten(1, (wide, 4, 4)),
        *double(wide, wide),  # 8×8
        *same(wide),
        *double(wide, 2 * width),  # 16×16
        *same(2 * width),
        *double(2 * width, width),  # 32×32
        *[nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh()],  # 64×64
    )


def face_critic(width: int = 32) -> nn.Sequential:
    """Caras (B, 3, 64, 64) → logits (B, 1); con 32 canales, 614 433 parámetros.

    Las mismas capas al revés y sin BN. Se construye en el cuaderno 04.2, §2.
    """

    def leaky(layer: nn.Module) -> list[nn.Module]:
        return [layer, nn.LeakyReLU(0.2)]

    def halve(n_in: int, n_out: int) -> list[nn.Module]:
        return leaky(nn.Conv2d(n_in, n_out, 4, 2, 1))

    def same(n: int) -> list[nn.Module]:
        return leaky(nn.Conv2d(n, n, 3, 1, 1))

    wide = 4 * width
    return nn.Sequential(
        *halve(3, width),  # 32×32
        *halve(width, 2 * width),  # 16×16
        *same(2 * width),
        *halve(2 * width, wide),  # 8×8
        *same(wide),
        *halve(wide, wide),  # 4×4
        *[nn.Flatten(), nn.Linear(16 * wide, 1)],
    )


@dataclass
class LazyStep(RelativisticStep):
    """Pérdida relativista con R1 y R2 en uno de cada ``every`` pasos, donde cuentan ``every``.

    La mitad de las caras reales, al azar, van en espejo. Se construye en el cuaderno 04.2, §2.
    """

    gamma: float = 0.5
    every: int = 8

    def __call__(self, real: Tensor) -> Logs:
        mirrored = torch.rand(len(real), 1, 1, 1, device=real.device) < 0.5
        return super().__call__(torch.where(mirrored, real.flip(3), real))

    def discriminator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        terms = super().discriminator_terms(real, fake)
        if self.count % self.every == 0:
            slope = gradient_penalty(self.D, real) + gradient_penalty(self.D, fake)
            terms["penalty"] = self.every * self.gamma / 2 * slope
        return terms


@dataclass(frozen=True)
class Settings:
    """Los ajustes de un entrenamiento; ``seen`` es cuántas imágenes ve D en total."""

    seen: int
    augment: bool = True
    batch: int = 64
    lr: float = 5e-4
    betas: tuple[float, float] = (0.5, 0.99)
    gamma: float = 0.5
    every: int = 8
    ema: float = 0.998
    width: int = 32
    seed: int = 0


class FaceTraining:
    """Un entrenamiento montado, que se reanuda de sus copias.

    Args:
        images: bytes (N, 3, 64, 64), en memoria o en un archivo mapeado.
        settings: los ajustes.
        folder: dónde van las copias; una carpeta por entrenamiento.
        copy_every: pasos entre copias.

    Attributes:
        ema: el generador del que se muestrea.

    Se construye en el cuaderno 04.2, §3.
    """

    labels, precision, kind = None, MixedPrecision, LazyStep  # lo que cambia quien hereda

    def __init__(
        self, images: Tensor | np.ndarray, settings: Settings, folder: Path, copy_every: int = 500
    ) -> None:
        s, device = settings, get_device()
        seed_everything(s.seed)
        self.D, self.G = (self.precision(network, device) for network in self._networks(s))
        self.batches = Batches(images, s.batch, labels=self.labels, seed=s.seed, device=device)
        self.epochs = max(1, round(s.seen / (len(self.batches) * s.batch)))
        optimizers = [torch.optim.Adam(n.parameters(), s.lr, s.betas) for n in (self.D, self.G)]
        self.schedules = [LambdaLR(optimizer, self._rate) for optimizer in optimizers]
        self.ema = average(self.G, s.ema)
        self.history: History | None = None
        losses = relativistic_loss, relativistic_loss
        self.step = self.kind(self.D, self.G, *optimizers, *losses, Z_SIZE, 0, s.gamma, s.every)
        names = "d_optimizer", "g_optimizer", "d_schedule", "g_schedule"
        parts = dict(zip(names, optimizers + self.schedules, strict=True))
        parts |= {"G": self.G, "D": self.D, "ema": self.ema, "step": self.step}
        self.copies = Checkpoints(
            folder, every=copy_every, settings=asdict(s), batches=self.batches, **parts
        )

    def run(self, hooks: Sequence[Hook] = (), epochs: int | None = None) -> History:
        """Entrena lo que falte, o hasta la época ``epochs``; sigue de la última copia."""
        if self.history is None:
            self.history = self.copies.load()
        hooks = [self._after, *hooks, self.copies]
        history = fit(self.batches, self.step, epochs or self.epochs, hooks, self.history)
        if history.step % self.copies.every:  # si no, la copia del último paso ya está
            self.copies.save(history)
        return history

    def _networks(self, s: Settings) -> tuple[nn.Module, nn.Module]:
        """D y G recién iniciadas; primero D, que gasta antes el azar."""
        front = [DiffAugment()] if s.augment else []
        critic = nn.Sequential(*front, face_critic(s.width).apply(init_weights))
        return critic, face_generator(s.width).apply(init_weights)

    def _rate(self, done: int) -> float:
        """Factor de la tasa: 1 la primera mitad y después, en línea recta, hasta 0,01."""
        return min(1.0, 2.01 - 2 * done / (self.epochs * len(self.batches)))

    def _after(self, history: History) -> None:
        self.ema.update_parameters(self.G)
        for schedule in self.schedules:
            schedule.step()


def follow(training: FaceTraining, first: FaceTraining) -> None:
    """Hace que ``training`` siga de donde acabó ``first``, con la tasa otra vez entera.

    Le da sus redes, su media móvil y los momentos de Adam, salvo si tiene ya alguna copia propia.

    Se construye en el cuaderno 04.2, §3.2.
    """
    training.history = training.copies.load()
    if training.history.step:
        return
    for name in ("D", "G", "ema"):
        getattr(training, name).load_state_dict(getattr(first, name).state_dict())
    for name in ("d_optimizer", "g_optimizer"):
        optimizer = getattr(training.step, name)
        optimizer.load_state_dict(getattr(first.step, name).state_dict())
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]


@torch.no_grad()
def advantage(D: nn.Module, seen: Tensor, held_out: Tensor) -> float:
    """Cuánto más da D a las caras vistas que a las apartadas, en desviaciones de estas.

    Args:
        D: el discriminador, sin el aumento.
        seen, held_out: bytes (N, 3, 64, 64) y (M, 3, 64, 64).

    Se construye en el cuaderno 04.2, §4.
    """
    with eval_mode(D):
        scores = [
            torch.cat([D(part.to(get_device()) / 127.5 - 1) for part in images.split(250)])
            for images in (seen, held_out)
        ]
    return ((scores[0].mean() - scores[1].mean()) / scores[1].std()).item()


def load_face_generator(
    path: Path | str | None = None, device: torch.device | str = "cpu"
) -> nn.Sequential:
    """El generador de caras dibujadas que acompaña al recetario, congelado y en modo ``eval``.

    Uso: ``images = load_face_generator()(torch.randn(40, 128))``, (40, 3, 64, 64) en [−1, 1].

    Args:
        path: otro archivo safetensors de :func:`face_generator`; sin él, el que va incluido.
        device: dónde se carga.

    Raises:
        FileNotFoundError: si el archivo no está.
        ValueError: si no es un archivo de este generador.

    Se usa en el cuaderno 04.3, §2; su ficha está en ``data/models/README.md``.
    """
    included = shipped("models", "toy_faces_generator.safetensors")
    how = "como en el cuaderno 04.3, §2"
    return load_frozen(face_generator, included if path is None else Path(path), device, how)
