"""Las redes y los pasos de las dos etapas y del crecimiento progresivo del cuaderno 06.4."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from gancook.training.dynamics import RelativisticStep
from gancook.training.layers import init_weights
from gancook.training.penalties import gradient_penalty
from gancook.training.steps import Logs, update

Z_SIZE, WIDTH = 64, 32
EVERY, GAMMA = 8, 0.05
GROWTH = {16: (48, 32), 32: (32, 16)}  # lado: canales antes y después


def make_generator(*extra: nn.Module) -> nn.Sequential:
    """z (B, 64) → (B, 1, 28, 28); las capas de ``extra``, a 14×14 y con 32 canales.

    Se construye en el cuaderno 06.4, §1.
    """
    network = nn.Sequential(
        nn.Linear(Z_SIZE, 49 * 2 * WIDTH, bias=False),
        nn.BatchNorm1d(49 * 2 * WIDTH),
        nn.ReLU(),
        nn.Unflatten(1, (2 * WIDTH, 7, 7)),
        nn.Conv2d(2 * WIDTH, 2 * WIDTH, 3, 1, 1, bias=False),
        nn.BatchNorm2d(2 * WIDTH),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, 2, 1, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(),
        nn.ConvTranspose2d(WIDTH, 1, 4, 2, 1),
        nn.Tanh(),
    ).apply(init_weights)
    return nn.Sequential(*network[:10], *extra, *network[10:])


def make_critic(*extra: nn.Module, channels: int = 1) -> nn.Sequential:
    """Imágenes (B, channels, 28, 28) → logits (B, 1); ``extra``, a 14×14 y con 32 canales.

    Se construye en el cuaderno 06.4, §1.
    """
    network = nn.Sequential(
        nn.Conv2d(channels, WIDTH, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * WIDTH, 2 * WIDTH, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(49 * 2 * WIDTH, 1),
    ).apply(init_weights)
    return nn.Sequential(*network[:2], *extra, *network[2:])


class PenalizedStep(RelativisticStep):
    """El paso relativista con R1 y R2 de factor ``GAMMA``/2, una vez de cada ``EVERY`` pasos.

    Cuando toca, la penalización va multiplicada por ``EVERY``: pesa lo mismo que dada siempre.

    Se construye en el cuaderno 06.4, §1.
    """

    def discriminator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        terms = super().discriminator_terms(real, fake)
        if self.count % EVERY == 0:
            slope = gradient_penalty(self.D, real) + gradient_penalty(self.D, fake)
            terms["penalty"] = EVERY * GAMMA / 2 * slope
        return terms


class Dresser(nn.Module):
    """Silueta y z, en una fila (B, 784 + 64) → prenda (B, 1, 28, 28) con esa silueta.

    La silueta vale 1 donde hay prenda y −1 fuera, y lo que se pinta fuera también. La fila la hace
    :func:`join`.

    Se construye en el cuaderno 06.4, §3.
    """

    def __init__(self, width: int = WIDTH):
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
        )  # (B, 32, 7, 7)
        self.style = nn.Sequential(nn.Linear(Z_SIZE, 49 * width), nn.Unflatten(1, (width, 7, 7)))
        self.paint = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        silhouette, z = x[:, :784].unflatten(1, (1, 28, 28)), x[:, 784:]
        both = torch.cat([self.look(silhouette), self.style(z)], dim=1)  # (B, 64, 7, 7)
        return torch.where(silhouette > 0, self.paint(both), -1.0)


def join(silhouette: Tensor, z: Tensor) -> Tensor:
    """Siluetas (B, 1, 28, 28) y ruido (B, n) en una fila (B, 784 + n), que es lo que lee Dresser.

    Se construye en el cuaderno 06.4, §3.
    """
    return torch.cat([silhouette.flatten(1), z], dim=1)  # (B, 784 + 64)


class DressStep(PenalizedStep):
    """El paso de la segunda etapa: G viste las siluetas del lote y D ve silueta y prenda.

    Recibe lotes (B, 2, 28, 28). La silueta es la misma a los dos lados: un sumando de D que dependa
    solo de ella no cambia la pérdida relativista.

    Se construye en el cuaderno 06.4, §3.
    """

    def __call__(self, real: Tensor) -> Logs:
        silhouette = real[:, :1]  # real: (B, 2, 28, 28)
        z = torch.randn(len(real), self.z_size, device=real.device)
        fake = torch.cat([silhouette, self.G(join(silhouette, z))], dim=1)
        d_terms = self.discriminator_terms(real, fake.detach())  # aquí solo aprende D
        update(self.d_optimizer, sum(d_terms.values()))
        g_terms = self.generator_terms(real, fake)
        update(self.g_optimizer, sum(g_terms.values()))
        self.count += 1
        return {name: term.detach() for name, term in (d_terms | g_terms).items()}


def double(x: Tensor) -> Tensor:
    """U: repite cada píxel 2×2, de (B, C, H, W) a (B, C, 2H, 2W).

    Esta función y las seis siguientes se construyen en el cuaderno 06.4, §4.
    """
    return interpolate(x, scale_factor=2)


def halve(x: Tensor) -> Tensor:
    """H: la media de cada 2×2, de (B, C, H, W) a (B, C, H/2, W/2)."""
    return avg_pool2d(x, 2)


def blend(old: Tensor, new: Tensor, alpha: float) -> Tensor:
    """El fundido: ``old`` con α = 0, ``new`` con α = 1."""
    return (1 - alpha) * old + alpha * new


def up(n_in: int, n_out: int) -> nn.Sequential:
    """B: dobla el lado, de (B, n_in, H, W) a (B, n_out, 2H, 2W)."""
    layer = nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out), nn.ReLU())


def down(n_in: int, n_out: int) -> nn.Sequential:
    """B': divide el lado por dos, de (B, n_in, H, W) a (B, n_out, H/2, W/2)."""
    return nn.Sequential(nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(0.2))


