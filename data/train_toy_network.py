"""Entrena la red con la que se miden las imágenes de color de 64×64 y escribe sus pesos.

    python data/train_toy_network.py [ARCHIVO]

No ve ninguna fotografía ni ningún cuadro: solo caras dibujadas de factores conocidos y paisajes
hechos de ruido, estropeados de muchas maneras. De cada imagen ha de decir, con una capa lineal
sobre lo que dan las convoluciones: los factores de la cara, si lo es; cuánto se ha estropeado,
defecto a defecto; y el color medio de cada celda de una rejilla 4×4. Después, esas capas lineales
se tiran y se sortea la proyección de la red.

Tarda unos minutos de CPU e imprime la suma SHA-256 que debe figurar en
``gancook/measure/toy_network.py``. No sobrescribe unos pesos que ya existan. Usa un solo hilo y una
semilla: con el mismo procesador y las mismas versiones el resultado es idéntico.
"""

import hashlib
import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import (
    affine_grid,
    avg_pool2d,
    grid_sample,
    interpolate,
    mse_loss,
)

from gancook import seed_everything
from gancook.data.shipped import studies
from gancook.measure.toy_network import ToyNetwork

sys.path.insert(0, str(studies()))
from caras_04 import CONTINUOUS, DISCRETE, toy_faces

SEED, STEPS, BATCH, RATE, SIZE = 0, 600, 128, 4e-3, 64
FACES, LANDSCAPES = 6_000, 2_000
CIRCULAR = {"light": 1.0, "background": 2 * math.pi, "clothes": 2 * math.pi}  # en radianes
UNSIGNED = "warp", "noise", "blur", "board", "mix", "grey", "flat"
SIGNED = "zoom", "angle", "x", "y", "red", "green", "blue"


def face_targets(factors: dict[str, Tensor]) -> Tensor:
    """Los factores en columnas tipificadas (n, 30): los ángulos, por su coseno y su seno."""
    columns = [factors[name] for name in CONTINUOUS if name not in CIRCULAR]
    for name, turn in CIRCULAR.items():
        columns += [(turn * factors[name]).cos(), (turn * factors[name]).sin()]
    for name, thresholds in DISCRETE.items():
        columns += [(factors[name] == i).float() for i in range(len(thresholds) + 1)]
    table = torch.stack(columns, dim=1)
    return (table - table.mean(dim=0)) / table.std(dim=0)


def landscapes(n: int) -> Tensor:
    """Bytes (n, 3, 64, 64): cinco capas de nubes de color, cada una con su borde al azar."""
    picture = _cloud(n)
    for _ in range(4):
        height = _noise(n, 1.2 + 1.3 * torch.rand(n)) + 0.2 - 1.5 * torch.rand(n, 1, 1, 1)
        sharpness = 4 / torch.rand(n, 1, 1, 1).clamp(min=0.05)
        picture = torch.lerp(picture, _cloud(n), torch.sigmoid(sharpness * height))
    return (255 * picture).round().clamp(0, 255).byte()


def _cloud(n: int) -> Tensor:
    colour = torch.rand(n, 1, 1, 1) + 0.2 * torch.randn(n, 3, 1, 1)
    return colour + 0.3 * torch.rand(n, 1, 1, 1) * _noise(n, 0.5 + 1.5 * torch.rand(n))


def _noise(n: int, slope: Tensor) -> Tensor:
    """Ruido (n, 1, 64, 64) de espectro 1/f**slope: cuanto mayor, más suave."""
    f = torch.hypot(torch.fft.fftfreq(SIZE)[:, None], torch.fft.rfftfreq(SIZE))
    waves = torch.view_as_complex(torch.randn(n, 1, *f.shape, 2))
    waves = waves * f.clamp(min=1 / SIZE) ** -slope.view(n, 1, 1, 1)
    waves[..., 0, 0] = 0
    noise = torch.fft.irfft2(waves, s=(SIZE, SIZE))
    return noise / noise.std(dim=(2, 3), keepdim=True)


def spoil(images: Tensor) -> tuple[Tensor, Tensor]:
    """Estropea un lote de bytes y dice cuánto: (n, 14), con el signo de los defectos que lo tienen.

    Cada imagen recibe unos cinco defectos. La fuerza es el cuadrado de lo que la red ha de decir:
    así importan también los defectos que apenas se notan.
    """
    n, names = len(images), (*UNSIGNED, *SIGNED)
    amounts = torch.rand(n, len(names)) * (torch.rand(n, len(names)) < 0.35)
    amounts[:, len(UNSIGNED) :] *= torch.randint(2, (n, len(SIGNED))) * 2 - 1
    force = amounts * amounts.abs()
    a = {name: value.view(n, 1, 1, 1) for name, value in zip(names, force.T, strict=True)}
    return _dirty(_recolour(_move(images.float() / 255, a), a), a), amounts


