"""El generador que acompaña al recetario: entero, pequeño y tan bueno como dice su ficha."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gancook.data.images import to_uint8
from gancook.data.sets import fashion_mnist
from gancook.data.shipped import shipped
from gancook.measure.evaluation import sample
from gancook.measure.extractors import extract, load_classifier
from gancook.measure.metrics import frechet_distance
from gancook.pretrained import dcgan_generator, load_generator

CARD = Path(__file__).parent.parent / "data" / "models" / "README.md"
FILE = shipped("models", "fashion_mnist_generator.safetensors")


def test_has_the_parameters_of_its_layers():
    dense, conv = 100 * 6272 + 2 * 6272, 128 * 128 * 9 + 2 * 128
    up = 128 * 64 * 16 + 2 * 64 + 64 * 1 * 16 + 1
    assert sum(p.numel() for p in dcgan_generator().parameters()) == dense + conv + up


def test_gives_images_in_range_without_gradient():
    G = load_generator()
    images = G(torch.randn(4, 100))
    assert images.shape == (4, 1, 28, 28) and not images.requires_grad and not G.training
    assert -1 <= images.min() < -0.9 and 0.5 < images.max() <= 1


def test_the_file_is_small_and_the_one_of_its_card():
    assert FILE.stat().st_size <= 2_000_000
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() in CARD.read_text("utf-8")


def test_is_closer_to_the_data_than_slightly_noisy_real_images():
    train, test = fashion_mnist().images, fashion_mnist("test").images
    classifier, count = load_classifier(), len(fashion_mnist("test").images)
    torch.manual_seed(0)
    real = test.float() / 127.5 - 1
    noisy = to_uint8((real + 0.1 * torch.randn_like(real)).clamp(-1, 1))
    generated = sample(load_generator(), count, 100)
    reference, *others = (extract(classifier, x).deep for x in (train, noisy, generated))
    noisy_distance, generated_distance = (frechet_distance(reference, x) for x in others)
    assert generated_distance < noisy_distance


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "otro.safetensors"
    save_file({"peso": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="otro.safetensors no contiene los pesos"):
        load_generator(path)
    path.write_bytes(b"esto no es safetensors")
    with pytest.raises(ValueError, match="otro.safetensors está dañado"):
        load_generator(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nada.safetensors"):
        load_generator(tmp_path / "nada.safetensors")
