"""Carpetas y zips de imágenes: archivos raros o dañados, interrupciones, cambios y memoria."""

import json
import os
import random
import shutil
import signal
import sys
import time
import zipfile
import zlib
from collections import namedtuple
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from PIL import Image
from torchvision.transforms import v2

from gancook.data import folder, tree
from gancook.data.batches import Batches
from gancook.data.folder import image_folder

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows no tiene fork")
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="solo en Linux")


@pytest.fixture(autouse=True)
def prepared(monkeypatch, tmp_path):
    monkeypatch.setenv("GANCOOK_DATA", str(tmp_path / "gd"))
    monkeypatch.setattr(folder, "progress_bar", iter)
    return tmp_path / "gd" / "preparados"


def noise(seed, shape=(40, 40, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def fill(path, count, side=40):
    """Una carpeta de ``count`` imágenes sin pérdidas, cada una distinta."""
    path.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(noise(i, (side, side, 3))).save(path / f"{i:03d}.bmp")
    return path


def snapshot(root):
    return {p: (p.lstat(), p.read_bytes() if p.is_file() else b"") for p in root.rglob("*")}


RED, GREEN = (200, 30, 40), (20, 180, 60)


def red(mode="RGB"):
    return Image.new("RGB", (40, 30), RED).convert(mode)


def png_with_a_wrong_sum(path):
    red().save(path, "PNG")
    content = bytearray(path.read_bytes())
    content[content.index(b"IEND") - 6] ^= 1  # la suma del último bloque de píxeles
    path.write_bytes(content)


def half_of_a_jpeg(path):
    Image.fromarray(noise(0, (80, 80, 3))).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:2000])


def half_of_a_gif(path):
    Image.fromarray(noise(0, (80, 80))).save(path, "GIF")
    path.write_bytes(path.read_bytes()[:900])


def sixteen_bits(path):
    Image.fromarray(np.full((40, 40), 100 * 257, np.uint16)).save(path)


def with_alpha(path):
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(path)


def transparent_palette(path):
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, *RED])
    image.save(path, transparency=1)


def two_frames(path):
    red().save(path, save_all=True, append_images=[Image.new("RGB", (40, 30), GREEN)])


def sparse(path):
    with open(path, "wb") as file:
        file.truncate(3 << 20)


def text(content):
    return lambda path: path.write_bytes(content)


def saved(image, *arguments):
    return lambda path: image.save(path, *arguments)


PNG_START = b"\x89PNG\r\n\x1a\n"
DAMAGED = {
    "cortada.jpg": (half_of_a_jpeg, "truncated"),
    "cortado.gif": (half_of_a_gif, "dañado"),
    "suma.png": (png_with_a_wrong_sum, "dañado"),
    "página.jpg": (text(b"<!DOCTYPE html><html>"), "empieza por b'<!DOCTYPE ht'"),
    "vacía.png": (text(b""), "está vacío"),
    "solo la firma.png": (text(PNG_START), "dañado|no es una imagen"),
    "píxel.png": (saved(Image.new("RGB", (1, 1))), "mide 1×1"),
    "hilo.png": (saved(Image.new("RGB", (200, 3))), "mide 200×3"),
    "bomba.png": (saved(Image.new("1", (300, 300))), "demasiado grande"),
    "bombilla.png": (saved(Image.new("1", (220, 220))), "demasiado grande"),
    "reales.tif": (saved(Image.new("F", (40, 40), 0.5)), "escala"),
    "enteros.tif": (saved(Image.new("I", (40, 40), 1 << 20)), "escala"),
    "LÉEME.txt": (text(b"Estas son mis fotos."), "no es una imagen"),
    "enorme.jpg": (sparse, "ocupa 3 MB"),
    'a, "b"\n.jpg': (text(b"GIF"), "no es una imagen"),
}
ODD = {  # qué color debe salir y qué aviso
    "cmyk.jpg": (saved(red("CMYK")), RED, "modo CMYK"),
    "dieciséis.png": (sixteen_bits, (100, 100, 100), "modo I;16"),
    "alfa.png": (with_alpha, (255, 255, 255), "transparente"),
    "alfa gris.png": (saved(Image.new("LA", (40, 40), (9, 0))), (255, 255, 255), "transparente"),
    "paleta.png": (saved(red("P")), RED, ""),
    "paleta hueca.png": (transparent_palette, (255, 255, 255), "transparente"),
    "gris.jpg": (saved(Image.new("L", (40, 40), 90)), (90, 90, 90), ""),
    "un bit.png": (saved(Image.new("1", (40, 40), 1)), (255, 255, 255), ""),
    "animada.gif": (two_frames, RED, "2 fotogramas"),
    "es png.jpg": (saved(red(), "PNG"), RED, "es PNG aunque su extensión diga JPEG"),
    "sin extensión": (saved(red(), "JPEG"), RED, ""),
    "MAYÚSCULAS.JPG": (saved(red(), "JPEG"), RED, ""),
    "niño ☃ 漢字.png": (saved(red()), RED, ""),
    "nin\u0303o.webp": (saved(red()), RED, ""),
    "dentro/más dentro/una.tif": (saved(red()), RED, ""),
    "carpeta.jpg/una.bmp": (saved(red()), RED, ""),
}
HIDDEN = (".oculta.png", ".carpeta/una.png", "__MACOSX/._una.png", "Thumbs.db")


