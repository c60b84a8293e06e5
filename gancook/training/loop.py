"""El bucle de entrenamiento: recorre los lotes, registra y llama a los ganchos."""

from collections.abc import Callable, Iterable
from typing import Any

from fastprogress import master_bar, progress_bar

from gancook.data.batches import Batches
from gancook.training.history import History
from gancook.training.steps import Logs
from gancook.training.stop import StopButton

Step = Callable[[Any], Logs]
Hook = Callable[[History], None]


def fit(
    batches: Batches,
    step: Step,
    epochs: int,
    hooks: Iterable[Hook] = (),
    history: History | None = None,
) -> History:
    """Da iteraciones de ``step`` hasta completar ``epochs`` épocas.

    Args:
        batches: objeto con ``len()`` y ``epoch(número, desde)``, como :class:`Batches`.
        step: recibe un lote, da una iteración y devuelve ``{nombre: escalar}`` por registrar.
        epochs: épocas en total, contando las que ya traiga ``history``.
        hooks: se llaman en orden tras cada iteración, con el historial (media móvil, muestras,
            medidas…). Las copias de seguridad van siempre las últimas: guardan lo que los demás
            ganchos hayan cambiado.
        history: historial por continuar, en el lote exacto en que quedó; ``batches`` ha de tener
            los mismos lotes por época.

    Returns:
        El historial. Si se para con Ctrl-C o el botón, se acaba antes la iteración en curso y
        ``history.interrupted`` lo dice: quien entrena varias redes seguidas debe mirarlo.

    Se construye en el cuaderno 02, §5.
    """
    history = History() if history is None else history
    hooks = sorted(hooks, key=lambda hook: getattr(hook, "goes_last", False))
    epoch_bar = master_bar(range(history.step // len(batches), epochs))
    with StopButton() as button:
        for epoch in epoch_bar:
            start = history.step % len(batches)
            left = len(batches) - start
            bar = progress_bar(batches.epoch(epoch, start), total=left, parent=epoch_bar)
            for batch in bar:
                history.record(epoch, **step(batch))
                bar.comment = " · ".join(f"{k} {v:.3f}" for k, v in history.latest.items())
                for hook in hooks:
                    hook(history)
                button.check()  # se para aquí, con la iteración entera
    history.interrupted = button.pressed
    history.flush()
    if button.pressed:
        print(
            f"Parado tras el paso {history.step}, con la iteración entera. Para seguir donde "
            "estaba: fit(…, history=history). Si vuelves a ejecutar la celda empieza de cero, "
            "salvo que reanude de copias de seguridad."
        )
    return history
