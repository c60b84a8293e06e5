"""Lotes: cobertura, orden, reanudación, normalización, etiquetas y archivos mapeados."""

import sys
import warnings

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from gancook.data.batches import Batches


def numbered(count):
    """Imágenes de un píxel cuyo valor es su índice."""
    return torch.arange(count, dtype=torch.uint8).reshape(count, 1, 1, 1)


def values(batches, *args):
    return [b.flatten().round().int().tolist() for b in batches.epoch(*args)]


def test_each_epoch_visits_every_image_once_in_another_order():
    batches = Batches(numbered(100), 20, scale=(0, 255))
    first, second = values(batches, 0), values(batches, 1)
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(100))
    assert first != second
    assert values(batches, 0) == first


def test_seed_changes_the_order_and_neighbours_do_not_collide():
    orders = [
        values(Batches(numbered(100), 100, scale=(0, 255), seed=s), e)
        for s in (0, 1)
        for e in (0, 1)
    ]
    assert len({str(order) for order in orders}) == 4


@pytest.mark.parametrize("replacement", [False, True])
def test_no_epoch_repeats_another(replacement):
    batches = Batches(numbered(100), 20, replacement=replacement)
    assert len({str(values(batches, epoch)) for epoch in range(12)}) == 12


@pytest.mark.parametrize("scale", [(-1, 1), (0, 1)])
def test_bits_and_order_are_those_of_the_committed_results(scale):
    images = torch.randint(0, 256, (50, 1, 4, 4), dtype=torch.uint8)
    generator = torch.Generator().manual_seed(7 * 1_000_003 + 3)
    order = torch.randperm(50, generator=generator).split(8)[:6]
    step = (scale[1] - scale[0]) / 255
    for batch, rows in zip(Batches(images, 8, scale=scale, seed=7).epoch(3), order, strict=True):
        assert torch.equal(batch, images[rows].float() * step + scale[0])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_normalizing_leaves_the_given_images_alone(dtype):
    images = torch.arange(256).to(dtype)
    copy = images.clone()
    found = Batches(numbered(4), 2).normalize(images)
    torch.testing.assert_close(found, torch.linspace(-1, 1, 256))
    assert torch.equal(images, copy)


def test_incomplete_batch_is_left_out():
    batches = Batches(numbered(10), 4)
    assert len(batches) == 2
    assert [len(b) for b in batches.epoch(0)] == [4, 4]


def test_a_batch_may_be_a_single_image_and_an_epoch_a_single_batch():
    for size in (1, 10):
        assert [len(b) for b in Batches(numbered(10), size).epoch(0)] == [size] * (10 // size)
    assert [len(b) for b in Batches(numbered(10), 2, steps=1).epoch(0)] == [2]


def test_start_resumes_at_the_exact_batch():
    batches = Batches(numbered(100), 10, scale=(0, 255))
    assert values(batches, 3, 4) == values(batches, 3)[4:]


def test_replacement_draws_repeated_images():
    batches = Batches(numbered(10), 10, scale=(0, 255), replacement=True, steps=30)
    drawn = values(batches, 0)
    assert len(drawn) == len(batches) == 30
    assert {len(batch) for batch in drawn} == {10}
    assert any(len(set(batch)) < 10 for batch in drawn)
    assert set(sum(drawn, [])) == set(range(10))
    generator = torch.Generator().manual_seed(0)  # el orden es de la semilla, no del azar global
    assert sum(drawn, []) == torch.randint(10, (300,), generator=generator).tolist()


@pytest.mark.parametrize("scale", [(-1.0, 1.0), (0.0, 1.0)])
def test_scale_maps_the_bytes_to_its_ends(scale):
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)
    batch = next(Batches(images, 2, scale=scale).epoch(0))
    assert batch.dtype == torch.float32
    torch.testing.assert_close(batch.flatten().sort().values, torch.tensor(scale))


def test_batches_leave_the_images_alone():
    images = numbered(8)
    batches = Batches(images, 8)
    next(batches.epoch(0)).fill_(7)
    assert torch.equal(images, numbered(8))


def test_points_are_delivered_as_they_come():
    points = torch.randn(64, 2, dtype=torch.float64)
    batch = next(Batches(points, 64, scale=(0, 1)).epoch(0))
    assert batch.dtype == torch.float32
    assert torch.equal(batch.sort(dim=0).values, points.float().sort(dim=0).values)


@pytest.mark.parametrize("kind", ["tensor", "array", "de solo lectura"])
def test_labels_travel_with_their_rows(kind):
    labels = torch.arange(1000, 1100) if kind == "tensor" else np.arange(1000, 1100)
    if kind == "de solo lectura":
        labels.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = Batches(numbered(100), 30, scale=(0, 255), labels=labels)
        pairs = list(batches.epoch(1, 1))
    assert len(pairs) == 2
    for data, chosen in pairs:
        assert chosen.dtype == torch.int64
        assert torch.equal(data.flatten().round().long() + 1000, chosen)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, ">f4"])
