"""Los extractores: tamaño, exactitud, integridad y errores, sin red."""

from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from scipy.spatial.distance import pdist

from gancook.data.sets import fashion_mnist
from gancook.data.shipped import shipped
from gancook.measure import extractors
from gancook.measure.evaluation import evaluate, reference
from gancook.measure.metrics import frechet_distance


@pytest.fixture(scope="module")
def classifier():
    return extractors.load_classifier()


def test_classifier_is_small_and_frozen(classifier):
    assert sum(p.numel() for p in classifier.parameters()) == 77_682 <= 100_000
    assert not classifier.training
    assert not any(p.requires_grad for p in classifier.parameters())


def test_classifier_convolves_in_channels_last(classifier):
    second = classifier.convolutions[4]
    assert second.weight.is_contiguous(memory_format=torch.channels_last)
    assert not second.weight.is_contiguous()


def test_classifier_recognizes_the_test_sample(classifier):
    data = fashion_mnist("test")
    features = extractors.extract(classifier, data.images)
    shapes = [tuple(layer.shape) for layer in features]
    assert shapes == [(1000, 384), (1000, 64), (1000, 10)]
    assert (features.logits.argmax(dim=1) == data.labels).float().mean() > 0.9
    torch.testing.assert_close(classifier(data.images[:5]), features.deep[:5])
    assert features.deep.shape[1] == classifier.num_features


def test_a_classifier_left_in_train_mode_does_not_measure_in_silence():
    network, images = extractors.load_classifier().train(), fashion_mnist("test").images[:50]
    expected = extractors.extract(extractors.load_classifier(), images)
    assert all(map(torch.equal, extractors.extract(network, images), expected))
    with pytest.raises(RuntimeError, match="eval()"):
        network(images)
    torch.testing.assert_close(network.eval()(images), expected.deep)


def test_weights_are_half_precision_and_small():
    path = shipped("models", "fashion_mnist_classifier.safetensors")
    assert path.stat().st_size < 250_000


def test_other_weights_are_refused(tmp_path):
    content = bytearray(shipped("models", "fashion_mnist_classifier.safetensors").read_bytes())
    content[-1] ^= 1
    path = tmp_path / "otros.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256"):
        extractors.load_classifier(path)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(2, 1, 28, 28), TypeError, "to_uint8"),
        (torch.zeros(2, 28, 28, dtype=torch.uint8), ValueError, "reshape"),
        (torch.zeros(2, 3, 28, 28, dtype=torch.uint8), ValueError, "a gris"),
    ],
)
def test_wrong_images_are_explained(classifier, images, error, message):
    with pytest.raises(error, match=message):
        extractors.extract(classifier, images)


def test_inception_without_weights_says_what_to_do(monkeypatch):
    def offline(**_):
        raise URLError("sin red")

    monkeypatch.setattr(extractors, "inception_v3", offline)
    with pytest.raises(RuntimeError, match="PixelPyramid y no llames FID"):
        extractors.InceptionFeatures()


def test_inception_gives_2048_features(monkeypatch):
    def untrained(weights):
        return torchvision.models.inception_v3(
            weights=None, init_weights=False, transform_input=True
        )

    monkeypatch.setattr(extractors, "inception_v3", untrained)
    network = extractors.InceptionFeatures()
    images = torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8)
    assert network(images).shape == (1, network.num_features) == (1, 2048)


@pytest.mark.parametrize("shape", [(2, 784), (2, 3, 64), (2, 1, 64, 64)])
def test_inception_explains_other_shapes(monkeypatch, shape):
    monkeypatch.setattr(extractors, "inception_v3", lambda weights: torch.nn.Linear(1, 1))
    network = extractors.InceptionFeatures()
    with pytest.raises(ValueError, match=r"N, 3, .*(usa otro|expand)"):
        network(torch.zeros(shape, dtype=torch.uint8))


def test_random_projection_is_a_fixed_linear_map_of_the_pixels():
    torch.manual_seed(5)
    network = extractors.RandomProjection()
    images = torch.randint(256, (50, 1, 28, 28), dtype=torch.uint8)
    features = network(images)
    assert features.shape == (50, network.num_features) == (50, 64)
    random = np.random.default_rng(0)
    rows = [random.integers(784) for _ in range(5)]
    for pixel in rows:  # la imagen de un solo píxel blanco es su fila de la matriz
        spot = torch.zeros(784, dtype=torch.uint8).scatter_(0, torch.tensor([pixel]), 255)
        torch.testing.assert_close(network(spot.view(1, 1, 28, 28))[0], network.weight[pixel])
    expected = (images.flatten(1).numpy() / 255) @ network.weight.numpy()
    np.testing.assert_allclose(features.numpy(), expected, rtol=1e-4, atol=1e-4)
    again = extractors.RandomProjection()
    assert torch.equal(again(images), features)  # sin el azar global
    assert not torch.allclose(extractors.RandomProjection(seed=1)(images), features)
    assert not list(network.parameters()) and not features.requires_grad


