"""El botón de parar: se pulse cuando se pulse, el resto del cuaderno funciona y dice qué enseña."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from gancook import notebooks

FOLDER = Path(__file__).parent.parent / "notebooks"

# Pulsa una vez, en cuanto un historial llega a ese paso: a mitad de la iteración para fit, que
# todavía no ha llamado a los ganchos.
PRESS = """
import signal
from gancook.training.history import History

def press_once(step, record=History.record):
    def stopping(self, *args, **values):
        record(self, *args, **values)
        if self.step == step:
            History.record = record
            signal.raise_signal(signal.SIGINT)
    History.record = stopping

press_once({step})
"""


def is_training(cell):
    return "entrenamiento" in cell.metadata.get("tags", [])


def with_presses(path, step):
    """El cuaderno, con el botón pulsado en el paso ``step`` de cada celda que entrena."""
    notebook = nbformat.read(path, as_version=4)
    cells = []
    for cell in notebook.cells:
        if is_training(cell):
            cells.append(new_code_cell(PRESS.format(step=step)))
        cells.append(cell)
    notebook.cells = cells
    return notebook


@pytest.mark.parametrize("step", [1, 4])  # antes de la primera muestra y a mitad de una época
@pytest.mark.parametrize("number", ["02", "03", "07"])
def test_every_cell_works_after_a_stop(number, step, tmp_path):
    path = notebooks.find(number, FOLDER)
    stopped = tmp_path / path.name
    nbformat.write(with_presses(path, step), stopped)
    executed = notebooks.execute(stopped)  # falla si falla una celda
    trained = [cell for cell in executed.cells if is_training(cell)]
    assert trained
    for cell in trained:
        text = "".join(output.get("text", "") for output in cell.outputs)
        assert f"Parado tras el paso {step}" in text, cell.source
