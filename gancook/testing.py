"""Complemento de pytest (lo activa pyproject.toml): perfil ``quick`` y modo estricto de nbval."""

import os

import pytest

# Los núcleos de nbval y los procesos de xdist heredan el entorno: basta con fijarlo antes de que
# arranquen. Hay un proceso por núcleo: con más hilos se estorbarían.
os.environ.setdefault("GANCOOK_PROFILE", "quick")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """``pytest --nbval`` compara todas las salidas, aunque el modo por omisión sea el laxo."""
    if config.getoption("nbval", False):
        config.option.nbval_lax = False
