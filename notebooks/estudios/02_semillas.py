"""Tres versiones de la receta S2 del cuaderno 02, diez épocas cada una, con varias semillas.

    python notebooks/estudios/02_semillas.py

Una fila por entrenamiento en ``data/measured/02_semillas.csv``. Con diez épocas caben más
semillas que con las treinta de la receta. La semilla 0 es la del cuaderno: sus diez primeras
épocas son las mismas.

Columnas: las pérdidas medias de la última época (``D``, ``G``) y de todas (``D acumulada``,
``G acumulada``); dispersión y vecino de 1000 imágenes, como en el §7.6 del cuaderno; FCD y
clases efectivas de 10 000. Cada entrenamiento tarda un minuto con un hilo.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor, nn

from gancook.data.batches import Batches
from gancook.data.images import to_uint8
from gancook.data.sets import fashion_mnist
from gancook.measure.extractors import extract, load_classifier
from gancook.measure.metrics import effective_classes, frechet_distance
from gancook.measure.studies import study_command
from gancook.session import seed_everything
from gancook.training.history import History
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.steps import Logs, discriminator_step, generator_step

BATCH, EPOCHS, Z_SIZE, SEEDS = 32, 10, 30, 5
LOSSES = ["D", "G", "D acumulada", "G acumulada"]
RESULTS = [*LOSSES, "dispersión", "vecino", "FCD", "clases"]


@dataclass(frozen=True)
class Trained:
    """Un generador con lo que hace falta para medirlo."""

    G: nn.Module
    history: History
    scale: tuple[float, float]


def mlp(n_in: int, n_out: int) -> nn.Sequential:
    hidden = [nn.Linear(n_in, 150), nn.ReLU(), nn.Linear(150, 100), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(100, n_out))


def train(
    seed: int,
    scale: tuple[float, float] = (0, 1),
    output: Callable[[], nn.Module] = nn.Identity,
) -> Trained:
    batches = Batches(fashion_mnist().images, BATCH, scale=scale, seed=seed)
    seed_everything(seed)
    G = nn.Sequential(mlp(Z_SIZE, 784), nn.Unflatten(1, (1, 28, 28)), output())
    D = nn.Sequential(nn.Flatten(), mlp(784, 1))
    d_optimizer, g_optimizer = (
        torch.optim.Adam(n.parameters(), lr=3e-4, fused=True) for n in (D, G)
    )

    def step(real: Tensor) -> Logs:
        z_d, z_g = (torch.randn(len(real), Z_SIZE) for _ in range(2))
        d_logs = discriminator_step(real, z_d, D, G, d_optimizer, discriminator_loss)
        return d_logs | generator_step(z_g, D, G, g_optimizer, non_saturating_loss)

    return Trained(G, fit(batches, step, EPOCHS), scale)


RECIPES = {
    "[0, 1], sin activación": train,
    "[−1, 1], sin activación": partial(train, scale=(-1, 1)),
    "[−1, 1], tanh": partial(train, scale=(-1, 1), output=nn.Tanh),
}
RUNS = [{"receta": name, "semilla": seed} for name in RECIPES for seed in range(SEEDS)]


def measure(receta: str, semilla: int) -> dict[str, float]:
    trained = RECIPES[receta](semilla)
    row = losses(trained.history) | describe(trained) | look(trained)
    return {name: round(value, 4) for name, value in row.items()}


def losses(history: History) -> dict[str, float]:
    own, running = history.per_epoch().iloc[-1], history.running_means().iloc[-1]
    values = [own["d_loss"], own["g_loss"], running["d_loss"], running["g_loss"]]
    return dict(zip(LOSSES, values, strict=True))


def describe(trained: Trained) -> dict[str, float]:
    bytes_ = draw(trained), fashion_mnist().images
    images, train = (x.flatten(1).float() / 127.5 - 1 for x in bytes_)
    spread = torch.pdist(images).mean() / torch.pdist(train[: len(images)]).mean()
    nearest = torch.cdist(images, train).min(dim=1).values.mean()
    return {"dispersión": spread.item(), "vecino": nearest.item()}


def look(trained: Trained) -> dict[str, float]:
    fake = extract(load_classifier(), draw(trained, count=10_000))
    distance = frechet_distance(real_features(), fake.deep)
    return {"FCD": distance, "clases": effective_classes(fake.logits)}


@torch.no_grad()
def draw(trained: Trained, count: int = 1000) -> Tensor:
    seed_everything(5)
    return to_uint8(trained.G.eval()(torch.randn(count, Z_SIZE)), trained.scale)


@cache
def real_features() -> Tensor:
    return extract(load_classifier(), fashion_mnist().images).deep


if __name__ == "__main__":
    study_command("02_semillas.csv", RUNS, measure, RESULTS, __doc__)
