"""Cuánto más deprisa entrena gancook que los bucles publicados: ``python tests/bench``.

Mismas redes y mismo lote en los dos lados. Se alternan uno y otro, así que comparten lo que la
máquina esté haciendo, y se imprime la mediana de los cocientes con su mínimo y su máximo. Si otros
procesos ocupan la máquina se dice, y no se imprime ninguna tabla.
"""

import os
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO

# Los hilos que esperan ceden su núcleo. Por omisión giran en él, y con otro proceso delante cada
# operación se atasca hasta que el sistema los cambia. Se lee una sola vez, al cargar torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import pandas as pd
import torch
from published import CASES, Case

from gancook import get_device
from gancook.data.batches import Batches
from gancook.style import number
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.precision import MixedPrecision, has_bf16
from gancook.training.steps import AdversarialStep, Logs

ROUNDS = 7
SECONDS = 2.0  # lo que dura cada medida del bucle publicado, más o menos
SPREAD = 1.5  # entre la mejor ronda y la peor; en una máquina tranquila no llega a 1,3
LOAD = 0.25  # procesos en marcha por núcleo, aparte de este


class JointStep(AdversarialStep):
    """D recibe lo real y lo falso en un solo lote, como en la receta de S2."""

    def discriminator_terms(self, real: torch.Tensor, fake: torch.Tensor) -> Logs:
        return {"d_loss": self.d_loss(*self.D(torch.cat([real, fake])).chunk(2))}


def fast_loop(case: Case, images: torch.Tensor, device: torch.device) -> Callable[[int], None]:
    """Las mismas redes y el mismo lote, con lo que ofrece gancook.

    Con ``JointStep`` y sin alternar ``eval`` y ``train``, la BN de D no ve lo mismo que en el bucle
    publicado: esto compara velocidades, no calidades.
    """
    networks = case.networks(sigmoid=False)
    G, D = (MixedPrecision(n, device) if case.bf16 else n.to(device) for n in networks)
    optimizers = (torch.optim.Adam(n.parameters(), case.lr, case.betas, fused=True) for n in (D, G))
    make = JointStep if case.joint else AdversarialStep
    step = make(D, G, *optimizers, discriminator_loss, non_saturating_loss, case.z_size)

    def run(iterations: int) -> None:
        batches = Batches(
            images, case.batch, scale=case.scale, device=device, replacement=True, steps=iterations
        )
        fit(batches, step, epochs=1)

    return run


def clock(run: Callable[[int], None], iterations: int) -> float:
    """Iteraciones por segundo."""
    start = time.perf_counter()
    run(iterations)
    return iterations / (time.perf_counter() - start)


def check_quiet() -> None:
    """Sale con un mensaje si la carga del último minuto dice que la máquina tiene otro trabajo."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # en Windows no existe
    if load > LOAD * cores:
        raise SystemExit(
            f"La máquina está ocupada: carga media de {number(load, 2)} en el último minuto, con "
            f"{cores} núcleos. Cierra lo demás, espera un minuto y repite."
        )


def check_spread(name: str, ratios: list[float]) -> None:
    """Sale con un mensaje si las rondas discrepan: algo se puso en medio y no hay qué imprimir."""
    low, high = min(ratios), max(ratios)
    if high > SPREAD * low:
        raise SystemExit(
            f"Medida sin valor en «{name}»: de {number(low, 3)} a {number(high, 3)} veces, según "
            "la ronda. Otro proceso ocupa la máquina; ciérralo y repite."
        )


def compare(case: Case, device: torch.device) -> dict[str, object]:
    images = torch.randint(0, 256, (4096, *case.shape), dtype=torch.uint8)
    slow, fast = case.loop(images, device), fast_loop(case, images, device)
    slow(3), fast(3)  # calentamiento
    iterations = max(3, int(SECONDS * clock(slow, 5)))
    pairs = [(clock(slow, iterations), clock(fast, iterations)) for _ in range(ROUNDS)]
    ratios = [ours / theirs for theirs, ours in pairs]
    check_spread(case.name, ratios)
    theirs, ours = (statistics.median(column) * case.batch for column in zip(*pairs, strict=True))
    return {
        "publicado (imágenes/s)": round(theirs),
        "gancook (imágenes/s)": round(ours),
        "veces más rápido": round(statistics.median(ratios), 2),
        "mínimo": round(min(ratios), 2),
        "máximo": round(max(ratios), 2),
    }


if __name__ == "__main__":
    check_quiet()
    device = get_device()
    print(f"torch {torch.__version__} · {device} · {torch.get_num_threads()} hilos · "
          f"bf16: {'sí' if has_bf16(device) else 'no'}")  # fmt: skip
    with redirect_stdout(StringIO()):  # las barras de los dos bucles se calculan, pero no se ven
        table = pd.DataFrame({case.name: compare(case, device) for case in CASES}).T
    print(table.to_string())
