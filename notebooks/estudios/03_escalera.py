"""La escalera del cuaderno 03.2, un consejo cada vez: python notebooks/estudios/03_escalera.py

Protocolo, escrito antes de mirar ningún resultado:

- El primer peldaño es la receta publicada (03_publicada.py) y cada uno cambia una cosa de otro,
  el que dice su columna «respecto a». El tronco es lo que hace la DCGAN habitual: quitar los
  interruptores y separar los lotes a la vez, los pesos N(0, 0,02) y las betas. Los demás consejos
  son ramas; los cuatro últimos se prueban sobre el final del tronco.
- Todos ven las 60 000 imágenes una vez, con las semillas 0 a 2. Con lotes de 128 hay la cuarta
  parte de pasos y la tasa se dobla: con Adam crece como la raíz del lote (Malladi et al., 2022).
- Medida: la FCD de un sorteo de 10 000 muestras. Un peldaño mejora si la diferencia de medias
  supera la dispersión entre semillas. La ganadora es la de menor FCD media.

Escribe 03_escalera.csv y, con la semilla 0, diez muestras de cada peldaño en 03_escalera_NN.png,
siempre del mismo ruido. Se puede matar en cualquier momento; con ``--shard i/n`` hace una parte.
Son 36 corridas de alrededor de un minuto de un núcleo.
"""

import importlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from gancook.data.batches import Batches
from gancook.data.sets import fashion_mnist
from gancook.data.shipped import measured
from gancook.files import write_atomic
from gancook.measure.studies import announced_stop, run_study, study_options
from gancook.session import seed_everything
from gancook.training.dynamics import average
from gancook.training.layers import init_weights
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.precision import MixedPrecision
from gancook.training.steps import Logs, update
from medida_03 import SECONDS, fcd

published = importlib.import_module("03_publicada")
Z_SIZE, SEEDS, EPOCHS = 100, range(3), 1


@dataclass(frozen=True)
class Rung:
    """Las decisiones que cambian de un peldaño a otro; por omisión, las publicadas."""

    bf16: bool = False  # calcular las redes en bf16, y Adam de una vez (fused)
    logits: bool = False  # pérdida sobre logits en vez de sigmoide + BCELoss
    train_mode: bool = False  # sin interruptores eval/train
    separate: bool = False  # lo real y lo falso, en lotes de BN distintos
    init: bool = False  # pesos N(0, 0,02)
    slope: float = 0.0  # de la LeakyReLU de D; con 0 es la ReLU publicada
    betas: tuple[float, float] = (0.9, 0.999)
    real_label: float = 1.0
    batch: int = 32
    lr: float = 3e-4
    ema: float = 0.0  # media móvil de G; con 0 es G


TRUNK = ("las dos cosas", "pesos N(0, 0,02)", "betas (0,5; 0,999)")
CHANGES = [  # peldaño, respecto a cuál y qué cambia
    ("publicada", "", {}),
    ("bf16", "publicada", {"bf16": True}),
    ("logits", "bf16", {"logits": True}),
    ("siempre train", "logits", {"train_mode": True}),
    ("BN por separado", "logits", {"separate": True}),
    (TRUNK[0], "logits", {"train_mode": True, "separate": True}),
    (TRUNK[1], TRUNK[0], {"init": True}),
    (TRUNK[2], TRUNK[1], {"betas": (0.5, 0.999)}),
    ("LeakyReLU en D", TRUNK[2], {"slope": 0.2}),
    ("etiqueta 0,9", TRUNK[2], {"real_label": 0.9}),
    ("lotes de 128", TRUNK[2], {"batch": 128, "lr": 6e-4}),
    ("EMA de G (0,99)", TRUNK[2], {"ema": 0.99}),
]
RUNGS = {"": Rung()}
for _name, _base, _change in CHANGES:
    RUNGS[_name] = replace(RUNGS[_base], **_change)


