"""Extractores de características: la red con la que miran las métricas (cuaderno 07.1, §2).

Todos reciben bytes y normalizan dentro, para que nadie mida dos conjuntos con dos
preprocesados. Su atributo ``num_features`` es el que pide torchmetrics; ``distance``, que puede
faltar, el nombre que recibe la distancia de Fréchet medida con ellos.
"""

import math
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate
from torchvision.models import Inception_V3_Weights, inception_v3

from gancook.data.shipped import load_weights, shipped
from gancook.measure.checks import check_at_least, check_images, check_tensor
from gancook.training.modes import eval_mode

CLASSIFIER_SHA256 = "85187f417cc05691c773eed743bd0cc2f5352594b3f9d5e0fccb309f7f7fc533"
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Features(NamedTuple):
    """Lo que ve un extractor: ``wide`` para vecinos, ``deep`` para distancias y, si los da, logits.

    En el clasificador de FashionMNIST son (N, 384), (N, 64) y (N, 10); en un extractor con una sola
    capa, ``wide`` y ``deep`` son la misma.
    """

    wide: Tensor
    deep: Tensor
    logits: Tensor | None = None


class FashionClassifier(nn.Module):
    """Red convolucional de 77 682 parámetros para imágenes uint8 (B, 1, 28, 28).

    Tres convoluciones con BN, 384 características, una capa oculta de 64 y 10 logits. Como
    módulo de torchmetrics devuelve las 64: la distancia de Fréchet sobre ellas se llama **FCD**
    (*Fréchet classifier distance*) y no es comparable con ninguna FID publicada.
    """

    num_features = 64
    distance = "FCD"

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_block(1, 24), *_block(24, 48), *_block(48, 96), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
        self.hidden = nn.Sequential(nn.Dropout(0.2), nn.Linear(384, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Bytes (B, 1, 28, 28) → características (B, 64); ``RuntimeError`` en modo ``train``."""
        if self.training:
            raise RuntimeError(
                "El clasificador está en modo train: lo que ve en una imagen depende del lote. "
                "Llama antes a su eval(), o usa extract, que lo hace."
            )
        return self.stages(images).deep

    def stages(self, images: Tensor) -> Features:
        """Bytes (B, 1, 28, 28) → las tres capas que usan las métricas."""
        check_images(images, (1, 28, 28))
        wide = self.convolutions(images.float() / 255)
        deep = self.hidden(wide)
        return Features(wide, deep, self.head(deep))


def _block(n_in: int, n_out: int) -> list[nn.Module]:
    convolution = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(n_out), nn.ReLU(), nn.MaxPool2d(2)]


def load_classifier(
    path: Path | None = None, sha256: str = CLASSIFIER_SHA256, device: torch.device | str = "cpu"
) -> FashionClassifier:
    """El clasificador entrenado que acompaña al paquete, congelado y en modo ``eval``.

    Raises:
        FileNotFoundError: si el archivo no está.
        ValueError: si su suma no es ``sha256``: con otros pesos, otra métrica.
    """
    path = shipped("models", "fashion_mnist_classifier.safetensors") if path is None else path
    network = FashionClassifier()
    network.load_state_dict(load_weights(path, sha256))  # de fp16 a fp32
    network = network.to(device, memory_format=torch.channels_last)  # el doble de rápida en CPU
    return network.eval().requires_grad_(False)


@torch.no_grad()
def extract(extractor: nn.Module, images: Tensor, batch_size: int = 250) -> Features:
    """Las características de un conjunto entero de bytes (N, C, H, W), por lotes, en la CPU.

    Args:
        extractor: cualquier red de imágenes a (N, ``num_features``); si además tiene ``stages``,
            como el clasificador, se usan sus tres capas.
        images: los bytes.
        batch_size: imágenes por lote; con 250 va lo más deprisa en CPU.

    El extractor se pone en modo ``eval`` mientras dura y vuelve después al suyo.
    """
    check_tensor(images)
    check_at_least(1, batch_size=batch_size)
    look, device = getattr(extractor, "stages", extractor), device_of(extractor)
    parts = []
    with eval_mode(extractor):
        for part in images.split(batch_size):
            layers = look(part.to(device))
            layers = [layers] if isinstance(layers, Tensor) else layers
            parts.append([layer.cpu() for layer in layers if layer is not None])
    layers = [torch.cat(layer) for layer in zip(*parts, strict=True)]
    return Features(*layers) if len(layers) > 1 else Features(layers[0], layers[0])


def device_of(network: nn.Module) -> torch.device:
    """Dónde está una red; la CPU si no tiene parámetros ni tampones (*buffers*)."""
    tensors = chain(network.parameters(), network.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


class InceptionFeatures(nn.Module):
    """Las 2048 características de Inception v3 (torchvision) para bytes (B, 3, H, W).

    La FID publicada usa los pesos de TensorFlow de 2015; con estos el valor es otro, parecido.

    Raises:
        RuntimeError: si los pesos no están en el equipo ni se pueden descargar.

    Fuente: Heusel et al. (2017); Szegedy et al. (2016).
    """

    num_features = 2048
    distance = "FID"

    def __init__(self) -> None:
        super().__init__()
        try:
            network = inception_v3(weights=Inception_V3_Weights.IMAGENET1K_V1)
        except OSError as error:
            raise RuntimeError(
                "No están los pesos de Inception v3 ni se pueden descargar. Conéctate una vez, o "
                "mide con gancook.measure.extractors.PixelPyramid y no llames FID al resultado."
            ) from error
        network.fc = nn.Identity()
        self.network = network.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Bytes (B, 3, H, W) → (B, 2048), tras ampliar a 299×299 con antialias."""
        check_tensor(images)
        check_images(images, (3, *(images.shape[2:] if images.ndim == 4 else (299, 299))))
        unit = interpolate(images.float() / 255, (299, 299), mode="bilinear", antialias=True)
        mean, std = (unit.new_tensor(v).view(3, 1, 1) for v in (_IMAGENET_MEAN, _IMAGENET_STD))
        return self.network((unit - mean) / std)


class RandomProjection(nn.Module):
    """Proyección gaussiana fija de los píxeles: un segundo punto de vista, que nadie ha entrenado.

    Cada característica es una combinación al azar de todos los píxeles, con pesos
    N(0, 1/``num_features``). Por el lema de Johnson y Lindenstrauss, las distancias entre
    imágenes se conservan, salvo un error relativo del orden de 1/√``num_features``: ve píxeles, no
    prendas. La distancia de Fréchet sobre ellas es la **FRD** (*Fréchet random distance*).

    Args:
        shape: (C, H, W) de las imágenes, en bytes; otras se rechazan.
        num_features: cuántas características.
        seed: con otra semilla, otra proyección y otros valores, que no se comparan.

    Fuente: Johnson y Lindenstrauss (1984).
    """

    distance = "FRD"
    weight: Tensor

    def __init__(
        self, shape: tuple[int, int, int] = (1, 28, 28), num_features: int = 64, seed: int = 0
    ) -> None:
        super().__init__()
        self.shape, self.num_features = shape, num_features
        random = torch.Generator().manual_seed(seed)
        weight = torch.randn(math.prod(shape), num_features, generator=random)
        self.register_buffer("weight", weight / math.sqrt(num_features))

    def forward(self, images: Tensor) -> Tensor:
        """Bytes (B, *shape) → (B, ``num_features``)."""
        check_images(images, self.shape)
        return images.flatten(1).float() / 255 @ self.weight


class PixelPyramid(nn.Module):
    """Sustituto sin pesos de Inception para color de 64×64: 144 números por imagen.

    En cada celda de una rejilla 4×4, el color medio y la desviación típica a resolución entera
    y a la mitad. Ve color, contraste y nitidez, no objetos: la distancia de Fréchet sobre ellas
    es la **FPD** (*Fréchet pyramid distance*), nunca FID.
    """

    num_features = 144
    distance = "FPD"

    def forward(self, images: Tensor) -> Tensor:
        """Bytes (B, 3, 64, 64) → (B, 144)."""
        check_images(images, (3, 64, 64))
        unit = images.float() / 255
        half = avg_pool2d(unit, 2)
        parts = [avg_pool2d(unit, 16), _cell_std(unit, 16), _cell_std(half, 8)]
        return torch.cat([part.flatten(1) for part in parts], dim=1)


def _cell_std(images: Tensor, side: int) -> Tensor:
    variance = avg_pool2d(images.square(), side) - avg_pool2d(images, side).square()
    return variance.clamp_min(0).sqrt()
