"""Capas e inicialización de los pesos de las redes de las recetas."""

import torch
from torch import Tensor, nn


def init_weights(module: nn.Module) -> None:
    """Pesos N(0, 0,02) y sesgos nulos; escala de BN N(1, 0,02). Uso: ``G.apply(init_weights)``.

    Va antes de ``spectral_norm`` y demás parametrizaciones: después, ``weight`` es un cálculo y
    cambiarlo no tendría efecto.

    Fuente: Radford, Metz y Chintala (2016), §3. Se construye en el cuaderno 03.2, §5.1.
    """
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class MinibatchStd(nn.Module):
    """Añade un canal con la variedad del lote: la desviación típica media de sus entradas.

    De (B, C, …) a (B, C + 1, …). Lo real y lo falso deben llegar en lotes separados.

    Fuente: Karras et al. (2018), §3. Se construye en el cuaderno 06.3, §1.2.
    """

    def forward(self, x: Tensor) -> Tensor:
        spread = (x.var(dim=0, correction=0) + 1e-8).sqrt().mean()  # derivable si no hay variedad
        return torch.cat([x, spread.expand(len(x), 1, *x.shape[2:])], dim=1)