def make_odd_folder(root):
    for name, (make, *_) in {**DAMAGED, **ODD}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        make(root / name)
    for name in HIDDEN:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        red().save(root / name, "PNG")
    return root


@pytest.fixture
def small_limits(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    monkeypatch.setattr(tree, "_LARGEST", 1 << 20)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows no admite algunos de estos nombres")
def test_every_kind_of_odd_file_is_used_or_reported_and_none_is_touched(tmp_path, small_limits):
    root = make_odd_folder(tmp_path / "fotos")
    before = snapshot(root)
    data = image_folder(root, 16, workers=2)
    assert data.names == sorted(ODD)
    for name, image in zip(data.names, data.images, strict=True):
        assert np.abs(image.mean(axis=(1, 2)) - ODD[name][1]).max() < 3, name
    report = pd.read_csv(data.report).set_index("archivo")
    noted = {name: note for name, (_, _, note) in ODD.items() if note}
    assert set(report.index) == {*DAMAGED, *noted}
    for name, (_, reason) in DAMAGED.items():
        assert report.usado[name] == "no"
        assert pd.Series(report.motivo[name]).str.contains(reason).all(), report.motivo[name]
    for name, note in noted.items():
        assert report.usado[name] == "sí" and note in report.motivo[name]
    assert {p: b for p, (_, b) in snapshot(root).items()} == {p: b for p, (_, b) in before.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="enlaces y tuberías de POSIX")
def test_links_pipes_and_blocked_folders_are_reported_and_not_followed(tmp_path, monkeypatch):
    outside = fill(tmp_path / "fuera", 2)
    root = fill(tmp_path / "fotos", 1)
    (root / "sale.bmp").symlink_to(outside / "000.bmp")
    (root / "sale").symlink_to(outside)
    (root / "repite.bmp").symlink_to(root / "000.bmp")
    (root / "círculo").symlink_to(root)
    (root / "cola.bmp").symlink_to("cola.bmp")
    (root / "roto.bmp").symlink_to("no existe")
    os.mkfifo(root / "tubería.bmp")
    fill(root / "cerrada", 1)
    scan = os.scandir

    def refuse(path):  # quien prueba puede ser root, a quien ningún permiso detiene
        if str(path).endswith("cerrada"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    data = image_folder(root, 8)
    assert data.names == ["000.bmp"]
    reasons = pd.read_csv(data.report).set_index("archivo").motivo.to_dict()
    assert reasons == {
        "sale.bmp": "enlace que sale de la carpeta",
        "sale": "enlace que sale de la carpeta",
        "repite.bmp": "enlace a algo que ya está en la carpeta",
        "círculo": "enlace a algo que ya está en la carpeta",
        "cola.bmp": "enlace roto o en círculo",
        "roto.bmp": "enlace roto o en círculo",
        "tubería.bmp": "no es un archivo corriente",
        "cerrada": "carpeta que no se puede leer: Permission denied",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="nombres que no son UTF-8")
def test_names_that_are_not_even_text(tmp_path):
    root = fill(tmp_path / "fotos", 1)
    with open(os.fsencode(root) + b"/\xff\xfe.bmp", "wb") as file:
        red().save(file, "BMP")
    with open(os.fsencode(root) + b"/\xfd.png", "wb") as file:
        red().save(file, "BMP")
    data = image_folder(root, 8)
    assert len(data.images) == len(set(data.names)) == 3
    assert "udcfd.png,sí" in data.report.read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", [(64, 96), (96, 64), (64, 64), (128, 64)])
def test_geometry_is_torchvisions_resize_and_centre_crop(shape, tmp_path):
    image = Image.fromarray(noise(0, (*shape, 3)))
    (tmp_path / "fotos").mkdir()
    image.save(tmp_path / "fotos" / "una.png")
    expected = v2.Compose(
        [v2.Resize(32, v2.InterpolationMode.BICUBIC), v2.CenterCrop(32), v2.PILToTensor()]
    )(image)
    found = image_folder(tmp_path / "fotos", 32).images[0]
    assert np.abs(found.astype(int) - expected.numpy()).max() <= 2  # redondea dos veces


def test_large_jpeg_read_small_looks_as_if_read_whole(tmp_path):
    (tmp_path / "fotos").mkdir()
    whole = Image.fromarray(noise(0, (100, 150, 3))).resize((1200, 800), Image.Resampling.BICUBIC)
    whole.save(tmp_path / "fotos" / "una.jpg", quality=95)
    expected = whole.crop((200, 0, 1000, 800)).resize((64, 64), Image.Resampling.BICUBIC)
    found = image_folder(tmp_path / "fotos", 64).images[0].transpose(1, 2, 0)
    assert np.abs(found.astype(int) - np.asarray(expected)).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_set_upright(orientation, tmp_path):
    (tmp_path / "fotos").mkdir()
    upright = noise(0, (32, 32, 3))
    undo = {  # lo que la cámara le hizo a la foto derecha, según la norma EXIF
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo(upright)))
    stored.save(tmp_path / "fotos" / "una.png", exif=exif)
    assert np.array_equal(
        image_folder(tmp_path / "fotos", 32).images[0].transpose(1, 2, 0), upright
    )


def test_classes_are_the_first_folders_that_tell_images_apart(tmp_path):
    for name in ("todo/datos/perros/a", "todo/datos/gatos/b", "todo/datos/gatos/c"):
        fill(tmp_path / name, 2)
    data = image_folder(tmp_path / "todo", 8)
    assert data.classes == ("gatos", "perros")
    assert data.labels.dtype == np.int64 and data.labels.tolist() == [0, 0, 0, 0, 1, 1]
    assert [name.split("/")[1] for name in data.names] == ["gatos"] * 4 + ["perros"] * 2
    fill(tmp_path / "todo" / "datos", 1)
    data = image_folder(tmp_path / "todo", 8)
    assert data.classes == (".", "gatos", "perros") and data.labels.tolist() == [0, *[1] * 4, 2, 2]
    assert image_folder(tmp_path / "todo/datos/gatos/b", 8).classes == (".",)


def pack(root, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root.parent))
        archive.writestr("__MACOSX/fotos/._000.bmp", b"")
    return path


