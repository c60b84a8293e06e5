"""Caras dibujadas de las que se sabe todo: datos sin red y sin fotografías de nadie.

Cada figura es una distancia con signo a su borde, negativa dentro. Se pintan de atrás adelante, con
el borde suavizado. Las coordenadas van de −1 a 1 y la y crece hacia abajo.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

CONTINUOUS = {  # intervalo de cada factor
    "skin": (0, 1), "hair": (0, 1), "eyes": (0, 1), "clothes": (0, 1), "background": (0, 1),
    "light": (0, 2 * math.pi), "smile": (-0.6, 1.2), "mouth": (0, 1), "eye_size": (0, 1),
    "gaze": (-1, 1), "brows": (-0.5, 0.5), "width": (0, 1), "fringe": (0, 1), "yaw": (-1, 1),
    "tilt": (-0.22, 0.22), "zoom": (0.92, 1.08), "x": (-0.06, 0.06), "y": (-0.06, 0.06),
}  # fmt: skip
# El valor es cuántos de estos umbrales supera un número al azar de [0, 1).
DISCRETE = {"style": (0.14, 0.38, 0.62, 0.84), "glasses": (0.6, 0.88), "beard": (0.8,)}

SKIN = (
    (255, 224, 196),
    (241, 194, 155),
    (214, 158, 112),
    (161, 106, 68),
    (108, 66, 41),
    (70, 42, 29),
)
HAIR = (26, 20, 22), (72, 42, 26), (120, 72, 38), (222, 178, 92), (178, 74, 36), (186, 184, 182)
EYES = (70, 42, 24), (60, 110, 160), (66, 124, 78), (120, 128, 132), (140, 96, 40)
STYLES = (  # centro y radios de lo que asoma detrás, y dónde empieza la frente
    (0.0, 0.0, 0.0, -2.0),  # calva
    (-0.1, 0.6, 0.68, -0.4),  # corto
    (0.1, 0.72, 0.8, -0.34),  # media melena
    (0.42, 0.74, 1.1, -0.42),  # largo
    (-0.3, 0.88, 0.8, -0.36),  # rizado
)
_BATCH = 64  # caras que se dibujan juntas: más no caben en la caché del procesador


class ToyFaces(NamedTuple):
    """Imágenes uint8 (n, 3, size, size) y, por su nombre, cada factor: float32 (n,)."""

    images: Tensor
    factors: dict[str, Tensor]


def toy_faces(n: int, size: int = 64, seed: int = 0) -> ToyFaces:
    """Dibuja ``n`` caras de ``size`` píxeles de lado; las primeras no dependen de cuántas sean.

    Los factores continuos son uniformes en su intervalo de ``CONTINUOUS``. Los discretos son
    ``style`` (de 0 a 4: calva, pelo corto, media melena, largo y rizado), ``glasses`` (sin gafas,
    con ellas y de sol) y ``beard``. Todos son independientes entre sí.
    """
    names = (*CONTINUOUS, *DISCRETE)
    drawn = np.random.default_rng(seed).random((n, len(names)), dtype=np.float32)
    factors = dict(zip(names, torch.from_numpy(drawn.T.copy()), strict=True))
    for name, (low, high) in CONTINUOUS.items():
        factors[name] = low + (high - low) * factors[name]
    for name, thresholds in DISCRETE.items():
        factors[name] = torch.bucketize(factors[name], torch.tensor(thresholds)).float()
    images = torch.empty(n, 3, size, size, dtype=torch.uint8)
    for start in range(0, n, _BATCH):
        part = slice(start, start + _BATCH)
        images[part] = draw({name: f[part] for name, f in factors.items()}, size)
    return ToyFaces(images, factors)


def draw(factors: dict[str, Tensor], size: int) -> Tensor:
    """Dibuja las caras de unos factores (n,) dados, por ejemplo cambiando uno solo."""
    f = {name: value[:, None, None] for name, value in factors.items()}
    top, bottom = _hue(f["background"], 0.35, 0.95), _hue(f["background"] + 0.12, 0.5, 0.6)
    canvas = _Canvas(f, top, bottom, size)
    skin, hair = _palette(SKIN, f["skin"]), _palette(HAIR, f["hair"])
    turn = 0.14 * f["yaw"]  # lo que la cara se desplaza al girarse
    _body(canvas, f, skin, hair, turn)
    _head(canvas, f, skin, hair, turn)
    for side in (-1, 1):
        _eye(canvas, f, hair, side, turn + side * 0.22 - 0.022 * f["yaw"])
    worn = (f["glasses"] > 0).float()
    canvas.paint(canvas.stroke(turn, 0.02, 0.06, -0.02, 0.016), _rgb(0.12, 0.08, 0.08), worn)
    canvas.paint(canvas.oval(1.5 * turn, 0.24, 0.07, 0.05), skin * 0.78, 0.8, soft=0.02)
    canvas.paint(canvas.oval(1.5 * turn, 0.2, 0.045, 0.07), (skin * 1.06).clamp(max=1), 0.8, 0.04)
    _mouth(canvas, f, skin, turn)
    shade = 1 + 0.16 * (f["light"].cos() * canvas.x + f["light"].sin() * canvas.y)
    return (canvas.picture * shade[:, None] * 255).clamp_(0, 255).round_().byte()


class Surface:
    """Donde se pinta: ``picture`` (n, 3, size, size), con ``x``, ``y`` y ``pixel``, su lado."""

    def paint(
        self, distance: Tensor, colour: Tensor, opacity: Tensor | float = 1.0, soft: float = 0.0
    ) -> None:
        """Pinta donde ``distance`` es negativa; el borde ocupa un píxel más ``soft``."""
        cover = (0.5 - distance / (self.pixel + soft)).clamp_(0, 1) * opacity
        self.picture.lerp_(colour, cover[:, None])

    def oval(self, x, y, width, height) -> Tensor:
        width, height = torch.as_tensor(width), torch.as_tensor(height)
        radius = torch.hypot((self.x - x) / width, (self.y - y) / height)
        return (radius - 1) * torch.minimum(width, height)


class _Canvas(Surface):
    """Las coordenadas de cada píxel, ya giradas con la cabeza, y lo pintado: (n, 3, size, size)."""

    def __init__(self, f: dict[str, Tensor], top: Tensor, bottom: Tensor, size: int):
        self.pixel = 2 / size
        ticks = (torch.arange(size) + 0.5) * self.pixel - 1
        self.picture = torch.lerp(top, bottom, (ticks[:, None] + 1) / 2).repeat(1, 1, 1, size)
        x, y = (ticks - f["x"]) / f["zoom"], (ticks[:, None] - f["y"]) / f["zoom"] - 0.5
        cos, sin = f["tilt"].cos(), f["tilt"].sin()  # el cuello, en (0, 0,5), no se mueve
        self.x, self.y = x * cos + y * sin, y * cos - x * sin + 0.5

    def stroke(self, x, y, half, bend, thick) -> Tensor:
        """Un trazo de parábola: por ``bend`` suben o bajan sus extremos."""
        t = (self.x - x) / half
        return torch.maximum((self.y - y + bend * t**2).abs() - thick, (t.abs() - 1) * half)


def _body(canvas: _Canvas, f: dict[str, Tensor], skin: Tensor, hair: Tensor, turn: Tensor) -> None:
    y, width, height, _ = _style(f)
    back = canvas.oval(-0.3 * turn, y, width + 1e-3, height + 1e-3)
    canvas.paint(back, hair * 0.8, (width > 0).float())
    canvas.paint(canvas.oval(0, 1.3, 0.85, 0.5), _hue(f["clothes"], 0.6, 0.75))
    canvas.paint(torch.maximum(canvas.oval(0, 0.6, 0.24, 0.6), canvas.y - 0.95), skin * 0.82)
    for side in (-1, 1):
        ear = canvas.oval(side * (0.5 + 0.1 * f["width"]) - 0.4 * turn, 0.06, 0.09, 0.15)
        canvas.paint(ear, skin * 0.9)


def _head(canvas: _Canvas, f: dict[str, Tensor], skin: Tensor, hair: Tensor, turn: Tensor) -> None:
    x, y, width, fringe = canvas.x, canvas.y, 0.5 + 0.1 * f["width"], f["fringe"]
    head = canvas.oval(0, 0.05, width, 0.68)
    canvas.paint(head, skin)
    for side in (-1, 1):
        cheek = canvas.oval(side * 0.3 + turn, 0.28, 0.06, 0.05)
        canvas.paint(cheek, skin * _rgb(1, 0.72, 0.7), 0.5, soft=0.15)
    beard = torch.maximum(head, 0.4 - 0.7 * (x - turn) ** 2 - y)
    canvas.paint(beard, hair * 0.75, 0.85 * f["beard"], soft=0.04)
    edge = _style(f)[3] + 0.1 * fringe * torch.sin(3 * x + 6 * fringe)
    edge = edge - 0.25 * (1 - (x / 0.6) ** 2) * (fringe - 0.5)
    canvas.paint(torch.maximum(canvas.oval(0, 0.03, width + 0.03, 0.71), y - edge), hair)


def _eye(canvas: _Canvas, f: dict[str, Tensor], hair: Tensor, side: int, x: Tensor) -> None:
    dark, white = _rgb(0.12, 0.08, 0.08), _rgb(0.97, 0.97, 0.97)
    height, gaze = 0.06 + 0.05 * f["eye_size"], x + 0.04 * f["gaze"]
    ball = canvas.oval(x, 0.02, 0.13, height)
    canvas.paint(ball, white)
    for radius, colour in ((0.075, _palette(EYES, f["eyes"])), (0.035, dark)):
        canvas.paint(torch.maximum(canvas.oval(gaze, 0.02, radius, radius), ball), colour)
    canvas.paint(canvas.oval(gaze + 0.025, -0.01, 0.018, 0.018), white)
    canvas.paint(canvas.stroke(x, 0.02 - height, 0.14, -0.9 * height, 0.014), dark, 0.8)
    slope = side * 0.35 * f["brows"] * (canvas.x - x)
    canvas.paint(canvas.stroke(x, slope - 0.19, 0.14, -0.05, 0.024), hair * 0.75)
    lens = canvas.oval(x, 0.03, 0.19, 0.16)
    canvas.paint(lens, dark, 0.75 * (f["glasses"] == 2))
    canvas.paint(lens.abs() - 0.018, dark, (f["glasses"] > 0).float())


def _mouth(canvas: _Canvas, f: dict[str, Tensor], skin: Tensor, turn: Tensor) -> None:
    t = (canvas.x - turn) / 0.2
    upper = 0.46 + 0.05 * f["smile"] - 0.11 * f["smile"] * t**2  # la línea entre los labios
    gap = 0.16 * (f["mouth"] - 0.4).clamp(min=0)
    lower = upper + gap * (1 - t**2).clamp(min=0)
    from_middle = (canvas.y - (upper + lower) / 2).abs() - (lower - upper) / 2
    mouth = torch.maximum(from_middle, (t.abs() - 1) * 0.2)
    canvas.paint(mouth - 0.025, skin * _rgb(0.85, 0.5, 0.5))
    inside = torch.where(gap > 0, mouth, 1.0)
    canvas.paint(inside, _rgb(0.3, 0.08, 0.08))
    teeth = torch.maximum(inside + 0.01, canvas.y - upper - 0.4 * (lower - upper))
    canvas.paint(teeth, _rgb(0.97, 0.97, 0.97))


def _style(f: dict[str, Tensor]) -> Tensor:
    return torch.tensor(STYLES).T[:, f["style"].long()]


def _rgb(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


def _palette(colours: tuple, position: Tensor) -> Tensor:
    """El color (n, 3, 1, 1) que está en ``position``, de 0 a 1, entre los de la lista."""
    table = torch.tensor(colours) / 255
    place = position.flatten() * (len(table) - 1)
    low = place.long().clamp(max=len(table) - 2)
    return torch.lerp(table[low], table[low + 1], (place - low)[:, None])[..., None, None]


def _hue(hue: Tensor, saturation: float, value: float) -> Tensor:
    """De tono (n, 1, 1), en vueltas, a color RGB (n, 3, 1, 1)."""
    phase = (hue.flatten()[:, None] + torch.tensor([0, 2 / 3, 1 / 3])) % 1
    ramp = ((6 * phase - 3).abs() - 1).clamp(0, 1)
    return (value * (1 - saturation + saturation * ramp))[..., None, None]
