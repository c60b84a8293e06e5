"""El botón de parar: la interrupción espera a que acabe el paso en curso."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_FORCE = 3  # veces que hay que pulsar para no esperar más


class StopButton:
    """Mientras dura el ``with``, Ctrl-C y el botón de parar no cortan nada: se apuntan.

    ``check()`` acaba el bloque si se ha pulsado, así que quien lo llama elige dónde se para. Un
    paso a medias no se podría continuar: D habría aprendido de su lote y G todavía no. A la tercera
    pulsación deja de esperar y lanza ``KeyboardInterrupt``. Fuera del hilo principal, o si el
    programa no atiende a Ctrl-C, no hace nada.

    Attributes:
        pressed: si se ha pulsado.

    Se usa por primera vez en el cuaderno 02, §5.
    """

    def __init__(self) -> None:
        self.presses = 0
        self._previous: Any = None

    @property
    def pressed(self) -> bool:
        return self.presses > 0

    def check(self) -> None:
        """Acaba el bloque ``with`` si se ha pulsado."""
        if self.pressed:
            raise _Stopped

    def __enter__(self) -> "StopButton":
        # Solo el hilo principal puede cambiarlo, y solo se puede reponer lo que es de Python.
        handled = callable(signal.getsignal(signal.SIGINT))
        if handled and threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        return kind is _Stopped

    def _press(self, number: int, frame: FrameType | None) -> None:
        self.presses += 1
        if self.presses >= _FORCE:
            raise KeyboardInterrupt


class _Stopped(Exception):
    """La parada que pide ``check``; no sale del ``with``."""
