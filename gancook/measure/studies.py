"""Estudios largos: muchas corridas, y una fila de CSV por cada una que termina.

Un estudio no cabe en un cuaderno: se lanza con su guion de ``notebooks/estudios``, se para cuando
haga falta y sigue donde iba. El cuaderno solo lee su tabla, que está en ``data/measured``.
"""

import argparse
import csv
import io
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gancook.data.shipped import measured
from gancook.files import write_atomic

Run = dict[str, str | int | float]


def run_study(
    path: Path,
    runs: Sequence[Run],
    measure: Callable[..., dict],
    results: Sequence[str],
    shard: tuple[int, int] = (1, 1),
) -> None:
    """Hace las corridas que faltan en ``path`` y añade la fila de cada una en cuanto termina.

    Se puede matar en cualquier momento: se pierde la corrida a medias y nada más. Varios procesos
    pueden escribir la misma tabla, cada uno con su parte.

    Args:
        path: el CSV; se crea con su cabecera si no existe.
        runs: los argumentos de cada corrida; todas con los mismos nombres, que son las primeras
            columnas.
        measure: función ``measure(**run)`` → {columna: valor}. Si el entrenamiento diverge
            (``FloatingPointError``), la fila queda con sus columnas vacías y ``estado`` lo dice.
        results: las columnas que devuelve ``measure``, en orden.
        shard: (i, n) hace una de cada n corridas, empezando por la i-ésima; de 1 a n.

    Raises:
        ValueError: si la tabla que hay en ``path`` tiene otras columnas.
    """
    columns = [*runs[0], *results, "estado"]
    _prepare(path, columns)
    first, step = shard
    mine = runs[first - 1 :: step]
    for done, run in enumerate(mine, start=1):
        if _key(run) in finished(path, list(run)):
            continue
        print(f"[{done}/{len(mine)}] {', '.join(f'{k}={v}' for k, v in run.items())}", flush=True)
        try:
            outcome = {**measure(**run), "estado": "completa"}
        except FloatingPointError as error:
            outcome = {"estado": f"diverge: {error}"}
        _append(path, columns, {**run, **outcome})


def finished(path: Path, names: Sequence[str]) -> set[tuple[str, ...]]:
    """Los valores de las columnas ``names`` en cada fila de la tabla, como texto."""
    return {tuple(row[name] for name in names) for row in _rows(path)}


def alternated_cost(
    base: Callable[[], float], other: Callable[[], float], rounds: int
) -> dict[str, float]:
    """Cuántas veces más que ``base`` tarda ``other``: mediana, menor y mayor de ``rounds`` rondas.

    Se alternan para que las dos medidas compartan lo que la máquina esté haciendo.

    Args:
        base, other: funciones que hacen su trabajo y devuelven los segundos que ha tardado.
        rounds: cuántas veces; antes hay una más, de calentar.
    """
    ratios = [other() / base() for _ in range(rounds + 1)][1:]
    values = {"coste": statistics.median(ratios), "mínimo": min(ratios), "máximo": max(ratios)}
    return {name: round(value, 3) for name, value in values.items()}


def study_command(
    name: str,
    runs: Sequence[Run],
    measure: Callable[..., dict],
    results: Sequence[str],
    description: str | None = None,
) -> None:
    """Lo que ejecuta un guion de ``notebooks/estudios``: :func:`run_study` con sus opciones.

    Args:
        name: archivo de ``data/measured`` que se completa si no se pide otro con ``--out``.
        runs, measure, results: los de :func:`run_study`.
        description: lo que enseña ``--help``, por ejemplo la docstring del guion.
    """
    options = study_options(measured(name), description)
    with announced_stop():
        run_study(options.out, runs, measure, results, options.shard)


def study_options(out: Path, description: str | None = None) -> argparse.Namespace:
    """Las opciones de un guion: ``--out``, con ``out`` por omisión, y ``--shard``, como (i, n)."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=raw)
    parser.add_argument("--out", type=Path, default=out, help="tabla o carpeta que se completa")
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="i/n", help="solo la parte i de n"
    )
    return parser.parse_args()


@contextmanager
def announced_stop() -> Iterator[None]:
    """Con Ctrl-C se para, y se dice que no se ha perdido nada de lo terminado."""
    try:
        yield
    except KeyboardInterrupt:
        print("Interrumpido. Las filas terminadas están en la tabla; repite la orden para seguir.")


def _shard(text: str) -> tuple[int, int]:
    first, _, step = text.partition("/")
    if not (first.isdecimal() and step.isdecimal() and 1 <= int(first) <= int(step)):
        raise argparse.ArgumentTypeError(f"{text!r} no es i/n con i de 1 a n, por ejemplo 1/2")
    return int(first), int(step)


def _key(run: Run) -> tuple[str, ...]:
    return tuple(str(value) for value in run.values())


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _prepare(path: Path, columns: list[str]) -> None:
    """Crea la tabla, o quita la última línea si un corte la dejó a medias."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "xb") as file:  # si dos procesos empiezan a la vez, la crea uno
            file.write(_line(columns))
            return
    except FileExistsError:
        content = path.read_bytes()
    if not content.endswith(b"\n"):
        whole = content[: content.rfind(b"\n") + 1]
        with write_atomic(path) as file:
            file.write(whole or _line(columns))
    with open(path, newline="", encoding="utf-8") as file:
        found = next(csv.reader(file))
    if found != columns:
        raise ValueError(
            f"{path} tiene las columnas {', '.join(found)} y este estudio escribe "
            f"{', '.join(columns)}. Es de otra versión: apártala o usa --out con otro nombre."
        )


def _append(path: Path, columns: list[str], row: dict) -> None:
    with open(path, "ab", buffering=0) as file:  # una sola escritura: las filas no se mezclan
        file.write(_line([row.get(column, "") for column in columns]))


def _line(values: Sequence) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()
