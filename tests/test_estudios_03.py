"""Los estudios del 03.2 y el 03.3: la escalera, lo que se mide, y las tablas que se reanudan."""

import importlib
import statistics
import sys
from dataclasses import fields, replace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.utils import save_image

import dibujo_03
import medida_03
import receta_03
from gancook.data.sets import fashion_mnist
from receta_03 import Recipe

NAMES = "escalera", "piezas", "criba", "segunda", "costes", "confirmacion", "larga", "publicada"
MODULES = [importlib.import_module(f"03_{name}") for name in NAMES]
ladder, pieces, screening, second, costs, confirmation, long_run, published = MODULES
STUDIES = ladder, pieces, screening, second, costs, confirmation, long_run, medida_03
SMALL = Recipe(batch=4)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Cien imágenes de muestra, medidas pequeñas y carpetas propias; devuelve la orden."""
    images = fashion_mnist().images[:100]
    data = type("data", (), {"images": images})
    for module in STUDIES:
        monkeypatch.setattr(module, "fashion_mnist", lambda: data, raising=False)
        monkeypatch.setattr(module, "measured", lambda name: tmp_path / name, raising=False)
    for name, value in {"DRAWS": 2, "COUNT": 70, "NEIGHBOURS": 60}.items():
        monkeypatch.setattr(medida_03, name, value)
    monkeypatch.setenv("GANCOOK_RESULTS", str(tmp_path / "resultados"))
    medida_03.real.cache_clear()

    def command(module, folder=tmp_path):
        monkeypatch.setattr(sys, "argv", ["guion.py", "--out", str(folder)])
        module.main()

    yield command
    medida_03.real.cache_clear()


def weights(network):
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def test_the_first_rung_gives_the_bits_of_the_published_recipe():
    torch.manual_seed(0)
    G, D = ladder.networks(ladder.RUNGS["publicada"])
    torch.manual_seed(0)
    other_G, other_D = published.generator(), published.discriminator()
    batches = (torch.rand(3, 8, 1, 28, 28) * 2 - 1).unbind()
    for step in (
        ladder.LadderStep(ladder.RUNGS["publicada"], D, G),
        published.PublishedStep(other_D, other_G),
    ):
        torch.manual_seed(1)
        for real in batches:
            step(real)
    assert torch.equal(weights(G), weights(other_G)) and torch.equal(weights(D), weights(other_D))


def test_the_trunk_is_the_usual_dcgan_iteration():
    """Sin interruptores, lotes separados y entropía cruzada, contra el bucle escrito aparte."""
    rung = replace(ladder.Rung(), train_mode=True, separate=True, logits=True)
    torch.manual_seed(0)
    G, D = ladder.networks(rung)
    torch.manual_seed(0)
    other_G, other_D = ladder.networks(rung)
    real = torch.rand(8, 1, 28, 28) * 2 - 1
    torch.manual_seed(1)
    ladder.LadderStep(rung, D, G)(real)
    torch.manual_seed(1)
    bce, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(8, 1), torch.zeros(8, 1)
    d_optimizer, g_optimizer = (torch.optim.Adam(n.parameters(), 3e-4) for n in (other_D, other_G))
    on_fake = other_D(other_G(torch.randn(8, 100)).detach())
    (0.5 * (bce(on_fake, zeros) + bce(other_D(real), ones))).backward()
    d_optimizer.step()
    loss = bce(other_D(other_G(torch.randn(8, 100))), ones)
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    for one, other in ((G, other_G), (D, other_D)):
        torch.testing.assert_close(weights(one), weights(other), rtol=1e-3, atol=1e-4)


def test_each_rung_changes_only_what_its_name_says():
    changed = {}
    for name, base, _ in ladder.CHANGES[1:]:
        one, other = ladder.RUNGS[name], ladder.RUNGS[base]
        names = [field.name for field in fields(one)]
        changed[name] = {n for n in names if getattr(one, n) != getattr(other, n)}
    several = {k: v for k, v in changed.items() if len(v) > 1}
    assert several == {"las dos cosas": {"train_mode", "separate"}, "lotes de 128": {"batch", "lr"}}
    assert all(changed.values())


@pytest.mark.parametrize("label", [1.0, 0.9])
def test_the_losses_on_probabilities_and_on_logits_agree(label):
    fake, real = torch.randn(2, 8, 1)
    steps = [
        ladder.LadderStep(ladder.Rung(logits=logits, real_label=label), *[nn.Linear(1, 1)] * 2)
        for logits in (False, True)
    ]
    torch.testing.assert_close(*(step.d_loss(fake, real) for step in steps))


def test_the_winner_has_the_lowest_mean_and_needs_the_whole_table(tmp_path):
    names = [name for name, _, _ in ladder.CHANGES]
    rows = [{"peldaño": n, "FCD": 9.0 + 6 * (s == 0)} for n in names for s in range(3)]
    rows[0]["FCD"] = 1.0  # el mejor sorteo no es la mejor media: 1, 9 y 9
    rows[3:6] = [{"peldaño": names[1], "FCD": 6.0}] * 3
    rows[6:9] = [{"peldaño": names[2], "FCD": value} for value in (None, 5.0, 5.0)]  # diverge una
    path = tmp_path / "tabla.csv"
    pd.DataFrame(rows).to_csv(path)
    assert ladder.winner(path) == ladder.RUNGS[names[1]]
    pd.DataFrame(rows[:-1]).to_csv(path)
    with pytest.raises(ValueError, match="no está entera"):
        ladder.winner(path)


class Album(nn.Module):
    """Un generador que reparte imágenes reales: cada z, la suya."""

    def __init__(self, images):
        super().__init__()
        self.images = images.float() / 127.5 - 1

    def forward(self, z):
        return self.images[(z[:, 0].sigmoid() * len(self.images)).long()]


def test_the_measures_of_real_images_and_of_one_class(small, monkeypatch):
    monkeypatch.setattr(medida_03, "COUNT", 350)
    data = type("data", (), {"images": fashion_mnist().images[:900]})
    monkeypatch.setattr(medida_03, "fashion_mnist", lambda: data)
    seen = medida_03.real()
    found = seen.logits.argmax(dim=1)
    row = medida_03.quality(Album(data.images))
    shares = [row[name] for name in medida_03.SHARES]
    expected = (found.bincount(minlength=10) / 900).tolist()
    assert shares == pytest.approx(expected, abs=0.04) and sum(shares) == pytest.approx(1, abs=1e-3)
    doubtful = (seen.logits.softmax(dim=1).amax(dim=1) < 0.6).double().mean().item()
    assert row["dudosas"] == pytest.approx(doubtful, abs=0.04) and doubtful > 0.02
    one = medida_03.quality(Album(data.images[found == 7]))
    assert one["clase 7"] == 1 and one["FCD"] > 100 * row["FCD"]
    assert one["FCD 7"] < 0.1 * one["FCD"] and pd.isna(one["FCD 0"])
    assert one["exhaustividad"] < 0.3 < row["exhaustividad"]


def test_the_distance_is_the_mean_of_fresh_draws_and_spends_no_randomness(small):
    medida_03._classifier.cache_clear()  # crearlo gasta azar, y el primer sorteo no debe notarlo
    network = Album(fashion_mnist().images[:300])
    state = torch.get_rng_state()
    row = medida_03.quality(network)
    assert torch.equal(torch.get_rng_state(), state)
    draws = [medida_03.fcd(network, seed) for seed in (1000, 1001)]
    assert row["FCD"] == pytest.approx(statistics.mean(draws), abs=1e-3) and draws[0] != draws[1]
    assert row["± FCD"] == pytest.approx(statistics.stdev(draws), abs=1e-3)
    assert medida_03.fcd(network) not in draws  # con la que se elige no se informa


def write_costs(folder, **costs):
    costs = {name: 2.0 for name in screening.VARIANTS} | costs
    rows = [{"variante": name, "coste": cost} for name, cost in costs.items()]
    pd.DataFrame(rows).to_csv(folder / "03_costes.csv", index=False)


def test_equal_minutes_are_steps_divided_by_the_cost(small, tmp_path):
    with pytest.raises(ValueError, match="03_costes.py"):
        screening.steps("residual", 5)
    write_costs(tmp_path, residual=1.6)
    assert screening.steps("hoy", 13.4) == 9370  # diez épocas de 937, cueste lo que cueste
    assert screening.steps("residual", 13.4) == round(9370 / 1.6)
    assert screening.steps("residual", 6.7) == round(9370 / 3.2)


def test_the_cost_is_measured_on_the_variants(monkeypatch, small):
    monkeypatch.setattr(costs, "STEPS", 1)
    monkeypatch.setattr(costs, "ROUNDS", 1)
    monkeypatch.setattr(costs, "RECIPES", {"hoy": SMALL, "otra": replace(SMALL, batch=8)})
    assert costs.clock("otra")() > 0
    seconds = {"hoy": 2.0, "otra": 6.0}
    monkeypatch.setattr(costs, "clock", lambda name: lambda: seconds[name])
    assert costs.run("otra")["coste"] == 3


def test_the_best_two_of_the_screening_go_on(tmp_path):
    path = tmp_path / "03_criba.csv"
    values = {name: 5.0 + k for k, name in enumerate(screening.VARIANTS)} | {"hoy": 1.0}
    rows = [{"variante": name, "minutos": 5, "FCD": value} for name, value in values.items()]
    rows.append({"variante": "residual", "minutos": 5, "FCD": 2.0})  # con otra media móvil
    rows.append({"variante": "β₁ = 0", "minutos": 20, "FCD": 0.5})  # con más tiempo no vale
    pd.DataFrame(rows).to_csv(path)
    assert screening.best(path) == ["residual", "3×3 a 28×28"]
    pd.DataFrame(rows[1:]).to_csv(path)
    with pytest.raises(ValueError, match="no está entera"):
        screening.best(path)


def shrink(monkeypatch):
    """Dos variantes de pocos pasos."""
    variants = {"hoy": replace(SMALL, emas=(0.9, 0.0)), "otra": replace(SMALL, slope=0.0)}
    monkeypatch.setattr(screening, "VARIANTS", variants)
    monkeypatch.setattr(second, "RECIPES", variants)
    monkeypatch.setattr(screening, "PLAN", [("hoy", 5), ("otra", 5)])
    monkeypatch.setattr(screening, "STEPS", 8)


def test_the_screening_measures_every_average_of_every_variant(small, monkeypatch, tmp_path):
    shrink(monkeypatch)
    write_costs(tmp_path, otra=1.5)
    small(screening, tmp_path / "03_criba.csv")
    rows = pd.read_csv(tmp_path / "03_criba.csv")
    assert rows[["variante", "ema"]].values.tolist() == [["hoy", 0.9], ["hoy", 0], ["otra", 0.999]]
    assert rows["pasos"].tolist() == [3, 3, 2]  # 8 pasos por 5/13,4, y lo mismo entre 1,5
    assert (rows["estado"] == "completa").all() and rows["FCD"].nunique() == 3


def test_the_second_screening_changes_one_thing_and_lasts_the_same(small, monkeypatch, tmp_path):
    start = vars(second.START)
    for name, recipe in second.VARIANTS.items():
        changed = [key for key, value in vars(recipe).items() if value != start[key]]
        assert len(changed) == (2 if name == second.LONGER[1] else 1), name
    wide = replace(SMALL, network="14×14")
    variants = {"γ de 0,2": replace(SMALL, gamma=0.2), second.WIDER: wide}
    monkeypatch.setattr(second, "VARIANTS", variants)
    monkeypatch.setattr(second, "PLAN", [*((name, 5) for name in variants), ("γ de 0,2", 10)])
    monkeypatch.setattr(screening, "STEPS", 8)
    write_costs(tmp_path, **{second.BASE: 1.0, second.WIDER: 1.5})
    small(second, tmp_path / "03_segunda.csv")
    rows = pd.read_csv(tmp_path / "03_segunda.csv")
    assert rows["variante"].tolist() == [*variants, "γ de 0,2"]
    assert rows["minutos"].tolist() == [5, 5, 10] and rows["pasos"].tolist() == [3, 2, 6]


def test_the_best_of_the_longer_ones_of_the_second_screening_goes_on(tmp_path):
    path, (one, other) = tmp_path / "03_segunda.csv", second.LONGER
    rows = [{"variante": name, "minutos": 5, "FCD": 0.5} for name in second.VARIANTS]  # no valen
    rows += [{"variante": one, "minutos": 10, "FCD": 2.0}]
    pd.DataFrame(rows).to_csv(path)
    with pytest.raises(ValueError, match="no está entera"):
        second.best(path)
    rows += [{"variante": other, "minutos": 10, "FCD": 1.0}]
    pd.DataFrame(rows).to_csv(path)
    assert second.best(path) == other


def test_a_confirmation_killed_while_measuring_ends_like_a_whole_one(small, monkeypatch, tmp_path):
    shrink(monkeypatch)
    monkeypatch.setattr(receta_03, "COPY_EVERY", 4)
    for name, value in {"SEEDS": (1,), "POINTS": 2}.items():
        monkeypatch.setattr(confirmation, name, value)
    monkeypatch.setattr(screening, "best", lambda path: [])
    monkeypatch.setattr(second, "best", lambda path: "otra")
    write_costs(tmp_path, otra=1.5)

    def tables(folder):
        small(confirmation, folder)
        names = "03_confirmacion.csv", "03_confirmacion_curva.csv"
        return [pd.read_csv(folder / n).drop(columns="segundos de CPU") for n in names]

    whole = tables(tmp_path / "entera")
    assert whole[1][["paso", "ema"]].values.tolist() == [[4, 0.9], [8, 0.9], [2, 0.999], [5, 0.999]]
    monkeypatch.setenv("GANCOOK_RESULTS", str(tmp_path / "otros"))
    original, calls = medida_03.fcd, iter(range(9))

    def killed(network):
        if next(calls) == 1:
            raise SystemExit
        return original(network)

    monkeypatch.setattr(medida_03, "fcd", killed)
    with pytest.raises(SystemExit):
        tables(tmp_path / "partida")
    monkeypatch.setattr(medida_03, "fcd", original)
    for one, other in zip(tables(tmp_path / "partida"), whole, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_the_pieces_and_the_winner_of_the_ladder_share_a_table(small, monkeypatch, tmp_path):
    monkeypatch.setattr(pieces, "PIECES", {"receta final": replace(SMALL, batch=50)})
    monkeypatch.setattr(pieces, "SEEDS", range(1))
    monkeypatch.setattr(pieces, "EPOCHS", 2)
    monkeypatch.setattr(ladder, "winner", lambda table: ladder.Rung(batch=50, ema=0.5))
    small(pieces, tmp_path / "03_piezas.csv")
    rows = pd.read_csv(tmp_path / "03_piezas.csv")
    assert rows["variante"].tolist() == ["receta final", pieces.WINNER]
    assert rows["ema"].tolist() == [0.999, 0.5] and rows["pasos"].tolist() == [4, 4]
    assert rows["FCD"].gt(0).all()


def test_the_ladder_writes_a_row_by_run_and_one_strip_by_rung(small, monkeypatch, tmp_path):
    changes = [("EMA de G (0,99)", "betas (0,5; 0,999)", {})]
    monkeypatch.setattr(ladder, "CHANGES", changes)
    monkeypatch.setattr(ladder, "SEEDS", range(2))
    small(ladder)
    rows = pd.read_csv(tmp_path / "03_escalera.csv")
    assert rows["semilla"].tolist() == [0, 1] and rows["FCD"].nunique() == 2
    assert rows["respecto a"].tolist() == ["betas (0,5; 0,999)"] * 2
    (strip,) = tmp_path.glob("03_escalera_*.png")  # solo con la semilla 0
    assert strip.name == "03_escalera_12.png"


def test_the_long_run_keeps_the_average_with_the_lowest_last_distance(small, monkeypatch, tmp_path):
    monkeypatch.setattr(long_run, "RECIPE", replace(SMALL, batch=20, emas=(0.0, 0.9)))
    monkeypatch.setattr(long_run, "EPOCHS", 1)
    monkeypatch.setattr(long_run, "POINTS", 2)
    values = iter([0.1, 9.0, 3.0, 2.0])  # el mínimo de la curva no es el del último paso
    monkeypatch.setattr(medida_03, "fcd", lambda network: next(values))
    small(long_run)
    assert pd.read_csv(tmp_path / "03_larga_curva.csv")["FCD"].tolist() == [0.1, 9.0, 3.0, 2.0]
    assert pd.read_csv(tmp_path / "03_larga.csv")["ema"].tolist() == [0.9]
    path = tmp_path / "resultados/03_larga/fashion_mnist_generator.safetensors"
    again, _ = long_run.train(tmp_path / "03_larga_curva.csv")  # ya entera: solo lee la copia
    kept = again.averages[0.9].module.network.state_dict()
    saved = load_file(path)
    assert saved.keys() == kept.keys()
    for name, value in saved.items():
        torch.testing.assert_close(value.float(), kept[name].float(), rtol=1e-3, atol=1e-6)
    assert saved["0.weight"].dtype == torch.float16


@pytest.mark.parametrize("padding", [0, 2])
def test_a_sheet_is_read_image_by_image(tmp_path, monkeypatch, capsys, padding):
    monkeypatch.setattr(dibujo_03, "measured", lambda name: tmp_path / name)
    images = fashion_mnist().images[:6]
    save_image(images.float() / 255, tmp_path / "lámina.png", nrow=3, padding=padding)
    assert torch.equal(dibujo_03.load_tiles("lámina.png", padding), images)
    assert len(dibujo_03.load_tiles("otra.png", padding)) == 0
    assert "otra.png" in capsys.readouterr().out


def test_the_drawing_says_every_shape_and_every_layer_once():
    layers = nn.Unflatten(1, (4, 7, 7)), nn.Conv2d(4, 4, 3, 1, 1), nn.ConvTranspose2d(4, 1, 4, 2, 1)
    path = dibujo_03.flow(nn.Sequential(*layers), torch.zeros(2, 196))
    assert [tuple(shape) for _, shape in path] == [(196,), (4, 7, 7), (1, 14, 14)]
    assert [names for names, _ in path] == [[], ["Unflatten", "Conv2d"], ["ConvTranspose2d"]]
