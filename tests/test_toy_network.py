"""La red que mide el color de 64×64: pesos, determinismo, qué sabe y qué rechaza."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import gaussian_blur, rgb_to_grayscale

from caras_04 import toy_faces
from gancook.data.shipped import shipped
from gancook.measure.evaluation import evaluate, reference
from gancook.measure.extractors import extract
from gancook.measure.metrics import frechet_distance
from gancook.measure.toy_network import ToyNetwork, load_toy_network


@pytest.fixture(scope="module")
def network():
    return load_toy_network()


@pytest.fixture(scope="module")
def faces():
    return toy_faces(500, 64, seed=7)  # con otra semilla que las del entrenamiento


@pytest.fixture(scope="module")
def trainer():
    path = Path(__file__).parent.parent / "data" / "train_toy_network.py"
    spec = importlib.util.spec_from_file_location("train_toy_network", path)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def test_network_is_small_frozen_and_as_declared(network):
    sizes = [3 * 24 * 9, 24 * 48 * 9, 48 * 96 * 9, 96 * 96 * 9]  # convoluciones sin sesgo
    assert sum(p.numel() for p in network.parameters()) == sum(sizes) + 2 * 264 + 1537 * 64
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert shipped("models", "toy_network.safetensors").stat().st_size < 500_000


def test_other_weights_are_refused(tmp_path):
    content = bytearray(shipped("models", "toy_network.safetensors").read_bytes())
    content[-1] ^= 1
    path = tmp_path / "otros.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256"):
        load_toy_network(path)


def test_an_image_gives_the_same_alone_and_in_company(network, faces):
    together = extract(network, faces.images[:60], batch_size=50)
    assert together.deep.shape == (60, network.num_features) and together.logits is None
    alone = network(faces.images[7:8])
    torch.testing.assert_close(alone[0], together.deep[7], atol=1e-3, rtol=1e-3)


def test_the_distance_is_zero_to_itself_and_grows_with_each_defect(network, faces):
    clean = network(faces.images)
    assert frechet_distance(clean, clean) == pytest.approx(0, abs=1e-3)
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(faces.images.shape, generator=random)
    noisy = [(faces.images + std * noise).round().clamp(0, 255).byte() for std in (5, 15, 45)]
    blurred = [gaussian_blur(faces.images, 9, std) for std in (0.5, 1.0, 2.0)]
    other = network(toy_faces(500, 64, seed=8).images)
    for series in (noisy, blurred):
        values = [frechet_distance(clean, network(images)) for images in series]
        assert values == sorted(values)
    assert frechet_distance(clean, network(noisy[1])) > 2 * frechet_distance(clean, other)


def test_features_know_more_of_a_face_than_its_colours(network, faces):
    """Mínimos cuadrados de NumPy sobre lo que dan las convoluciones: ¿lleva gafas?, ¿barba?"""
    for factor in ("glasses", "beard"):
        truth = (faces.factors[factor] > 0).double().numpy()
        wide = network.look(faces.images).double().numpy()
        known = np.c_[wide, np.ones(500)]
        gram = known[:400].T @ known[:400] + 30 * np.eye(known.shape[1])
        found = known[400:] @ np.linalg.solve(gram, known[:400].T @ truth[:400])
        assert ((found > 0.5) == truth[400:]).mean() > 0.9, factor


def test_whitened_features_have_mean_zero_and_identity_covariance(faces):
    torch.manual_seed(0)
    network = ToyNetwork().eval()
    network.whiten(faces.images)
    features = network(faces.images).double()
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(64).double(), atol=1e-3, rtol=0)
    spread = features.T.cov().diagonal()
    correlation = torch.corrcoef(features.T).fill_diagonal_(0)
    assert spread.max() < 1.01 and correlation.abs().max() < 0.05


def test_it_measures_with_its_own_name(network, faces):
    data = reference(faces.images[:300], faces.images[300:], network)
    row = evaluate(toy_faces(200, 64, seed=9).images, data, "caras", neighbours=100)
    assert {"FTD", "KID·10³", "cobertura", "autenticidad"} < set(row)
    assert not {"FID", "IS"} & set(row)


def test_what_it_cannot_look_at_is_explained(network, faces):
    with pytest.raises(TypeError, match="to_uint8"):
        network(faces.images[:2].float())
    with pytest.raises(ValueError, match="expand"):
        network(rgb_to_grayscale(faces.images[:2]))
    with pytest.raises(ValueError, match="resize"):
        network(faces.images[:2, :, :32, :32])
    with pytest.raises(RuntimeError, match="eval()"):
        ToyNetwork()(faces.images[:2])


def test_training_images_are_spoiled_only_as_much_as_is_told(trainer, faces, monkeypatch):
    torch.manual_seed(0)
    images = faces.images[:64]
    spoiled, amounts = trainer.spoil(images)
    assert spoiled.dtype == torch.uint8 and amounts.shape == (64, 14)
    assert 0.2 < (amounts != 0).float().mean() < 0.5
    assert (amounts[:, :7] >= 0).all() and (amounts[:, 7:] < 0).any()
    monkeypatch.setattr(torch, "rand", torch.zeros)  # ninguna fuerza
    whole, amounts = trainer.spoil(images)
    assert (whole.int() - images.int()).abs().max() <= 1 and not amounts.any()


def test_landscapes_have_colour_edges_and_natural_spectra(trainer):
    torch.manual_seed(0)
    images = trainer.landscapes(40)
    assert images.shape == (40, 3, 64, 64) and images.dtype == torch.uint8
    assert images.float().std(dim=(2, 3)).mean() > 20
    assert (images[:, 0].int() - images[:, 2].int()).abs().float().mean() > 10
    power = torch.fft.rfft2(images.float().mean(dim=1)).abs().square().mean(dim=0)
    assert power[0, 2:4].mean() > 10 * power[0, 16:32].mean()  # lo lento pesa más


def test_answers_are_the_factors_standardized(trainer, faces):
    answers = trainer.face_targets(faces.factors)
    assert answers.shape == (500, 31)  # 15 factores, 3 ángulos por 2 y 5 + 3 + 2 clases
    torch.testing.assert_close(answers.std(dim=0), torch.ones(31))
