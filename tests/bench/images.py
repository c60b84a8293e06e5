"""Cuánto se gana preparando las imágenes una vez: ``python tests/bench/images.py [carpeta]``.

Se lee una época de dos maneras: decodificando cada archivo (``ImageFolder``, transformaciones y
``DataLoader``, como en los tutoriales) y desde el archivo que prepara ``image_folder``. Si no se da
ninguna carpeta, se dibujan caras del tamaño de las de CelebA. Como en el otro banco, se alternan, y
en una máquina ocupada no se mide.
"""

import os
import runpy
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import to_pil_image

from gancook.data.batches import Batches
from gancook.data.folder import image_folder
from gancook.data.shipped import studies
from gancook.style import number

sys.path.insert(0, str(studies()))
from caras_04 import toy_faces

SIZE, BATCH, ROUNDS, IMAGES = 64, 128, 5, 20_000
HEIGHT, WIDTH = 218, 178  # las de CelebA alineada


def draw_photographs(root: Path, count: int) -> None:
    """JPEG con el ruido de una cámara: ocupan lo que los de CelebA y cuestan lo mismo."""
    generator = torch.Generator().manual_seed(0)
    (root / "caras").mkdir(parents=True)
    faces = toy_faces(min(count, 200), HEIGHT).images[..., (HEIGHT - WIDTH) // 2 :][..., :WIDTH]
    for i in range(count):
        noise = 6 * torch.randn(faces[0].shape, generator=generator)
        photo = (faces[i % len(faces)] + noise).clamp(0, 255).byte()
        to_pil_image(photo).save(root / "caras" / f"{i:06d}.jpg", quality=90)


def decoding(root: Path, batch: int) -> DataLoader:
    steps = transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.ToTensor()
    whole = transforms.Compose([*steps, transforms.Normalize([0.5] * 3, [0.5] * 3)])
    data = ImageFolder(root, whole)
    return DataLoader(data, batch, shuffle=True, drop_last=True, num_workers=os.cpu_count() or 0)


def seconds(epoch) -> float:
    start = time.perf_counter()
    for _ in epoch:
        pass
    return time.perf_counter() - start


def measure(root: Path, batch: int = BATCH, rounds: int = ROUNDS) -> dict[str, float]:
    """Segundos de preparar, de una época de cada manera y cociente, con su mínimo y su máximo."""
    start = time.perf_counter()
    data = image_folder(root, SIZE)
    prepare, loader = time.perf_counter() - start, decoding(root, batch)
    batches = Batches(data.images, batch, labels=data.labels)
    pairs = [(seconds(loader), seconds(batches.epoch(k))) for k in range(rounds)]
    ratios = [theirs / ours for theirs, ours in pairs]
    return {
        "imágenes": len(data.images),
        "preparar (s)": prepare,
        "época decodificando (s)": statistics.median(theirs for theirs, _ in pairs),
        "época preparada (s)": statistics.median(ours for _, ours in pairs),
        "veces más rápida": statistics.median(ratios),
        "mínimo": min(ratios),
        "máximo": max(ratios),
    }


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("__main__.py")), run_name="bench")["check_quiet"]()
    with tempfile.TemporaryDirectory() as place:
        os.environ["GANCOOK_DATA"] = str(Path(place, "gancook"))
        root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(place, "fotos")
        if len(sys.argv) == 1:
            draw_photographs(root, IMAGES)
        for name, value in measure(root).items():
            print(f"{name:>25}: {number(value, 3)}")
