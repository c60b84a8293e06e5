"""``python -m gancook run 02`` ejecuta un cuaderno; ``python -m gancook data`` lista los datos."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

import torch

from gancook.session import PROFILES
from gancook.style import number

# argparse pide sus textos a gettext, y Python no trae su traducción.
_SPANISH = {
    "usage: ": "uso: ",
    "options": "opciones",
    "positional arguments": "órdenes y argumentos",
    "show this help message and exit": "muestra esta ayuda y termina",
    "the following arguments are required: %s": "falta por indicar: %s",
    "unrecognized arguments: %s": "no se reconoce: %s",
    "invalid choice: %(value)r (choose from %(choices)s)": (
        "%(value)r no es válido; elige entre %(choices)s"
    ),
    "expected one argument": "necesita un valor",
    "ignored explicit argument %r": "no lleva valor, y se le dio %r",
    "not allowed with argument %s": "no se puede combinar con %s",
    "ambiguous option: %(option)s could match %(matches)s": (
        "%(option)s es ambiguo: puede ser %(matches)s"
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Punto de entrada; devuelve el código de salida."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except ModuleNotFoundError as error:
        print(f"gancook: falta {error.name}: pip install -r requirements.txt", file=sys.stderr)
        return 1
    except (OSError, ValueError, RuntimeError) as error:
        print(f"gancook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrumpido: no se ha escrito nada.", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Ejecuta un cuaderno y lo escribe ya ejecutado en ``--out`` o en su sitio."""
    import ipykernel  # noqa: F401  (sin él no hay núcleo; mejor saberlo ya)

    from gancook import notebooks  # nbclient solo hace falta aquí

    path = notebooks.find(options.number, _notebooks_dir())
    notebooks.check_writable(path.parent if options.in_place else options.out)
    _warn_if_busy(options.threads or torch.get_num_threads())
    asked = {"GANCOOK_PROFILE": options.profile, "OMP_NUM_THREADS": options.threads}
    notebook = notebooks.execute(path, {name: str(v) for name, v in asked.items() if v})
    notebooks.add_stamp(notebook)
    target = path if options.in_place else notebooks.unused(options.out / path.name)
    notebooks.save_or_rescue(notebook, target)
    if options.in_place:
        notebooks.save_cover(notebook, path.parent / "portadas" / f"{path.stem}.png")
    print(f"Escrito: {target}")


def show_data(_: argparse.Namespace) -> None:
    """Lista cada conjunto: dónde está y cuántas imágenes tiene, o cómo conseguirlo."""
    from gancook.data import sets  # aquí, para que una biblioteca que falte se diga en una línea
    from gancook.data.idx import read_idx

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
                f"o en {spec.folder}/ dentro de la que indique la variable GANCOOK_DATA."
            )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # Python 3.10 no pasa por gettext esta palabra.
        super().error(message.removeprefix("argument "))


def _parser() -> argparse.ArgumentParser:
    argparse._ = lambda text: _SPANISH.get(text, text)
    parser = _Parser(prog="python -m gancook", description="El recetario de GAN en español.")
    commands = parser.add_subparsers(required=True, metavar="orden")
    runner = commands.add_parser("run", help="ejecuta un cuaderno de arriba abajo")
    runner.add_argument("number", metavar="NN", help="número del cuaderno (02, 01.1…) o su archivo")
    runner.add_argument("--profile", choices=PROFILES, help="perfil (por omisión, el del equipo)")
    runner.add_argument(
        "--threads",
        type=_positive,
        metavar="N",
        help="hilos de cálculo; con el equipo ocupado, lo mejor es 1",
    )
    target = runner.add_mutually_exclusive_group()
    target.add_argument(
        "--out",
        type=Path,
        default=Path("resultados"),
        metavar="CARPETA",
        help="dónde dejar el cuaderno ejecutado (por omisión, en «resultados»)",
    )
    target.add_argument(
        "--in-place", action="store_true", help="lo sustituye por el ejecutado, con su sello"
    )
    runner.set_defaults(command=run)
    listing = commands.add_parser("data", help="lista los conjuntos de datos y dónde están")
    listing.set_defaults(command=show_data)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} no es un entero mayor que cero")
    return int(text)


def _notebooks_dir() -> Path:
    """La carpeta ``notebooks`` de aquí o, si no la hay, la que acompaña al paquete."""
    here = Path("notebooks")
    return here if here.is_dir() else Path(__file__).parent.parent / "notebooks"


def _warn_if_busy(threads: int) -> None:
    """Avisa si no quedan núcleos libres para tantos hilos: se esperan unos a otros sin avanzar."""
    cores = os.cpu_count() or 1
    try:
        busy = os.getloadavg()[0]
    except (AttributeError, OSError):  # en Windows no existe
        return
    if threads > 1 and cores - busy < threads - 0.75:
        print(
            f"Aviso: el equipo está ocupado (carga {number(busy, 2)} para {cores} núcleos). Con "
            f"{threads} hilos puede tardar hasta diez veces más: cierra otros programas, o "
            f"interrumpe y repite con --threads {max(1, int(cores - busy))}.",
            flush=True,
        )


if __name__ == "__main__":
    # Redirigida, la salida puede no saber escribir «−» ni «⚠» (cp1252): que no se pare por eso.
    sys.stdout.reconfigure(errors="replace")
    sys.exit(main())
