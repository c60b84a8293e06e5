"""El extractor para color de 64×64: una red pequeña que solo ha visto imágenes inventadas."""

from pathlib import Path

import torch
from torch import Tensor, nn

from gancook.data.shipped import load_weights, shipped
from gancook.measure.checks import check_images

TOY_SHA256 = "a0b4e6c8a8dfe74d195881ed77d1014c1c58928ce36d4d862db628283c4cc4fe"


class ToyNetwork(nn.Module):
    """Red convolucional de 234 328 parámetros para imágenes uint8 (B, 3, 64, 64).

    Cuatro convoluciones 3×3 de paso 2 con BN y ReLU, que aprendieron con caras dibujadas y paisajes
    de ruido, estropeados a propósito; y 64 combinaciones al azar de lo que sale, sin correlación
    entre ellas. La distancia de Fréchet sobre las 64 es la **FTD** (*Fréchet toy distance*) y no es
    comparable con ninguna FID publicada. Lo que ve y lo que no ve está en la tabla
    ``data/measured/04_calibracion.csv``.
    """

    num_features = 64
    distance = "FTD"

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_block(3, 24), *_block(24, 48), *_block(48, 96), *_block(96, 96), nn.Flatten()
        )
        self.projection = nn.Linear(96 * 4 * 4, self.num_features)

    def forward(self, images: Tensor) -> Tensor:
        """Bytes (B, 3, 64, 64) → características (B, 64); ``RuntimeError`` en modo ``train``."""
        if self.training:
            raise RuntimeError("La red está en modo train: llama antes a su eval(), o usa extract.")
        return self.projection(self.look(images))

    def look(self, images: Tensor) -> Tensor:
        """Bytes (B, 3, 64, 64) → la salida (B, 1536) de las convoluciones."""
        check_images(images, (3, 64, 64))
        return self.convolutions(images.float() / 127.5 - 1)

    @torch.no_grad()
    def whiten(self, images: Tensor) -> None:
        """Sortea la proyección: sobre ``images``, media 0 y covarianza casi la identidad."""
        wide = torch.cat([self.look(part) for part in images.split(250)]).double()
        mix = torch.randn(wide.shape[1], self.num_features).double()
        mix /= (wide.var(dim=0) + 1e-3).sqrt()[:, None]
        values, vectors = torch.linalg.eigh((wide @ mix).T.cov())
        mix = mix @ (vectors / (values + 1e-3 * values.mean()).sqrt())
        self.projection.weight.copy_(mix.T)
        self.projection.bias.copy_(-wide.mean(dim=0) @ mix)


def _block(n_in: int, n_out: int) -> list[nn.Module]:
    convolution = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(n_out), nn.ReLU()]


def load_toy_network(
    path: Path | None = None, sha256: str = TOY_SHA256, device: torch.device | str = "cpu"
) -> ToyNetwork:
    """La red que acompaña al paquete, congelada y en modo ``eval``.

    Raises:
        FileNotFoundError: si el archivo no está.
        ValueError: si su suma no es ``sha256``: con otros pesos, otra distancia.
    """
    path = shipped("models", "toy_network.safetensors") if path is None else path
    network = ToyNetwork()
    network.load_state_dict(load_weights(path, sha256))  # de fp16 a fp32
    network = network.to(device, memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)
