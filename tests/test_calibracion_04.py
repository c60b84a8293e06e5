"""La calibración de los extractores de color: qué imágenes compara."""

import importlib

import numpy as np
import pandas as pd
import pytest
import torch

from gancook.data.shipped import measured

study = importlib.import_module("04_calibracion")


@pytest.fixture
def pictures(monkeypatch):
    images = torch.zeros(2080, 3, 1, 1, dtype=torch.uint8)
    groups = np.array(["congreso", "faker", "parlamento", "parlamento"] * 520)
    data = study.Pictures(images, groups)
    monkeypatch.setattr(study, "pictures", lambda conjunto: data)
    return data


def drawn(defecto, intensidad):
    return [(r.numpy(), s.numpy()) for r, s in study.splits("caras", defecto, intensidad)]


def test_reference_and_sample_share_nothing_and_each_split_is_another(pictures):
    splits = drawn("ruido", 5)
    for reference, sample in splits:
        assert len(set(reference)) == 1040 and len(set(sample)) == 1000
        assert not set(reference) & set(sample)
    assert len({tuple(sorted(sample)) for _, sample in splits}) == study.SPLITS


def test_bad_samples_are_what_they_say(pictures):
    for reference, sample in drawn("copias", 40):
        assert np.isin(sample, reference).mean() == 0.4 and len(set(sample)) == 1000
    for _, sample in drawn("repetidas", 20):
        assert (np.unique(sample, return_counts=True)[1] == 20).all() and len(sample) == 1000
    for _, sample in drawn("faltan", 65):
        assert set(pictures.groups[sample]) == {"congreso", "faker"} and len(sample) == 330
    assert all(len(sample) == 200 for _, sample in drawn("mitades", 200))


def test_table_has_every_condition_once_and_finished():
    table = pd.read_csv(measured("04_calibracion.csv"))
    keys = list(study.RUNS[0])
    assert list(table) == [*keys, *study.RESULTS, "estado"]
    found = {tuple(map(str, row)) for row in table[keys].itertuples(index=False)}
    expected = {
        tuple(map(str, {**r, "intensidad": float(r["intensidad"])}.values())) for r in study.RUNS
    }
    assert found == expected and len(table) == len(study.RUNS)
    assert (table.estado == "completa").all() and table[study.RESULTS].notna().all(axis=None)
