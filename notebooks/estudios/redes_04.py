"""Las dos redes de la DCGAN de 64×64, como las publican S4 y el ejemplo de PyTorch."""

from torch import nn

Z_SIZE = 100


def dcgan64_generator(width: int = 64) -> nn.Sequential:
    """z (B, 100) → (B, 3, 64, 64) en [−1, 1]; con 64 canales, 3 576 704 parámetros.

    Fuente: Radford, Metz y Chintala (2016). Se construye en el cuaderno 04.1, §2.
    """
    layers = [nn.Unflatten(1, (Z_SIZE, 1, 1))]
    layers += [nn.ConvTranspose2d(Z_SIZE, 8 * width, 4, 1, 0, bias=False)]  # 4×4
    for n in (8 * width, 4 * width, 2 * width):  # 8×8, 16×16 y 32×32
        layers += [nn.BatchNorm2d(n), nn.ReLU()]
        layers += [nn.ConvTranspose2d(n, n // 2, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())


def dcgan64_discriminator(width: int = 64) -> nn.Sequential:
    """Imágenes (B, 3, 64, 64) → logits (B, 1); con 64 canales, 2 765 568 parámetros.

    La sigmoide, que las fuentes ponen al final, va en la pérdida. Fuente: Radford, Metz y Chintala
    (2016). Se construye en el cuaderno 04.1, §2.
    """
    layers = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]  # 32×32
    for n in (width, 2 * width, 4 * width):  # 16×16, 8×8 y 4×4
        layers += [nn.Conv2d(n, 2 * n, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * n)]
        layers += [nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False), nn.Flatten())