def _move(x: Tensor, a: dict[str, Tensor]) -> Tensor:
    """Desplaza hasta 8 píxeles, gira hasta 23°, cambia el zum y ondula."""
    scale, angle = 1 - 0.2 * a["zoom"], 0.4 * a["angle"]
    cos, sin = scale * angle.cos(), scale * angle.sin()
    theta = torch.cat([cos, -sin, 0.25 * a["x"], sin, cos, 0.25 * a["y"]], dim=1).view(-1, 2, 3)
    waves = interpolate(torch.randn(len(x), 2, 5, 5), (SIZE, SIZE), mode="bicubic")
    grid = affine_grid(theta, list(x.shape), align_corners=False)
    grid = grid + (0.09 * a["warp"] * waves).permute(0, 2, 3, 1)
    return grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _recolour(x: Tensor, a: dict[str, Tensor]) -> Tensor:
    """Mezcla con otra imagen, quita color y contraste y cambia la ganancia de cada canal."""
    x = torch.lerp(x, x.roll(1, dims=0), 0.5 * a["mix"])
    x = torch.lerp(x, x.mean(dim=1, keepdim=True), a["grey"])
    x = x * (1 + 0.3 * torch.cat([a["red"], a["green"], a["blue"]], dim=1))
    return 0.5 + (x - 0.5) * (1 - 0.8 * a["flat"])


def _dirty(x: Tensor, a: dict[str, Tensor]) -> Tensor:
    """Desenfoca (hasta 3 píxeles), pone un tablero y ruido, y vuelve a bytes."""
    t = torch.arange(SIZE)
    kernel = torch.exp(-((t[:, None] - t) ** 2) / (2 * (0.2 + 3 * a["blur"]) ** 2))
    kernel = kernel / kernel.sum(dim=3, keepdim=True)  # (n, 1, 64, 64): en los bordes suma 1
    board = 1 - 2 * ((t[:, None] + t) % 2)
    x = kernel @ x @ kernel.mT + 0.12 * a["board"] * board
    x = x + 0.15 * a["noise"] * torch.randn_like(x)
    return (255 * x).round().clamp(0, 255).byte()


def train() -> ToyNetwork:
    """AdamW con tasa de un ciclo; el error cuadrático de las tres cosas que ha de decir."""
    torch.set_num_threads(1)  # así el resultado no depende de los núcleos
    seed_everything(SEED)
    faces = toy_faces(FACES, SIZE, seed=1000)
    answers = face_targets(faces.factors)
    others = torch.cat([landscapes(100) for _ in range(LANDSCAPES // 100)])
    network = ToyNetwork().to(memory_format=torch.channels_last)
    heads = nn.ModuleList(nn.Linear(1536, k) for k in (answers.shape[1], 14, 48))
    parameters = [*network.convolutions.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for step in range(STEPS):
        rows, more = (torch.randint(len(x), (BATCH // 2,)) for x in (answers, others))
        images, amounts = spoil(torch.cat([faces.images[rows], others[more]]))
        losses = told(network, heads, images, answers[rows], amounts)
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"paso {step + 1}:", ", ".join(f"{v.item():.3f}" for v in losses), flush=True)
    network.eval().whiten(torch.cat([faces.images[:1000], others[:1000]]))
    return network


def told(
    network: ToyNetwork, heads: nn.ModuleList, images: Tensor, answers: Tensor, amounts: Tensor
) -> list[Tensor]:
    """Error cuadrático en los factores, los defectos y los colores, de varianza próxima a 1."""
    wide = network.look(images)
    factors, defects, colours = (head(wide) for head in heads)
    cells = avg_pool2d(images.float() / 127.5 - 1, 16).flatten(1)  # (B, 48)
    return [
        mse_loss(factors[: len(answers)], answers),
        mse_loss(defects, amounts / 0.3),
        mse_loss(colours, cells / 0.4),
    ]


def main(target: Path) -> None:
    weights = train().state_dict().items()
    half = {k: v.contiguous().half() if v.is_floating_point() else v for k, v in weights}
    content = save(half)
    with open(target, "xb") as file:
        file.write(content)
    print("SHA-256:", hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    default = Path(__file__).parent / "models" / "toy_network.safetensors"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