class LadderStep:
    """La iteración publicada, con los cambios de un peldaño: un paso de D y otro de G."""

    def __init__(self, rung: Rung, D: nn.Module, G: nn.Module) -> None:
        self.rung, self.D, self.G, self.bce = rung, D, G, nn.BCELoss()
        self.d_optimizer, self.g_optimizer = (
            torch.optim.Adam(n.parameters(), rung.lr, betas=rung.betas, fused=rung.bf16)
            for n in (D, G)
        )

    def __call__(self, real: Tensor) -> Logs:
        return self.d_step(real) | self.g_step(real)

    def d_step(self, real: Tensor) -> Logs:
        self.G.train(self.rung.train_mode)
        self.D.train()
        fake = self.G(torch.randn(len(real), Z_SIZE)).detach()
        if self.rung.separate:
            scores = self.D(fake), self.D(real)
        else:
            scores = self.D(torch.cat([fake, real])).chunk(2)
        loss = self.d_loss(*scores)
        update(self.d_optimizer, loss)
        return {"d_loss": loss.detach()}

    def g_step(self, real: Tensor) -> Logs:
        self.G.train()
        self.D.train(self.rung.train_mode)
        scores = self.D(self.G(torch.randn(len(real), Z_SIZE)))
        if self.rung.logits:
            loss = non_saturating_loss(scores)
        else:
            loss = self.bce(scores.sigmoid(), torch.ones_like(scores))
        update(self.g_optimizer, loss)
        return {"g_loss": loss.detach()}

    def d_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        label = self.rung.real_label
        if self.rung.logits:
            return discriminator_loss(real, fake, label)
        targets = torch.cat([torch.zeros_like(fake), torch.full_like(real, label)])
        return self.bce(torch.cat([fake, real]).sigmoid(), targets)


def networks(rung: Rung) -> tuple[nn.Module, nn.Module]:
    """G y D del peldaño; D, sin la sigmoide."""
    G, whole = published.generator(), published.discriminator()[:-1]
    layers = [nn.LeakyReLU(rung.slope) if isinstance(m, nn.ReLU) else m for m in whole]
    pair = G, nn.Sequential(*layers)
    for network in pair if rung.init else ():
        network.apply(init_weights)
    if not rung.bf16:  # ni siquiera cambia el orden de los pesos en la memoria
        return pair
    return MixedPrecision(pair[0], "cpu"), MixedPrecision(pair[1], "cpu")


def train(rung: Rung, seed: int, epochs: int) -> nn.Module:
    """Entrena un peldaño y devuelve la red de la que se muestrea."""
    seed_everything(seed)
    G, D = networks(rung)
    averaged = average(G, rung.ema)
    batches = Batches(fashion_mnist().images, rung.batch, seed=seed)
    hooks = [lambda history: averaged.update_parameters(G)] if rung.ema else []
    if fit(batches, LadderStep(rung, D, G), epochs, hooks).interrupted:
        raise KeyboardInterrupt
    return averaged if rung.ema else G.eval()


def measure(folder: Path, peldaño: str, semilla: int) -> dict[str, float]:
    """La fila de un peldaño y, con la semilla 0, su tira de diez muestras."""
    start = time.process_time()
    network = train(RUNGS[peldaño], semilla, EPOCHS)
    seconds = round(time.process_time() - start, 1)
    if semilla == 0:
        draw(network, folder / f"03_escalera_{list(RUNGS).index(peldaño):02d}.png")
    return {"FCD": fcd(network), SECONDS: seconds}


@torch.no_grad()
def draw(network: nn.Module, path: Path) -> None:
    """Diez muestras en fila, de un ruido que no depende de lo que haya gastado el peldaño."""
    z = torch.randn(10, Z_SIZE, generator=torch.Generator().manual_seed(0))
    with write_atomic(path) as file:
        save_image((network(z) + 1) / 2, file, nrow=10, padding=0, format="png")


def winner(table: Path) -> Rung:
    """El peldaño de menor FCD media de la tabla, que ha de estar entera.

    Raises:
        ValueError: si falta alguna fila.
    """
    rows = pd.read_csv(table) if table.exists() else pd.DataFrame()
    if len(rows) < len(CHANGES) * len(SEEDS):
        raise ValueError(f"{table} no está entera: acaba antes 03_escalera.py.")
    rows = rows.fillna({"FCD": float("inf")})  # una corrida que diverge pierde
    return RUNGS[rows.groupby("peldaño")["FCD"].mean().idxmin()]


def main() -> None:
    torch.set_num_threads(1)
    options = study_options(measured(""), __doc__)
    runs = [
        {"peldaño": name, "respecto a": base, "semilla": seed}
        for name, base, _ in CHANGES
        for seed in SEEDS
    ]

    def run(**run: str | int) -> dict[str, float]:
        return measure(options.out, run["peldaño"], run["semilla"])

    with announced_stop():
        run_study(options.out / "03_escalera.csv", runs, run, ("FCD", SECONDS), options.shard)


if __name__ == "__main__":
    main()
