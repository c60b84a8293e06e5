"""Los bucles publicados, con sus redes: lo que se mide contra gancook."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
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
    joint: bool = True  # si su D recibe lo real y lo falso en un solo lote
    bf16: bool = True  # en capas tan pequeñas como las del perceptrón, convertir no compensa

    def loop(self, images: Tensor, device: torch.device) -> Loop:
        low, high = self.scale
        data = TensorDataset(images.float() / 255 * (high - low) + low)
        loader = DataLoader(data, self.batch, shuffle=True, drop_last=True)
        G, D = (network.to(device) for network in self.networks(sigmoid=True))
        optimizers = [torch.optim.Adam(n.parameters(), self.lr, self.betas) for n in (D, G)]
        return self.make_loop(loader, D, G, *optimizers, self.z_size, device)


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


def s2_loop(loader, D, G, d_optimizer, g_optimizer, z_size, device) -> Loop:
    """Lote concatenado sin ``detach``, interruptores ``eval``/``train``, dos lecturas por paso."""
    bce, stream = nn.BCELoss(), _forever(loader)

    def run(count: int) -> None:
        for _ in range(count):
            real = next(stream).to(device)
            n = len(real)
            G.eval()
            D.train()
            both = torch.cat([G(torch.randn(n, z_size, device=device)), real])
            labels = torch.cat([torch.zeros(n, device=device), torch.ones(n, device=device)])
            d_optimizer.zero_grad()
            d_loss = bce(D(both).view(-1), labels)
            d_loss.backward()
            d_optimizer.step()
            G.train()
            D.eval()
            g_optimizer.zero_grad()
            fake = G(torch.randn(n, z_size, device=device))
            g_loss = bce(D(fake).view(-1), torch.ones(n, device=device))
            g_loss.backward()
            g_optimizer.step()
            d_loss.item(), g_loss.item()

    return run


def pytorch_loop(loader, D, G, d_optimizer, g_optimizer, z_size, device) -> Loop:
    """Dos pasadas de D con su ``backward``, G con el mismo lote falso, cinco lecturas por paso."""
    bce, stream = nn.BCELoss(), _forever(loader)

    def run(count: int) -> None:
        for _ in range(count):
            D.zero_grad()
            real = next(stream).to(device)
            label = torch.full((len(real),), 1.0, device=device)
            output = D(real).view(-1)
            real_loss = bce(output, label)
            real_loss.backward()
            d_x = output.mean().item()
            fake = G(torch.randn(len(real), z_size, device=device))
            output = D(fake.detach()).view(-1)
            fake_loss = bce(output, label.fill_(0.0))
            fake_loss.backward()
            d_g_z1 = output.mean().item()
            d_optimizer.step()
            G.zero_grad()
            output = D(fake).view(-1)
            g_loss = bce(output, label.fill_(1.0))
            g_loss.backward()
            g_optimizer.step()
            (real_loss + fake_loss).item(), g_loss.item(), d_x, d_g_z1, output.mean().item()

    return run


def _forever(loader):
    while True:
        for (images,) in loader:
            yield images


S2 = {"batch": 32, "shape": (1, 28, 28), "lr": 3e-4, "betas": (0.9, 0.999), "make_loop": s2_loop}
CASES = [
    Case("S2, DCGAN-28", s2_networks, z_size=100, scale=(-1, 1), **S2),
    Case("S2, perceptrón", mlp_networks, z_size=30, scale=(0, 1), bf16=False, **S2),
    Case(
        "PyTorch, DCGAN-64", dcgan64_networks, z_size=100, batch=128, shape=(3, 64, 64),
        scale=(-1, 1), lr=2e-4, betas=(0.5, 0.999), make_loop=pytorch_loop, joint=False,
    ),
]  # fmt: skip
