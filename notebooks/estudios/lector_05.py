"""Quién lee el estilo de un cuadro: una red pequeña, independiente de las que generan."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gancook.data.batches import Batches
from gancook.session import get_device, temporary_seed
from gancook.training.augment import translate
from gancook.training.loop import fit
from gancook.training.modes import eval_mode
from gancook.training.precision import MixedPrecision
from gancook.training.steps import Logs, update


def style_network(classes: int, width: int = 32) -> nn.Sequential:
    """Cuadros (B, 3, 64, 64) en [−1, 1] → logits (B, classes).

    Cuatro convoluciones 3×3 de paso 2 con BN, la media de cada mapa y una capa lineal. Se construye
    en el cuaderno 05.2, §3.
    """

    def halve(n_in: int, n_out: int) -> list[nn.Module]:
        convolution = nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False)
        return [convolution, nn.BatchNorm2d(n_out), nn.ReLU()]

    return nn.Sequential(
        *halve(3, width),  # 32×32
        *halve(width, 2 * width),  # 16×16
        *halve(2 * width, 4 * width),  # 8×8
        *halve(4 * width, 4 * width),  # 4×4
        *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * width, classes)],
    )


def train_reader(images: Tensor, labels: Tensor, classes: int, epochs: int) -> nn.Module:
    """Un lector de estilos entrenado; no altera el azar global.

    AdamW con la tasa de un ciclo y entropía cruzada con etiquetas suavizadas; la mitad de los
    cuadros van en espejo, y todos, movidos al azar hasta 8 píxeles.

    Args:
        images: bytes (N, 3, 64, 64).
        labels: sus estilos (N,).
        classes: cuántos estilos hay.
        epochs: vueltas a los cuadros.

    Se construye en el cuaderno 05.2, §3.
    """
    device = get_device()
    batches = Batches(images, min(128, len(images)), labels=labels, device=device)
    with temporary_seed(0):
        network = MixedPrecision(style_network(classes), device)
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
        total = epochs * len(batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=total)

        def step(batch: tuple[Tensor, Tensor]) -> Logs:
            x, y = batch
            mirrored = torch.rand(len(x), 1, 1, 1, device=device) < 0.5
            logits = network(translate(torch.where(mirrored, x.flip(3), x)))
            loss = cross_entropy(logits, y, label_smoothing=0.1)
            update(optimizer, loss)
            schedule.step()
            return {"loss": loss.detach()}

        fit(batches, step, epochs)
    return network


@torch.no_grad()
def read_styles(network: nn.Module, images: Tensor) -> Tensor:
    """El estilo (N,) que lee la red en cada imagen, en bytes (N, 3, 64, 64)."""
    device = next(network.parameters()).device
    with eval_mode(network):
        logits = [network(part.to(device) / 127.5 - 1) for part in images.split(250)]
    return torch.cat(logits).argmax(dim=1).cpu()


def confusion(asked: Tensor, read: Tensor, classes: int) -> Tensor:
    """De lo que se pidió (N,) y lo que se lee (N,), la proporción (pedido, leído) por filas."""
    table = torch.zeros(classes, classes, dtype=torch.float64)
    table.index_put_((asked, read), torch.ones(len(asked), dtype=torch.float64), accumulate=True)
    return table / table.sum(dim=1, keepdim=True)
