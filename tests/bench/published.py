"""Los bucles publicados, con sus redes: lo que se mide contra gancook."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from fastprogress import master_bar, progress_bar
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

Networks = Callable[..., tuple[nn.Module, nn.Module]]
Loop = Callable[[int], None]


@dataclass(frozen=True)
class Case:
    """Una receta publicada: redes, ajustes y su manera de escribir el bucle."""

    name: str
    networks: Networks
    z_size: int
    batch: int
    shape: tuple[int, int, int]
    scale: tuple[float, float]
    lr: float
    betas: tuple[float, float]
    make_loop: Callable[..., Loop]
    logits: bool = False  # si su D acaba sin sigmoide
    logged: int = 0  # pérdidas que ya lleva apuntadas cuando se la empieza a medir
    joint: bool = True  # si su D recibe lo real y lo falso en un solo lote
    bf16: bool = True  # en capas tan pequeñas como las del perceptrón, convertir no compensa

    def loop(self, images: Tensor, device: torch.device) -> Loop:
        low, high = self.scale
        labels = torch.zeros(len(images), dtype=torch.long)
        data = TensorDataset(images.float() / 255 * (high - low) + low, labels)
        loader = DataLoader(data, self.batch, shuffle=True, drop_last=True)
        G, D = (network.to(device) for network in self.networks(sigmoid=not self.logits))
        optimizers = [torch.optim.Adam(n.parameters(), self.lr, self.betas) for n in (D, G)]
        criterion = nn.BCEWithLogitsLoss() if self.logits else nn.BCELoss()
        return self.make_loop(self, loader, D, G, *optimizers, criterion, device)


def s2_networks(sigmoid: bool) -> tuple[nn.Module, nn.Module]:
    """Receta S2 convolucional («GANs», sensio): 778 240 y 138 753 parámetros."""
    G = nn.Sequential(
        nn.Linear(100, 6272), nn.BatchNorm1d(6272), nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        nn.Flatten(), nn.Linear(6272, 1),
    )  # fmt: skip
    return G, D.append(nn.Sigmoid()) if sigmoid else D


def mlp_networks(sigmoid: bool) -> tuple[nn.Module, nn.Module]:
    """Receta S2 de perceptrones: 98 934 y 132 951 parámetros."""

    def mlp(n_in: int, n_out: int) -> nn.Sequential:
        hidden = nn.Linear(n_in, 150), nn.ReLU(), nn.Linear(150, 100), nn.ReLU()
        return nn.Sequential(*hidden, nn.Linear(100, n_out))

    G = nn.Sequential(mlp(30, 784), nn.Unflatten(1, (1, 28, 28)))
    D = nn.Sequential(nn.Flatten(), mlp(784, 1))
    return G, D.append(nn.Sigmoid()) if sigmoid else D


def dcgan64_networks(sigmoid: bool) -> tuple[nn.Module, nn.Module]:
    """DCGAN de 64×64 del ejemplo de PyTorch, ngf = ndf = 64: 3 576 704 y 2 765 568."""
    up = [nn.Unflatten(1, (100, 1, 1)), nn.ConvTranspose2d(100, 512, 4, 1, 0, bias=False)]
    for n in (512, 256, 128):
        up += [nn.BatchNorm2d(n), nn.ReLU(True)]
        up += [nn.ConvTranspose2d(n, n // 2, 4, 2, 1, bias=False)]
    up += [nn.BatchNorm2d(64), nn.ReLU(True), nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False)]
    down = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for n in (64, 128, 256):
        down += [nn.Conv2d(n, 2 * n, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * n)]
        down += [nn.LeakyReLU(0.2, True)]
    down += [nn.Conv2d(512, 1, 4, 1, 0, bias=False), nn.Flatten()]
    return nn.Sequential(*up, nn.Tanh()), nn.Sequential(*down, *[nn.Sigmoid()] * sigmoid)


def s2_loop(case, loader, D, G, d_optimizer, g_optimizer, criterion, device) -> Loop:
    """Lote concatenado sin ``detach``, interruptores ``eval``/``train``, dos lecturas por paso.

    En cada paso escribe en la barra la media de todas las pérdidas que lleva apuntadas, que es más
    trabajo cuanto más se ha entrenado.
    """
    stream, g_losses, d_losses = _forever(loader), [0.7] * case.logged, [0.7] * case.logged

    def run(count: int) -> None:
        epochs = master_bar(range(1))
        for _ in epochs:
            bar = progress_bar(islice(stream, count), total=count, parent=epochs)
            for real in bar:
                n = len(real)
                G.eval()
                D.train()
                both = torch.cat([G(torch.randn(n, case.z_size).to(device)), real.to(device)])
                labels = torch.cat([torch.zeros(n), torch.ones(n)]).view(-1, 1).to(device)
                d_optimizer.zero_grad()
                d_loss = criterion(D(both), labels)
                d_loss.backward()
                d_optimizer.step()
                d_losses.append(d_loss.item())
                G.train()
                D.eval()
                fake = G(torch.randn(n, case.z_size).to(device))
                g_loss = criterion(D(fake), torch.ones(n).view(-1, 1).to(device))
                g_optimizer.zero_grad()
                g_loss.backward()
                g_optimizer.step()
                g_losses.append(g_loss.item())
                bar.comment = f"G {np.mean(g_losses):.5f} D {np.mean(d_losses):.5f}"

    return run


def pytorch_loop(case, loader, D, G, d_optimizer, g_optimizer, criterion, device) -> Loop:
    """Dos pasadas de D con su ``backward``, G con el mismo lote falso, cinco lecturas por paso."""
    stream = _forever(loader)

    def run(count: int) -> None:
        for _ in range(count):
            D.zero_grad()
            real = next(stream).to(device)
            label = torch.full((len(real),), 1.0, device=device)
            output = D(real).view(-1)
            real_loss = criterion(output, label)
            real_loss.backward()
            d_x = output.mean().item()
            fake = G(torch.randn(len(real), case.z_size, device=device))
            output = D(fake.detach()).view(-1)
            fake_loss = criterion(output, label.fill_(0.0))
            fake_loss.backward()
            d_g_z1 = output.mean().item()
            d_optimizer.step()
            G.zero_grad()
            output = D(fake).view(-1)
            g_loss = criterion(output, label.fill_(1.0))
            g_loss.backward()
            g_optimizer.step()
            (real_loss + fake_loss).item(), g_loss.item(), d_x, d_g_z1, output.mean().item()

    return run


def _forever(loader):
    while True:
        for images, _ in loader:
            yield images


HALFWAY = 30 * 1875 // 2  # el paso medio de las 30 épocas de S2: cuesta lo que cuestan de media
S2 = {"batch": 32, "shape": (1, 28, 28), "lr": 3e-4, "betas": (0.9, 0.999), "make_loop": s2_loop}
PERCEPTRON = {"z_size": 30, "scale": (0, 1), "logits": True, "bf16": False, **S2}
CASES = [
    Case("S2, DCGAN-28", s2_networks, z_size=100, scale=(-1, 1), logged=HALFWAY, **S2),
    Case("S2, perceptrón", mlp_networks, logged=HALFWAY, **PERCEPTRON),
    Case("S2, perceptrón, al empezar", mlp_networks, **PERCEPTRON),
    Case(
        "PyTorch, DCGAN-64", dcgan64_networks, z_size=100, batch=128, shape=(3, 64, 64),
        scale=(-1, 1), lr=2e-4, betas=(0.5, 0.999), make_loop=pytorch_loop, joint=False,
    ),
]  # fmt: skip
