"""El historial contra NumPy y pandas: lo que falta no cuenta y lo que se registra no cambia."""

import contextlib
import gc
import weakref

import numpy as np
import pandas as pd
import pytest
import torch

from gancook.training.history import History


def filled(every=4, steps=10):
    """g solo cada tres pasos y la penalización cada cuatro, a lo largo de tres épocas."""
    history, rows = History(every), []
    for k in range(steps):
        row = {"d": 0.5 + k}
        row |= {"g": 10.0 + k} if k % 3 == 2 else {}
        row |= {"penalty": float(k)} if k % 4 == 3 else {}
        history.record(k // 4, **{name: torch.tensor(value) for name, value in row.items()})
        rows.append({"epoch": k // 4 + 1, "step": k + 1} | row)
    return history, pd.DataFrame(rows)


def test_missing_values_are_nan_and_not_divergence():
    history, expected = filled()
    pd.testing.assert_frame_equal(history.frame(), expected)
    assert history.frame()["g"].isna().sum() == 7


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # la penalización de la última época
@pytest.mark.parametrize("every", [1, 3, 4, 50])
def test_means_ignore_what_is_missing(every):
    history, expected = filled(every)
    names = ["d", "g", "penalty"]
    by_epoch = [expected[expected["epoch"] == e][names] for e in (1, 2, 3)]
    np.testing.assert_allclose(history.per_epoch()[names], [np.nanmean(t, 0) for t in by_epoch])
    so_far = [expected[expected["epoch"] <= e][names] for e in (1, 2, 3)]
    np.testing.assert_allclose(history.running_means()[names], [np.nanmean(t, 0) for t in so_far])
    chunks = [expected[names].iloc[i : i + every] for i in range(0, 10, every)]
    np.testing.assert_allclose(history.per_step()["d"], [c["d"].mean() for c in chunks])
    np.testing.assert_allclose(history.per_step()["g"], [c["g"].mean() for c in chunks])
    assert history.per_step().index.tolist() == [*range(every, 10, every), 10]
    for table in (history.per_epoch(), history.running_means()):
        assert table.index.tolist() == [1, 2, 3] and table.columns.tolist() == names


def test_means_agree_with_numpy():
    history = History(every=7)
    values = np.random.default_rng(0).normal(size=(3, 10))
    for epoch, row in enumerate(values):
        for value in row:
            history.record(epoch, loss=torch.tensor(value))
    flat = values.ravel()
    np.testing.assert_allclose(history.per_epoch()["loss"], values.mean(axis=1))
    running = [flat[: 10 * (k + 1)].mean() for k in range(3)]
    np.testing.assert_allclose(history.running_means()["loss"], running)
    chunks = [flat[i : i + 7].mean() for i in range(0, 30, 7)]
    np.testing.assert_allclose(history.per_step()["loss"], chunks)
    np.testing.assert_array_equal(history.frame()["loss"], flat)
    assert history.per_step().index.tolist() == [7, 14, 21, 28, 30]


def test_the_tables_keep_the_order_in_which_the_values_were_recorded():
    history = History(every=2)
    for k in range(4):
        history.record(k // 2, real=1.0, fake=2.0, accuracy=3.0)
    for table in (history.per_epoch(), history.per_step(), history.running_means()):
        assert table.columns.tolist() == ["real", "fake", "accuracy"]


def test_a_step_may_record_nothing_at_all():
    history = History(every=2)
    for _ in range(3):
        history.record(0)
    assert history.frame().to_dict("list") == {"epoch": [1, 1, 1], "step": [1, 2, 3]}


def test_latest_is_the_mean_of_the_last_chunk_read():
    history = History(every=2)
    for k in range(5):
        history.record(0, loss=torch.tensor(float(k)), **({"late": 7.0} if k == 3 else {}))
        assert bool(history.latest) == (k >= 1)
    assert history.latest == {"loss": 2.5, "late": 7.0}
    history.flush()
    assert history.latest == {"loss": 4.0}


def test_a_new_history_has_read_nothing_and_reads_every_fifty_steps():
    history = History()
    assert history.interrupted is False
    for k in range(50):
        assert history.latest == {}
        history.record(0, loss=float(k))
    assert history.latest == {"loss": 24.5}


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_recorded_value_that_is_not_finite_is_divergence(bad):
    history = History(every=4)
    history.record(1, d_loss=torch.tensor(0.25))
    history.record(1, d_loss=torch.tensor(0.5), g_loss=torch.tensor(bad))
    history.record(1, d_loss=torch.tensor(0.75))
    with pytest.raises(FloatingPointError) as error:
        history.record(1, g_loss=torch.tensor(1.0))
    assert str(error.value) == (
        f"El entrenamiento ha divergido en el paso 2 (época 2): d_loss = 0.5, g_loss = {bad}. "
        "Prueba con una tasa de aprendizaje menor. Si guardabas copias con Checkpoints, load() "
        "vuelve a la última buena."
    )
    np.testing.assert_array_equal(history.frame()["g_loss"], [np.nan, bad, np.nan, 1.0])
    assert history.step == 4 and history.latest["d_loss"] == 0.5


def test_values_are_copied_when_recorded():
    history, buffer, array = History(), torch.zeros(()), np.zeros(1)
    for k in range(5):
        buffer.fill_(k)
        array[:] = k
        history.record(0, tensor=buffer, view=buffer.reshape(1), array=array)
    for name in ("tensor", "view", "array"):
        assert history.frame()[name].tolist() == [0, 1, 2, 3, 4]


def test_the_graph_of_a_recorded_tensor_is_freed():
    history, weight = History(), torch.ones(1000, requires_grad=True)
    activations = weight * 2
    alive = weakref.ref(activations)
    history.record(0, loss=activations.square().sum())  # derivar el cuadrado pide conservarlas
    del activations
    gc.collect()
    assert alive() is None
    assert history.frame()["loss"].tolist() == [4000]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_keeps_every_bit_of_each_type(dtype):
    history, values = History(every=4), [torch.tensor(1 / 3, dtype=dtype) * k for k in range(6)]
    for value in values:
        history.record(0, loss=value)
    assert history.frame()["loss"].tolist() == [value.item() for value in values]


def test_mixes_types_and_plain_numbers_without_rounding_any():
    history, third = History(every=3), 1 / 3
    row = {
        "bf16": torch.tensor(third, dtype=torch.bfloat16),
        "float32": torch.tensor(third),
        "float64": torch.tensor(third, dtype=torch.float64),
        "integer": torch.tensor(2**40 + 1),
        "python": third,
        "numpy": np.float64(third),
        "huge": 1e300,  # en float32 sería infinito
    }
    for _ in range(4):
        history.record(0, **row)
    expected = {name: float(value) for name, value in row.items()}
    assert history.frame().drop(columns=["epoch", "step"]).to_dict("records") == [expected] * 4


def test_plain_numbers_stay_on_the_cpu_whatever_the_default_device():
    history = History()
    with torch.device("meta"):  # como torch.set_default_device("cuda")
        history.record(0, loss=0.25)
    assert history.frame()["loss"].tolist() == [0.25]


def test_asks_no_device_for_float64(monkeypatch):
    """MPS no tiene float64: primero se trae a la CPU y después se convierte."""
    order = []
    for name in ("cpu", "double"):
        original = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda t, f=original, n=name: (order.append(n), f(t))[1]
        )
    history = History(every=5)
    for _ in range(5):
        history.record(0, loss=torch.tensor(1.0))
    assert order == ["cpu", "double"]  # y una sola vez por lectura


def test_reads_the_device_only_every_so_often(monkeypatch):
    history, reads = History(every=10), []
    flush = history.flush
    monkeypatch.setattr(history, "flush", lambda: reads.append(history.step) or flush())
    for _ in range(35):
        history.record(0, loss=torch.tensor(1.0))
    assert reads == [10, 20, 30]


class Cut(list):
    """Una lista en la que interrumpen justo después de añadirle algo."""

    def append(self, item):
        super().append(item)
        raise KeyboardInterrupt


def test_an_interrupt_while_the_rows_are_kept_does_not_repeat_them():
    history, expected = filled()
    history._tables = Cut(history._tables)
    with contextlib.suppress(KeyboardInterrupt):
        history.flush()
    history._tables = list(history._tables)
    pd.testing.assert_frame_equal(history.frame(), expected)


@pytest.mark.parametrize("value", [torch.zeros(2), torch.zeros(0), [1.0, 2.0]])
def test_refuses_what_is_not_a_scalar(value):
    history = History()
    with pytest.raises(ValueError) as error:
        history.record(0, d_loss=value)
    assert str(error.value) == (
        f"No se puede registrar d_loss, de forma ({len(value)},): los pasos devuelven escalares "
        "(prueba con .mean()), y los nombres «epoch» y «step» están reservados."
    )
    assert history.step == 0


@pytest.mark.parametrize("name", ["step", "epoch"])
def test_refuses_the_names_of_its_own_columns(name):
    with pytest.raises(ValueError, match=f"{name}.*reservados"):
        History().record(0, **{name: 1.0})


def test_an_empty_history_says_so_and_can_be_saved():
    with pytest.raises(ValueError) as error:
        History().per_epoch()
    assert str(error.value) == "El historial está vacío: todavía no se ha dado ningún paso."
    other, _ = filled()
    other.load_state_dict(History(every=7).state_dict())
    assert other.step == 0 and other.every == 7
    with pytest.raises(ValueError, match="vacío"):
        other.frame()


def test_goes_to_a_file_and_back_with_its_gaps(tmp_path):
    history, expected = filled()
    torch.save(history.state_dict(), tmp_path / "historial.pt")
    other = History()
    other.record(0, old=1.0)
    other.load_state_dict(torch.load(tmp_path / "historial.pt", weights_only=True))
    pd.testing.assert_frame_equal(other.frame(), expected, check_exact=True)
    assert other.every == 4 and not other.interrupted
    for one in (history, other):
        one.record(2, d=1.5, new=3.0)
    assert other.step == 11
    pd.testing.assert_frame_equal(other.frame(), history.frame(), check_exact=True)
    assert other.frame()["new"].isna().sum() == 10
