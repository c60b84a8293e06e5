"""Los pasos de D y de G, el paso con un único lote falso y las técnicas que heredan de él."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from gancook.data.batches import Batches
from gancook.session import seed_everything
from gancook.training.history import History
from gancook.training.loop import fit
from gancook.training.losses import discriminator_loss, non_saturating_loss, relativistic_loss
from gancook.training.penalties import gradient_penalty
from gancook.training.steps import AdversarialStep, discriminator_step, generator_step, update


def networks():
    seed_everything(0)
    G = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Softplus(), nn.Linear(8, 1))
    return D, G


def make_step(D, G, kind=AdversarialStep, optimizer=SGD, lr=0.1, **options):
    optimizers = optimizer(D.parameters(), lr), optimizer(G.parameters(), lr)
    options = {"d_loss": discriminator_loss, "g_loss": non_saturating_loss} | options
    return kind(D, G, *optimizers, z_size=3, **options)


def vector(network):
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def numbers(logs):
    assert not any(value.requires_grad for value in logs.values())
    return {name: value.item() for name, value in logs.items()}


def real_batch():
    return torch.linspace(-1, 1, 8 * 16).reshape(8, 1, 4, 4)


def linear_pair(w=0.5, b=-0.2, g=1.5):
    """D(x) = σ(wx + b) y G(z) = gz, con números de una cifra para hacer la cuenta a mano."""
    D, G = nn.Linear(1, 1).double(), nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(D.weight, w)
    nn.init.constant_(D.bias, b)
    nn.init.constant_(G.weight, g)
    return D, G


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def test_discriminator_step_is_the_gradient_by_hand_and_leaves_g_alone():
    (D, G), x, z, lr = linear_pair(), 0.7, -1.1, 0.1
    before = vector(G)
    real, noise = torch.tensor([[x]]).double(), torch.tensor([[z]]).double()
    logs = discriminator_step(real, noise, D, G, SGD(D.parameters(), lr), discriminator_loss)
    fake = 1.5 * z
    d_real, d_fake = sigmoid(0.5 * x - 0.2), sigmoid(0.5 * fake - 0.2)
    grad_w = 0.5 * (-(1 - d_real) * x + d_fake * fake)
    grad_b = 0.5 * (-(1 - d_real) + d_fake)
    assert D.weight.item() == pytest.approx(0.5 - lr * grad_w)
    assert D.bias.item() == pytest.approx(-0.2 - lr * grad_b)
    assert torch.equal(vector(G), before) and G.weight.grad is None
    assert numbers(logs) == pytest.approx({"d_loss": -0.5 * np.log(d_real * (1 - d_fake))})


def test_generator_step_is_the_gradient_by_hand_and_leaves_d_alone():
    (D, G), z, lr = linear_pair(), -1.1, 0.1
    before = vector(D)
    noise = torch.tensor([[z]]).double()
    logs = generator_step(noise, D, G, SGD(G.parameters(), lr), non_saturating_loss)
    d_fake = sigmoid(0.5 * 1.5 * z - 0.2)
    assert G.weight.item() == pytest.approx(1.5 + lr * (1 - d_fake) * 0.5 * z)
    assert torch.equal(vector(D), before) and D.weight.grad is None
    assert numbers(logs) == pytest.approx({"g_loss": -np.log(d_fake)})


def test_steps_start_from_a_clean_gradient():
    """El gradiente que quede de antes no entra en el paso: dos pasos seguidos son dos pasos."""
    D, G = networks()
    for network in (D, G):
        for p in network.parameters():
            p.grad = torch.full_like(p, 100.0)
    dirty, clean = make_step(D, G), make_step(*networks())
    for step in (dirty, clean):
        torch.manual_seed(1)
        step(real_batch())
        z = torch.randn(8, 3)
        discriminator_step(real_batch(), z, step.D, step.G, step.d_optimizer, discriminator_loss)
        generator_step(z, step.D, step.G, step.g_optimizer, non_saturating_loss)
    assert torch.equal(vector(dirty.D), vector(clean.D))
    assert torch.equal(vector(dirty.G), vector(clean.G))


def test_is_the_two_steps_of_notebook_02_with_the_same_noise():
    D, G = networks()
    D2, G2 = copy.deepcopy(D), copy.deepcopy(G)
    step, real = make_step(D, G, optimizer=Adam), real_batch()
    d_optimizer, g_optimizer = Adam(D2.parameters(), 0.1), Adam(G2.parameters(), 0.1)
    for seed in range(3):
        torch.manual_seed(seed)
        logs = step(real)
        torch.manual_seed(seed)
        z = torch.randn(8, 3)
        expected = discriminator_step(real, z, D2, G2, d_optimizer, discriminator_loss)
        expected |= generator_step(z, D2, G2, g_optimizer, non_saturating_loss)
        assert numbers(logs) == pytest.approx(numbers(expected))
    torch.testing.assert_close(vector(D), vector(D2))
    torch.testing.assert_close(vector(G), vector(G2))


class Watched(AdversarialStep):
    """Apunta, antes de cada uno de los dos pasos, los pesos y gradientes de las dos redes."""

    def watch(self):
        nets = {"D": self.D, "G": self.G}
        self.seen.append(
            {k: (vector(n), [p.grad for p in n.parameters()]) for k, n in nets.items()}
        )

    def discriminator_terms(self, real, fake):
        assert not fake.requires_grad
        self.seen = []
        self.watch()
        return super().discriminator_terms(real, fake)

    def generator_terms(self, real, fake):
        assert fake.requires_grad
        self.watch()
        self.d_gradients = [p.grad.clone() for p in self.D.parameters()]
        return super().generator_terms(real, fake)


def test_each_step_moves_only_its_own_network_and_gradient():
    step = make_step(*networks(), kind=Watched)
    step(real_batch())
    step.watch()
    start, middle, end = step.seen
    assert torch.equal(middle["G"][0], start["G"][0])
    assert middle["G"][1] == [None] * 2
    assert not torch.equal(middle["D"][0], start["D"][0])
    assert torch.equal(end["D"][0], middle["D"][0])
    assert all(map(torch.equal, end["D"][1], step.d_gradients))
    assert not torch.equal(end["G"][0], middle["G"][0])


def test_both_networks_learn_from_the_same_fake_batch():
    D, G = networks()
    passes = []
    G.register_forward_hook(lambda module, args, output: passes.append(output.detach()))
    batches = []

    class Spy(AdversarialStep):
        def discriminator_terms(self, real, fake):
            batches.append(fake.clone())
            return super().discriminator_terms(real, fake)

        def generator_terms(self, real, fake):
            batches.append(fake.detach().clone())
            return super().generator_terms(real, fake)

    step = make_step(D, G, kind=Spy)
    step(real_batch())
    step(real_batch())
    assert len(passes) == 2  # una pasada de G por iteración
    assert torch.equal(batches[0], batches[1]) and torch.equal(batches[0], passes[0])
    assert not torch.equal(batches[0], batches[2])  # y ruido nuevo en cada una


class Lazy(AdversarialStep):
    """R1 perezosa: la penalización, una de cada tres iteraciones y con el triple de peso."""

    def discriminator_terms(self, real, fake):
        terms = super().discriminator_terms(real, fake)
        if self.count % 3 == 0:
            terms["r1"] = 3 * gradient_penalty(self.D, real)
        return terms


def test_a_lazy_penalty_is_added_and_logged_when_it_is_computed():
    seed_everything(0)
    batches = Batches(torch.randint(0, 256, (10, 1, 4, 4), dtype=torch.uint8), 2)
    lazy, plain = make_step(*networks(), kind=Lazy), make_step(*networks())
    torch.manual_seed(3)
    frame = fit(batches, lazy, 1, history=History(every=2)).frame()
    assert frame["r1"].notna().tolist() == [True, False, False, True, False]
    assert frame["d_loss"].notna().all() and frame["g_loss"].notna().all()

    torch.manual_seed(3)
    real = next(batches.epoch(0))
    D = plain.D
    fake = plain.G(torch.randn(2, 3)).detach()
    (3 * gradient_penalty(D, real) + discriminator_loss(D(real), D(fake))).backward()
    expected = vector(D) - 0.1 * nn.utils.parameters_to_vector([p.grad for p in D.parameters()])
    one = make_step(*networks(), kind=Lazy)
    torch.manual_seed(3)
    logs = numbers(one(real))
    torch.testing.assert_close(vector(one.D), expected)
    assert logs["r1"] == pytest.approx(frame["r1"][0])
    assert logs["d_loss"] == pytest.approx(frame["d_loss"][0])  # sin la penalización


def test_the_count_survives_a_copy():
    step = make_step(*networks(), kind=Lazy)
    for _ in range(4):
        step(real_batch())
    other = make_step(*networks(), kind=Lazy)
    other.load_state_dict(step.state_dict())
    assert other.count == 4
    assert [set(other(real_batch())) >= {"r1"} for _ in range(3)] == [False, False, True]


class JointRelativistic(AdversarialStep):
    """Lo real y lo falso en un solo lote de D, y cada logit comparado con el de su pareja."""

    def logits(self, real, fake):
        return self.D(torch.cat([real, fake])).chunk(2)

    def discriminator_terms(self, real, fake):
        real, fake = self.logits(real, fake)
        return {"d_loss": self.d_loss(real, fake)}

    def generator_terms(self, real, fake):
        real, fake = self.logits(real, fake)
        return {"g_loss": self.g_loss(fake, real)}


def test_a_subclass_joins_the_batches_and_pairs_the_logits():
    D, G = networks()
    losses = {"d_loss": relativistic_loss, "g_loss": relativistic_loss}
    step, real = make_step(D, G, kind=JointRelativistic, **losses), real_batch()
    D0, G0, sizes = copy.deepcopy(D), copy.deepcopy(G), []
    D.register_forward_hook(lambda module, args, output: sizes.append(len(output)))
    torch.manual_seed(5)
    logs = numbers(step(real))
    torch.manual_seed(5)
    fake = G0(torch.randn(8, 3))
    assert sizes == [16, 16]
    before = nn.functional.softplus(D0(fake) - D0(real)).mean().item()
    after = nn.functional.softplus(D(real) - D(fake)).mean().item()  # D ya ha dado su paso
    assert logs == pytest.approx({"d_loss": before, "g_loss": after})


class Conditional(AdversarialStep):
    """Etiquetas en el lote y n pasos de D por cada uno de G, sin más que redefinir la llamada."""

    def __call__(self, batch):
        real, labels = batch
        fake = self.G(torch.randn(len(real), 3) + labels[:, None])
        terms = self.discriminator_terms(real, fake.detach())
        update(self.d_optimizer, sum(terms.values()))
        if self.count % 2:
            terms |= self.generator_terms(real, fake)
            update(self.g_optimizer, terms["g_loss"])
        self.count += 1
        return {name: term.detach() for name, term in terms.items()}


def test_a_subclass_takes_labels_and_skips_steps_of_g():
    class Labelled:
        def __len__(self):
            return 4

        def epoch(self, number, start=0):
            yield from [(real_batch(), torch.arange(8.0))] * (4 - start)

    step = make_step(*networks(), kind=Conditional)
    frame = fit(Labelled(), step, 1).frame()
    assert frame["g_loss"].notna().tolist() == [False, True] * 2 and step.count == 4


def test_frozen_layers_stay_as_they_are_even_with_momentum():
    D, G = networks()
    step = make_step(D, G, optimizer=lambda p, lr: SGD(p, lr, momentum=0.9, weight_decay=0.1))
    step(real_batch())
    for layer in (D[1], G[0].weight):
        layer.requires_grad_(False)
    frozen, moving = (D[1].weight, D[1].bias, G[0].weight), (D[3].weight, G[0].bias)
    before = [p.detach().clone() for p in (*frozen, *moving)]
    step(real_batch())
    assert all(map(torch.equal, frozen, before[:3]))
    assert not any(map(torch.equal, moving, before[3:]))


def test_update_ignores_parameters_the_loss_does_not_use_and_every_group_learns():
    used, idle = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))
    slow = nn.Parameter(torch.ones(()))
    optimizer = SGD([{"params": [used, idle]}, {"params": [slow], "lr": 0.01}], lr=0.1)
    update(optimizer, used**2 + slow**2)
    assert [p.item() for p in (used, idle, slow)] == pytest.approx([0.8, 1.0, 0.98])
