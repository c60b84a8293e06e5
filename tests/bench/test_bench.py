"""El banco sigue en marcha con la API de hoy y reconoce una máquina ocupada."""

import dataclasses
import os
import runpy
from functools import partial
from pathlib import Path

import pytest
import torch


@pytest.fixture
def bench(monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # para que al acabar vuelvan a estar como estaban
        monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return runpy.run_path(str(Path(__file__).with_name("__main__.py")), run_name="bench")


def test_both_loops_train_with_todays_package(bench):
    device = torch.device("cpu")
    case = next(case for case in bench["CASES"] if case.name == "S2, perceptrón")
    images = torch.randint(0, 256, (64, *case.shape), dtype=torch.uint8)
    made = []

    def networks(sigmoid):
        made.append(case.networks(sigmoid))
        return made[-1]

    watched = dataclasses.replace(case, networks=networks)
    for make in (watched.loop, partial(bench["fast_loop"], watched)):
        run = make(images, device)
        weights = [p for network in made[-1] for p in network.parameters()]
        before = [p.detach().clone() for p in weights]
        run(2)
        assert not any(map(torch.equal, before, weights))


def test_joint_step_equals_two_batches_without_batch_normalization(bench):
    torch.manual_seed(0)
    D, real, fake = torch.nn.Linear(3, 1), torch.randn(4, 3), torch.randn(4, 3)
    make = (bench["JointStep"], bench["AdversarialStep"])
    steps = [s(D, None, None, None, bench["discriminator_loss"], None, 2) for s in make]
    joint, apart = (step.discriminator_terms(real, fake)["d_loss"] for step in steps)
    torch.testing.assert_close(joint, apart)


def test_rounds_that_disagree_give_no_table(bench):
    bench["check_spread"]("S2", [2.23, 2.47, 2.68])  # las de una máquina tranquila
    with pytest.raises(SystemExit, match="de 0,27 a 12,7 veces"):
        bench["check_spread"]("S2", [2.4, 0.27, 12.7])


@pytest.mark.skipif(not hasattr(os, "getloadavg"), reason="Windows no publica su carga")
def test_a_loaded_machine_is_said_before_measuring(bench, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.3, 5, 5))
    bench["check_quiet"]()
    monkeypatch.setattr(os, "getloadavg", lambda: (1.6, 0, 0))
    with pytest.raises(SystemExit, match="carga media de 1,6 "):
        bench["check_quiet"]()


def test_waiting_threads_yield_their_core(bench):
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE" and os.environ["GOMP_SPINCOUNT"] == "0"


def test_an_epoch_is_read_both_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOOK_DATA", str(tmp_path / "gd"))
    images = runpy.run_path(str(Path(__file__).with_name("images.py")), run_name="bench")
    monkeypatch.setattr(os, "cpu_count", lambda: 0)  # DataLoader, sin procesos aparte
    images["draw_photographs"](tmp_path / "fotos", 6)
    found = images["measure"](tmp_path / "fotos", batch=4, rounds=1)
    assert found["imágenes"] == 6
    decoded, _ = next(iter(images["decoding"](tmp_path / "fotos", 6)))
    data = images["image_folder"](tmp_path / "fotos", 64)
    prepared = next(images["Batches"](data.images, 6).epoch(0))
    torch.testing.assert_close(decoded.mean(0), prepared.mean(0), atol=0.12, rtol=0)
