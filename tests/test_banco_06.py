"""El banco de las técnicas: todas entrenan, y la tabla se completa por partes."""

import importlib
import sys

import pandas as pd
import pytest
import torch

bench = importlib.import_module("06_banco")
costs = importlib.import_module("06_costes")
fashion = importlib.import_module("06_moda")
techniques = importlib.import_module("tecnicas_06")

NAMES = list(techniques.TECHNIQUES)


@pytest.mark.parametrize("name", NAMES)
def test_every_technique_trains_and_repeats_itself_exactly(name):
    first, second = (bench.sample(name, bench.MIXTURES["anillo"], 1e-3, 2, 3) for _ in range(2))
    assert first.shape == (2500, 2) and first.isfinite().all() and torch.equal(first, second)


def test_no_two_techniques_are_the_same():
    samples = [bench.sample(name, bench.MIXTURES["anillo"], 1e-2, 5, 3) for name in NAMES]
    sums = [round(points.double().abs().sum().item(), 6) for points in samples]
    assert len(set(sums)) == len(NAMES)


def test_the_real_data_are_the_ceiling():
    for name, modes in (("rejilla", 25), ("anillo", 8)):
        row = bench.run("datos reales", name, 0.0, 0, 0)
        assert row["modos"] == modes and row["calidad"] == pytest.approx(0.989, abs=0.006)
        assert row["solape"] > 0.93 and list(row) == list(bench.RESULTS)


def test_the_overlap_falls_with_a_missing_mode_a_crooked_share_and_points_outside():
    mixture = bench.MIXTURES["anillo"]
    centers = mixture.centers
    assert bench.overlap(centers.repeat(10, 1), mixture) == pytest.approx(1)
    assert bench.overlap(centers[:6].repeat(10, 1), mixture) == pytest.approx(6 / 8)
    assert bench.overlap(centers[[0] * 8 + [4] * 8], mixture) == pytest.approx(2 / 8)
    outside = torch.cat([centers, 5 + centers])  # la mitad se pierde
    assert bench.overlap(outside, mixture) == pytest.approx(1 / 2)


def small_plan(monkeypatch):
    monkeypatch.setattr(bench, "RATES", (1e-3, 1e30))
    monkeypatch.setattr(bench, "SEARCH", {"pasos": 50, "semillas": (100,)})
    return {"pasos": 50, "semillas": range(2)}


def test_a_diverged_search_loses_and_what_is_done_is_not_repeated(monkeypatch, tmp_path):
    plan = small_plan(monkeypatch)
    bench.bench(tmp_path, "GAN simple", "anillo", plan)
    rates, table = (pd.read_csv(tmp_path / f"06_banco{x}.csv") for x in ("_tasas", ""))
    assert rates["estado"].str.startswith("diverge").tolist() == [False, True]
    assert table["tasa"].tolist() == [1e-3] * 2 and table["estado"].tolist() == ["completa"] * 2
    monkeypatch.setattr(bench, "sample", None)  # si algo se repitiera, fallaría
    bench.bench(tmp_path, "GAN simple", "anillo", plan)


def test_two_shards_do_every_pair_once(monkeypatch, tmp_path):
    done = []
    monkeypatch.setattr(bench, "bench", lambda folder, *unit: done.append(unit[:2]))
    for shard in ("1/2", "2/2"):
        monkeypatch.setattr(sys, "argv", ["06_banco.py", "--out", str(tmp_path), "--shard", shard])
        bench.main()
    assert sorted(done) == sorted((name, mixture) for name, mixture, _ in bench.units())
    short = NAMES[: NAMES.index("receta") + 1]
    for mixture, names in (("rejilla", [*NAMES, *bench.LONG]), ("anillo", short)):
        expected = ["datos reales", *names]
        assert sorted(n for n, m in done if m == mixture) == sorted(expected)


