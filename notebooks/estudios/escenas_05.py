"""Las dos familias de cuadros dibujados que representan algo: paisajes y bodegones."""

import math

import torch
from torch import Tensor

from lienzo_05 import Canvas, hsv


def landscape(canvas: Canvas) -> None:
    """Paisajes: cielo de día, de tarde o de noche; montañas; agua o campo; y árboles."""
    horizon, day = canvas.draw(-0.25, 0.45), canvas.draw()
    hue = torch.where(day < 0.45, canvas.draw(0.52, 0.6), canvas.draw(0.9, 1.12))
    hue, light = torch.where(day > 0.85, 0.65, hue), torch.where(day > 0.85, 0.3, 0.9)
    ground, low = canvas.draw(0.1, 0.4), hsv(hue + 0.04, 0.3, light)
    sun = (canvas.draw(-0.8, 0.8), horizon - canvas.draw(0.05, 0.9), canvas.draw(0.07, 0.2))
    glow = hsv(canvas.draw(0.08, 0.16), 0.35, 1.0)
    _sky(canvas, horizon, hue, light, low)
    canvas.paint(canvas.oval(*sun, sun[2]), glow, 0.5, soft=0.7)
    canvas.paint(canvas.oval(*sun, sun[2]), glow)
    ragged = 0.6 * canvas.noise(5) + 0.4 * canvas.noise(11)
    clouds = canvas.draw(0.5, 0.75) - ragged + 0.25 * (canvas.y - horizon).clamp(min=0)
    canvas.paint(clouds, hsv(hue + 0.05, 0.12, light), 0.75, soft=0.2)
    first = (3 * canvas.draw()).floor()
    for k in range(3):
        _ridge(canvas, horizon, (hue, ground), light, (k + 1) / 3, (k >= first).float())
    water = (canvas.draw() < 0.45).float()
    path = _plain(canvas, horizon, torch.lerp(ground, hue, water), light, low)
    shine = torch.maximum((canvas.x - sun[0]).abs() - sun[2] * path, horizon - canvas.y)
    canvas.paint(shine, glow, 0.45 * water, soft=0.1)
    for _ in range(4):
        _tree(canvas, horizon, light, ground)


def _sky(canvas: Canvas, horizon: Tensor, hue: Tensor, light: Tensor, low: Tensor) -> None:
    top = hsv(hue, canvas.draw(0.35, 0.7), 0.85 * light)
    fall = ((canvas.y + 1) / (horizon + 1)).clamp(0, 1)
    canvas.picture += torch.lerp(top, low, fall[:, None])


def _ridge(canvas: Canvas, horizon, hues, light: Tensor, depth: float, shown: Tensor) -> None:
    """Una línea de montañas: cuanto más cerca, más baja, más oscura y del color del suelo."""
    height, sharp = canvas.draw(0.1, 0.9) * (1 - 0.6 * depth), canvas.draw(0, 1)
    phase = canvas.draw(0, 2 * math.pi, 3)[..., None, None]
    waves = [torch.sin(rate * canvas.x + phase[:, k]) for k, rate in enumerate((2, 5.3, 11))]
    folded = torch.lerp(waves[1], 1 - 2 * waves[1].abs(), sharp)  # picos en vez de lomas
    line = horizon - height * (0.5 + 0.35 * (waves[0] + 0.5 * folded + 0.2 * waves[2]))
    colour = hsv(torch.lerp(*hues, depth), 0.25 + 0.2 * depth, light * (0.8 - 0.4 * depth))
    canvas.paint(torch.maximum(line - canvas.y, canvas.y - horizon), colour, shown)


def _plain(canvas: Canvas, horizon: Tensor, hue: Tensor, light: Tensor, low: Tensor) -> Tensor:
    """El agua o el campo, con sus ondas; devuelve lo ancho que se ve en ella el reflejo."""
    deep = ((canvas.y - horizon) / (1 - horizon)).clamp(0, 1)
    near, front = hsv(hue, 0.5, 0.62 * light), hsv(hue - 0.02, 0.6, 0.35 * light)
    canvas.paint(horizon - canvas.y, torch.lerp(near, front, deep[:, None]))
    ripple = torch.sin(9 / (0.12 + deep) + 9 * canvas.noise(6))
    waves = torch.maximum(horizon - canvas.y, 0.4 - ripple)
    canvas.paint(waves, low, 0.3 * (1 - deep), soft=0.8)
    return 0.6 + deep + 0.3 * ripple


