"""Capas e inicializaciones de las redes de las recetas."""

from torch import nn


def init_weights(module: nn.Module) -> None:
    """Pesos N(0, 0,02) y sesgos nulos; escala de BN N(1, 0,02). Uso: ``G.apply(init_weights)``.

    Va antes de ``spectral_norm`` y demás parametrizaciones: después, ``weight`` es un cálculo y
    cambiarlo no tendría efecto.

    Fuente: Radford, Metz y Chintala (2016), §3.
    """
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
