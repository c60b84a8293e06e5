"""CelebA en su disposición exacta, con un zip pequeño, y lo que se dice cuando no se consigue."""

import io
import sys
import zipfile
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CelebA

import celeba_04
from celeba_04 import celeba
from gancook.data import folder, shipped

NAMES = "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose \
Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee \
Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard \
Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair \
Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
COUNT = 7


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Un equipo sin CelebA y sin gdown, en el que se puede descargar."""
    monkeypatch.setenv("GANCOOK_PROFILE", "laptop")
    monkeypatch.setattr(celeba_04, "own_root", lambda: tmp_path / "data")
    monkeypatch.setattr(shipped, "own_root", lambda: tmp_path / "data")
    monkeypatch.setattr(folder, "progress_bar", iter)
    monkeypatch.setitem(sys.modules, "gdown", None)
    monkeypatch.setattr(celeba_04, "find_spec", lambda name: getattr(sys.modules[name], "x", None))
    return tmp_path


def files(broken=()):
    """Los tres archivos, con sus cabeceras, sus espacios de más y sus nombres."""
    signs = np.random.default_rng(0).choice([-1, 1], (COUNT, 40))
    names = [f"{i + 1:06d}.jpg" for i in range(COUNT)]
    rows = (
        f"{n} {' '.join(f'{s:2d}' for s in row)}\n" for n, row in zip(names, signs, strict=True)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("img_align_celeba/", b"")
        for i, name in enumerate(names):
            photo = io.BytesIO()
            Image.new("RGB", (178, 218), (30 * i, 20, 200)).save(photo, "JPEG")
            archive.writestr(f"img_align_celeba/{name}", b"" if i in broken else photo.getvalue())
    return {
        "img_align_celeba.zip": packed.getvalue(),
        "list_attr_celeba.txt": f"{COUNT}\n{NAMES} \n{''.join(rows)}".encode(),
        "list_eval_partition.txt": "".join(
            f"{name} {i // 3}\n" for i, name in enumerate(names)
        ).encode(),
    }


def place(root, **options):
    root.mkdir(parents=True)
    for name, content in files(**options).items():
        (root / name).write_bytes(content)
    return root


def test_images_attributes_and_partition_are_those_of_torchvision(tmp_path):
    root = place(tmp_path / "celeba")
    data = celeba(16, root)
    assert data.images.shape == (COUNT, 3, 16, 16)
    assert (
        np.abs(data.images.mean(axis=(2, 3)) - [[30 * i, 20, 200] for i in range(COUNT)]).max() < 3
    )
    theirs = CelebA.__new__(CelebA)
    theirs.root = str(tmp_path)
    attributes = theirs._load_csv("list_attr_celeba.txt", header=1)
    assert list(data.attributes) == NAMES.split() and len(NAMES.split()) == 40
    assert list(data.attributes.index) == attributes.index
    assert np.array_equal(data.attributes.to_numpy(), attributes.data.numpy() == 1)
    partition = theirs._load_csv("list_eval_partition.txt").data.squeeze(1)
    assert data.partition.tolist() == partition.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert {p.name for p in root.iterdir()} == set(files())  # el zip sigue sin descomprimir


def test_attributes_stay_with_their_images_when_one_is_damaged(tmp_path):
    whole = celeba(16, place(tmp_path / "entera"))
    data = celeba(16, place(tmp_path / "rota", broken=[2]))
    keep = [0, 1, 3, 4, 5, 6]
    assert np.array_equal(data.images, whole.images[keep])
    assert data.attributes.equals(whole.attributes.iloc[keep])
    assert data.partition.tolist() == whole.partition[keep].tolist()


def test_an_unpacked_folder_gives_the_same(tmp_path):
    packed = celeba(16, place(tmp_path / "zip"))
    root = place(tmp_path / "suelta")
    with zipfile.ZipFile(root / "img_align_celeba.zip") as archive:
        archive.extractall(root)
    (root / "img_align_celeba.zip").unlink()
    loose = celeba(16, root)
    assert np.array_equal(loose.images, packed.images)
    assert loose.attributes.equals(packed.attributes)


def test_search_order(tmp_path, monkeypatch):
    own, chosen, explicit = (place(tmp_path / name / "celeba") for name in ("data", "gd", "otra"))
    found = []
    monkeypatch.setattr(celeba_04, "image_folder", lambda path, size: found.append(path) or 1 / 0)
    for environment, path in [("gd", explicit), ("gd", None), ("nada", None), ("", None)]:
        monkeypatch.setenv("GANCOOK_DATA", str(tmp_path / environment) if environment else "")
        with pytest.raises(ZeroDivisionError):
            celeba(16, path)
    assert [path.parent for path in found] == [explicit, chosen, own, own]


MESSAGE = """CelebA no está en este equipo y no se ha podido descargar: {reason}.
Puedes conseguirla de otro modo (solo para investigar, sin uso comercial):
1. De su página, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, «Align&Cropped Images»: deja
   img_align_celeba.zip, list_attr_celeba.txt y list_eval_partition.txt en {folder}, sin \
