"""JupyterLab en un navegador de verdad: parar un entrenamiento, seguir, y guardar sin cambiar nada.

Necesita Chromium (o Chrome) y Playwright (``pip install -e .[browser]``); si falta alguno, se
salta y lo dice.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="falta Playwright: pip install -e .[browser]"
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
if CHROMIUM is None:
    pytest.skip("no hay Chromium ni Chrome en este equipo", allow_module_level=True)

ROOT = Path(__file__).parent.parent
SMALLEST = min((ROOT / "notebooks").glob("*.ipynb"), key=lambda path: path.stat().st_size)
LIMIT = 60  # segundos de paciencia por espera; lo normal son dos o tres

KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"

# El entrenamiento no acaba nunca por su cuenta: la prueba no depende de lo deprisa que vaya.
CELLS = [
    """\
import gancook
from gancook.data.batches import Batches
from gancook.data.sets import fashion_mnist
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss
from gancook.training.steps import AdversarialStep
from torch import nn
from torch.optim import Adam

device = gancook.setup()
G = nn.Sequential(nn.Linear(4, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))).to(device)
D = nn.Sequential(nn.Flatten(), nn.Linear(784, 1)).to(device)
step = AdversarialStep(
    D, G, Adam(D.parameters()), Adam(G.parameters()), discriminator_loss, non_saturating_loss, 4
)
batches = Batches(fashion_mnist().images, 32, device=device)""",
    "history = fit(batches, step, epochs=10**6)",
    "print('La celda siguiente:', history.step, step.count, history.interrupted)",
    """\
epochs = history.step // len(batches) + 1
history = fit(batches, step, epochs, history=history)
print('Al continuar:', history.step, step.count, history.interrupted, epochs * len(batches))""",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("jupyter")


@pytest.fixture(scope="module")
def lab(folder):
    """La dirección de un JupyterLab abierto en ``folder / "notebooks"``, sin ajustes de nadie."""
    (folder / "notebooks").mkdir()
    rooms = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    settings = {f"JUPYTER_{room}": str(folder / room.lower()) for room in rooms}
    settings |= {"IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": str(ROOT)}
    settings |= {"GANCOOK_PROFILE": "quick", "XDG_CACHE_HOME": str(folder / "cache")}
    settings |= {
        f"JUPYTERLAB_{room}_DIR": str(folder / room) for room in ("SETTINGS", "WORKSPACES")
    }
    order = [sys.executable, "-m", "jupyter", "lab", "notebooks", "--no-browser", "--allow-root"]
    order += ["--ip=127.0.0.1", "--ServerApp.port=0", "--LabApp.expose_app_in_browser=True"]
    order += ["--LabApp.extension_manager=readonly"]
    order += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(order, cwd=folder, env=os.environ | settings, stderr=log)
        try:
            yield address(folder, server)
        finally:
            server.terminate()  # cierra también sus núcleos
            server.wait(LIMIT)


def address(folder, server):
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline and server.poll() is None:
        for file in (folder / "runtime_dir").glob("jpserver-*.json"):
            info = json.loads(file.read_text(encoding="utf-8"))
            return f"http://127.0.0.1:{info['port']}/lab/tree/{{}}?reset&token={info['token']}"
        time.sleep(0.1)
    pytest.fail("JupyterLab no arrancó:\n" + (folder / "log").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        # Sin red: el navegador solo encuentra este equipo.
        only_here = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[only_here])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    page.set_default_timeout(1000 * LIMIT)
    yield page
    page.close()


def open_notebook(page, lab, path):
    """Abre el cuaderno y espera a que su núcleo se haya presentado; devuelve su panel."""
    page.goto(lab.format(path.name))
    page.wait_for_function(KERNEL)
    page.evaluate(f"Promise.all([{KERNEL}.info, {KERNEL}.spec])")
    return page.locator(".jp-NotebookPanel")


def test_a_training_stopped_with_the_button_goes_on(page, lab, folder):
    path = folder / "notebooks" / "parar.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, path)
    panel = open_notebook(page, lab, path)
    panel.locator(".jp-Cell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("[data-command='runmenu:run-all']:not(.lm-mod-disabled)").click()
    # La barra ya enseña pérdidas: el entrenamiento va por la mitad.
    panel.get_by_text("d_loss").filter(visible=True).last.wait_for()
    panel.locator("[data-jp-item-name=interrupt]").click()
    panel.get_by_text(re.compile("^Al continuar:")).wait_for()

    text = "\n".join(panel.locator(".jp-OutputArea-output").all_inner_texts())
    assert "Traceback" not in text
    stopped = int(re.search(r"Parado tras el paso (\d+)", text)[1])
    assert f"La celda siguiente: {stopped} {stopped} True" in text
    end, count, interrupted, expected = re.search(r"Al continuar: (.+)", text)[1].split()
    assert (end, count, interrupted) == (expected, expected, "False")
    assert stopped < int(end)


def test_opening_and_saving_a_notebook_leaves_it_as_it_was(page, lab, folder):
    path = folder / "notebooks" / SMALLEST.name
    # Jupyter apunta la versión de Python de cada cual; lo demás debe quedar como está.
    before = re.sub(
        r'("pygments_lexer": "ipython3",\s+"version": )"[^"]+"',
        rf'\1"{platform.python_version()}"',
        SMALLEST.read_bytes().decode(),
    )
    path.write_bytes(before.encode())
    panel = open_notebook(page, lab, path)
    with page.expect_response(
        lambda answer: answer.request.method == "PUT" and path.name in answer.url
    ):
        panel.locator("[data-jp-item-name=save]").click()
    assert path.read_bytes().decode() == before
