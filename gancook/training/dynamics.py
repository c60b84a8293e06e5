"""La media móvil de los pesos de G y el paso de las pérdidas relativistas."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gancook.training.steps import AdversarialStep, Logs


def average(G: nn.Module, decay: float) -> AveragedModel:
    """Copia de G en modo ``eval`` cuyos pesos, y los de BN, son la media móvil de los suyos.

    Se actualiza con ``update_parameters(G)`` tras cada paso. La memoria empieza corta y crece hasta
    ``decay``, para no arrastrar los pesos iniciales.

    Fuentes: Yazıcı et al. (2019); Karras et al. (2018). Se construye en el cuaderno 03.3, §1.2.
    """

    def mix(averaged, current, count):
        if not averaged.is_floating_point():
            return current
        keep = ((1 + count) / (10 + count)).clamp(max=decay)  # al principio, memoria corta
        return averaged.lerp(current, 1 - keep)

    return AveragedModel(G, avg_fn=mix, use_buffers=True).eval()


@dataclass
class RelativisticStep(AdversarialStep):
    """G compara también: ``g_loss`` recibe (logits falsos, logits reales)."""

    def generator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        with torch.no_grad():  # lo real no depende de G
            on_real = self.D(real)
        return {"g_loss": self.g_loss(self.D(fake), on_real)}
