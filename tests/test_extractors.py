"""Los extractores: tamaño, exactitud, integridad y errores, sin red."""

from urllib.error import URLError

import pytest
import torch
import torchvision

from gancook.data.sets import fashion_mnist
from gancook.data.shipped import shipped
from gancook.measure import extractors
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
        (torch.zeros(2, 28, 28, dtype=torch.uint8), ValueError, "unsqueeze"),
        (torch.zeros(2, 3, 28, 28, dtype=torch.uint8), ValueError, "otro|cambia de extractor"),
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
