"""Perfiles, semillas, resultados y sello."""

import gc
import random
import sys
import tempfile
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gancook
from gancook import session


@pytest.mark.parametrize("name, value", [("quick", 1), ("laptop", 2), ("full", 3)])
def test_pick_follows_the_profile(name, value, monkeypatch):
    monkeypatch.setenv("GANCOOK_PROFILE", name)
    assert gancook.pick(quick=1, laptop=2, full=3) == value


@pytest.mark.parametrize("cuda, name", [(True, "full"), (False, "laptop")])
def test_default_profile_depends_on_the_machine(cuda, name, monkeypatch):
    monkeypatch.delenv("GANCOOK_PROFILE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert gancook.profile() == name


def test_unknown_profile_lists_the_good_ones(monkeypatch):
    monkeypatch.setenv("GANCOOK_PROFILE", "rápido")
    with pytest.raises(ValueError, match="quick, laptop, full"):
        gancook.profile()


def test_seed_covers_python_numpy_and_torch():
    draws = []
    for _ in range(2):
        gancook.seed_everything(7)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))  # noqa: NPY002
    assert draws[0] == draws[1]


def test_quick_results_go_to_a_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert gancook.results_dir("02").is_dir()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("GANCOOK_PROFILE", "laptop")
    assert gancook.results_dir("02").resolve() == tmp_path / "resultados" / "02"
    monkeypatch.setenv("GANCOOK_RESULTS", str(tmp_path / "otra"))
    assert gancook.results_dir("02") == tmp_path / "otra" / "02"


def test_quick_results_share_one_folder_that_goes_away_by_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    session._temporary_folder.cache_clear()
    first = gancook.results_dir("02")
    (first / "figura.png").write_bytes(b"x")
    assert gancook.results_dir("02") == first
    assert gancook.results_dir("03").parent == first.parent
    assert first.is_relative_to(tmp_path)
    with pytest.warns(ResourceWarning, match="cleaning up"):  # al salir, Python hace lo mismo
        session._temporary_folder.cache_clear()
        gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def clock(monkeypatch):
    """Un equipo de tres hilos en el que pasan 93 segundos entre una mirada al reloj y otra."""
    seconds = iter(range(1000, 2000, 93))
    monkeypatch.setattr(session, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setenv("GANCOOK_DEVICE", "cpu")


def test_stamp_says_everything(clock, capsys):
    session.record_source("MNIST train", "de un cuaderno anterior")
    gancook.setup()
    session.record_source("MNIST test", "500 imágenes (muestra)")
    session.record_source("propias", "3 imágenes (ruta explícita)")
    capsys.readouterr()
    gancook.stamp()
    versions = (gancook.__version__, version("torch").split("+")[0], sys.version.split()[0])
    assert capsys.readouterr().out.splitlines() == [
        "perfil: quick",
        "dispositivo: cpu (3 hilos)",
        "versiones: gancook {}, torch {}, Python {}".format(*versions),
        "minutos: 1,6",
        "datos: MNIST test: 500 imágenes (muestra); propias: 3 imágenes (ruta explícita)",
    ]


def test_stamp_without_data_says_so(clock, capsys):
    gancook.setup()
    gancook.stamp()
    assert capsys.readouterr().out.endswith("\ndatos: sintéticos, generados en el cuaderno\n")
