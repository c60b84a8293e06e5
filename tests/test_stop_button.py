"""El botón de parar: se pulse cuando se pulse, el resto del cuaderno funciona y dice qué enseña."""

import itertools
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from test_notebooks import skip_if_in_use

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


def with_presses(path):
    """El cuaderno, con el botón pulsado en cada celda que entrena, cada vez en otro de STEPS."""
    notebook, steps = nbformat.read(path, as_version=4), itertools.cycle(STEPS)
    cells = []
    for cell in notebook.cells:
        if is_training(cell):
            cells.append(new_code_cell(PRESS.format(step=next(steps))))
        cells.append(cell)
    notebook.cells = cells
    return notebook


STEPS = (1, 4)  # antes de la primera muestra y a mitad de una época

# Lo que dice cada cuaderno; las líneas empiezan así, con un paso de STEPS en {}.
SAYS = {
    "02": [
        "{} pasos de 374",
        "épocas completas: 0",
        "Parado con la pérdida saturante: la que falte no se entrena.",
        "pérdida de G en los últimos {} pasos:",
        "{} iteraciones; 0 rejillas guardadas",
        "Parado con z de 2, tras {} iteraciones; los que faltan no se entrenan.",
    ],
    "03.2": ["épocas completas: 0", "{} de 6 pasos; FCD ahora"],
    "03.3": ["{} de 6 pasos,"],
    "04.1": ["{} pasos de 4", "{} iteraciones de 5000"],
    "04.2": ["tanda 1: {} pasos de 8"],
    "04.3": ["{} pasos de 8"],
    "05.1": ["{} iteraciones de 6"],
    "05.2": ["{} pasos de 7"],
    "06.1": [
        "Parado en «da vueltas», semilla 0: esa corrida cuenta sin acabar.",
        "Parado con 20 imágenes: lo que falte no se entrena.",
    ],
    "06.2": [
        "Parado en «sin nada»: los que falten no aparecen en la figura.",
        "Parado en «WGAN con recorte», semilla 0: esa corrida cuenta sin acabar.",
    ],
    "06.4": [
        "Parado en «siluetas»: lo que falte no se entrena.",
        "Parado con lado 8: las etapas que falten no se entrenan.",
        "Parado con «sin aumentar»: lo que falte no se entrena.",
        "Parado con «GAN sola»: lo que falte no se entrena.",
    ],
    "06.6": ["Parado: la ficha se hace con lo que haya aprendido."],
    "07.2": ["S2: {} pasos de 124"],
}


def printed(cells):
    return "".join(o.text for c in cells for o in c.outputs if o.output_type == "stream")


@pytest.mark.parametrize("number", SAYS)
def test_every_cell_works_after_a_stop_and_says_what_it_shows(number, tmp_path):
    path = notebooks.find(number, FOLDER)
    skip_if_in_use(path)
    stopped = tmp_path / path.name
    nbformat.write(with_presses(path), stopped)
    executed = notebooks.execute(stopped)  # falla si falla una celda
    trained = [cell for cell in executed.cells if is_training(cell)]
    assert trained
    for cell, step in zip(trained, itertools.cycle(STEPS), strict=False):
        assert f"Parado tras el paso {step}," in printed([cell]), cell.source
    said = printed(notebooks.code_cells(executed))
    for line in SAYS[number]:
        start = re.escape(line).replace(r"\{\}", "[14]")
        assert re.search("^" + start, said, re.MULTILINE), (line, said)