descomprimir nada, y repite.
2. De una copia en Hugging Face, unos 12 GB, sin los atributos (pip install datasets):
     import pathlib, datasets
     pathlib.Path("celeba").mkdir()
     for i, row in enumerate(datasets.load_dataset("flwrlabs/celeba", split="train")):
         row["image"].save(f"celeba/{i:06d}.png")
   y después, image_folder("celeba", 64).
3. Mañana, repitiendo esta llamada: el límite de descargas de Google Drive es diario."""


def message(reason, folder):
    return MESSAGE.replace("{reason}", reason).replace("{folder}", str(folder))


@pytest.fixture
def drive(monkeypatch):
    """Un gdown que sirve lo que se le diga, o falla con ello."""
    gdown = ModuleType("gdown")
    gdown.x = gdown.__spec__ = ModuleSpec("gdown", None)
    monkeypatch.setitem(sys.modules, "gdown", gdown)
    return gdown


def test_refused_for_quota(tmp_path, monkeypatch, drive):
    class FileURLRetrievalError(Exception):
        pass

    def download(**_):
        raise FileURLRetrievalError("Too many users have viewed or downloaded this file recently.")

    drive.download = download
    monkeypatch.setenv("GANCOOK_DATA", str(tmp_path / "gd"))
    with pytest.raises(FileNotFoundError) as error:
        celeba(16)
    reason = (
        "Google Drive la ha rechazado, casi siempre por exceso de descargas (Too many users have "
        "viewed or downloaded this file recently.)"
    )
    assert str(error.value) == message(reason, tmp_path / "gd" / "celeba")


@pytest.mark.parametrize("profile, path", [("quick", None), ("laptop", "mías"), ("laptop", None)])
def test_missing_and_not_downloadable(profile, path, tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOOK_PROFILE", profile)
    with pytest.raises(FileNotFoundError) as error:
        celeba(16, path and tmp_path / path)
    folder = tmp_path / (path or "data/celeba")
    tried = profile == "laptop" and path is None
    reason = "falta gdown (pip install gdown)" if tried else f"en {folder} no están sus archivos"
    assert str(error.value) == message(reason, folder)
    assert not folder.exists()


def test_downloads_the_three_files_and_no_more(tmp_path, monkeypatch, drive):
    served, wanted = files(), []

    def download(id, output, **_):
        name = output.rpartition("/")[2]
        wanted.append((id, name))
        with open(output, "wb") as file:
            file.write(served[name])

    drive.download = download
    monkeypatch.setattr("torchvision.datasets.utils.check_md5", lambda path, md5: True)
    assert len(celeba(16).images) == COUNT
    assert wanted == [(i, name) for i, _, name in CelebA.file_list if name in served]
    assert len(celeba(16).images) == COUNT and len(wanted) == 3
