"""Los conjuntos de datos: el orden de búsqueda, las muestras, los pesos y los mensajes."""

import dataclasses
import gzip
import hashlib
import os
import shutil
import stat

import pytest
import torch
from safetensors.torch import save_file

from gancook import session
from gancook.data import sets
from gancook.data.download import download
from gancook.data.sets import FASHION_MNIST, IDX_SETS, MNIST, fashion_mnist, mnist, sample_dir
from gancook.data.shipped import load_weights, published, repository, shipped

LOADERS = {FASHION_MNIST.name: fashion_mnist, MNIST.name: mnist}


@pytest.fixture
def laptop(monkeypatch, tmp_path):
    """Perfil laptop en un equipo sin datos ni red: sin data/ propia ni paquete del sistema."""
    monkeypatch.setenv("GANCOOK_PROFILE", "laptop")
    monkeypatch.setattr(sets, "_own_dir", lambda spec: tmp_path / "data" / spec.folder)
    lonely = dataclasses.replace(FASHION_MNIST, system=None, mirror="file:///no/existe/")
    monkeypatch.setattr(sets, "FASHION_MNIST", lonely)
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


def place_tiny(folder, count):
    """Un FashionMNIST de ``count`` imágenes negras: el número dice de qué carpeta se leyó."""
    folder.mkdir(parents=True)
    contents = {}
    for name in FASHION_MNIST.checksums:
        shape = (count, 28, 28) if "images" in name else (count,)
        header = b"".join(size.to_bytes(4, "big") for size in (0x800 + len(shape), *shape))
        contents[name] = header + bytes(torch.Size(shape).numel())
        (folder / f"{name}.gz").write_bytes(gzip.compress(contents[name]))
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def test_search_order(laptop, monkeypatch):
    places = ["explícita", "entorno", "data", "sistema", "red"]
    folders = {name: laptop / name / "fashion-mnist" for name in places}
    sums = [place_tiny(folders[name], k) for k, name in reversed(list(enumerate(places, 1)))]
    everywhere = dataclasses.replace(
        sets.FASHION_MNIST,
        system=str(folders["sistema"]),
        mirror=folders["red"].as_uri() + "/",
        checksums={name: tuple(s[name] for s in sums) for name in sums[0]},
    )
    monkeypatch.setattr(sets, "FASHION_MNIST", everywhere)
    monkeypatch.setenv("GANCOOK_DATA", str(laptop / "entorno"))
    assert fashion_mnist(path=folders["explícita"]).source == "1 imágenes (ruta explícita)"
    for source in (
        "2 imágenes (GANCOOK_DATA)",
        "3 imágenes (data/)",
        "4 imágenes (paquete del sistema)",
        "5 imágenes (descargado)",
    ):
        assert fashion_mnist().source == source
        shutil.rmtree(folders[places[int(source[0]) - 1]])


def test_without_data_or_network_falls_back_loudly_in_one_line(laptop, capsys):
    images = fashion_mnist().images
    printed = capsys.readouterr().out.strip()
    assert len(images) == 6000
    assert "MUESTRA" in printed and "dataset-fashion-mnist" in printed
    assert len(printed.splitlines()) == 1


@pytest.fixture
def mirror(laptop, monkeypatch):
    """Un espejo al alcance, que sirve las muestras como si fueran el conjunto entero."""
    checksums = {name: (sample, sample) for name, (_, sample) in FASHION_MNIST.checksums.items()}
    address = sample_dir(FASHION_MNIST).as_uri() + "/"
    reachable = dataclasses.replace(sets.FASHION_MNIST, mirror=address, checksums=checksums)
    monkeypatch.setattr(sets, "FASHION_MNIST", reachable)
    return laptop


def test_downloads_when_there_is_a_mirror(mirror):
    assert "descargado" in fashion_mnist().source
    assert sorted(p.name for p in (mirror / "data" / "fashion-mnist").iterdir()) == sorted(
        f"{name}.gz" for name in FASHION_MNIST.checksums
    )
    assert "data/" in fashion_mnist().source  # la segunda vez ya está


@pytest.mark.skipif(os.name == "nt", reason="Windows no tiene umask")
def test_downloads_are_readable_as_the_umask_says(mirror):
    previous = os.umask(0o022)
    try:
        fashion_mnist()
    finally:
        os.umask(previous)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in mirror.glob("data/fashion-mnist/*")}
    assert modes == {0o644}


