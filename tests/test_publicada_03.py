"""La receta publicada de S2: sus redes, su paso y su estudio, que se reanuda época a época."""

import copy
import importlib
import sys

import pandas as pd
import pytest
import torch
from torch import nn

study = importlib.import_module("03_publicada")


def count(network):
    return sum(p.numel() for p in network.parameters())


def test_the_networks_have_the_published_parameters():
    assert count(study.generator()) == 778_240 and count(study.discriminator()) == 138_753


def published_loop(D, G, batches):
    """El bucle del tutorial, con su gradiente de más hacia G en el paso de D."""
    d_optimizer = torch.optim.Adam(D.parameters(), lr=3e-4)
    g_optimizer = torch.optim.Adam(G.parameters(), lr=3e-4)
    criterion = nn.BCELoss()
    for real in batches:
        G.eval(), D.train()
        x = torch.cat([G(torch.randn(len(real), 100)), real])
        y = torch.cat([torch.zeros(len(real), 1), torch.ones(len(real), 1)])
        d_optimizer.zero_grad()
        criterion(D(x), y).backward()
        d_optimizer.step()
        G.train(), D.eval()
        g_optimizer.zero_grad()
        criterion(D(G(torch.randn(len(real), 100))), torch.ones(len(real), 1)).backward()
        g_optimizer.step()


def test_cutting_the_useless_gradient_gives_the_same_bits():
    torch.manual_seed(0)
    G, D = study.generator(), study.discriminator()
    batches = (torch.rand(3, 8, 1, 28, 28) * 2 - 1).unbind()
    other_G, other_D = copy.deepcopy(G), copy.deepcopy(D)
    step = study.PublishedStep(D, G)
    torch.manual_seed(1)
    for real in batches:
        step(real)
    torch.manual_seed(1)
    published_loop(other_D, other_G, batches)
    for ours, theirs in ((G, other_G), (D, other_D)):
        for name, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], value), name


def total_weight(network):
    return sum(value.double().sum().item() for value in network.state_dict().values())


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Tres épocas de tres lotes, una semilla; devuelve la orden."""
    images = study.fashion_mnist().images[:100]
    monkeypatch.setattr(study, "fashion_mnist", lambda: type("data", (), {"images": images}))
    for name, value in {"EPOCHS": 3, "SEEDS": range(1), "COUNT": 70}.items():
        monkeypatch.setattr(study, name, value)
    total = dict.fromkeys(study.QUALITY, 0.0)
    monkeypatch.setattr(study, "quality", lambda network: total | {"FCD": total_weight(network)})
    study.reference.cache_clear()

    def command(folder):
        monkeypatch.setenv("GANCOOK_RESULTS", str(tmp_path / folder))
        monkeypatch.setattr(sys, "argv", ["03_publicada.py", "--out", str(tmp_path / folder)])
        study.main()
        return pd.read_csv(tmp_path / folder / "03_publicada.csv").drop(columns="segundos de CPU")

    yield command
    study.reference.cache_clear()


def test_a_study_killed_between_two_epochs_ends_like_a_whole_one(small, monkeypatch, tmp_path):
    whole = small("entero")
    assert len(whole) == 3 and (whole["estado"] == "completa").all()
    assert whole[list(study.SHARES)].sum(axis=1).tolist() == pytest.approx([1] * 3, abs=1e-3)
    assert (tmp_path / "entero/03_publicada_0.png").exists()
    training = study.Training(0, study.fashion_mnist().images)  # sus copias son las de «entero»
    training.copies.load(step=9)
    final = pd.read_csv(tmp_path / "entero/03_publicada_final.csv")
    assert final["FCD"].tolist() == pytest.approx([total_weight(training.G)])

    original = study.sample

    def killed(*args):
        raise SystemExit

    monkeypatch.setattr(study, "EPOCHS", 2)
    small("partido")
    monkeypatch.setattr(study, "EPOCHS", 3)
    monkeypatch.setattr(study, "sample", killed)  # la copia de la época 3 queda, su fila no
    with pytest.raises(SystemExit):
        small("partido")
    monkeypatch.setattr(study, "sample", original)
    pd.testing.assert_frame_equal(small("partido"), whole)
