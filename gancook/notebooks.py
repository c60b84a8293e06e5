"""Ejecuta un cuaderno de arriba abajo, le pone su sello y extrae su imagen de portada."""

import asyncio
import base64
import contextlib
import errno
import hashlib
import os
import re
import signal
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from gancook.files import write_atomic
from gancook.pictures import shrink_outputs
from gancook.style import number

_UNHASHED = {"preparacion", "ejercicio"}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_REASONS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "no tienes permiso"),
    errno.EROFS: "es de solo lectura",
    errno.EEXIST: "hay un archivo con ese nombre y no es una carpeta",
    errno.ENOTDIR: "una parte de la ruta es un archivo y no una carpeta",
    errno.ENAMETOOLONG: "el nombre es demasiado largo",
    errno.ENOSPC: "el disco está lleno",
}


class NotebookFailed(RuntimeError):
    """El cuaderno no llegó al final; el mensaje dice en qué celda y por qué."""


def find(asked: str, folder: Path) -> Path:
    """El cuaderno que pide ``asked``: ``2`` o ``02``, ``01.1`` o ``01_1``, ``03_dcgan``, una ruta.

    Raises:
        FileNotFoundError: si no hay ninguno o hay varios; el mensaje lista los que hay.
    """
    if asked.endswith(".ipynb") and Path(asked).is_file():
        return Path(asked)
    stem = asked.removesuffix(".ipynb").replace(".", "_")
    key = re.sub(r"^\d+", lambda first: first[0].zfill(2), stem)
    paths = sorted(folder.glob("*.ipynb"))
    # Tras un número no puede seguir otra cifra: 01_1 no es 01_10.
    found = [p for p in paths if re.match(re.escape(key) + r"(?!(?<=\d)\d)", p.stem)]
    exact = [p for p in found if p.stem == key]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not paths:
        raise FileNotFoundError(
            f"En {folder} no hay cuadernos. Ve a la carpeta del repositorio o da la ruta del "
            "archivo .ipynb."
        )
    names = "".join(f"\n  {p.stem}" for p in found or paths)
    reason = "hay varios cuadernos que empiezan" if found else "no hay ningún cuaderno que empiece"
    raise FileNotFoundError(f"En {folder} {reason} por «{asked}». Elige entre:{names}")


def check_writable(folder: Path) -> None:
    """Crea ``folder`` si falta y escribe en ella, para no saber tras una hora que no se puede.

    Raises:
        OSError: si no se puede; el mensaje dice por qué.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"No se puede escribir en {folder}: {_reason(error)}. Elige otra carpeta con --out."
        ) from error


def execute(path: Path, environment: dict[str, str] | None = None) -> NotebookNode:
    """Ejecuta el cuaderno en su carpeta, con una línea de progreso por celda.

    Args:
        path: el cuaderno.
        environment: variables de entorno del núcleo, además de las de este proceso.

    Returns:
        El cuaderno con sus salidas; el archivo no se toca.

    Raises:
        NotebookFailed: en la primera celda que falle, si el núcleo se cierra solo o si ``path``
            no es un cuaderno.
        KeyboardInterrupt: si se interrumpe, aunque el núcleo acabe antes que este proceso.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise NotebookFailed(f"{path} está dañado o no es un cuaderno de Jupyter.") from error
    progress = _Progress(notebook)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # sin los avisos del núcleo sobre su transporte
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=progress,
    )
    started = time.perf_counter()
    try:
        asyncio.run(_execute(client, {**os.environ, **(environment or {})}))
    except CellExecutionError as error:
        if error.ename == "KeyboardInterrupt":  # la señal llegó también al núcleo
            raise KeyboardInterrupt from None
        reason = _ANSI.sub("", f"{error.ename}: {error.evalue}")
        raise NotebookFailed(f"{path.name}, {progress.where()}\n\n{reason}") from error
    except RuntimeError as error:
        where = f"en la {progress.where()}" if progress.count else f"al arrancar ({error})"
        raise NotebookFailed(
            f"{path.name}: el núcleo de Python se cerró {where}\n\nLo más corriente es que falte "
            "memoria: cierra otros programas o elige un perfil menor con --profile."
        ) from error
    print(f"{path.name}: {number((time.perf_counter() - started) / 60, 2)} minutos")
    return notebook


class _Progress:
    """Anuncia cada celda de código al empezarla y recuerda cuál es, por si falla."""

    def __init__(self, notebook: NotebookNode):
        self.cells, self.count, self.source = notebook.cells, 0, ""

    def __call__(self, cell: NotebookNode, cell_index: int) -> None:
        codes = [c.cell_type == "code" for c in self.cells]
        self.count, self.source = sum(codes[: cell_index + 1]), cell.source
        heading = next((h for c in reversed(self.cells[:cell_index]) if (h := _heading(c))), "")
        print(f"[{self.count:>2}/{sum(codes)}] {heading}", flush=True)

    def where(self) -> str:
        lines = "".join(f"\n    {line}" for line in self.source.splitlines())
        return f"celda de código {self.count}:\n{lines}"


