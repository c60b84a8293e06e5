"""Lotes: cobertura, orden, reanudación y normalización."""

import pytest
import torch

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


def test_incomplete_batch_is_left_out():
    batches = Batches(numbered(10), 4)
    assert len(batches) == 2
    assert [len(b) for b in batches.epoch(0)] == [4, 4]


def test_start_resumes_at_the_exact_batch():
    batches = Batches(numbered(100), 10, scale=(0, 255))
    assert values(batches, 3, 4) == values(batches, 3)[4:]


def test_replacement_draws_repeated_images():
    batches = Batches(numbered(10), 10, scale=(0, 255), replacement=True, steps=30)
    drawn = values(batches, 0)
    assert len(drawn) == len(batches) == 30
    assert any(len(set(batch)) < 10 for batch in drawn)
    assert set(sum(drawn, [])) == set(range(10))


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


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"images": numbered(4).float(), "batch_size": 2}, TypeError, "uint8"),
        ({"images": numbered(4), "batch_size": 5}, ValueError, "no cabe"),
        ({"images": numbered(4), "batch_size": 0}, ValueError, "no cabe"),
        ({"images": numbered(4), "batch_size": 2, "steps": 3}, ValueError, "replacement"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Batches(**arguments)
