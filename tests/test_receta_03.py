"""La receta del 03.3: la de su §2 al bit, cada decisión contra su fórmula, y se reanuda."""

import importlib
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel

import receta_03
import redes_03
from gancook.data.batches import Batches
from gancook.data.shipped import measured
from gancook.session import seed_everything
from gancook.training.layers import init_weights
from gancook.training.precision import MixedPrecision
from receta_03 import Recipe, Training

pieces, screening, second, confirmation = (
    importlib.import_module(f"03_{name}") for name in ("piezas", "criba", "segunda", "confirmacion")
)
IMAGES = torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8)
SMALL = Recipe(batch=4)  # cinco pasos por época


def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def notebook_networks():
    generator = nn.Sequential(
        nn.Linear(100, 6272, bias=False),
        nn.BatchNorm1d(6272),
        nn.ReLU(),
        nn.Unflatten(1, (128, 7, 7)),
        nn.Conv2d(128, 128, 3, 1, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1),
        nn.Tanh(),
    )
    critic = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 128, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(6272, 1),
    )
    return generator, critic


def notebook_training(epochs, seed):
    """El §2 del cuaderno 03.3, en línea recta: G, D y la media móvil."""
    seed_everything(seed)
    G, D = (MixedPrecision(n.apply(init_weights), "cpu") for n in notebook_networks())
    d_optimizer, g_optimizer = optimizers = [
        torch.optim.Adam(n.parameters(), 1e-3, betas=(0.5, 0.99), fused=True) for n in (D, G)
    ]
    batches = Batches(IMAGES, 4, seed=seed)
    total = epochs * len(batches)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda step: min(1.0, 2 - 2 * step / total + 0.01))
        for o in optimizers
    ]

    def mix(averaged, current, count):
        if not averaged.is_floating_point():
            return current
        return averaged.lerp(current, 1 - ((1 + count) / (10 + count)).clamp(max=0.999))

    ema = AveragedModel(G, avg_fn=mix, use_buffers=True).eval()

    def slope(x):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return gradient.flatten(1).square().sum(dim=1).mean()

    reals = [real for epoch in range(epochs) for real in batches.epoch(epoch)]
    for step, real in enumerate(reals):
        fake = G(torch.randn(4, 100))
        on_real, on_fake = D(torch.cat([real, fake.detach()])).chunk(2)
        loss = softplus(on_fake - on_real).mean()
        if step % 8 == 0:
            loss = loss + 8 * 0.05 / 2 * (slope(real) + slope(fake))
        d_optimizer.zero_grad()
        loss.backward(inputs=list(D.parameters()))
        d_optimizer.step()
        with torch.no_grad():
            on_real = D(real)
        loss = softplus(on_real - D(fake)).mean()
        g_optimizer.zero_grad()
        loss.backward(inputs=list(G.parameters()))
        g_optimizer.step()
        ema.update_parameters(G)
        for schedule in schedules:
            schedule.step()
    return G, D, ema


def test_the_default_recipe_gives_the_bits_of_the_notebook():
    training = Training(SMALL, 10, 3, IMAGES)
    training.until(10)
    ours = training.G, training.D, training.averages[0.999]
    assert all(map(same, ours, notebook_training(2, 3)))


RESIDUAL = {n: (n * n * 9 + n) + (n * n + n) for n in (64, 128)}
CRITIC = (16 * 64 + 64) + (64 * 128 * 16 + 128) + (128 * 128 * 9 + 128) + 6272 + 1
HEAD = 100 * 6272 + 2 * 6272 + 128 * 64 * 16 + 2 * 64


@pytest.mark.parametrize(
    "name, in_generator, in_critic",
    [
        ("7×7", HEAD + 128 * 128 * 9 + 2 * 128 + 64 * 16 + 1, CRITIC),
        ("sin 3×3", HEAD + 64 * 16 + 1, CRITIC - (128 * 128 * 9 + 128)),
        (
            "28×28",
            HEAD + 64 * 32 * 16 + 2 * 32 + 32 * 9 + 1,
            (9 * 32 + 32) + (32 * 64 * 16 + 64) + (64 * 128 * 16 + 128) + 6272 + 1,
        ),
        (
            "14×14",
            HEAD + 128 * 128 * 9 + 2 * 128 + 64 * 64 * 9 + 2 * 64 + 64 * 16 + 1,
            CRITIC + 64 * 64 * 9 + 64,
        ),
        (
            "residual",
            101 * 6272 + RESIDUAL[128] + 128 * 64 * 16 + 64 + RESIDUAL[64] + 64 * 16 + 1,
            CRITIC - (128 * 128 * 9 + 128) + RESIDUAL[64] + RESIDUAL[128],
        ),
    ],
)
def test_the_networks_have_the_parameters_counted_by_hand(name, in_generator, in_critic):
    G, D = redes_03.generator(name), redes_03.critic(name)
    assert [sum(p.numel() for p in n.parameters()) for n in (G, D)] == [in_generator, in_critic]
    assert D(G(torch.randn(2, 100))).shape == (2, 1)


