"""La receta S0 (caras de 128×128, Keras 2.2.4) en PyTorch: redes, Adam compartido e iteración.

Fuente: «Redes Adversarias: explicación y tutorial en Python» (Codificando Bits, 2019).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from gancook.training.modes import eval_mode
from gancook.training.steps import Logs

Z_SIZE = 100
KERAS_BN = {"eps": 1e-3, "momentum": 0.7}  # el momento 0,3 de Keras es lo que se conserva


def same_conv(n_in: int, n_out: int) -> nn.Sequential:
    """La convolución 5×5 de paso 2 con relleno ``same`` de Keras: (B, n_in, 2H, 2W) → (…, H, W).

    Se construye en el cuaderno 04.1, §3.
    """
    return nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(n_in, n_out, 5, 2, bias=False))


def same_conv_transpose(n_in: int, n_out: int) -> nn.Sequential:
    """La transpuesta de :func:`same_conv`: (B, n_in, H, W) → (B, n_out, 2H, 2W).

    De lo que sobra, Keras quita una fila y una columna al principio y dos al final. Se construye en
    el cuaderno 04.1, §3.
    """
    up = nn.ConvTranspose2d(n_in, n_out, 5, 2, padding=1, bias=False)  # quita una por lado
    return nn.Sequential(up, nn.ZeroPad2d((0, -1, 0, -1)))  # y esto, la otra del final


def s0_generator(width: int = 64) -> nn.Sequential:
    """z (B, 100) → (B, 3, 128, 128) en [−1, 1]; con 64 canales, 19 085 888 entrenables.

    Se construye en el cuaderno 04.1, §3.
    """
    deepest = 16 * width
    layers = [nn.Linear(Z_SIZE, 16 * deepest, bias=False)]
    layers += [nn.BatchNorm1d(16 * deepest, **KERAS_BN), nn.LeakyReLU(0.2)]
    layers += [nn.Unflatten(1, (deepest, 4, 4))]
    for n in (8 * width, 4 * width, 2 * width, width):  # 8×8, 16×16, 32×32 y 64×64
        layers += [same_conv_transpose(2 * n, n), nn.BatchNorm2d(n, **KERAS_BN), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, same_conv_transpose(width, 3), nn.Tanh())


def s0_discriminator(width: int = 64) -> nn.Sequential:
    """Imágenes (B, 3, 128, 128) → logits (B, 1); con 64 canales, 17 433 024 entrenables.

    La sigmoide, que S0 pone al final, va en la pérdida. Se construye en el cuaderno 04.1, §3.
    """
    layers = [same_conv(3, width), nn.LeakyReLU(0.2)]  # 64×64
    for n in (2 * width, 4 * width, 8 * width, 16 * width):  # 32×32, 16×16, 8×8 y 4×4
        layers += [same_conv(n // 2, n), nn.BatchNorm2d(n, **KERAS_BN), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * width, 1, bias=False))


def glorot(module: nn.Module) -> None:
    """Pesos uniformes de Glorot y Bengio (2010), los de Keras por omisión; BN no cambia.

    Uso: ``G.apply(glorot)``. Se construye en el cuaderno 04.1, §3.
    """
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_uniform_(module.weight)


class SharedAdam(torch.optim.Adam):
    """El Adam de Keras que comparten varios modelos: momentos de cada peso y un solo contador.

    Los pesos sin gradiente no se mueven, pero cada ``step`` cuenta también para ellos.

    Args:
        params: los pesos de todas las redes que lo comparten.
        epsilon: como en Keras, se suma a √v sin corregir.

    Se construye en el cuaderno 04.1, §3.
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 2e-4, epsilon: float = 1e-7):
        super().__init__(params, lr, (0.5, 0.999), fused=True)
        self.epsilon = epsilon
        for p in self.param_groups[0]["params"]:
            moments = {name: torch.zeros_like(p) for name in ("exp_avg", "exp_avg_sq")}
            self.state[p] = {"step": torch.zeros((), device=p.device), **moments}

    def step(self, closure=None):
        t = max(state["step"].item() for state in self.state.values())
        for state in self.state.values():
            state["step"].fill_(t)
        self.param_groups[0]["eps"] = self.epsilon / (1 - 0.999 ** (t + 1)) ** 0.5
        return super().step(closure)


@dataclass
class S0Step:
    """La iteración publicada: dos pasos de D, por separado, y uno de G con ruido nuevo.

    Args:
        D, G: discriminador (da logits) y generador, los dos en modo ``train``.
        optimizer: uno solo, con los pesos de los dos.

    Uso: ``fit(batches, S0Step(D, G, SharedAdam([*D.parameters(), *G.parameters()])), 1)``. Apunta
    la pérdida y la salida media de D de cada paso. Se construye en el cuaderno 04.1, §3.
    """

    D: nn.Module
    G: nn.Module
    optimizer: torch.optim.Optimizer

    def __call__(self, real: Tensor) -> Logs:
        with torch.no_grad(), eval_mode(self.G):  # el «predict» de Keras
            fake = self.G(torch.randn(len(real), Z_SIZE, device=real.device))
        logs = self._update("d_real", self.D, self.D(real), 0.9)
        logs |= self._update("d_fake", self.D, self.D(fake), 0.0)
        z = torch.randn(len(real), Z_SIZE, device=real.device)
        return logs | self._update("g", self.G, self.D(self.G(z)), 1.0)

    def _update(self, name: str, network: nn.Module, logits: Tensor, target: float) -> Logs:
        loss = binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
        self.optimizer.zero_grad()
        loss.backward(inputs=list(network.parameters()))  # la otra red, sin gradiente, no se mueve
        self.optimizer.step()
        return {f"{name}_loss": loss.detach(), f"{name}_output": logits.detach().sigmoid().mean()}