@pytest.mark.parametrize(
    ("where", "said"), [("caras/64", "caras/64"), ("mis cuadros", "mis cuadros")]
)
def test_a_folder_named_as_a_number_is_told_with_the_one_above(where, said, tmp_path):
    assert image_folder(fill(tmp_path / where, 3), 8).source == f"3 imágenes ({said})"


def test_a_zip_gives_what_its_folder_gives_without_being_unpacked(tmp_path):
    root = fill(tmp_path / "fotos" / "ñandú", 3).parent
    fill(root / "zorro", 2)
    expected = image_folder(root, 8)
    there = {*tmp_path.iterdir()}
    packed = pack(root, tmp_path / "fotos.zip")
    found = image_folder(packed, 8)
    assert np.array_equal(found.images, expected.images)
    assert found.classes == expected.classes == ("zorro", "ñandú")
    assert found.labels.tolist() == expected.labels.tolist()
    assert {*tmp_path.iterdir()} == there | {packed}
    assert pd.read_csv(found.report).empty  # lo de __MACOSX ni se mira


def test_damage_in_a_zip(tmp_path, monkeypatch):
    packed = pack(fill(tmp_path / "fotos", 4), tmp_path / "fotos.zip")
    content = bytearray(packed.read_bytes())
    content[content.index(b"002.bmp") + 500] ^= 1
    packed.write_bytes(content)
    data = image_folder(packed, 8)
    assert len(data.images) == 3
    assert "CRC" in pd.read_csv(data.report).motivo[0]
    monkeypatch.setattr(tree, "_LARGEST", 10)
    with zipfile.ZipFile(tmp_path / "otro.zip", "w") as archive:
        archive.writestr("bomba.png", bytes(100))
    with pytest.raises(ValueError, match="0 imágenes preparadas y 1 archivos") as error:
        image_folder(tmp_path / "otro.zip", 8)
    report = str(error.value).rpartition(": ")[2]
    assert "demasiado para una imagen" in pd.read_csv(report).motivo[0]
    packed.write_bytes(content[:-30])
    with pytest.raises(ValueError, match="no es un zip entero"):
        image_folder(packed, 8)
    assert packed.read_bytes() == content[:-30]