def test_bn_and_the_batch_deviation_add_their_own_parameters():
    plain, norm, spread = (
        sum(p.numel() for p in redes_03.critic("7×7", 0.2, *extra).parameters())
        for extra in ((), (True,), (False, True))
    )
    assert norm - plain == 2 * (64 + 128 + 128) and spread - plain == 1


def test_a_residual_network_starts_as_its_linear_skeleton_and_keeps_the_scale():
    torch.manual_seed(0)
    G, D = redes_03.generator("residual"), redes_03.critic("residual")
    redes_03.initialize("residual", G, D)
    x = torch.randn(2, 64, 14, 14)
    assert torch.equal(G[4](x), x) and torch.equal(D[1](x), x)
    before_tanh = G[:-1](torch.randn(50, 100))
    assert 0.8 < before_tanh[:, :, 2:-2, 2:-2].std() < 1.2  # en el borde se suman menos pesos
    skeleton = nn.Sequential(*(layer for layer in D if not isinstance(layer, redes_03.Residual)))
    images = torch.randn(3, 1, 28, 28)
    double = skeleton(2 * images) - skeleton(images * 0)
    torch.testing.assert_close(double, 2 * (skeleton(images) - skeleton(images * 0)))
    assert torch.equal(D(images), skeleton(images))


@pytest.mark.parametrize(
    "change, sizes", [({}, {8}), ({"norm": True}, {4}), ({"spread": True}, {4})]
)
def test_d_sees_real_and_fake_apart_only_if_it_mixes_the_images_of_a_batch(change, sizes):
    training = Training(replace(SMALL, gamma=0.0, **change), 10, 0, IMAGES)
    seen = set()
    training.D.register_forward_pre_hook(lambda module, args: seen.add(len(args[0])))
    training.step.discriminator_terms(torch.randn(4, 1, 28, 28), torch.randn(4, 1, 28, 28))
    assert seen == sizes


