"""Las dos etapas y el crecimiento progresivo, y el estudio que los mide."""

import copy
import importlib
from collections import Counter

import pytest
import torch
from torch import nn

import etapas_06 as stages
from gancook.training.losses import relativistic_loss

study = importlib.import_module("06_etapas")

GROWING = "de una vez 32×32", "progresiva"


def repeated(x):
    """Cada píxel, 2×2, con el producto de Kronecker en vez de una interpolación."""
    return torch.kron(x, torch.ones(2, 2))


def averaged(x):
    """La media de cada 2×2, con cuatro cortes en vez de una capa."""
    return torch.stack([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]).mean(dim=0)


def set_alpha(alpha, *networks):
    for network in networks:
        network.alpha = alpha


def test_a_network_that_has_just_grown_is_the_one_before():
    torch.manual_seed(0)
    G, D = stages.GrowingGenerator(), stages.GrowingCritic()
    z = torch.randn(3, stages.Z_SIZE)
    for side, channels in stages.GROWTH.items():
        before, images = G(z), torch.randn(3, 1, side, side)
        logits = D(averaged(images))
        for network in (G, D):
            network.grow(*channels)
        assert torch.equal(G(z), repeated(before))
        torch.testing.assert_close(D(images), logits)  # la media suma en otro orden
        set_alpha(1.0, G, D)
        assert (G(z) - repeated(before)).abs().max() > 1e-3
        assert (D(images) - logits).abs().max() > 1e-3


def test_the_fade_mixes_images_in_g_and_features_in_d():
    torch.manual_seed(0)
    G, D = stages.GrowingGenerator(), stages.GrowingCritic()
    z, images, samples = torch.randn(3, stages.Z_SIZE), torch.randn(3, 1, 16, 16), {}
    for network in (G, D):
        network.grow(48, 32)
    for alpha in (0.0, 0.25, 1.0):
        set_alpha(alpha, G, D)
        samples[alpha] = G(z)
        new = D.blocks[0](D.from_image[1](images))
        h = alpha * new + (1 - alpha) * D.from_image[0](averaged(images))
        torch.testing.assert_close(D(images), D.last(h))
    torch.testing.assert_close(samples[0.25], 0.75 * samples[0.0] + 0.25 * samples[1.0])


def test_the_real_images_fade_with_the_networks(monkeypatch):
    seen = []
    monkeypatch.setattr(stages.PenalizedStep, "__call__", lambda self, real: seen.append(real))
    D = nn.Module()
    D.network = stages.GrowingCritic()
    step = stages.FadingStep(D, None, None, None, None, None, 64)
    real = torch.randn(3, 1, 16, 16)
    for alpha in (0.0, 0.25, 1.0):
        D.network.alpha = alpha
        step(real)
        expected = (1 - alpha) * repeated(averaged(real)) + alpha * real
        torch.testing.assert_close(seen[-1], expected)


def test_the_dresser_paints_only_inside_the_silhouette():
    torch.manual_seed(0)
    silhouette = torch.randn(4, 1, 28, 28).sign()
    made = stages.Dresser()(stages.join(silhouette, torch.randn(4, stages.Z_SIZE)))
    assert made.shape == silhouette.shape and (made[silhouette < 0] == -1).all()
    assert (made[silhouette > 0] > -1).all()


