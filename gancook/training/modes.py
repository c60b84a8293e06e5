"""Pasar una red a modo ``eval`` un momento y dejarla después como estaba."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def eval_mode(network: Any) -> Iterator[None]:
    """Dentro del ``with``, ``network`` está en modo ``eval``; al salir, cada capa vuelve al suyo.

    Capa a capa, para que una BN que alguien dejó en ``eval`` a propósito siga así. Lo que no es un
    ``nn.Module`` (una función, por ejemplo) no tiene modo y se deja estar.
    """
    modules = list(network.modules()) if isinstance(network, nn.Module) else []
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