def _tree(canvas: Canvas, horizon: Tensor, light: Tensor, ground: Tensor) -> None:
    x, foot, kind = canvas.draw(-1, 1), canvas.draw(0.05, 0.5), canvas.draw()
    height, shown = (0.12 + 0.7 * foot) * canvas.draw(0.6, 1.3), (kind < 0.6).float()
    foot = horizon + foot * (1 - horizon)
    dark = hsv(ground + canvas.draw(-0.06, 0.06), 0.5, light * canvas.draw(0.18, 0.4))
    canvas.paint(canvas.box(x, foot - height / 2, 0.06 * height, height / 2), dark * 0.7, shown)
    width = torch.where(kind < 0.25, 0.16, 0.42) * height  # un ciprés o un árbol redondo
    crown = canvas.oval(x, foot - 0.75 * height, width, 0.5 * height)
    canvas.paint(crown + 0.15 * height * (canvas.noise(12) - 0.5), dark, shown)


def still_life(canvas: Canvas) -> None:
    """Bodegones: una mesa, a veces una jarra, y manchas redondas con luz, brillo y sombra."""
    light = torch.where(canvas.draw() < 0.5, 1.0, -1.0)  # de qué lado viene la luz
    wall = hsv(canvas.draw(), canvas.draw(0.1, 0.5), canvas.draw(0.15, 0.8))
    canvas.picture += wall * (0.9 - 0.25 * light * canvas.x)[:, None]
    canvas.picture *= 0.85 + 0.3 * canvas.noise(5)[:, None]
    edge = canvas.draw(-0.1, 0.35)
    above = edge + canvas.draw(-0.08, 0.08) * canvas.x - canvas.y
    table = hsv(canvas.draw(0.03, 0.14), canvas.draw(0.05, 0.65), canvas.draw(0.35, 0.95))
    canvas.paint(above, table)
    folds = torch.sin(canvas.draw(4, 9) * (canvas.x + 0.4 * canvas.y * light) + 4 * canvas.noise(3))
    canvas.paint(torch.maximum(above, 0.3 - folds), table * 0.8, 0.6, soft=0.5)
    _jug(canvas, edge + 0.12, light)
    first, odd = 3 - (4 * canvas.draw()).floor(), canvas.draw()
    for k in range(6):
        radius, depth = canvas.draw(0.15, 0.32), (k + canvas.draw(0, 0.8)) / 6
        place = canvas.draw(-0.85, 0.85), edge + 0.02 + depth * (0.85 - edge) - 0.5 * radius
        ripe, other = canvas.draw(-0.03, 0.17), odd + canvas.draw(0, 0.3)
        hue = torch.where(canvas.draw() < 0.75, ripe, other)
        colour = hsv(hue, canvas.draw(0.55, 0.95), canvas.draw(0.5, 0.98))
        oval = (*place, radius, radius * canvas.draw(0.8, 1.2))
        _fruit(canvas, oval, colour, light, (k >= first).float())


def _jug(canvas: Canvas, foot: Tensor, light: Tensor) -> None:
    x, wide, tall = canvas.draw(-0.55, 0.55), canvas.draw(0.16, 0.34), canvas.draw(0.5, 1.0)
    neck, shown = canvas.draw(0.25, 0.6) * wide, (canvas.draw() < 0.8).float()
    colour = hsv(canvas.draw(), canvas.draw(0.1, 0.7), canvas.draw(0.3, 0.9))
    shadow = canvas.oval(x - 0.5 * wide * light, foot, 1.5 * wide, 0.09)
    canvas.paint(shadow, colour * 0.15, 0.5 * shown, soft=0.1)
    belly = canvas.oval(x, foot - 0.38 * tall, wide, 0.4 * tall)
    body = torch.minimum(belly, canvas.box(x, foot - 0.75 * tall, neck, 0.3 * tall))
    canvas.paint(body, colour, shown)
    dark = torch.maximum(body, light * (canvas.x - x) + 0.1 * wide)
    canvas.paint(dark, colour * 0.55, 0.8 * shown, soft=0.2)
    canvas.paint(canvas.oval(x, foot - 1.05 * tall, 1.25 * neck, 0.05), colour * 0.7, shown)
    shine = canvas.oval(x + 0.45 * wide * light, foot - 0.5 * tall, 0.04, 0.14 * tall)
    canvas.paint(shine, (colour + 0.5).clamp(max=1), 0.8 * shown, soft=0.06)


def _fruit(canvas: Canvas, place: tuple, colour: Tensor, light: Tensor, shown: Tensor) -> None:
    x, y, width, height = place
    shadow = canvas.oval(x - 0.6 * width * light, y + 0.85 * height, 1.2 * width, 0.3 * height)
    canvas.paint(shadow, colour * 0.12, 0.55 * shown, soft=0.12)
    body = canvas.oval(x, y, width, height)
    canvas.paint(body, colour, shown)
    lit = canvas.oval(x + 0.35 * width * light, y - 0.3 * height, 1.05 * width, 1.05 * height)
    canvas.paint(torch.maximum(body, -lit), colour * 0.5, 0.85 * shown, soft=0.16)
    shine = canvas.oval(x + 0.4 * width * light, y - 0.4 * height, 0.2 * width, 0.16 * height)
    canvas.paint(shine, (colour + 0.6).clamp(max=1), 0.85 * shown, soft=0.05)