def test_the_cost_is_the_ratio_of_two_alternated_clocks():
    """Con relojes que se saben: la técnica tarda el triple que la simple."""
    seconds = {"GAN simple": 2.0, "otra": 6.0}
    found = costs.run(lambda name: lambda: seconds[name], "otra")
    assert found == {"coste": 3.0, "mínimo": 3.0, "máximo": 3.0}


def test_the_clocks_give_as_many_steps_as_they_say():
    name, real = "cinco pasos de D", bench.MIXTURES["anillo"].sample(500)
    given = []
    fake = type("bench", (), {"assemble": lambda *_: (given.append, None, lambda done: None)})
    assert costs.stopwatch(fake, techniques.TECHNIQUES[name], real, 4)() > 0
    assert len(given) == 4 and all(batch is real for batch in given)
    assert costs.mixture_clock(name)() > 0 and costs.fashion_clock("GAN simple")() > 0


@pytest.mark.parametrize("name", list(fashion.IMAGES))
def test_every_technique_trains_on_images(name):
    """Dos pasos con las redes de verdad; las formas y el gradiente no dependen de más."""
    torch.manual_seed(0)
    technique = fashion.IMAGES[name]
    step, sampler, after = fashion.assemble(technique, 1e-3, 2)
    real = torch.rand(20, 1, 28, 28) * 2 - 1
    for done in (1, 2):
        logs = step(real)
        after(done)
    assert all(value.isfinite() for value in logs.values())
    with torch.no_grad():
        assert sampler.eval()(torch.randn(3, 100)).shape == (3, 1, 28, 28)


def test_a_row_of_images_has_its_five_columns(monkeypatch):
    monkeypatch.setattr(fashion, "COUNT", 100)
    few = {split: fashion.fashion_mnist(split).images[:100] for split in ("train", "test")}
    monkeypatch.setattr(fashion, "data", few.get)
    row = fashion.run("GAN simple", 1e-3, 100, 0)
    assert tuple(row) == fashion.RESULTS and all(value >= 0 for value in row.values())


def trained(name, steps=60):
    """El paso de una técnica después de entrenar en el anillo, y la red de la que se muestrea."""
    torch.manual_seed(0)
    step, sampler, after = bench.assemble(techniques.TECHNIQUES[name], 1e-3, steps)
    for done in range(1, steps + 1):
        step(bench.MIXTURES["anillo"].sample(50))
        after(done)
    return step, sampler


def largest(network, inputs):
    """El mayor valor singular de cada capa, con el método de la potencia ya convergido."""
    for _ in range(100):
        network.train()(torch.randn(2, inputs))
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    return [torch.linalg.svdvals(layer.weight.detach())[0].item() for layer in layers]


def test_spectral_norm_holds_the_networks_it_names():
    step, _ = trained("N. espectral en D")
    assert largest(step.D, 2) == pytest.approx([1] * 4, abs=0.02)
    assert max(largest(step.G, bench.Z_SIZE)) > 1.2
    step, _ = trained("N. espectral en D y G")
    both = largest(step.D, 2) + largest(step.G, bench.Z_SIZE)
    assert both == pytest.approx([1] * 8, abs=0.02)


def test_the_weights_of_the_critic_are_clipped_and_those_of_g_are_not():
    step, _ = trained("WGAN con recorte")
    limits = [max(p.abs().max().item() for p in n.parameters()) for n in (step.D, step.G)]
    assert limits[0] == pytest.approx(0.1) and limits[1] > 0.1


def test_ttur_is_a_faster_d():
    step, _ = trained("TTUR", steps=1)
    rates = [o.param_groups[0]["lr"] for o in (step.d_optimizer, step.g_optimizer)]
    assert rates == [4e-3, 1e-3]


def test_what_fades_has_faded_at_the_end():
    noisy, _ = trained("ruido de instancia")
    assert noisy.D[0].std == 0
    step, sampler = trained("receta")
    assert step.weight == pytest.approx(0) and step.g_optimizer.param_groups[0]["lr"] < 1e-8
    assert sampler is not step.G and not sampler.training  # se muestrea de la media