def forbid_decoding(monkeypatch):
    def decode(*_):
        raise AssertionError("se ha decodificado otra vez")

    monkeypatch.setattr(folder, "_decode", decode)


def test_prepared_once_and_again_only_when_something_changes(tmp_path, prepared, monkeypatch):
    root = fill(tmp_path / "fotos", 3)
    first = image_folder(root, 8)
    with monkeypatch.context() as patch:
        forbid_decoding(patch)
        again = image_folder(root, 8)
        assert np.array_equal(first.images, again.images) and first.names == again.names
        for change in ({"size": 16}, {"size": 8, "min_side": 9}):
            with pytest.raises(AssertionError):
                image_folder(root, **change)
    Image.fromarray(noise(9)).save(root / "001.bmp")
    os.utime(root / "001.bmp", (1, 1))  # mismo nombre y tamaño, otra fecha
    changed = image_folder(root, 8)
    assert [np.array_equal(a, b) for a, b in zip(first.images, changed.images, strict=True)] == [
        True, False, True,
    ]  # fmt: skip
    (root / "000.bmp").unlink()
    assert image_folder(root, 8).names == ["001.bmp", "002.bmp"]
    assert len([*prepared.glob("fotos-8-*/imagenes.uint8")]) == 1  # lo de antes no se acumula


def test_the_prepared_folder_is_not_part_of_the_images(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOOK_DATA", str(fill(tmp_path / "datos", 2)))
    assert len(image_folder(tmp_path / "datos", 8).images) == 2
    forbid_decoding(monkeypatch)
    assert len(image_folder(tmp_path / "datos", 8).images) == 2


def test_folders_without_images_say_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="No existe .*nada"):
        image_folder(tmp_path / "nada", 8)
    (tmp_path / "vacía" / "dentro").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no hay ningún archivo"):
        image_folder(tmp_path / "vacía", 8)
    (tmp_path / "vacía" / "notas.txt").write_text("nada")
    for _ in range(2):
        with pytest.raises(ValueError, match="0 imágenes preparadas y 1 archivos") as error:
            image_folder(tmp_path / "vacía", 8)
        report = str(error.value).rpartition(": ")[2]
        assert pd.read_csv(report).archivo.tolist() == ["notas.txt"]


def test_a_full_disk_is_said_before_writing(tmp_path, prepared, monkeypatch):
    root = fill(tmp_path / "fotos", 10)
    usage = namedtuple("usage", "free")
    needed = 10 * 3 * 8 * 8
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(needed - 1))
    with pytest.raises(OSError, match="GANCOOK_DATA"):
        image_folder(root, 8)
    assert sum(p.stat().st_size for p in prepared.rglob("*") if p.is_file()) == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(needed))
    assert len(image_folder(root, 8).images) == 10


def test_a_disk_that_fills_up_halfway_loses_nothing(tmp_path, monkeypatch):
    root = fill(tmp_path / "fotos", 10)
    monkeypatch.setattr(folder, "_CHUNK", 2)
    expected = image_folder(pack(root, tmp_path / "fotos.zip"), 8).images
    sync, calls = os.fsync, []

    def full(file):
        calls.append(file)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        sync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            image_folder(root, 8)
    assert np.array_equal(image_folder(root, 8).images, expected)


def test_a_folder_that_changes_meanwhile_is_not_accepted(tmp_path, monkeypatch):
    root = fill(tmp_path / "fotos", 3)
    real = folder._decode

    def decode(*arguments):
        (root / "002.bmp").unlink(missing_ok=True)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_decode", decode)
        with pytest.raises(OSError, match="ha cambiado"):
            image_folder(root, 8)
    assert image_folder(root, 8).names == ["000.bmp", "001.bmp"]


@needs_fork
def test_killed_at_random_moments_it_goes_on_and_ends_the_same(tmp_path, prepared, monkeypatch):
    root = fill(tmp_path / "fotos", 60, side=200)
    (root / "030.bmp").write_bytes(b"rota")
    monkeypatch.setattr(folder, "_CHUNK", 2)
    monkeypatch.setattr(os, "fsync", lambda _: time.sleep(0.003))  # más rápido que muchos discos
    expected = image_folder(pack(root, tmp_path / "fotos.zip"), 64)
    chance, done = random.Random(0), [0]
    for attempt in range(12):
        child = os.fork()
        if child == 0:
            _prepare_slowly(root)
        while attempt % 2 and done[-1] == _chunks_done(prepared) < 30:
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "el hijo ha muerto solo"
        time.sleep(chance.uniform(0, 0.015))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        done.append(_chunks_done(prepared))
    assert done == sorted(done) and any(0 < chunks < 30 for chunks in done)
    found = image_folder(root, 64)
    assert np.array_equal(found.images, expected.images)
    assert len(found.names) == 59 and len([*pd.read_csv(found.report).archivo]) == 1


