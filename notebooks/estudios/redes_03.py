"""Las redes que se comparan en el cuaderno 03.3, de tamaño parecido.

Todas leen z (B, 100) y dan o reciben imágenes (B, 1, 28, 28). Se piden por su nombre:

- ``7×7``: con una convolución 3×3 a 7×7 en cada red.
- ``14×14``: las mismas con otra a 14×14.
- ``sin 3×3``: las mismas sin ninguna.
- ``28×28``: una sola, a resolución completa: la última de G y la primera de D.
- ``residual``: bloques residuales y ninguna normalización.
"""

import math

from torch import Tensor, nn

from gancook.training.layers import MinibatchStd, init_weights

# Las convoluciones de cada red: canales que salen, núcleo y zancada, siempre con relleno 1.
GENERATORS = {  # desde (128, 7, 7); con zancada 2 son transpuestas
    "7×7": [(128, 3, 1), (64, 4, 2), (1, 4, 2)],
    "sin 3×3": [(64, 4, 2), (1, 4, 2)],
    "28×28": [(64, 4, 2), (32, 4, 2), (1, 3, 1)],
    "14×14": [(128, 3, 1), (64, 4, 2), (64, 3, 1), (1, 4, 2)],
}
CRITICS = {
    "7×7": [(64, 4, 2), (128, 4, 2), (128, 3, 1)],
    "sin 3×3": [(64, 4, 2), (128, 4, 2)],
    "28×28": [(32, 3, 1), (64, 4, 2), (128, 4, 2)],
    "14×14": [(64, 4, 2), (64, 3, 1), (128, 4, 2), (128, 3, 1)],
}


class Residual(nn.Module):
    """x + W₂ φ(W₁ φ(x)): con W₂ a cero, el bloque empieza siendo la identidad.

    W₁ es una convolución 3×3, W₂ una 1×1 y φ una LeakyReLU; no cambia la forma (B, C, H, W).

    Fuentes: Zhang, Dauphin y Ma (2019, Fixup); Huang et al. (2024, R3GAN).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def unit_weights(module: nn.Module) -> None:
    """Pesos N(0, 1/n), con n las entradas que suma cada salida; sesgos y bloques, a cero.

    Sin normalización, cada capa conserva así la escala de lo que recibe. Uso: ``G.apply(…)``, que
    llega a las capas de un bloque antes que al bloque.
    """
    if isinstance(module, Residual):
        nn.init.zeros_(module.branch[-1].weight)
    elif isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        summed = module.weight[0].numel()
        if isinstance(module, nn.ConvTranspose2d):  # un peso de cada S² llega a cada píxel
            summed = module.weight[:, 0].numel() / math.prod(module.stride)
        nn.init.normal_(module.weight, 0.0, summed**-0.5)
        nn.init.zeros_(module.bias)


def generator(network: str) -> nn.Sequential:
    """z (B, 100) → imágenes (B, 1, 28, 28) en [−1, 1], con los pesos de PyTorch."""
    if network == "residual":
        return nn.Sequential(
            nn.Linear(100, 6272),
            nn.Unflatten(1, (128, 7, 7)),
            Residual(128),
            nn.ConvTranspose2d(128, 64, 4, 2, 1),
            Residual(64),
            nn.ConvTranspose2d(64, 1, 4, 2, 1),
            nn.Tanh(),
        )
    layers = [nn.Linear(100, 6272, bias=False), nn.BatchNorm1d(6272), nn.ReLU()]
    layers.append(nn.Unflatten(1, (128, 7, 7)))
    *inner, last = GENERATORS[network]
    n_in = 128
    for n_out, kernel, stride in inner:
        layers.append(_kind(stride)(n_in, n_out, kernel, stride, 1, bias=False))
        layers += [nn.BatchNorm2d(n_out), nn.ReLU()]
        n_in = n_out
    n_out, kernel, stride = last
    return nn.Sequential(*layers, _kind(stride)(n_in, n_out, kernel, stride, 1), nn.Tanh())


def _kind(stride: int) -> type[nn.Module]:
    return nn.ConvTranspose2d if stride == 2 else nn.Conv2d


def critic(
    network: str, slope: float = 0.2, norm: bool = False, spread: bool = False
) -> nn.Sequential:
    """Imágenes (B, 1, 28, 28) → logits (B, 1), con los pesos de PyTorch.

    Args:
        network: nombre de la red.
        slope: pendiente de la LeakyReLU en lo negativo; con 0 es una ReLU.
        norm: con BN tras cada convolución; la residual no la admite.
        spread: con la desviación del lote delante de la última capa.
    """
    body = _residual_body() if network == "residual" else _body(network, slope, norm)
    extra = [MinibatchStd()] if spread else []
    return nn.Sequential(*body, nn.Flatten(), *extra, nn.Linear(6272 + len(extra), 1))


def _residual_body() -> list[nn.Module]:
    return [
        nn.Conv2d(1, 64, 4, 2, 1),
        Residual(64),
        nn.Conv2d(64, 128, 4, 2, 1),
        Residual(128),
    ]


def _body(network: str, slope: float, norm: bool) -> list[nn.Module]:
    layers, n_in = [], 1
    for n_out, kernel, stride in CRITICS[network]:
        layers.append(nn.Conv2d(n_in, n_out, kernel, stride, 1))
        layers += [nn.BatchNorm2d(n_out)] if norm else []
        layers.append(nn.LeakyReLU(slope))
        n_in = n_out
    return layers


def initialize(network: str, *parts: nn.Module) -> None:
    """Los pesos iniciales de cada red: N(0, 0,02) con BN en G; los de escala unidad sin ella."""
    for part in parts:
        part.apply(unit_weights if network == "residual" else init_weights)