@pytest.fixture
def incomplete(laptop, monkeypatch):
    """Un $GANCOOK_DATA con un solo archivo de los cuatro, y el conjunto entero en data/."""
    place_sample(laptop / "data" / "fashion-mnist")
    folder = laptop / "entorno" / "fashion-mnist"
    folder.mkdir(parents=True)
    monkeypatch.setenv("GANCOOK_DATA", str(laptop / "entorno"))
    name = "train-labels-idx1-ubyte"
    packed = (sample_dir(FASHION_MNIST) / f"{name}.gz").read_bytes()
    (folder / name).write_bytes(gzip.decompress(packed))
    return folder


def test_incomplete_environment_folder_is_completed(incomplete, mirror):
    assert "descargado" in fashion_mnist().source
    expected = {f"{name}.gz" for name in FASHION_MNIST.checksums} - {"train-labels-idx1-ubyte.gz"}
    assert {p.name for p in incomplete.iterdir()} == {*expected, "train-labels-idx1-ubyte"}


@pytest.mark.parametrize("empty", [False, True])
def test_incomplete_environment_folder_is_an_error_without_network(incomplete, empty):
    if empty:
        next(incomplete.iterdir()).unlink()
    present = sorted(incomplete.iterdir())
    with pytest.raises(FileNotFoundError) as error:
        fashion_mnist()
    for name in FASHION_MNIST.checksums:
        assert (name in str(error.value)) == (empty or name != "train-labels-idx1-ubyte")
    assert "dataset-fashion-mnist" in str(error.value) and str(incomplete) in str(error.value)
    assert sorted(incomplete.iterdir()) == present


def test_environment_without_the_subfolder_goes_on_searching(laptop, monkeypatch):
    (laptop / "entorno").mkdir()
    monkeypatch.setenv("GANCOOK_DATA", str(laptop / "entorno"))
    for _ in range(2):  # la descarga fallida no deja una carpeta vacía, que sería un error
        assert "muestra incluida" in fashion_mnist().source
    place_sample(laptop / "data" / "fashion-mnist")
    assert "data/" in fashion_mnist().source


def test_loose_files_in_the_environment_folder_are_asked_to_move(laptop, monkeypatch):
    folder = place_sample(laptop / "entorno")
    monkeypatch.setenv("GANCOOK_DATA", str(folder))
    with pytest.raises(FileNotFoundError, match="[Mm]uéve") as error:
        fashion_mnist()
    assert str(folder / "fashion-mnist") in str(error.value)


@pytest.mark.parametrize("damage", ["otra suma", "gzip cortado"])
def test_bad_download_leaves_nothing_behind(damage, tmp_path):
    packed = gzip.compress(b"contenido" * 100)
    (tmp_path / "x.gz").write_bytes(packed[:-10] if damage == "gzip cortado" else packed)
    with pytest.raises(OSError, match="recibido"):
        download((tmp_path / "x.gz").as_uri(), tmp_path / "destino" / "x.gz", "0" * 64)
    assert not (tmp_path / "destino").exists()


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


def test_shipped_files_exist_in_the_repository():
    assert (repository() / "pyproject.toml").is_file()
    assert published("s2_history.csv").is_file()
    assert shipped("samples", "mnist") == sample_dir(MNIST)


def test_foreign_data_folder_beside_the_wheel_is_not_ours(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "gancook"
    place_sample(package / "_data" / "samples" / "fashion-mnist")
    place_tiny(package.parent / "data" / "fashion-mnist", 3)
    monkeypatch.setattr("gancook.data.shipped._PACKAGE", package)
    monkeypatch.setattr("gancook.data.shipped._IN_WHEEL", package / "_data")
    assert repository() is None
    assert sets.download_dir(FASHION_MNIST) == tmp_path / "cache" / "gancook" / "fashion-mnist"
    assert shipped("models") == package / "_data" / "models"
    assert sets.locate(dataclasses.replace(FASHION_MNIST, system=None)) is None
    assert fashion_mnist("test").source == "1000 imágenes (muestra incluida, perfil quick)"


def test_weights_are_checked_before_they_are_used(tmp_path):
    path, weights = tmp_path / "pesos.safetensors", {"w": torch.arange(3.0)}
    save_file(weights, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for expected in (None, digest):
        assert torch.equal(load_weights(path, expected)["w"], weights["w"])
    with pytest.raises(ValueError, match=f"{digest[:12]}.*se esperaba 000000000000"):
        load_weights(path, "0" * 64)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="dañado"):
        load_weights(path)
    with pytest.raises(FileNotFoundError, match="nada.safetensors"):
        load_weights(tmp_path / "nada.safetensors")