def test_random_projection_leaves_the_global_random_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    extractors.RandomProjection()
    assert torch.equal(torch.rand(3), expected)


def test_random_projection_keeps_the_distances_of_johnson_and_lindenstrauss():
    images = fashion_mnist("test").images[:60]
    true = pdist(images.flatten(1).double().numpy() / 255)
    errors = []
    for size in (64, 1024):
        ratio = pdist(extractors.RandomProjection(num_features=size)(images).numpy()) / true
        assert np.mean(ratio**2) == pytest.approx(1, abs=4 / np.sqrt(size))
        errors.append(np.std(ratio))  # en teoría, 1/√(2·size)
    assert errors == [pytest.approx(1 / np.sqrt(2 * size), rel=0.5) for size in (64, 1024)]


def test_random_projection_refuses_other_shapes():
    colour = extractors.RandomProjection((3, 8, 8), num_features=16)
    assert colour(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).shape == (2, 16)
    with pytest.raises(ValueError, match=r"\(N, 3, 8, 8\) y llegan \(2, 3, 9, 9\)"):
        colour(torch.zeros(2, 3, 9, 9, dtype=torch.uint8))
    with pytest.raises(TypeError, match="to_uint8"):
        colour(torch.zeros(2, 3, 8, 8))


def test_the_place_of_a_network_counts_its_buffers():
    network = extractors.RandomProjection().to("meta")
    assert extractors.device_of(network).type == "meta"
    assert extractors.device_of(extractors.PixelPyramid()).type == "cpu"


def test_a_frechet_distance_on_the_projection_is_called_frd():
    train, test = fashion_mnist().images, fashion_mnist("test").images
    data = reference(train[:300], test[:200], extractors.RandomProjection())
    row = evaluate(test[:300], data, "fila")
    assert {"FRD", "memoria"} < set(row) and "IS" not in row


def test_extract_explains_what_it_cannot_read(classifier):
    for wrong in (np.zeros((2, 1, 28, 28), np.uint8), (torch.zeros(2), torch.zeros(2))):
        with pytest.raises(TypeError, match="llega (ndarray|tuple)"):
            extractors.extract(classifier, wrong)
    with pytest.raises(ValueError, match="batch_size=0: debe ser 1"):
        extractors.extract(classifier, torch.zeros(2, 1, 28, 28, dtype=torch.uint8), 0)


def test_pixel_pyramid_measures_colour_and_sharpness():
    network = extractors.PixelPyramid()
    flat = torch.full((1, 3, 64, 64), 51, dtype=torch.uint8)
    features = network(flat)
    assert features.shape == (1, network.num_features)
    torch.testing.assert_close(features[0, :48], torch.full((48,), 0.2))
    torch.testing.assert_close(features[0, 48:], torch.zeros(96), atol=1e-3, rtol=0)
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    sharp = network(board.expand(1, 3, 64, 64).byte())[0]
    torch.testing.assert_close(sharp[48:96], torch.full((48,), 0.5))  # blanco y negro alternos
    torch.testing.assert_close(sharp[96:], torch.zeros(48), atol=1e-3, rtol=0)  # a la mitad, gris


def test_pixel_pyramid_has_full_rank_covariance():
    torch.manual_seed(0)
    network = extractors.PixelPyramid()
    images = torch.randint(256, (400, 3, 64, 64), dtype=torch.uint8)
    features = network(images)
    assert torch.linalg.matrix_rank(features.double().T.cov()) == 144
    blurred = torchvision.transforms.functional.gaussian_blur(images, 5)
    same = frechet_distance(features[:200], features[200:])
    other = frechet_distance(features[:200], network(blurred)[200:])
    assert other > 2 * same


def test_an_extractor_of_one_layer_uses_it_for_everything():
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    projection = extractors.RandomProjection()
    wide, deep, logits = extractors.extract(projection, images)
    assert torch.equal(wide, projection(images)) and torch.equal(deep, wide) and logits is None
