"""Estudios: se reanudan, no repiten, no pierden filas y dicen qué corrida diverge."""

import multiprocessing
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from gancook.measure import studies
from gancook.measure.studies import alternated_cost, run_study, study_command

RUNS = [{"técnica": name, "lr": lr} for name in ("simple", "R1, «γ»") for lr in (1e-4, 5e-4, 0.002)]


def square(técnica: str, lr: float) -> dict:
    return {"valor": lr * lr}


def test_one_row_per_run_and_nothing_is_repeated(tmp_path):
    table, calls = tmp_path / "t.csv", []

    def measure(**run):
        calls.append(run)
        return {"valor": len(calls)}

    run_study(table, RUNS[:4], measure, ["valor"])
    run_study(table, RUNS, measure, ["valor"])
    assert calls == RUNS
    read = pd.read_csv(table)
    assert read.columns.tolist() == ["técnica", "lr", "valor", "estado"]
    assert read["lr"].tolist() == [run["lr"] for run in RUNS]
    assert read["técnica"].tolist() == [run["técnica"] for run in RUNS]
    assert read["valor"].tolist() == [1, 2, 3, 4, 5, 6]


def test_shards_share_the_runs(tmp_path):
    table = tmp_path / "t.csv"
    run_study(table, RUNS, square, ["valor"], shard=(2, 2))
    assert pd.read_csv(table)["lr"].tolist() == [5e-4, 1e-4, 0.002]
    run_study(table, RUNS, square, ["valor"], shard=(1, 2))
    read = pd.read_csv(table)
    assert len(read) == 6 and not read.duplicated(["técnica", "lr"]).any()


def test_a_diverged_run_is_a_row_that_says_so(tmp_path):
    def measure(técnica, lr):
        if lr > 1e-3:
            raise FloatingPointError("g_loss es NaN en el paso 7")
        return {"valor": 1.5}

    run_study(tmp_path / "t.csv", RUNS[:3], measure, ["valor"])
    read = pd.read_csv(tmp_path / "t.csv")
    assert read["valor"].isna().tolist() == [False, False, True]
    assert read["estado"].tolist()[:2] == ["completa"] * 2
    assert read["estado"][2] == "diverge: g_loss es NaN en el paso 7"


def test_another_error_stops_and_keeps_what_is_done(tmp_path):
    def measure(técnica, lr):
        if lr > 1e-3:
            raise KeyError("fallo del guion")
        return {"valor": 1}

    with pytest.raises(KeyError):
        run_study(tmp_path / "t.csv", RUNS, measure, ["valor"])
    assert len(pd.read_csv(tmp_path / "t.csv")) == 2


@pytest.mark.parametrize("cut", ["simple,0.00", "técnica,l"])
def test_a_half_written_line_is_done_again(tmp_path, cut):
    table = tmp_path / "t.csv"
    header = "técnica,lr,valor,estado\n"
    table.write_text((header if cut[0] == "s" else "") + cut, encoding="utf-8")
    run_study(table, RUNS, square, ["valor"])
    assert pd.read_csv(table)["valor"].tolist() == [run["lr"] ** 2 for run in RUNS]


def test_a_table_of_another_study_is_not_touched(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="otra versión.*--out"):
        run_study(table, RUNS, square, ["valor"])
    assert table.read_text() == "a,b\n1,2\n"


def slow(n: int) -> dict:
    time.sleep(0.01)
    return {"doble": 2 * n}


def _work(path: Path, shard: tuple[int, int]) -> None:
    with redirect_stdout(StringIO()):
        run_study(path, [{"n": n} for n in range(60)], slow, ["doble"], shard)


def test_killed_halfway_it_ends_with_every_row_once(tmp_path):
    context, table = multiprocessing.get_context("spawn"), tmp_path / "t.csv"
    process = context.Process(target=_work, args=(table, (1, 1)))
    process.start()
    while not table.exists():
        time.sleep(0.01)
    time.sleep(0.2)
    process.kill()
    process.join()
    both = [context.Process(target=_work, args=(table, (i, 2))) for i in (1, 2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    read = pd.read_csv(table)
    assert sorted(read["n"]) == list(range(60))
    assert (read["doble"] == 2 * read["n"]).all()


def test_command_line(tmp_path, monkeypatch, capsys):
    table = tmp_path / "otra.csv"
    monkeypatch.setattr(sys, "argv", ["x", "--out", str(table), "--shard", "1/3"])
    study_command("x.csv", RUNS, square, ["valor"])
    assert len(pd.read_csv(table)) == 2
    monkeypatch.setattr(sys, "argv", ["x", "--shard", "3/2"])
    with pytest.raises(SystemExit):
        study_command("x.csv", RUNS, square, ["valor"])
    assert "no es i/n con i de 1 a n" in capsys.readouterr().err


def test_interrupting_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def measure(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["x", "--out", str(tmp_path / "t.csv")])
    study_command("x.csv", RUNS, measure, ["valor"])
    assert "repite la orden para seguir" in capsys.readouterr().out
    assert studies.finished(tmp_path / "t.csv", ["lr"]) == set()


def test_a_cost_is_the_median_ratio_after_a_warm_up_round():
    base, other = iter([1.0, 2.0, 2.0, 2.0]), iter([9.0, 8.0, 2.0, 6.0])
    cost = alternated_cost(lambda: next(base), lambda: next(other), rounds=3)
    assert cost == {"coste": 3.0, "mínimo": 1.0, "máximo": 4.0}
