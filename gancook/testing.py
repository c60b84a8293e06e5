"""Complemento de pytest (lo activa pyproject.toml): perfil ``quick`` y modo estricto de nbval."""

import os

import pytest

# Los núcleos de nbval heredan el entorno: basta con fijarlo antes de que arranquen.
os.environ.setdefault("GANCOOK_PROFILE", "quick")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """``pytest --nbval`` compara todas las salidas, aunque el modo por omisión sea el laxo."""
    if config.getoption("nbval", False):
        config.option.nbval_lax = False