def _chunks_done(prepared):
    """Los grupos apuntados de la carpeta, sin los 30 de su zip."""
    logs = prepared.glob("fotos-64-*/registro.jsonl")
    return sum(log.read_bytes().count(b"\n") for log in logs) - 30


def _prepare_slowly(root):
    try:
        image_folder(root, 64, workers=1)
        time.sleep(60)
    finally:
        os._exit(1)


@pytest.mark.parametrize("torn", [1, 20, 60])
def test_a_half_written_record_is_done_again(torn, tmp_path, prepared, monkeypatch):
    root = fill(tmp_path / "fotos", 8)
    monkeypatch.setattr(folder, "_CHUNK", 2)
    expected = image_folder(root, 8).images.copy()
    place = next(prepared.glob("fotos-8-*/"))
    os.replace(place / "imagenes.uint8", place / "imagenes.parcial")
    os.truncate(place / "registro.jsonl", (place / "registro.jsonl").stat().st_size - torn)
    assert np.array_equal(image_folder(root, 8).images, expected)


def test_who_waits_for_another_says_so_and_goes_on_when_it_ends(tmp_path, prepared, capsys):
    photos = fill(tmp_path / "fotos", 3)
    image_folder(photos, 16)
    assert "se espera" not in capsys.readouterr().out
    (lock,) = prepared.glob("*.lock")
    with FileLock(lock):  # otro, que todavía no ha acabado
        waiting = Thread(target=image_folder, args=(photos, 16), daemon=True)
        waiting.start()
        said, deadline = "", time.monotonic() + 30
        while "se espera a que acabe" not in said and time.monotonic() < deadline:
            time.sleep(0.01)
            said += capsys.readouterr().out
        assert "se espera a que acabe" in said and waiting.is_alive()
    waiting.join(timeout=30)
    assert not waiting.is_alive()


@needs_fork
def test_several_processes_at_once_prepare_it_once(tmp_path, monkeypatch):
    root = fill(tmp_path / "fotos", 40)
    real, record = folder._decode, tmp_path / "decodificadas"

    def decode(*arguments):
        with open(record, "a") as file:
            file.write("x")
        return real(*arguments)

    monkeypatch.setattr(folder, "_decode", decode)
    children = []
    for _ in range(3):
        children.append(os.fork())
        if children[-1] == 0:
            _leave_sum(root, tmp_path)
    for child in children:
        os.waitpid(child, 0)
    sums = [path.read_text() for path in tmp_path.glob("*.suma")]
    assert len(sums) == 3 and len({*sums}) == 1
    assert len(record.read_text()) == 40


def _leave_sum(root, place):
    try:
        images = image_folder(root, 8, workers=1).images
        (place / f"{os.getpid()}.suma").write_text(str(zlib.crc32(images.tobytes())))
    finally:
        os._exit(0)


def test_batches_read_it_without_copying_it(tmp_path):
    data = image_folder(fill(tmp_path / "fotos", 10), 8)
    assert isinstance(data.images, np.memmap) and not data.images.flags.writeable
    labels = np.arange(10)
    for rows, chosen in Batches(data.images, 5, labels=labels, scale=(0, 255)).epoch(0):
        assert torch.equal(rows.round().byte(), torch.tensor(data.images[chosen.numpy()]))


def anonymous_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


@needs_proc
def test_a_file_of_twenty_gigabytes_does_not_fill_the_memory(tmp_path, prepared):
    root = fill(tmp_path / "fotos", 1)
    image_folder(root, 256)
    place = next(prepared.glob("fotos-256-*/"))
    count = 20 * 2**30 // (3 * 256**2)
    with open(place / "registro.jsonl", "w") as log:
        for start in range(0, count, 256):
            names = range(start, min(start + 256, count))
            log.write(json.dumps([[f"carpeta/{i:06d}.jpg", True, ""] for i in names]) + "\n")
    os.truncate(place / "imagenes.uint8", count * 3 * 256**2)  # disperso: no ocupa disco
    before = anonymous_mb()
    data = image_folder(root, 256)
    used = [anonymous_mb() for _ in Batches(data.images, 16, labels=data.labels, steps=2).epoch(0)]
    assert len(data.images) == count and max(used) - before < 300