def penalties(count, **change):
    """La penalización de cada paso, con las redes y el lote siempre iguales; 0 si no toca."""
    training = Training(replace(SMALL, **change), count, 0, IMAGES)
    real, fake = torch.randn(2, 4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = []
    for step in range(count):
        training.step.count = step
        terms = training.step.discriminator_terms(real, fake)
        found.append(terms["penalty"].item() if "penalty" in terms else 0.0)
    return torch.tensor(found)


def test_the_lazy_penalty_adds_up_to_the_one_of_every_step():
    always, lazy = penalties(8, every=1), penalties(8, every=4)
    assert (always > 0).all() and (lazy > 0).tolist() == [True, False, False, False] * 2
    torch.testing.assert_close(lazy.sum(), always.sum())
    assert penalties(2, gamma=0.0).sum() == 0


def test_the_penalty_falls_by_equal_factors():
    falling, flat = penalties(4, every=1, anneal=0.1), penalties(4, every=1)
    expected = 10 ** (-torch.arange(4) / 4)
    torch.testing.assert_close(falling / flat, expected)


@pytest.mark.parametrize(
    "decay, expected",
    [
        (0.5, {0: 1, 50: 1, 75: 0.51, 100: 0.01}),
        (0.3, {70: 1, 85: 0.51, 100: 0.01}),
        (0.0, {0: 1, 99: 1}),
    ],
)
def test_the_rate_falls_in_the_last_part(decay, expected):
    recipe = Recipe(decay=decay)
    found = {step: recipe.rate_at(step / 100) for step in expected}
    assert found == pytest.approx(expected)


def test_the_half_cosine_takes_down_the_rate_and_the_penalty():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    schedule = CosineAnnealingLR(optimizer, T_max=8)
    expected = []
    for _ in range(8):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    recipe = screening.VARIANTS["perezosa"]
    assert [recipe.rate_at(step / 8) for step in range(8)] == pytest.approx(expected)
    falling, flat = penalties(8, every=1, cosine=True), penalties(8, every=1)
    torch.testing.assert_close(falling / flat, torch.tensor(expected))


def test_the_lazy_variant_is_the_one_of_the_bench_of_06():
    bench = importlib.import_module("06_moda").LAZY
    recipe = screening.VARIANTS["perezosa"]
    assert (recipe.betas, recipe.every, recipe.emas) == (bench.betas, bench.every, (bench.ema,))
    assert recipe.gamma / 2 == bench.weight and recipe.cosine == (bench.decay == "coseno")
    rates = pd.read_csv(measured("06_moda.csv")).query("tecnica == 'receta perezosa'")["tasa"]
    assert set(rates) == {recipe.lr}
    assert not {screening.SEED, *confirmation.SEEDS} & {0, 1, 2}  # las que ya la han medido


def test_the_optimizers_follow_the_rate():
    training = Training(replace(SMALL, lr=0.1, gamma=0.0), 4, 0, IMAGES)
    training.until(3)
    rates = [group["lr"] for o in training.optimizers for group in o.param_groups]
    assert rates == pytest.approx([0.051] * 2)


def test_several_averages_at_once_follow_their_formula():
    training = Training(replace(SMALL, gamma=0.0, emas=(0.0, 0.2, 0.999)), 4, 0, IMAGES)
    name = "network.0.weight"
    expected = dict.fromkeys(training.averages)
    for step in range(1, 5):
        training.until(step)
        weight = training.G.state_dict()[name].clone()
        for decay, before in expected.items():
            keep = min(step / (step + 9), decay)  # antes del paso 1 no hay nada que conservar
            expected[decay] = weight if step == 1 else keep * before + (1 - keep) * weight
    for decay, averaged in training.averages.items():
        torch.testing.assert_close(averaged.module.state_dict()[name], expected[decay])
    assert same(training.averages[0.0].module, training.G)


def test_a_training_killed_between_two_copies_ends_like_a_whole_one(monkeypatch, tmp_path):
    monkeypatch.setattr(receta_03, "COPY_EVERY", 3)
    recipe = replace(SMALL, emas=(0.9,))
    whole = Training(recipe, 8, 0, IMAGES)
    whole.until(8)
    killed = Training(recipe, 8, 0, IMAGES, tmp_path)
    killed.until(4)
    after_step = killed.after_step

    def kill(history):
        after_step(history)
        if history.step == 7:
            raise SystemExit

    killed.after_step = kill
    with pytest.raises(SystemExit):
        killed.until(8)  # la última copia es la del paso 6, en la segunda época
    resumed = Training(recipe, 8, 0, IMAGES, tmp_path)
    resumed.until(8)
    assert resumed.history.frame().equals(whole.history.frame())
    for name in ("G", "D"):
        assert same(getattr(resumed, name), getattr(whole, name))
    assert same(resumed.averages[0.9], whole.averages[0.9])
    with pytest.raises(ValueError, match="van por el 8"):
        Training(recipe, 8, 0, IMAGES, tmp_path).until(4)


def test_the_passes_are_those_of_batches_up_to_the_last_step():
    passes, batches = receta_03.Passes(IMAGES, 4, seed=5), Batches(IMAGES, 4, seed=5)
    every = [batch for epoch in range(2) for batch in batches.epoch(epoch)]
    passes.last = 7
    first, second = list(passes.epoch(0)), list(passes.epoch(1))
    assert (len(first), len(second)) == (5, 2) and len(list(passes.epoch(1, 1))) == 1
    assert all(map(torch.equal, first + second, every))


def test_every_variant_is_another_recipe_and_trains():
    tables = pieces.PIECES, screening.VARIANTS, second.VARIANTS
    for variants in tables:
        assert len({replace(recipe, emas=()) for recipe in variants.values()}) == len(variants)
    names = [name for variants in tables for name in variants]
    assert len(set(names)) == len(names)  # comparten la tabla de los costes
    for recipe in {recipe for variants in tables for recipe in variants.values()}:
        training = Training(replace(recipe, batch=2), 1, 0, IMAGES)
        training.until(1)
        assert training.history.frame()["g_loss"].item() > 0
