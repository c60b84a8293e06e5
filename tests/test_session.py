"""Perfiles, semillas, resultados y sello."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gancook


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


TWICE = """
from gancook import results_dir
first = results_dir("02")
(first / "figura.png").write_bytes(b"x")
assert results_dir("02") == first and results_dir("03").parent == first.parent
print(first)
"""


def test_quick_results_share_one_folder_that_is_gone_at_exit(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", TWICE],
        env={**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(result.stdout.strip()).is_relative_to(tmp_path)
    assert list(tmp_path.glob("gancook*")) == []


def test_stamp_says_everything(capsys):
    gancook.setup()
    capsys.readouterr()
    gancook.stamp()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "perfil",
        "dispositivo",
        "versiones",
        "minutos",
        "datos",
    ]