async def _execute(client: NotebookClient, environment: dict[str, str]) -> None:
    """``client.async_execute`` con nuestro Ctrl-C: el de nbclient acaba en DeadKernelError."""
    loop = asyncio.get_running_loop()
    interruption = loop.create_future()
    execution = loop.create_task(client.async_execute(env=environment))
    await asyncio.sleep(0)  # nbclient instala aquí su manejador; el nuestro lo sustituye
    with contextlib.suppress(RuntimeError):  # en Windows no hay: llega un KeyboardInterrupt
        loop.add_signal_handler(
            signal.SIGINT, lambda: interruption.done() or interruption.set_result(None)
        )
    await asyncio.wait({execution, interruption}, return_when=asyncio.FIRST_COMPLETED)
    if not interruption.done():
        return execution.result()
    client.shutdown_kernel = "immediate"
    execution.cancel()
    await asyncio.gather(execution, return_exceptions=True)
    if client.km is not None and client.km.has_kernel:  # se interrumpió mientras arrancaba
        await client.km.shutdown_kernel(now=True)
    raise KeyboardInterrupt


def code_hash(notebook: NotebookNode) -> str:
    """SHA-256 del código, sin las celdas ``preparacion`` ni ``ejercicio``."""
    digest = hashlib.sha256()
    for cell in code_cells(notebook):
        if not _UNHASHED & set(cell.metadata.get("tags", [])):
            digest.update(cell.source.encode() + b"\0")
    return digest.hexdigest()


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Las celdas de código, en orden."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def add_stamp(notebook: NotebookNode) -> None:
    """Copia a los metadatos el sello que imprimió la última celda y la suma del código.

    Sin sello no se pierde lo ejecutado: se avisa y el cuaderno queda como estaba.
    """
    outputs = [output for cell in code_cells(notebook)[-1:] for output in cell.outputs]
    text = "".join(output.get("text", "") for output in outputs)
    lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if "versiones" in lines:  # lo pone el sello; otra cosa con dos puntos no lo es
        notebook.metadata["gancook"] = {**lines, "suma del código": code_hash(notebook)}
    else:
        print("Aviso: no lleva sello, porque la última celda no es gancook.stamp().")


def save(notebook: NotebookNode, path: Path) -> None:
    """Escribe el cuaderno como lo escribe Jupyter, para que abrirlo no lo cambie."""
    notebook.metadata["kernelspec"] = _KERNELSPEC
    shrink_outputs(notebook)
    with write_atomic(path) as file:
        file.write(nbformat.writes(notebook).encode() + b"\n")


def save_or_rescue(notebook: NotebookNode, path: Path) -> None:
    """Como :func:`save`; si no se puede, deja el cuaderno en otra carpeta antes del error.

    Raises:
        OSError: si no quedó en ``path``; el mensaje dice dónde ha quedado.
    """
    try:
        save(notebook, path)
    except OSError as error:
        raise OSError(
            f"No se pudo escribir {path}: {_reason(error)}. {_rescue(notebook, path.name)}"
        ) from error


def unused(path: Path) -> Path:
    """``path`` o, si ya existe, el primer «nombre-2», «nombre-3»… libre."""
    candidates = (path.with_stem(f"{path.stem}-{k}") for k in range(2, 1000))
    return path if not path.exists() else next(p for p in candidates if not p.exists())


def save_cover(notebook: NotebookNode, path: Path) -> None:
    """Guarda en ``path`` la primera figura de la celda ``portada``, si el cuaderno la tiene."""
    cells = [c for c in code_cells(notebook) if "portada" in c.metadata.get("tags", [])]
    images = [
        o.data["image/png"] for c in cells for o in c.outputs if "image/png" in o.get("data", {})
    ]
    if images:
        with write_atomic(path) as file:
            file.write(base64.b64decode(images[0]))


def _heading(cell: NotebookNode) -> str:
    lines = cell.source.splitlines() if cell.cell_type == "markdown" else []
    return next((line.lstrip("# ") for line in lines if line.startswith("#")), "")


def _rescue(notebook: NotebookNode, name: str) -> str:
    for folder in (Path.cwd, tempfile.gettempdir):
        with contextlib.suppress(OSError):
            path = unused(Path(folder()) / name)
            save(notebook, path)
            return f"El cuaderno ejecutado está en {path}"
    return "Tampoco se pudo en la carpeta actual ni en la temporal, y la ejecución se ha perdido."


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno, str(error))
