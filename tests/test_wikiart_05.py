"""De dónde salen los cuadros: carpetas, los zips de Kaggle, Hugging Face o dibujados."""

import io
import sys
import zipfile
from collections import namedtuple
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import wikiart_05
from gancook.data import folder
from pinturas_05 import FAMILIES
from wikiart_05 import wikiart


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Un equipo sin cuadros y sin ``datasets``."""
    monkeypatch.setenv("GANCOOK_DATA", str(tmp_path / "gd"))
    monkeypatch.setattr(folder, "progress_bar", iter)
    monkeypatch.setattr(wikiart_05, "progress_bar", lambda rows, total: iter(rows))
    monkeypatch.setattr(
        wikiart_05, "find_spec", lambda name: sys.modules.get(name) and ModuleSpec(name, None)
    )
    monkeypatch.delitem(sys.modules, "datasets", raising=False)


def jpeg(value, size=(24, 16)):
    file = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(file, "JPEG")
    return file.getvalue()


def fill(root, **styles):
    """Una subcarpeta por estilo, con imágenes lisas de estos grises."""
    for style, values in styles.items():
        (root / style).mkdir(parents=True)
        for value in values:
            (root / style / f"{value}.jpg").write_bytes(jpeg(value))
    return root


def grays(found):
    return found.images.mean(axis=(1, 2, 3)).round().astype(int).tolist()


def test_a_folder_with_a_subfolder_per_style(tmp_path, capsys):
    root = fill(tmp_path / "míos", barroco=[10, 20], cubismo=[200])
    found = wikiart(16, path=root)
    assert found.images.shape == (3, 3, 16, 16) and found.images.dtype == np.uint8
    assert found.styles == ("barroco", "cubismo") and found.labels.tolist() == [0, 0, 1]
    assert found.names == ["barroco/10.jpg", "barroco/20.jpg", "cubismo/200.jpg"]
    assert grays(found) == [10, 20, 200]
    assert "Cuadros de 16×16: 3 imágenes (míos)." in capsys.readouterr().out


def test_one_style_only_and_what_there_is_if_it_is_not_there(tmp_path, capsys):
    root = fill(tmp_path / "míos", barroco=[10, 20], cubismo=[200])
    found = wikiart(16, "barroco", root)
    assert grays(found) == [10, 20] and found.labels.tolist() == [0, 0]
    assert found.styles == ("barroco",) and found.names == ["barroco/10.jpg", "barroco/20.jpg"]
    assert "2 de estilo barroco, de 3 imágenes (míos)" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"'rococó'.*barroco \(2\), cubismo \(1\)"):
        wikiart(16, "rococó", root)


def test_search_order(tmp_path):
    explicit = fill(tmp_path / "otra", a=[1])
    wikiart_folder = fill(tmp_path / "gd" / "wikiart", a=[100])
    assert grays(wikiart(16)) == [100]
    fill(tmp_path / "gd" / "pinturas", a=[50])
    assert grays(wikiart(16)) == [50] and grays(wikiart(16, path=explicit)) == [1]
    assert grays(wikiart(16, path=wikiart_folder)) == [100]


def test_without_paintings_it_draws_them_says_so_and_says_how_to_get_real_ones(tmp_path, capsys):
    found = wikiart(32, drawn=12)
    said = capsys.readouterr().out
    assert found.images.shape == (12, 3, 32, 32) and found.styles == FAMILIES
    assert "12 dibujados por toy_paintings" in said
    assert str(tmp_path / "gd" / "pinturas") in said and "wikiart(32, download=5000)" in said
    assert "painter-by-numbers" in said and "unos 20 kB por cuadro" in said
    assert not (tmp_path / "gd" / "wikiart").exists()
    only = wikiart(32, "paisaje", drawn=30)
    assert only.styles == ("paisaje",) and 0 < len(only.images) == len(only.names) < 30


def test_a_path_that_is_not_there_is_an_error_and_draws_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="No existe .*nada"):
        wikiart(16, path=tmp_path / "nada")
    (tmp_path / "gd" / "pinturas").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no hay ningún archivo"):
        wikiart(16)


def kaggle(root):
    """Como en la competición: las imágenes sueltas en el zip y sus estilos en una tabla."""
    root.mkdir(parents=True)
    with zipfile.ZipFile(root / "train.zip", "w") as archive:
        for k, value in enumerate([10, 20, 30, 40]):
            archive.writestr(f"train/{k}.jpg", jpeg(value) if k != 1 else b"")
    (root / "all_data_info.csv").write_text(
        "artist,date,genre,style,title,in_train,new_filename\n"
        "x,1,g,Rococo,Uno,True,3.jpg\n"
        'y,2,g,Baroque,"Dos, con coma",True,0.jpg\n'
        "z,3,g,Rococo,Tres,True,1.jpg\n"
        "z,3,g,,Cuatro,True,2.jpg\n"
        "z,3,g,Cubism,Cinco,False,99.jpg\n"
        "x,1,g,Rococo,Uno otra vez,True,3.jpg\n",
        encoding="utf-8",
    )
    return root


@pytest.mark.parametrize("asked", ["carpeta", "zip", "nada"])
def test_the_files_of_the_kaggle_competition_are_read_without_unpacking(asked, tmp_path):
    root = kaggle(tmp_path / "gd" / "wikiart")
    there = {*root.iterdir()}
    found = wikiart(16, path={"carpeta": root, "zip": root / "train.zip", "nada": None}[asked])
    assert found.styles == ("Baroque", "Rococo", "sin estilo")
    assert grays(found) == [10, 30, 40] and found.labels.tolist() == [0, 2, 1]
    assert grays(wikiart(16, "Rococo", root)) == [40]
    assert {*root.iterdir()} == there


class Stream:
    """Lo que usa de un ``IterableDataset``; apunta cuántas filas sirve."""

    def __init__(self, rows, served):
        self.rows, self.served = rows, served

    def cast_column(self, name, feature):
        assert name == "image" and feature == "Image(decode=False)"
        return self

    def skip(self, n):
        return Stream(self.rows[n:], self.served)

    def take(self, n):
        return Stream(self.rows[:n], self.served)

    def __iter__(self):
        for row in self.rows:
            self.served.append(row["style"])
            if row["style"] == "corte":
                row["style"] = "Cubism"
                raise ConnectionError("se ha ido la red")
            yield row


@pytest.fixture
def hub(monkeypatch):
    """Un ``datasets`` con 10 cuadros de un gigabyte cada uno, según su ficha."""
    rows = [
        {"style": style, "image": {"bytes": jpeg(20 * k), "path": None}}
        for k, style in enumerate(["Rococo", "Art/Deco", None, "Cubism", *["Cubism"] * 6])
    ]
    module = ModuleType("datasets")
    module.served, module.rows = [], rows
    splits = {"train": SimpleNamespace(num_examples=10)}
    info = SimpleNamespace(splits=splits, download_size=10_000_000_000)
    module.load_dataset_builder = lambda name: SimpleNamespace(info=info)
    module.Image = lambda decode: f"Image(decode={decode})"

    def load_dataset(name, *, split, streaming):
        assert (name, split, streaming) == ("Artificio/WikiArt", "train", True)
        return Stream(rows, module.served)

    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


def test_downloads_what_is_asked_after_saying_its_size(tmp_path, hub, capsys):
    found = wikiart(16, download=4)
    said = capsys.readouterr().out
    assert said.index("Se bajan 4 cuadros de Artificio/WikiArt") < said.index("preparadas")
    assert "unos 4 GB" in said
    assert found.styles == ("Art-Deco", "Cubism", "Rococo", "sin estilo")
    assert sorted(grays(found)) == [0, 20, 40, 60]
    saved = tmp_path / "gd" / "wikiart" / "Cubism" / "000003.jpg"
    assert saved.read_bytes() == jpeg(60)  # sin cambiarle un byte
    assert len(hub.served) == 4
    assert len(wikiart(16, download=4).images) == 4 and len(hub.served) == 4  # ya los hay


def test_asking_for_more_than_there_are_brings_all(hub, capsys):
    assert len(wikiart(16, download=50).images) == 10
    assert "Se bajan 10 cuadros" in capsys.readouterr().out


def test_a_cut_download_is_not_used_and_goes_on_where_it_was(tmp_path, hub, capsys):
    hub.rows[3]["style"] = "corte"
    with pytest.raises(ConnectionError):
        wikiart(16, download=6)
    assert not (tmp_path / "gd" / "wikiart").exists()
    assert len(wikiart(16, drawn=7).images) == 7  # lo que hay a medias no se toma por entero
    hub.served.clear()
    capsys.readouterr()
    found = wikiart(16, download=6)
    assert "Se bajan 3 cuadros" in capsys.readouterr().out and len(hub.served) == 3
    assert sorted(grays(found)) == [0, 20, 40, 60, 80, 100]
    assert not (tmp_path / "gd" / "wikiart.parcial").exists()


def test_a_full_disk_is_said_before_downloading(hub, monkeypatch):
    monkeypatch.setattr(
        wikiart_05.shutil, "disk_usage", lambda _: namedtuple("usage", "free")(4_999_999_999)
    )
    with pytest.raises(OSError, match="GANCOOK_DATA"):
        wikiart(16, download=5)
    assert hub.served == []


def test_without_the_library_it_says_what_to_install():
    with pytest.raises(FileNotFoundError, match="pip install datasets"):
        wikiart(16, download=5)
