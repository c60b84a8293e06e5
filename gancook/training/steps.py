"""Un paso de D, un paso de G y la iteración que los junta."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Logs = dict[str, Tensor]


def discriminator_step(
    real: Tensor,
    z: Tensor,
    D: nn.Module,
    G: nn.Module,
    optimizer: Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> Logs:
    """Un paso de D: que suba en lo real y baje en lo que G inventa.

    Args:
        real: lote real (B, …), ya normalizado.
        z: ruido (B, n) para G.
        D, G: discriminador (da logits) y generador.
        optimizer: el de los parámetros de D.
        loss: función (logits reales, logits falsos) → escalar.

    Returns:
        ``{"d_loss": escalar sin gradiente}``.

    Fuente: Goodfellow et al. (2014), algoritmo 1. Se construye en el cuaderno 02, §5.
    """
    fake = G(z).detach()  # aquí solo aprende D: el gradiente no debe llegar a G
    d_loss = loss(D(real), D(fake))
    optimizer.zero_grad()
    d_loss.backward()
    optimizer.step()
    return {"d_loss": d_loss.detach()}  # sin el grafo, que si no se quedaría en memoria


def generator_step(
    z: Tensor,
    D: nn.Module,
    G: nn.Module,
    optimizer: Optimizer,
    loss: Callable[[Tensor], Tensor],
) -> Logs:
    """Un paso de G: que D se equivoque con lo que G inventa.

    Args:
        z: ruido (B, n) nuevo.
        D, G: discriminador (da logits) y generador.
        optimizer: el de los parámetros de G, todos entrenables; con capas congeladas, usa
            :func:`update`.
        loss: función logits falsos → escalar.

    Returns:
        ``{"g_loss": escalar sin gradiente}``.

    Fuente: Goodfellow et al. (2014), algoritmo 1. Se construye en el cuaderno 02, §5.
    """
    g_loss = loss(D(G(z)))
    optimizer.zero_grad()
    g_loss.backward(inputs=list(G.parameters()))  # atraviesa D sin calcular el de sus pesos
    optimizer.step()
    return {"g_loss": g_loss.detach()}  # sin el grafo, que si no se quedaría en memoria


def update(optimizer: Optimizer, loss: Tensor) -> None:
    """Un paso del optimizador, calculando solo el gradiente de sus propios parámetros.

    En el paso de G, el gradiente atraviesa D sin gastar en el de los pesos de D. Los parámetros
    congelados (``requires_grad=False``) se quedan como están.

    Se construye en el cuaderno 03.3, §1.1.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    optimizer.zero_grad()
    loss.backward(inputs=[p for p in parameters if p.requires_grad])
    optimizer.step()


@dataclass
class AdversarialStep:
    """Una iteración con un único lote falso: aprende D y después G, de las mismas imágenes.

    Se ahorra una pasada de G. Uso: ``fit(batches, AdversarialStep(D, G, …), epochs)``. Una técnica
    envuelve D, cambia una pérdida o hereda y redefine ``discriminator_terms`` o
    ``generator_terms``: cada término que devuelven se suma y se apunta con su nombre, que no debe
    repetirse entre los de D y los de G.

    Args:
        D, G: discriminador (da logits) y generador.
        d_optimizer, g_optimizer: los de sus parámetros.
        d_loss: función (logits reales, logits falsos) → escalar.
        g_loss: función (logits falsos) → escalar.
        z_size: números por vector de ruido.
        count: iteraciones dadas, para lo que solo se hace de vez en cuando.

    Se construye en el cuaderno 03.3, §1.1.
    """

    D: nn.Module
    G: nn.Module
    d_optimizer: Optimizer
    g_optimizer: Optimizer
    d_loss: Callable[[Tensor, Tensor], Tensor]
    g_loss: Callable[[Tensor], Tensor]
    z_size: int
    count: int = 0

    def __call__(self, real: Tensor) -> Logs:
        """Da la iteración con el lote real (B, …) y devuelve los términos, sin gradiente."""
        fake = self.G(torch.randn(len(real), self.z_size, device=real.device))
        d_terms = self.discriminator_terms(real, fake.detach())  # aquí solo aprende D
        update(self.d_optimizer, sum(d_terms.values()))
        g_terms = self.generator_terms(real, fake)
        update(self.g_optimizer, sum(g_terms.values()))
        self.count += 1
        return {name: term.detach() for name, term in (d_terms | g_terms).items()}

    def discriminator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        """Los sumandos de la pérdida de D para lotes (B, …); lo falso, sin gradiente hacia G."""
        return {"d_loss": self.d_loss(self.D(real), self.D(fake))}

    def generator_terms(self, real: Tensor, fake: Tensor) -> Logs:
        """Los sumandos de la pérdida de G para los mismos lotes, con gradiente hacia G."""
        return {"g_loss": self.g_loss(self.D(fake))}

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.count = state["count"]