def test_memory_map_gives_the_batches_of_the_tensor(dtype, tmp_path):
    array = (np.arange(60 * 12) % 251).reshape(60, 3, 2, 2).astype(dtype)
    array.tofile(tmp_path / "datos")
    mapped = np.memmap(tmp_path / "datos", dtype=dtype, mode="r", shape=array.shape)
    tensor = torch.from_numpy(array.astype(np.uint8 if dtype == np.uint8 else np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch avisa si comparte memoria de solo lectura
        batches = list(Batches(mapped, 7, labels=np.arange(60)).epoch(2))
    expected = list(Batches(tensor, 7, labels=torch.arange(60)).epoch(2))
    for (rows, labels), (their_rows, their_labels) in zip(batches, expected, strict=True):
        assert rows.dtype == torch.float32
        assert torch.equal(rows, their_rows) and torch.equal(labels, their_labels)
        rows.zero_()  # es una copia: no falla ni llega al archivo
    assert np.array_equal(mapped, array)


@pytest.mark.skipif(sys.platform == "win32", reason="el archivo no sería disperso")
def test_memory_map_may_be_larger_than_memory(tmp_path):
    with open(tmp_path / "enorme", "wb") as file:
        file.truncate(2**42)  # 4 TiB que no ocupan disco
    mapped = np.memmap(tmp_path / "enorme", mode="r", shape=(2**18, 2**24))
    assert next(Batches(mapped, 2).epoch(0)).shape == (2, 2**24)


class LikeCuda(TorchFunctionMode):
    """Exige, como CUDA y no como ``meta``, que los datos y sus índices estén juntos."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.index_select:
            assert args[0].device == args[2].device
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("data", [numbered(8), numbered(8).numpy(), torch.rand(8, 2)])
def test_batches_and_labels_are_delivered_on_the_device(data):
    batches = Batches(data, 4, labels=torch.arange(8), device="meta")
    with LikeCuda():
        assert [part.device.type for part in next(batches.epoch(0))] == ["meta", "meta"]


def test_state_is_accepted_only_by_batches_in_the_same_order():
    state = Batches(numbered(20), 4, seed=1).state_dict()
    Batches(numbered(20), 4, seed=1, labels=torch.arange(20)).load_state_dict(state)
    for other in (
        Batches(numbered(21), 4, seed=1),
        Batches(numbered(20), 3, seed=1, steps=5),
        Batches(numbered(20), 4, seed=2),
        Batches(numbered(20), 4, seed=1, steps=4),
        Batches(numbered(20), 4, seed=1, replacement=True),
    ):
        with pytest.raises(ValueError, match="se guardaron con"):
            other.load_state_dict(state)


def test_copies_already_written_are_still_accepted():
    """Los nombres de las copias que ya están en disco, y cómo son los lotes si no se dice."""
    written = {"images": 20, "batch_size": 4, "steps": 5, "seed": 0, "replacement": False}
    batches = Batches(numbered(20), 4)
    batches.load_state_dict(written)
    assert batches.state_dict() == written


FOUR = {"data": numbered(4), "batch_size": 2}


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"data": numbered(4).int()}, TypeError, "torch.int32"),
        ({"data": np.arange(4)}, TypeError, "int64"),
        ({"data": np.array(["a", "b"])}, TypeError, "<U1"),
        ({"data": [[0.0], [1.0]]}, TypeError, "recibió list"),
        ({"batch_size": 5}, ValueError, "no cabe"),
        ({"batch_size": 0}, ValueError, "no cabe"),
        ({"batch_size": -1}, ValueError, "no cabe"),
        ({"batch_size": 1.5}, ValueError, "entero"),
        ({"steps": 3}, ValueError, "replacement"),
        ({"steps": 0}, ValueError, "steps=0"),
        ({"steps": 0, "replacement": True}, ValueError, "steps=0"),
        ({"steps": -1, "replacement": True}, ValueError, "steps=-1"),
        ({"steps": 1.5}, ValueError, "entero"),
        ({"labels": torch.arange(3)}, ValueError, "3 etiquetas para 4 filas"),
        ({"labels": np.arange(5)}, ValueError, "5 etiquetas para 4 filas"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Batches(**{**FOUR, **arguments})


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"data": numbered(4).int()},
            "Batches espera un tensor o un array de NumPy de bytes uint8 (0 a 255), que normaliza "
            "él, o de coma flotante, ya normalizado; recibió torch.int32. Conviértelo antes.",
        ),
        (
            {"labels": torch.arange(3)},
            "Hay 3 etiquetas para 4 filas de datos: debe haber una por fila, en el mismo orden.",
        ),
        (
            {"batch_size": 5},
            "batch_size=5 no cabe en un conjunto de 4 filas: debe ser un entero de 1 a ese número.",
        ),
        (
            {"steps": 3},
            "steps=3 debe ser un entero de 1 en adelante y, sin repetición, de 2 como mucho, que "
            "son los lotes que hay: corrígelo o usa replacement=True.",
        ),
    ],
)
def test_each_error_says_what_to_do(arguments, message):
    with pytest.raises((TypeError, ValueError)) as error:
        Batches(**{**FOUR, **arguments})
    assert str(error.value) == message
