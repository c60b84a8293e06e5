"""Cuadros dibujados de cinco familias reconocibles: datos sin red y sin derechos de nadie."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from escenas_05 import landscape, still_life
from lienzo_05 import Canvas, hsv

FAMILIES = "retícula", "campo de color", "trazos", "paisaje", "bodegón"

_BATCH = 64  # cuadros que se dibujan juntos: más no caben en la caché del procesador
_NUMBERS = 3000  # los que gasta, como mucho, un cuadro
_CELLS = 18  # trazos por fila y por columna
_SPAN = 5  # casillas entre dos trazos que se pintan a la vez


class ToyPaintings(NamedTuple):
    """Imágenes uint8 (n, 3, size, size) y, de cada una, su familia: int64 (n,)."""

    images: Tensor
    labels: Tensor


def toy_paintings(n: int, size: int = 64, seed: int = 0) -> ToyPaintings:
    """Dibuja ``n`` cuadros de ``size`` píxeles de lado; los primeros no dependen de cuántos sean.

    La familia de cada uno, una de ``FAMILIES``, se sortea; todas son igual de probables.
    """
    generator = np.random.default_rng(seed)
    images = torch.empty(n, 3, size, size, dtype=torch.uint8)
    labels = torch.empty(n, dtype=torch.int64)
    for start in range(0, n, _BATCH):
        drawn = torch.from_numpy(generator.random((_BATCH, 1 + _NUMBERS), dtype=np.float32))
        drawn = drawn[: n - start]
        labels[start : start + _BATCH] = (drawn[:, 0] * len(FAMILIES)).long()
        for k, paint in enumerate((_grid, _colour_field, _strokes, landscape, still_life)):
            chosen = (labels[start : start + _BATCH] == k).nonzero().flatten()
            if len(chosen):
                canvas = Canvas(drawn[chosen, 1:], size)
                paint(canvas)
                images[start + chosen] = canvas.bytes()
    return ToyPaintings(images, labels)


def _grid(canvas: Canvas) -> None:
    """Retículas neoplasticistas: se parte el lienzo cuatro veces, con negro entre las partes."""
    half, white = canvas.draw(0.015, 0.045), canvas.draw(0.35, 0.75)  # de las líneas; proporción
    colours = [
        hsv(canvas.draw(0.08, 0.16), 0.06, canvas.draw(0.9, 0.97)),
        hsv(canvas.draw(0.98, 1.03), 0.9, canvas.draw(0.7, 0.9)),
        hsv(canvas.draw(0.58, 0.66), 0.8, canvas.draw(0.4, 0.75)),
        hsv(canvas.draw(0.12, 0.16), 0.85, canvas.draw(0.9, 0.98)),
        hsv(canvas.draw(), 0.05, canvas.draw(0.1, 0.8)),
    ]
    boxes = torch.tensor([[[-1.1, -1.1, 1.1, 1.1]]]).expand(len(canvas.numbers), 1, 4)
    for whole in (0.0, 0.0, 0.15, 0.4):
        boxes = _split(boxes, canvas, whole)
    chosen = ((canvas.draw(count=boxes.shape[1]) - white[:, 0]) / (1 - white[:, 0]) * 4 + 1).floor()
    palette = torch.stack(colours, dim=1)[..., 0, 0]  # (n, 5, 3)
    fill = palette.gather(1, chosen.clamp(0, 4).long()[..., None].expand(-1, -1, 3))
    for k in range(boxes.shape[1]):
        left, top, right, bottom = boxes[:, k].T[..., None, None]
        inner = (right - left) / 2 - half, (bottom - top) / 2 - half
        inside = canvas.box((left + right) / 2, (top + bottom) / 2, *inner)
        canvas.paint(inside, fill[:, k, :, None, None])


def _split(boxes: Tensor, canvas: Canvas, whole: float) -> Tensor:
    """Parte cada caja (n, k, 4) en dos; la que se queda entera deja otra vacía: (n, 2k, 4)."""
    chance = canvas.draw(count=3 * boxes.shape[1]).chunk(3, dim=1)
    place = torch.where(chance[0] < whole, 1.0, 0.25 + 0.5 * chance[1])[..., None]
    sides = boxes[..., 2:] - boxes[..., :2]
    tall = (sides[..., 1] > sides[..., 0] * (0.7 + 0.6 * chance[2]))[..., None]
    cut = sides * torch.where(tall, torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]))
    first = torch.cat([boxes[..., :2], boxes[..., 2:] - cut * (1 - place)], dim=2)
    second = torch.cat([boxes[..., :2] + cut * place, boxes[..., 2:]], dim=2)
    return torch.cat([first, second], dim=1)


def _colour_field(canvas: Canvas) -> None:
    """Campos de color: de dos a cuatro bandas de bordes difusos, a veces en vertical."""
    ground = _mood(canvas)
    canvas.picture += hsv(ground, canvas.draw(0.4, 0.9), canvas.draw(0.2, 0.85))
    canvas.picture *= 0.85 + 0.3 * canvas.noise(4)[:, None]
    turned = (canvas.draw() < 0.25).float()
    along = torch.lerp(canvas.y, canvas.x, turned) + 0.03 * (canvas.noise(9) - 0.5)
    across = torch.lerp(canvas.x, canvas.y, turned) + 0.04 * (canvas.noise(9) - 0.5)
    count, margin = 2 + (3 * canvas.draw()).floor(), canvas.draw(0.06, 0.2)
    heights = canvas.draw(0.4, 1.6, 4) * (torch.arange(4) < count[:, 0])
    ends = (heights / heights.sum(1, keepdim=True)).cumsum(1)[..., None, None]
    start = -1 + margin
    for k in range(4):
        end = -1 + margin + (2 - 2 * margin) * ends[:, k]
        middle, half = (start + end) / 2, (end - start) / 2 - 0.03
        band = torch.maximum((along - middle).abs() - half, across.abs() - 1 + 0.8 * margin)
        hue = torch.where(canvas.draw() < 0.6, ground + canvas.draw(-0.1, 0.1), _mood(canvas))
        colour = hsv(hue, canvas.draw(0.35, 0.95), canvas.draw(0.15, 0.98))
        canvas.paint(band, colour, 0.72 + 0.28 * canvas.noise(5), soft=0.1)
        start = end


def _mood(canvas: Canvas) -> Tensor:
    """Un tono de rojo a ocre o, menos veces, de azul a violeta."""
    return torch.where(canvas.draw() < 0.6, canvas.draw(-0.1, 0.14), canvas.draw(0.48, 0.78))


def _strokes(canvas: Canvas) -> None:
    """Trazos cortos que siguen un campo de flujo, con un remolino alrededor de un astro.

    Hay uno por casilla. Se pintan juntos los que distan ``_SPAN`` casillas, que no se tocan, y así
    cada píxel solo mira uno por vuelta.
    """
    pitch = 2 / _CELLS / canvas.draw(0.55, 1.0)
    places = torch.arange(_CELLS**2) % _CELLS, torch.arange(_CELLS**2) // _CELLS
    jitter = canvas.draw(0, 1, 2 * _CELLS**2).chunk(2, dim=1)
    x, y = ((at + j) * pitch[:, 0] - 1 for at, j in zip(places, jitter, strict=True))
    angle, colour = _flow(canvas, x, y)
    canvas.picture += 0.6 * colour.mean(dim=2)[..., None, None]
    half, thick = canvas.draw(0.9, 1.7) * pitch, canvas.draw(0.3, 0.5) * pitch
    table = torch.cat([torch.stack([x, y, angle.cos(), angle.sin()], dim=1), colour], dim=1)
    cells = [(ticks + 1) / pitch - 0.5 for ticks in (canvas.x, canvas.y)]
    for k in range(_SPAN**2):
        turn = 7 * k % _SPAN**2  # vecinos en la lista, alejados en el lienzo
        column, row = (
            (((c - s) / _SPAN).round() * _SPAN + s).clamp(0, _CELLS - 1).long()
            for c, s in zip(cells, (turn % _SPAN, turn // _SPAN), strict=True)
        )
        index = (row * _CELLS + column).flatten(1)[:, None].expand(-1, 7, -1)
        at = table.gather(2, index).unflatten(2, (canvas.size, canvas.size))
        u, v = canvas.x - at[:, 0], canvas.y - at[:, 1]
        along, across = u * at[:, 2] + v * at[:, 3], v * at[:, 2] - u * at[:, 3]
        canvas.paint(
            torch.hypot((along.abs() - half).clamp(min=0), across) - thick, at[:, 4:], 0.95
        )


def _flow(canvas: Canvas, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """El ángulo (n, m) y el color (n, 3, m) de los trazos que empiezan en (x, y)."""
    star, waves = canvas.draw(-0.7, 0.7, 2), canvas.draw(1, 3.2, 2)
    dx, dy, phase = x - star[:, :1], y - star[:, 1:], canvas.draw(0, 2 * math.pi, 3)
    flow = phase[:, :1] + torch.sin(waves[:, :1] * x + phase[:, 1:2])
    flow = flow + torch.sin(waves[:, 1:] * y + phase[:, 2:])
    near = torch.exp(-(dx**2 + dy**2) / canvas.draw(0.08, 0.4)[:, 0])
    angle = torch.lerp(flow, torch.atan2(dx, -dy), near)
    loose = (canvas.draw(count=3 * _CELLS**2) - 0.5).chunk(3, dim=1)
    hue = canvas.draw()[:, 0] + canvas.draw(-0.5, 0.5)[:, 0] * torch.sin(1.7 * y + flow)
    hue = torch.lerp(hue, canvas.draw(0.08, 0.18)[:, 0], near) + 0.05 * loose[0]
    value = canvas.draw(0.4, 1)[:, 0] * (0.55 + 0.4 * torch.sin(2.5 * flow).square())
    value = (value + 0.35 * near + 0.25 * loose[2]).clamp(0, 1)
    return angle, hsv(hue, 0.58 - 0.35 * loose[1], value)