def to_image(channels: int) -> nn.Sequential:
    """R: de características (B, channels, H, W) a imagen (B, 1, H, W) en [−1, 1]."""
    return nn.Sequential(nn.Conv2d(channels, 1, 1), nn.Tanh())


def from_image(channels: int) -> nn.Sequential:
    """F: de imagen (B, 1, H, W) a características (B, channels, H, W)."""
    return nn.Sequential(nn.Conv2d(1, channels, 1), nn.LeakyReLU(0.2))


class GrowingGenerator(nn.Module):
    """z (B, 64) → (B, 1, S, S), con S = 8 al empezar y el doble tras cada ``grow``.

    ``grow`` añade un bloque y deja ``alpha`` en 0: hasta que alguien lo suba, la red da lo mismo
    que antes, ampliado por :func:`double`.

    Args:
        channels: los que hay a 8×8.

    Fuente: Karras et al. (2018), §2. Se construye en el cuaderno 06.4, §4.
    """

    def __init__(self, channels: int = 48):
        super().__init__()
        wide = 2 * channels  # a 4×4
        start = nn.Linear(Z_SIZE, 16 * wide, bias=False), nn.BatchNorm1d(16 * wide), nn.ReLU()
        self.first = nn.Sequential(*start, nn.Unflatten(1, (wide, 4, 4)), up(wide, channels))
        self.blocks, self.alpha = nn.ModuleList(), 1.0
        self.to_image = nn.ModuleList([to_image(channels)])

    def grow(self, n_in: int, n_out: int) -> None:
        self.blocks.append(up(n_in, n_out))
        self.to_image.append(to_image(n_out))
        self.alpha = 0.0

    def forward(self, z: Tensor) -> Tensor:
        h = before = self.first(z)  # (B, 48, 8, 8)
        for block in self.blocks:
            before, h = h, block(h)
        x = self.to_image[-1](h)
        if self.alpha == 1:
            return x
        return blend(double(self.to_image[-2](before)), x, self.alpha)


class GrowingCritic(nn.Module):
    """Imágenes (B, 1, S, S) → logits (B, 1), con S = 8 al empezar y el doble tras cada ``grow``.

    Con ``alpha`` = 0 da el logit que daba antes de crecer a la imagen reducida por :func:`halve`.

    Args:
        channels: los que hay a 8×8.

    Fuente: Karras et al. (2018), §2. Se construye en el cuaderno 06.4, §4.
    """

    def __init__(self, channels: int = 48):
        super().__init__()
        wide = 2 * channels
        self.from_image = nn.ModuleList([from_image(channels)])
        self.blocks, self.alpha = nn.ModuleList(), 1.0
        self.last = nn.Sequential(down(channels, wide), nn.Flatten(), nn.Linear(16 * wide, 1))

    def grow(self, n_in: int, n_out: int) -> None:
        self.blocks.append(down(n_out, n_in))
        self.from_image.append(from_image(n_out))
        self.alpha = 0.0

    def forward(self, x: Tensor) -> Tensor:
        h = self.from_image[-1](x)
        for index, block in enumerate(reversed(self.blocks)):
            h = block(h)
            if index == 0 and self.alpha < 1:
                h = blend(self.from_image[-2](halve(x)), h, self.alpha)
        return self.last(h)


class FadingStep(PenalizedStep):
    """Las imágenes reales se funden con el mismo α que las redes, que está en ``D.network.alpha``.

    Se construye en el cuaderno 06.4, §4.
    """

    def __call__(self, real: Tensor) -> Logs:
        return super().__call__(blend(double(halve(real)), real, self.D.network.alpha))
