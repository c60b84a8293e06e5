"""La receta DCGAN de S2 tal como se publicó: python notebooks/estudios/03_publicada.py

Protocolo: las redes, el bucle y los ajustes del tutorial «GANs» (sensio) para FashionMNIST. Calcula
en float32, con sigmoide y BCELoss sobre un lote [falsas, reales], Adam a 3e-4 y lotes de 32, y pone
en ``eval`` la red que no aprende. Una sola diferencia: se corta el gradiente que en el paso de D
llegaba a G para nada, que da los mismos bits en menos tiempo. Tres semillas, 30 épocas.

Escribe 03_publicada.csv: una fila por época con la FCD de 10 000 muestras, la proporción de cada
clase entre ellas, según el clasificador del recetario, y las pérdidas medias de esa época. Al
acabar una semilla deja también 30 muestras sin escoger en 03_publicada_N.png, y en
03_publicada_final.csv las medidas de su última época, con cinco sorteos de 10 000 muestras. Se
puede matar en cualquier momento: sigue por la última copia. Con ``--shard i/3``, cada proceso hace
una semilla; cada una cuesta unos 50 minutos de un núcleo.
"""

import time
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from gancook.data.batches import Batches
from gancook.data.sets import fashion_mnist
from gancook.data.shipped import measured
from gancook.files import write_atomic
from gancook.measure.evaluation import sample
from gancook.measure.extractors import Features, extract, load_classifier
from gancook.measure.metrics import frechet_distance
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import results_dir, seed_everything, temporary_seed
from gancook.training.checkpoints import Checkpoints
from gancook.training.loop import fit
from gancook.training.steps import update
from medida_03 import QUALITY, quality

Z_SIZE, BATCH, LR = 100, 32, 3e-4
EPOCHS, SEEDS, COUNT = 30, range(3), 10_000
CLASSES = 10
SHARES = tuple(f"clase {k}" for k in range(CLASSES))
RESULTS = ("FCD", *SHARES, "pérdida de D", "pérdida de G", "segundos de CPU")


def generator() -> nn.Sequential:
    """z (B, 100) → imágenes (B, 1, 28, 28) en [−1, 1]; 778 240 parámetros."""
    return nn.Sequential(
        nn.Linear(Z_SIZE, 6272),
        nn.BatchNorm1d(6272),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def discriminator() -> nn.Sequential:
    """Imágenes (B, 1, 28, 28) → probabilidad de ser reales (B, 1); 138 753 parámetros."""
    return nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6272, 1),
        nn.Sigmoid(),
    )


class PublishedStep:
    """Una iteración del tutorial: D con [falsas, reales] y objetivos [0, 1]; después G, con 1.

    Se construye en el cuaderno 03.2, §2.2.
    """

    def __init__(self, D: nn.Module, G: nn.Module) -> None:
        self.D, self.G, self.loss = D, G, nn.BCELoss()
        self.d_optimizer = torch.optim.Adam(D.parameters(), LR)
        self.g_optimizer = torch.optim.Adam(G.parameters(), LR)

    def __call__(self, real: Tensor) -> dict[str, Tensor]:
        zeros, ones = (make(len(real), 1, device=real.device) for make in (torch.zeros, torch.ones))
        self.G.eval()
        self.D.train()
        fake = self.G(self.noise(real)).detach()  # el gradiente de G no se usaría
        d_loss = self.loss(self.D(torch.cat([fake, real])), torch.cat([zeros, ones]))
        update(self.d_optimizer, d_loss)
        self.G.train()
        self.D.eval()
        g_loss = self.loss(self.D(self.G(self.noise(real))), ones)
        update(self.g_optimizer, g_loss)
        return {"d_loss": d_loss.detach(), "g_loss": g_loss.detach()}

    def noise(self, real: Tensor) -> Tensor:
        return torch.randn(len(real), Z_SIZE, device=real.device)


class Training:
    """El entrenamiento de una semilla, que avanza de época en época con una copia en cada una."""

    def __init__(self, seed: int, images: Tensor) -> None:
        seed_everything(seed)
        self.seed = seed
        self.G, self.D = generator(), discriminator()
        self.step = PublishedStep(self.D, self.G)
        self.batches = Batches(images, BATCH, seed=seed)
        self.copies = Checkpoints(
            results_dir("03_publicada") / f"semilla_{seed}",
            every=len(self.batches),
            settings={"images": len(images)},
            G=self.G,
            D=self.D,
            d_optimizer=self.step.d_optimizer,
            g_optimizer=self.step.g_optimizer,
            batches=self.batches,
        )
        self.history = None

    def epoch(self, number: int) -> tuple[float, float]:
        """Hace la época ``number``, desde 1, y devuelve sus pérdidas medias de D y de G."""
        if self.history is None:
            done = (number - 1) * len(self.batches)
            self.history = self.copies.load(step=done) if done else self.copies.load()
        self.history = fit(self.batches, self.step, number, [self.copies], self.history)
        if self.history.interrupted:
            raise KeyboardInterrupt
        means = self.history.per_epoch().iloc[-1]
        return means["d_loss"], means["g_loss"]


def measure(training: Training, folder: Path, semilla: int, epoca: int) -> dict[str, float]:
    """La fila de una época."""
    start = time.process_time()
    d_loss, g_loss = training.epoch(epoca)
    seconds = round(time.process_time() - start, 1)
    with temporary_seed(semilla):
        images = sample(training.G, COUNT, Z_SIZE)
    if epoca == EPOCHS:
        with write_atomic(folder / f"03_publicada_{semilla}.png") as file:
            save_image(images[:30].float() / 255, file, nrow=10, format="png")
    fake = extract(reference()[0], images)
    shares = fake.logits.argmax(dim=1).bincount(minlength=CLASSES) / COUNT
    row = {"FCD": round(frechet_distance(reference()[1].deep, fake.deep), 3)}
    row |= {name: round(share, 4) for name, share in zip(SHARES, shares.tolist(), strict=True)}
    losses = {"pérdida de D": round(d_loss, 5), "pérdida de G": round(g_loss, 5)}
    return row | losses | {"segundos de CPU": seconds}


def last(semilla: int) -> dict[str, float]:
    """Todas las medidas de la red de la última época, que está en su copia."""
    training = Training(semilla, fashion_mnist().images)
    training.copies.load(step=EPOCHS * len(training.batches))
    return quality(training.G)


@cache
def reference() -> tuple[nn.Module, Features]:
    """El clasificador y lo que ve en las 60 000 imágenes de entrenamiento."""
    classifier = load_classifier()
    return classifier, extract(classifier, fashion_mnist().images)


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured(""), __doc__)
    first, step = options.shard
    reference()  # antes de entrenar: al crear el clasificador se gasta azar
    with announced_stop():
        for seed in SEEDS[first - 1 :: step]:
            training = Training(seed, fashion_mnist().images)
            runs = [{"semilla": seed, "epoca": epoch} for epoch in range(1, EPOCHS + 1)]

            def run(semilla: int, epoca: int, training: Training = training) -> dict[str, float]:
                return measure(training, options.out, semilla, epoca)

            run_study(options.out / "03_publicada.csv", runs, run, RESULTS)
            run_study(options.out / "03_publicada_final.csv", [{"semilla": seed}], last, QUALITY)


if __name__ == "__main__":
    main()
