"""Precisión mixta: la red se calcula en bf16 donde el equipo sabe hacerlo deprisa."""

import torch
from torch import Tensor, nn


def has_bf16(device: torch.device | str) -> bool:
    """Si ``device`` multiplica en bfloat16 por hardware; emularlo sería más lento que float32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supported = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, f, bool)() for f in supported)


class MixedPrecision(nn.Module):
    """Envuelve una red: calcula en bf16 si se puede y devuelve siempre float32.

    Los pesos siguen en float32 (los optimizadores los actualizan así) y las pérdidas reciben
    float32: un logit en bf16 solo tiene tres cifras. Es también donde los pesos pasan a
    ``channels_last``, el orden de memoria que prefieren las convoluciones.

    Args:
        network: la red por envolver; queda en ``.network``.
        device: dónde vivirá.
        enabled: sin él, lo que diga :func:`has_bf16`.

    Fuente: Micikevicius et al. (2018). Se usa por primera vez en el cuaderno 03.3, §1.2.
    """

    def __init__(
        self, network: nn.Module, device: torch.device | str, enabled: bool | None = None
    ) -> None:
        super().__init__()
        self.network = network.to(device, memory_format=torch.channels_last)
        for module in network.modules():
            if isinstance(module, nn.Flatten):
                module.register_forward_pre_hook(_keep_layout)
        self.enabled = has_bf16(device) if enabled is None else enabled

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.enabled):
            return self.network(x).float()


def _keep_layout(module: nn.Module, args: tuple[Tensor]) -> None:
    """Devuelve el gradiente de un ``Flatten`` en ``channels_last``.

    Llegaría en el otro orden, y en CPU derivar una ReLU con dos órdenes mezclados es veinte veces
    más lento.
    """
    if args[0].requires_grad and args[0].ndim == 4:
        args[0].register_hook(lambda g: g.contiguous(memory_format=torch.channels_last))
