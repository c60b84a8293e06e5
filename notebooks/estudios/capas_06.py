"""Capas y límites de los pesos que solo usa el cuaderno 06."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def clip_weights(network: nn.Module, limit: float = 0.01) -> None:
    """Recorta cada peso al intervalo [−limit, limit]; en la WGAN, tras cada paso de D.

    Fuente: Arjovsky, Chintala y Bottou (2017), algoritmo 1. Se construye en el cuaderno 06.2, §1.3.
    """
    for p in network.parameters():
        p.clamp_(-limit, limit)


class Pack(nn.Module):
    """PacGAN: junta las muestras de m en m por los canales. Uso: ``nn.Sequential(Pack(2), D)``.

    De (B, C, …) a (B/m, m·C, …), con B múltiplo de m, o ``RuntimeError``. D da entonces un logit
    por paquete, y las m muestras son todas reales o todas falsas.

    Fuente: Lin et al. (2018). Se construye en el cuaderno 06.3, §1.4.
    """

    def __init__(self, m: int):
        super().__init__()
        self.m = m

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, self.m * x.shape[1], *x.shape[2:])


class GaussianNoise(nn.Module):
    """Ruido de instancia: suma N(0, std²) a lo que entra en D, real o falso.

    ``std`` se puede cambiar entre pasos para que el ruido se apague.

    Fuente: Sønderby et al. (2017), §3. Se construye en el cuaderno 06.3, §2.1.
    """

    def __init__(self, std: float):
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        return x + self.std * torch.randn_like(x)


class MinibatchDiscrimination(nn.Module):
    """Añade a cada muestra lo cerca que está de las demás de su lote.

    De (B, n) a (B, n + features): o_b(xᵢ) = Σⱼ exp(−‖M_b(xᵢ) − M_b(xⱼ)‖₁), con M = x T repartida
    en ``features`` filas de ``size`` números. Lo real y lo falso, en lotes separados.

    Fuente: Salimans et al. (2016), §3.2. Se construye en el cuaderno 06.3, §1.3.
    """

    def __init__(self, n: int, features: int, size: int):
        super().__init__()
        self.T = nn.Parameter(torch.randn(n, features, size) / n**0.5)

    def forward(self, x: Tensor) -> Tensor:
        M = torch.einsum("in,nbs->bis", x, self.T)  # (features, B, size)
        closeness = (-torch.cdist(M, M, p=1)).exp()  # (features, B, B)
        return torch.cat([x, closeness.sum(dim=2).T], dim=1)


class VirtualBatchNorm(nn.Module):
    """BN con la media y la varianza de un lote de referencia más la propia muestra.

    Las ``size`` = R primeras filas que entran son la referencia, que pone
    :class:`WithReference`. Así el resultado de una muestra no depende de las demás del lote.

    Args:
        channels: C, en entradas (R + B, C) o (R + B, C, H, W).
        size: R.

    Fuente: Salimans et al. (2016), §3.5. Se construye en el cuaderno 06.3, §1.5.
    """

    def __init__(self, channels: int, size: int, eps: float = 1e-5):
        super().__init__()
        self.size, self.eps = size, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(*x.shape[:2], -1)  # (R + B, C, H·W)
        reference = flat[: self.size]
        w = torch.full((len(x), 1, 1), 1 / (self.size + 1)).to(x)
        w[: self.size] = 0  # la referencia se normaliza solo consigo misma
        middle = reference.mean(dim=(0, 2), keepdim=True)  # (1, C, 1)
        mean = middle.lerp(flat.mean(dim=2, keepdim=True), w)
        spread = (reference - middle).square().mean(dim=(0, 2), keepdim=True)
        spread = spread + (middle - mean).square()
        var = spread.lerp((flat - mean).square().mean(dim=2, keepdim=True), w)
        normal = (flat - mean) / (var + self.eps).sqrt()
        return (normal * self.weight[:, None] + self.bias[:, None]).reshape(x.shape)


class WithReference(nn.Module):
    """Pone el lote de referencia delante de la entrada de ``network`` y lo quita de su salida.

    Args:
        network: red con capas :class:`VirtualBatchNorm` del tamaño de la referencia.
        reference: (R, …), elegida una vez y fija.

    Se construye en el cuaderno 06.3, §1.5.
    """

    def __init__(self, network: nn.Module, reference: Tensor):
        super().__init__()
        self.network = network
        self.register_buffer("reference", reference)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(torch.cat([self.reference, x]))[len(self.reference) :]


class SelfAttention(nn.Module):
    """Autoatención: a cada posición se le suma γ veces una media de todas, según se parezcan.

    De (B, C, H, W) a la misma forma; γ empieza en 0. Los productos no se dividen por la raíz de la
    dimensión. ``scaled_dot_product_attention`` haría el mismo cálculo, pero su versión rápida de
    CPU no se puede derivar dos veces, que es lo que pide una penalización del gradiente. Que v
    tenga C/2 canales es del código de los autores, no del artículo.

    Args:
        channels: C, al menos 8.

    Fuente: Zhang et al. (2019), §3. Se construye en el cuaderno 06.4, §2.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.key = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.value = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.out = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).flatten(2) for f in (self.query, self.key, self.value))  # (B, ·, H·W)
        attention = (q.transpose(1, 2) @ k).softmax(dim=2)  # (B, H·W, H·W), cada fila suma 1
        mixed = v @ attention.transpose(1, 2)
        return x + self.gamma * self.out(mixed.unflatten(2, x.shape[2:]))
