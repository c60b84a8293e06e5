"""Entrena el clasificador con el que miden las métricas y escribe sus pesos.

    python data/train_classifier.py [ARCHIVO]

Usa las 60 000 imágenes de FashionMNIST, tarda unos minutos de CPU e imprime la exactitud en las
10 000 de prueba y la suma SHA-256 que debe figurar en ``gancook/measure/extractors.py``. No
sobrescribe unos pesos que ya existan. Usa un solo hilo y una semilla: con el mismo procesador y las
mismas versiones el resultado es idéntico.
"""

import hashlib
import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import cross_entropy

from gancook import seed_everything
from gancook.data.sets import ImageData, fashion_mnist
from gancook.measure.extractors import FashionClassifier

SEED, EPOCHS, BATCH, RATE = 0, 10, 128, 4e-3


def jitter(images: Tensor) -> Tensor:
    """Desplaza el lote entero hasta un píxel en cada dirección."""
    across, down = torch.randint(-1, 2, (2,)).tolist()
    return images.roll((down, across), dims=(2, 3))


def train(data: ImageData) -> FashionClassifier:
    """AdamW con tasa de un ciclo y entropía cruzada con etiquetas suavizadas."""
    torch.set_num_threads(1)  # así el resultado no depende de los núcleos
    seed_everything(SEED)
    network = FashionClassifier().to(memory_format=torch.channels_last)
    steps = len(data.images) // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(data.images))
        for i in range(steps):
            rows = order[i * BATCH : (i + 1) * BATCH]
            logits = network.stages(jitter(data.images[rows])).logits
            loss = cross_entropy(logits, data.labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"época {epoch + 1} de {EPOCHS}: última pérdida {loss.item():.3f}", flush=True)
    return network.eval()


@torch.no_grad()
def accuracy(network: FashionClassifier, data: ImageData) -> float:
    """Proporción de aciertos."""
    logits = torch.cat([network.stages(part).logits for part in data.images.split(1000)])
    return (logits.argmax(dim=1) == data.labels).float().mean().item()


def main(target: Path) -> None:
    os.environ["GANCOOK_PROFILE"] = "full"  # los datos enteros, nunca la muestra
    data, test = fashion_mnist("train"), fashion_mnist("test")
    if len(data.images) != 60_000:
        raise SystemExit("Hacen falta las 60 000 imágenes: python -m gancook data")
    network = train(data)
    weights = network.state_dict().items()
    half = {k: v.contiguous().half() if v.is_floating_point() else v for k, v in weights}
    network.load_state_dict(half)  # se mide lo que se guarda: los pesos ya redondeados
    content = save(half)
    with open(target, "xb") as file:
        file.write(content)
    print(f"exactitud en prueba: {100 * accuracy(network, test):.2f} %")
    print("SHA-256:", hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    default = Path(__file__).parent / "models" / "fashion_mnist_classifier.safetensors"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
