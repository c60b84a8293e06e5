"""Ejecuta un cuaderno de arriba abajo, le pone su sello y extrae su imagen de portada."""

import asyncio
import base64
import contextlib
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

_UNHASHED = {"preparacion", "ejercicio"}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(RuntimeError):
    """El cuaderno no llegó al final; el mensaje dice en qué celda y por qué."""


def find(number: str, folder: Path) -> Path:
    """El cuaderno cuyo nombre empieza por ``number`` (``02`` o ``06_1``).

    Raises:
        FileNotFoundError: si no hay ninguno o hay varios.
    """
    found = sorted(folder.glob(f"{number}*.ipynb"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(p.name for p in (found or sorted(folder.glob("*.ipynb")))) or "ninguno"
    reason = "hay varios cuadernos que empiezan" if found else "no hay ningún cuaderno que empiece"
    raise FileNotFoundError(f"En {folder} {reason} por «{number}». Elige entre: {names}.")


def execute(path: Path) -> NotebookNode:
    """Ejecuta el cuaderno en su carpeta, con una línea de progreso por celda.

    Returns:
        El cuaderno con sus salidas; el archivo no se toca.

    Raises:
        NotebookFailed: en la primera celda que falle, o si el núcleo se cierra solo.
        KeyboardInterrupt: si se interrumpe, muera antes el núcleo o quien lo espera.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # sin los avisos del núcleo sobre su transporte
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=lambda cell, cell_index: _announce(notebook, cell_index),
    )
    started = time.perf_counter()
    try:
        asyncio.run(_execute(client))
    except CellExecutionError as error:
        if error.ename == "KeyboardInterrupt":  # la señal llegó también al núcleo
            raise KeyboardInterrupt from None
        index, cell = _failed_cell(notebook)
        source = "\n".join(f"    {line}" for line in cell.source.splitlines())
        reason = _ANSI.sub("", f"{error.ename}: {error.evalue}")
        raise NotebookFailed(
            f"{path.name}, celda de código {index}:\n\n{source}\n\n{reason}"
        ) from error
    except RuntimeError as error:
        number = client.code_cells_executed
        where = f"ejecutando la celda de código {number}" if number else f"al arrancar ({error})"
        raise NotebookFailed(
            f"{path.name}: el núcleo de Python se cerró {where}. Lo más corriente es que falte "
            "memoria: cierra otros programas o elige un perfil menor con --profile."
        ) from error
    print(f"{path.name}: {(time.perf_counter() - started) / 60:.1f} minutos")
    return notebook


async def _execute(client: NotebookClient) -> None:
    """``client.async_execute`` con nuestro Ctrl-C: el de nbclient acaba en DeadKernelError."""
    loop = asyncio.get_running_loop()
    interruption, execution = loop.create_future(), loop.create_task(client.async_execute())
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
    """Copia a los metadatos el sello que imprimió la última celda y la suma del código."""
    text = "".join(output.get("text", "") for output in code_cells(notebook)[-1].outputs)
    lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if not lines:
        raise NotebookFailed("La última celda debe ser gancook.stamp(): no imprimió el sello.")
    notebook.metadata["gancook"] = {**lines, "suma del código": code_hash(notebook)}


def save(notebook: NotebookNode, path: Path) -> None:
    """Escribe el cuaderno de forma atómica: o queda entero o queda el anterior."""
    _write(path, nbformat.writes(notebook).encode() + b"\n")


def save_cover(notebook: NotebookNode, path: Path) -> None:
    """Guarda en ``path`` la primera figura de la celda ``portada``, si el cuaderno la tiene."""
    for cell in code_cells(notebook):
        if "portada" in cell.metadata.get("tags", []):
            images = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
            path.parent.mkdir(exist_ok=True)
            _write(path, base64.b64decode(images[0]))


def _announce(notebook: NotebookNode, index: int) -> None:
    cells = notebook.cells
    if cells[index].cell_type != "code":
        return
    number = sum(cell.cell_type == "code" for cell in cells[: index + 1])
    heading = next((h for c in reversed(cells[:index]) if (h := _heading(c))), "")
    print(f"[{number:>2}/{len(code_cells(notebook))}] {heading}", flush=True)


def _heading(cell: NotebookNode) -> str:
    lines = cell.source.splitlines() if cell.cell_type == "markdown" else []
    return next((line.lstrip("# ") for line in lines if line.startswith("#")), "")


def _failed_cell(notebook: NotebookNode) -> tuple[int, NotebookNode]:
    for index, cell in enumerate(code_cells(notebook), start=1):
        if any(output.output_type == "error" for output in cell.outputs):
            return index, cell
    raise RuntimeError("El cuaderno falló sin señalar ninguna celda.")


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(name, 0o644)
    os.replace(name, path)
