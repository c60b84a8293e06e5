"""Lo común a las pruebas: sin ventanas, sin red y sin el entorno de quien las lanza."""

import signal
import socket

import matplotlib
import pytest

matplotlib.use("agg")
# En segundo plano (``pytest &`` en un guion) se hereda un Ctrl-C desatendido, y hay pruebas que
# lo pulsan.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def isolated(monkeypatch, tmp_path):
    """Perfil quick, ninguna variable del recetario y ninguna conexión a otra máquina."""
    monkeypatch.setenv("GANCOOK_PROFILE", "quick")
    for name in ("GANCOOK_DATA", "GANCOOK_DEVICE", "GANCOOK_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    connect = socket.socket.connect

    def local_only(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"las pruebas no usan la red (se pidió {address[0]})")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