class WithShapeTerm(nn.Module):
    """D más un sumando que depende solo de la silueta, el primer canal."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        rows = torch.arange(28) - 13.0
        return self.network(x) + (x[:, 0] * rows[:, None]).mean(dim=(1, 2))[:, None]


def dress_logs(wrap):
    """Los términos de un paso sin penalización, con las mismas redes, lote y ruido."""
    torch.manual_seed(0)
    D, G = wrap(stages.make_critic(channels=2)), stages.Dresser()
    optimizers = [torch.optim.SGD(n.parameters(), 0.1) for n in (D, G)]
    losses = relativistic_loss, relativistic_loss
    step = stages.DressStep(D, G, *optimizers, *losses, stages.Z_SIZE, count=1)
    silhouette = torch.randn(8, 1, 28, 28).sign()
    garment = torch.rand(8, 1, 28, 28) * 2 - 1
    return step(torch.cat([silhouette, garment], dim=1))


def test_a_term_of_the_silhouette_alone_changes_nothing():
    plain, shaped = dress_logs(lambda D: D), dress_logs(WithShapeTerm)
    assert set(plain) == {"d_loss", "g_loss"}
    for name, value in plain.items():
        torch.testing.assert_close(shaped[name], value, atol=1e-5, rtol=0)


def test_the_penalty_comes_once_every_eight_steps_and_weighs_eight_times():
    """Con D(x) = ½‖x‖², el gradiente es x: la penalización se sabe."""
    D = nn.Module()
    D.forward = lambda x: 0.5 * x.flatten(1).square().sum(dim=1, keepdim=True)
    step = stages.PenalizedStep(D, None, None, None, relativistic_loss, None, 64)
    real, fake = torch.ones(2, 1, 4, 4), 2 * torch.ones(2, 1, 4, 4)
    paid = []
    for step.count in range(16):
        paid.append(step.discriminator_terms(real, fake).get("penalty", torch.zeros(())).item())
    expected = 8 * 0.05 / 2 * (16 * 1 + 16 * 4)
    assert paid == pytest.approx([expected if n % 8 == 0 else 0 for n in range(16)])


def test_what_is_measured_at_32_is_what_there_was_at_28():
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    sides = study.pyramid(images)
    assert {side: part.shape[-1] for side, part in sides.items()} == {32: 32, 16: 16, 8: 8}
    assert torch.equal(study.crop(sides[32]), images)
    for side in (16, 8):  # en bytes: se pierde menos de un nivel
        lost = averaged(sides[2 * side].float()) - sides[side].float()
        assert lost.min() >= 0 and lost.max() < 1


@pytest.fixture
def small(monkeypatch):
    """Cien imágenes, y cien muestras."""
    few = {split: study.fashion_mnist(split).images[:100] for split in ("train", "test")}
    monkeypatch.setattr(study, "COUNT", 100)
    monkeypatch.setattr(study, "data", few.get)
    study.truth.cache_clear()
    yield few
    study.truth.cache_clear()


class Counted(study.Batches):
    """Sus lotes no se sacan: solo se cuentan."""

    def epoch(self, number):
        return self


class Still(nn.Module):
    """Una media móvil que no cuesta nada: solo la copia."""

    def __init__(self, G, decay):
        super().__init__()
        self.module = copy.deepcopy(G)

    def update_parameters(self, G):
        pass


def recorded(monkeypatch, plan):
    """Qué etapas pide un plan, sin entrenar ninguna, y α tras cada lote."""
    calls, orders = [], []

    def train(step, sampler, after, batches, z):
        alphas = []
        for done in range(1, len(batches) + 1):
            after(done)
            networks = step.D.network, step.G.network, sampler.module.network
            alphas.append({getattr(network, "alpha", None) for network in networks})
        calls.append((type(step).__name__, tuple(batches.data.shape[1:]), len(batches), alphas))
        orders.append(batches.seed)
        return torch.zeros(len(z), 1, *batches.data.shape[2:])

    monkeypatch.setattr(study, "Batches", Counted)
    monkeypatch.setattr(study, "average", Still)
    monkeypatch.setattr(study, "train", train)
    images = plan.sample(study.split(plan.batches, plan.shares), 2)
    assert images.shape == (100, 1, 28, 28) and len(set(orders)) == len(orders)
    return calls


def test_the_stages_share_the_images_as_the_protocol_says(monkeypatch, small):
    expected = {
        "de una vez 28×28": [("PenalizedStep", (1, 28, 28), 928)],
        "dos etapas": [("PenalizedStep", (1, 28, 28), 464), ("DressStep", (2, 28, 28), 464)],
        "de una vez 32×32": [("PenalizedStep", (1, 32, 32), 928)],
        "progresiva": [
            ("PenalizedStep", (1, 8, 8), 160),
            ("FadingStep", (1, 16, 16), 256),
            ("FadingStep", (1, 32, 32), 512),
        ],
    }
    for name, stages_of in expected.items():
        calls = recorded(monkeypatch, study.PLANS[name])
        assert [call[:3] for call in calls] == stages_of, name
        for kind, _, steps, alphas in calls:
            rising = [{min(1, 2 * done / steps)} for done in range(1, steps + 1)]
            fixed = [{1.0} if name in GROWING else {None}] * steps
            assert alphas == (rising if kind == "FadingStep" else fixed), name
    longer = recorded(monkeypatch, study.PLANS["progresiva, a igual tiempo"])
    assert [steps for _, _, steps, _ in longer] == [210, 336, 672]
    cost = 0.29 * 210 + 0.57 * 336 + 672
    assert cost == pytest.approx(928, rel=0.01)


def test_every_technique_has_three_seeds_and_sees_the_same_images():
    seeds = Counter(run["tecnica"] for run in study.RUNS)
    trained = {name: seeds[name] for name, plan in study.PLANS.items() if plan.batches}
    assert set(trained.values()) == {3} and len(trained) == 5
    images = {run["imagenes"] for run in study.RUNS if "igual tiempo" not in run["tecnica"]}
    assert images == {0, 59_392}


@pytest.mark.parametrize("name", list(study.PLANS))
def test_a_row_of_each_kind_has_its_columns(small, name):
    row = study.run(name, 6 * study.BATCH if study.PLANS[name].batches else 0, 0)
    assert tuple(row) == study.RESULTS and all(value >= 0 for value in row.values())


def test_the_clean_images_differ_only_in_the_leftovers(small):
    plain, clean = study.held_out([], 0), study.clean_held_out([], 0)
    changed = (plain != clean)[:, 0].sum().item()
    leftovers = ((small["test"] > 0) & (small["test"] <= 16)).sum().item()
    assert changed == leftovers > 0 and (clean[plain != clean] == -1).all()
