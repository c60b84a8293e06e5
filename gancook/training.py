"""El bucle de entrenamiento de una GAN: un paso de D, un paso de G, y alrededor ``fit``."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from fastprogress import master_bar, progress_bar
from torch import Tensor, nn
from torch.optim import Optimizer

from gancook.batches import Batches
from gancook.history import History

Logs = dict[str, Tensor]
Step = Callable[[Tensor], Logs]


def init_weights(module: nn.Module) -> None:
    """Pesos N(0, 0,02) y sesgos nulos; escala de BN N(1, 0,02). Uso: ``G.apply(init_weights)``.

    Fuente: Radford, Metz y Chintala (2016), §3.
    """
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


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
        optimizer: el de los parámetros de G.
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

    En el paso de G, el gradiente atraviesa D sin gastar en el de los pesos de D.

    Se construye en el cuaderno 03, §7.
    """
    optimizer.zero_grad()
    loss.backward(inputs=[p for group in optimizer.param_groups for p in group["params"]])
    optimizer.step()


@dataclass
class AdversarialSteps:
    """Los dos pasos de una iteración, con un único lote falso.

    D aprende del lote falso y después aprende G de ese mismo lote: se ahorra una pasada de G.
    Uso: ``fit(batches, steps.discriminator_step, steps.generator_step, …)``.

    Args:
        D, G: discriminador (da logits) y generador.
        d_optimizer, g_optimizer: los de sus parámetros.
        d_loss: función (logits reales, logits falsos) → escalar.
        g_loss: función (logits falsos) → escalar; con ``paired``, (falsos, reales).
        z_size: números por vector de ruido.
        joint: pasar lo real y lo falso por D en un solo lote; es más rápido y da lo mismo, salvo
            que D tenga BN, que entonces mezcla sus estadísticas.
        paired: si la pérdida de G compara lo falso con lo real, como las relativistas.
        penalty: función (D, reales, falsas) → escalar que se suma a la pérdida de D.
        every: la penalización se calcula una de cada ``every`` veces, multiplicada por ``every``
            (Karras et al., 2020).
        step: iteraciones dadas; de ella depende cuándo se penaliza.

    Se construye en el cuaderno 03, §7.
    """

    D: nn.Module
    G: nn.Module
    d_optimizer: Optimizer
    g_optimizer: Optimizer
    d_loss: Callable[[Tensor, Tensor], Tensor]
    g_loss: Callable[..., Tensor]
    z_size: int
    joint: bool = False
    paired: bool = False
    penalty: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None
    every: int = 1
    step: int = 0

    def discriminator_step(self, real: Tensor) -> Logs:
        self.fake = self.G(torch.randn(len(real), self.z_size, device=real.device))
        fake = self.fake.detach()  # aquí solo aprende D; el grafo de G espera a generator_step
        if self.joint:
            logits = self.D(torch.cat([real, fake])).chunk(2)
        else:
            logits = self.D(real), self.D(fake)
        d_loss = total = self.d_loss(*logits)
        if self.penalty is not None and self.step % self.every == 0:
            total = d_loss + self.every * self.penalty(self.D, real, fake)
        self.step += 1
        update(self.d_optimizer, total)
        return {"d_loss": d_loss.detach()}  # sin el grafo, que si no se quedaría en memoria

    def generator_step(self, real: Tensor) -> Logs:
        logits = [self.D(self.fake)]
        if self.paired:
            with torch.no_grad():  # lo real no depende de G
                logits.append(self.D(real))
        g_loss = self.g_loss(*logits)
        update(self.g_optimizer, g_loss)
        return {"g_loss": g_loss.detach()}  # sin el grafo

    def state_dict(self) -> dict[str, int]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.step = state["step"]


def fit(
    batches: Batches,
    d_step: Step,
    g_step: Step,
    epochs: int,
    hook: Callable[[History], None] | None = None,
    history: History | None = None,
) -> History:
    """Entrena alternando ``d_step`` y ``g_step`` hasta completar ``epochs`` épocas.

    Args:
        batches: objeto con ``len()`` y ``epoch(número, desde)``, como :class:`Batches`.
        d_step, g_step: reciben el lote real y devuelven ``{nombre: escalar}`` por registrar.
        epochs: épocas en total, contando las que ya traiga ``history``.
        hook: se llama tras cada paso con el historial (muestras, EMA, copias de seguridad…).
        history: historial por continuar, en el lote exacto en que quedó.

    Returns:
        El historial; también si se interrumpe con Ctrl-C o el botón de parar.

    Se construye en el cuaderno 02, §5.
    """
    history = History() if history is None else history
    first, start = divmod(history.step, len(batches))
    epoch_bar = master_bar(range(first, epochs))
    try:
        for epoch in epoch_bar:
            left = len(batches) - start
            bar = progress_bar(batches.epoch(epoch, start), total=left, parent=epoch_bar)
            for real in bar:
                history.record(epoch, **d_step(real), **g_step(real))
                bar.comment = " · ".join(f"{k} {v:.3f}" for k, v in history.latest.items())
                if hook is not None:
                    hook(history)
            start = 0
    except KeyboardInterrupt:
        print(f"Interrumpido en el paso {history.step}. Para seguir: fit(…, history=history).")
    history.flush()
    return history


class Snapshots:
    """Gancho para ``fit``: guarda G(z) para el mismo ruido en los pasos elegidos.

    Args:
        G: generador; se evalúa en modo ``eval`` y vuelve al modo que tenía.
        z: ruido fijo (B, n).
        steps: pasos en que se guarda; incluye 0 para retratar a G antes de empezar.
    """

    def __init__(self, G: nn.Module, z: Tensor, steps: Iterable[int]):
        self.G, self.z, self.steps = G, z, set(steps)
        self.images: dict[int, Tensor] = {}
        if 0 in self.steps:
            self._take(0)

    def __call__(self, history: History) -> None:
        if history.step in self.steps:
            self._take(history.step)

    def state_dict(self) -> dict[int, Tensor]:
        return dict(self.images)

    def load_state_dict(self, state: dict[int, Tensor]) -> None:
        self.images = dict(state)

    @torch.no_grad()
    def _take(self, step: int) -> None:
        training = self.G.training
        self.G.eval()
        self.images[step] = self.G(self.z).cpu()
        self.G.train(training)
