"""``python -m gancook run 02`` ejecuta un cuaderno; ``python -m gancook data`` lista los datos."""

import argparse
import os
import sys
from pathlib import Path

from gancook.data import sets
from gancook.data.idx import read_idx
from gancook.session import PROFILES


def main(arguments: list[str] | None = None) -> int:
    """Punto de entrada; devuelve el código de salida."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        print(f"gancook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrumpido: no se ha escrito nada.", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Ejecuta un cuaderno y lo escribe ya ejecutado en ``--out`` o en su sitio."""
    try:
        from gancook import notebooks  # nbclient solo hace falta aquí
    except ImportError as error:
        raise RuntimeError(f"Falta {error.name}: pip install -r requirements.txt") from error

    if options.profile:
        os.environ["GANCOOK_PROFILE"] = options.profile
    path = notebooks.find(options.number, _notebooks_dir())
    if options.in_place:
        target = path
    else:
        options.out.mkdir(parents=True, exist_ok=True)
        target = _unused(options.out / path.name)
    notebook = notebooks.execute(path)
    notebooks.add_stamp(notebook)
    notebooks.save(notebook, target)
    if options.in_place:
        notebooks.save_cover(notebook, path.parent / "portadas" / f"{path.stem}.png")
    print(f"Escrito: {target}")


def show_data(_: argparse.Namespace) -> None:
    """Lista cada conjunto: dónde está y cuántas imágenes tiene, o cómo conseguirlo."""
    for spec in sets.IDX_SETS:
        sample = read_idx(sets.sample_dir(spec) / "train-labels-idx1-ubyte.gz")
        print(f"{spec.name}\n  muestra incluida: {len(sample)} imágenes de entrenamiento")
        if found := sets.locate(spec):
            folder, where = found
            labels = read_idx(sets.find_file(folder, "train-labels-idx1-ubyte"))
            print(f"  completo: {len(labels)} imágenes de entrenamiento en {folder} ({where})")
        else:
            print(
                f"  completo: no está. Con red se descarga solo, al usarlo, en "
                f"{sets.download_dir(spec)}.\n  Sin ella: {spec.hint}; déjalo en esa carpeta "
                "o indica otra con la variable GANCOOK_DATA."
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gancook", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="orden")
    runner = commands.add_parser("run", help="ejecuta un cuaderno de arriba abajo")
    runner.add_argument("number", metavar="NN", help="número del cuaderno: 02, 06_1…")
    runner.add_argument("--profile", choices=PROFILES, help="perfil (por omisión, el del equipo)")
    target = runner.add_mutually_exclusive_group()
    target.add_argument(
        "--out", type=Path, default=Path("resultados"), help="carpeta del cuaderno ejecutado"
    )
    target.add_argument(
        "--in-place", action="store_true", help="lo sustituye por el ejecutado, con su sello"
    )
    runner.set_defaults(command=run)
    listing = commands.add_parser("data", help="lista los conjuntos de datos y dónde están")
    listing.set_defaults(command=show_data)
    return parser


def _notebooks_dir() -> Path:
    """La carpeta ``notebooks`` de aquí o, si no la hay, la que acompaña al paquete."""
    here = Path("notebooks")
    return here if here.is_dir() else Path(__file__).parent.parent / "notebooks"


def _unused(path: Path) -> Path:
    """``path`` o, si ya existe, el primer «nombre-2», «nombre-3»… libre."""
    candidates = (path.with_stem(f"{path.stem}-{k}") for k in range(2, 1000))
    return path if not path.exists() else next(p for p in candidates if not p.exists())


if __name__ == "__main__":
    sys.exit(main())
