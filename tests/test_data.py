"""Los conjuntos de datos: el orden de búsqueda, las muestras y los mensajes."""

import dataclasses
import gzip
import shutil

import pytest
import torch

from gancook import data, session
from gancook.data.download import download
from gancook.data.sets import FASHION_MNIST, IDX_SETS, MNIST, fashion_mnist, mnist, sample_dir

LOADERS = {FASHION_MNIST.name: fashion_mnist, MNIST.name: mnist}


@pytest.fixture
def laptop(monkeypatch, tmp_path):
    """Perfil laptop en un equipo sin datos ni red: sin data/ propia ni paquete del sistema."""
    monkeypatch.setenv("GANCOOK_PROFILE", "laptop")
    monkeypatch.setattr(data, "_own_dir", lambda spec: tmp_path / "data" / spec.folder)
    lonely = dataclasses.replace(FASHION_MNIST, system=None, mirror="file:///no/existe/")
    monkeypatch.setattr(data, "FASHION_MNIST", lonely)
    return tmp_path


def place_sample(folder):
    shutil.copytree(sample_dir(FASHION_MNIST), folder)
    return folder


@pytest.mark.parametrize("spec, train, test", [(FASHION_MNIST, 6000, 1000), (MNIST, 3000, 500)])
def test_samples_are_balanced_and_whole(spec, train, test):
    for split, count in [("train", train), ("test", test)]:
        images, labels, classes, source = LOADERS[spec.name](split)
        assert images.shape == (count, 1, 28, 28)
        assert images.dtype == torch.uint8
        assert labels.bincount().tolist() == [count // 10] * 10
        assert len(classes) == 10
        assert "muestra" in source


@pytest.mark.parametrize("spec", IDX_SETS, ids=lambda spec: spec.name)
def test_readme_of_data_lists_every_checksum(spec):
    readme = (sample_dir(spec).parent.parent / "README.md").read_text(encoding="utf-8")
    for complete, sample in spec.checksums.values():
        assert complete in readme
        assert sample in readme


def test_order_explicit_then_environment_then_own(laptop, monkeypatch):
    explicit = place_sample(laptop / "explicita")
    place_sample(laptop / "entorno" / "fashion-mnist")
    place_sample(laptop / "data" / "fashion-mnist")
    assert "data/" in fashion_mnist().source
    monkeypatch.setenv("GANCOOK_DATA", str(laptop / "entorno"))
    assert "GANCOOK_DATA" in fashion_mnist().source
    assert "explícita" in fashion_mnist(path=explicit).source


def test_system_package_comes_before_download(laptop, monkeypatch):
    folder = place_sample(laptop / "sistema")
    found = dataclasses.replace(data.FASHION_MNIST, system=str(folder))
    monkeypatch.setattr(data, "FASHION_MNIST", found)
    assert "paquete del sistema" in fashion_mnist().source


def test_without_data_or_network_falls_back_loudly_in_one_line(laptop, capsys):
    images = fashion_mnist().images
    printed = capsys.readouterr().out.strip()
    assert len(images) == 6000
    assert "MUESTRA" in printed and "dataset-fashion-mnist" in printed
    assert len(printed.splitlines()) == 1


def test_downloads_when_there_is_a_mirror(laptop, monkeypatch):
    checksums = {name: (sample, sample) for name, (_, sample) in FASHION_MNIST.checksums.items()}
    mirror = sample_dir(FASHION_MNIST).as_uri() + "/"
    reachable = dataclasses.replace(data.FASHION_MNIST, mirror=mirror, checksums=checksums)
    monkeypatch.setattr(data, "FASHION_MNIST", reachable)
    assert "descargado" in fashion_mnist().source
    assert sorted(p.name for p in (laptop / "data" / "fashion-mnist").iterdir()) == sorted(
        f"{name}.gz" for name in checksums
    )
    assert "data/" in fashion_mnist().source  # la segunda vez ya está


@pytest.mark.parametrize("damage", ["otra suma", "gzip cortado"])
def test_bad_download_leaves_nothing_behind(damage, tmp_path):
    packed = gzip.compress(b"contenido" * 100)
    (tmp_path / "x.gz").write_bytes(packed[:-10] if damage == "gzip cortado" else packed)
    with pytest.raises(OSError, match="recibido"):
        download((tmp_path / "x.gz").as_uri(), tmp_path / "destino" / "x.gz", "0" * 64)
    assert list((tmp_path / "destino").iterdir()) == []


def test_download_never_overwrites(tmp_path):
    target = tmp_path / "mío.gz"
    target.write_bytes(b"mis datos")
    download("file:///no/existe", target, "0" * 64)
    assert target.read_bytes() == b"mis datos"


def test_explicit_path_without_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="faltan archivos de FashionMNIST"):
        fashion_mnist(path=tmp_path)


def test_environment_folder_that_does_not_exist(laptop, monkeypatch):
    monkeypatch.setenv("GANCOOK_DATA", str(laptop / "nada"))
    with pytest.raises(FileNotFoundError, match="GANCOOK_DATA"):
        fashion_mnist()


def test_damaged_file_is_an_error_not_a_fallback(laptop):
    folder = place_sample(laptop / "data" / "fashion-mnist")
    labels = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[100] ^= 1
    labels.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(ValueError, match="SHA-256"):
        fashion_mnist()


def test_unknown_split():
    with pytest.raises(ValueError, match="split='validation'"):
        mnist("validation")


def test_stamp_names_the_source(capsys):
    session.setup()
    mnist("test")
    session.stamp()
    assert "MNIST test: 500 imágenes (muestra incluida" in capsys.readouterr().out
