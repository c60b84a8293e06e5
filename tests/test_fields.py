"""El campo del discriminador contra un caso con gradiente conocido."""

import matplotlib.pyplot as plt
import torch

from gancook.figures import fields

SLOPE = torch.tensor([2.0, -1.0])


def linear(x: torch.Tensor) -> torch.Tensor:
    return x @ SLOPE


def test_pull_is_one_minus_d_or_d_times_the_logit_gradient():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.5], [-2.0, 1.0]])
    d = torch.sigmoid(linear(x))[:, None]
    torch.testing.assert_close(fields.pull(linear, x), (1 - d) * SLOPE)
    torch.testing.assert_close(fields.pull(linear, x, saturating=True), d * SLOPE)


def test_pull_leaves_the_given_points_untouched():
    x = torch.zeros(3, 2, requires_grad=True)
    fields.pull(linear, x)
    assert x.grad is None


def test_plane_runs_over_x_first():
    points = fields.plane(1.0, 3)
    assert points[1].tolist() == [0.0, -1.0] and points[3].tolist() == [-1.0, 0.0]


def test_plot_field_draws_the_probabilities():
    figure, ax = plt.subplots()
    mesh = fields.plot_field(ax, linear, limit=1.0, size=5, arrows=torch.zeros(4, 2))
    expected = torch.sigmoid(linear(fields.plane(1.0, 5))).reshape(5, 5)
    torch.testing.assert_close(torch.as_tensor(mesh.get_array()).float(), expected)
    plt.close(figure)
