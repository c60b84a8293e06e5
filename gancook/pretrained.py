"""El generador que acompaña al recetario: ropa inventada en un segundo, sin entrenar nada."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from gancook.data.shipped import load_weights, shipped


def dcgan_generator() -> nn.Sequential:
    """Generador convolucional de 919 681 parámetros: z (B, 100) → (B, 1, 28, 28) en [−1, 1].

    Fuente: Radford, Metz y Chintala (2016), con una convolución más a 7×7. Se construye en el
    cuaderno 03.3, §2.3.
    """
    return nn.Sequential(
        nn.Linear(100, 6272, bias=False),
        nn.BatchNorm1d(6272),
        nn.ReLU(),
        nn.Unflatten(1, (128, 7, 7)),
        nn.Conv2d(128, 128, 3, 1, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1),
        nn.Tanh(),
    )


def load_generator(
    path: Path | str | None = None, device: torch.device | str = "cpu"
) -> nn.Sequential:
    """El generador de FashionMNIST ya entrenado, congelado y en modo ``eval``.

    Uso: ``images = load_generator()(torch.randn(40, 100))``, (40, 1, 28, 28) en [−1, 1].

    Args:
        path: otro archivo safetensors de :func:`dcgan_generator`; sin él, el que va incluido.
        device: dónde se carga.

    Raises:
        FileNotFoundError: si el archivo no está.
        ValueError: si no es un archivo de este generador.

    Se entrena en el cuaderno 03.3, §2.4; su ficha está en ``data/models/README.md``.
    """
    included = shipped("models", "fashion_mnist_generator.safetensors")
    how = "con safetensors.torch.save_file(red.state_dict(), ruta), como en el cuaderno 03.3, §6"
    return load_frozen(dcgan_generator, included if path is None else Path(path), device, how)


def load_frozen(
    build: Callable[[], nn.Module], path: Path, device: torch.device | str, how: str
) -> nn.Module:
    """La red que monta ``build`` con los pesos de ``path``, congelada y en modo ``eval``.

    Raises:
        FileNotFoundError: si el archivo no está.
        ValueError: si no es un archivo de esa red; ``how`` dice cómo se guarda uno.
    """
    network, weights = build(), load_weights(path)
    try:
        network.load_state_dict(weights)  # de fp16 a fp32
    except RuntimeError as error:
        raise ValueError(
            f"{path.name} no contiene los pesos de {build.__name__}. Guárdalos {how}."
        ) from error
    return network.to(device).eval().requires_grad_(False)
