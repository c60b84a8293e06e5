"""Cuánto más deprisa entrena gancook que los bucles publicados: ``python tests/bench``.

Mismas redes y mismo lote en los dos lados. Se alternan uno y otro, así que comparten lo que la
máquina esté haciendo, y se imprime la mediana de los cocientes con su mínimo y su máximo.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO

import pandas as pd
import torch
from published import CASES, Case

from gancook import get_device
from gancook.data.batches import Batches
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.precision import MixedPrecision, has_bf16
from gancook.training.steps import AdversarialSteps

ROUNDS = 7
SECONDS = 2.0  # lo que dura cada medida del bucle publicado, más o menos


def fast_loop(case: Case, images: torch.Tensor, device: torch.device) -> Callable[[int], None]:
    """Las mismas redes y el mismo lote, con lo que ofrece gancook.

    Con ``joint`` y sin alternar ``eval`` y ``train``, la BN de D no ve lo mismo que en el bucle
    publicado: esto compara velocidades, no calidades.
    """
    networks = case.networks(sigmoid=False)
    G, D = (MixedPrecision(n, device) if case.bf16 else n.to(device) for n in networks)
    d_optimizer, g_optimizer = (
        torch.optim.Adam(n.parameters(), case.lr, case.betas, fused=True) for n in (D, G)
    )
    steps = AdversarialSteps(
        D,
        G,
        d_optimizer,
        g_optimizer,
        discriminator_loss,
        non_saturating_loss,
        case.z_size,
        joint=case.joint,
    )

    def run(iterations: int) -> None:
        batches = Batches(
            images, case.batch, scale=case.scale, device=device, replacement=True, steps=iterations
        )
        fit(batches, steps.discriminator_step, steps.generator_step, epochs=1)

    return run


def clock(run: Callable[[int], None], iterations: int) -> float:
    """Iteraciones por segundo."""
    start = time.perf_counter()
    run(iterations)
    return iterations / (time.perf_counter() - start)


def compare(case: Case, device: torch.device) -> dict[str, object]:
    images = torch.randint(0, 256, (4096, *case.shape), dtype=torch.uint8)
    slow, fast = case.loop(images, device), fast_loop(case, images, device)
    slow(3), fast(3)  # calentamiento
    iterations = max(3, int(SECONDS * clock(slow, 5)))
    pairs = [(clock(slow, iterations), clock(fast, iterations)) for _ in range(ROUNDS)]
    ratios = [ours / theirs for theirs, ours in pairs]
    theirs, ours = (statistics.median(column) * case.batch for column in zip(*pairs, strict=True))
    return {
        "publicado (imágenes/s)": round(theirs),
        "gancook (imágenes/s)": round(ours),
        "veces más rápido": round(statistics.median(ratios), 2),
        "mínimo": round(min(ratios), 2),
        "máximo": round(max(ratios), 2),
    }


if __name__ == "__main__":
    device = get_device()
    print(f"torch {torch.__version__} · {device} · {torch.get_num_threads()} hilos · "
          f"bf16: {'sí' if has_bf16(device) else 'no'}")  # fmt: skip
    with redirect_stdout(StringIO()):  # las barras de los dos bucles se calculan, pero no se ven
        table = pd.DataFrame({case.name: compare(case, device) for case in CASES}).T
    print(table.to_string())
