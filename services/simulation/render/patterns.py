"""What surfaces look like from near: planks, tiles, cloth, grass, and the children's drawings on the wall. All drawn here.

A pattern maps points in a thing's own axes (and the width of a picture's pixel there) to sRGB; nothing is read from a file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.simulation.render.shapes import Paint

Floats = NDArray[Any]
Pattern = Callable[[Paint, Floats, Floats], Floats]
_TABLE = 512
CRAYONS = np.array(
    [
        (0.85, 0.30, 0.25),
        (0.95, 0.70, 0.20),
        (0.25, 0.55, 0.70),
        (0.40, 0.62, 0.32),
        (0.55, 0.38, 0.62),
        (0.92, 0.55, 0.62),
    ],
    np.float32,
)


def painted(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    """(n, 3) sRGB of a paint at (n, 3) points of the thing's own axes; ``pixel_m`` (n,) is how much one pixel covers."""
    return np.asarray(np.clip(_PATTERNS[paint.pattern](paint, local, pixel_m), 0, 1))


@lru_cache(maxsize=1)
def _noise_table() -> Floats:
    """A tileable field in -1..1 with features of many sizes."""
    rng = np.random.default_rng(7)
    frequency = np.hypot(np.fft.fftfreq(_TABLE)[:, None], np.fft.fftfreq(_TABLE)[None]) * _TABLE
    wave = np.fft.fft2(rng.standard_normal((_TABLE, _TABLE))) / np.maximum(frequency, 3) ** 1.1
    total = np.real(np.fft.ifft2(wave)).astype(np.float32)
    return np.asarray(np.clip(total / (2.2 * total.std()), -1, 1))


@lru_cache(maxsize=1)
def _cell_table() -> Floats:
    return np.random.default_rng(11).random((_TABLE, _TABLE), np.float32)


def noise(u: Floats, v: Floats, seed: int = 0) -> Floats:
    """Smooth noise -1..1; one unit holds about eight features."""
    i = (u * 64 + seed * 37).astype(np.int64) & (_TABLE - 1)
    j = (v * 64 + seed * 91).astype(np.int64) & (_TABLE - 1)
    return np.asarray(_noise_table()[i, j])


def cell(i: Floats, j: Floats, seed: int = 0) -> Floats:
    """A number 0..1 for each pair of whole numbers."""
    row = (np.floor(i).astype(np.int64) * 7 + seed * 13) & (_TABLE - 1)
    column = (np.floor(j).astype(np.int64) * 3 + seed * 29) & (_TABLE - 1)
    return np.asarray(_cell_table()[row, column])


def _line(distance: Floats, width_m: float, pixel_m: Floats) -> Floats:
    """How much of a pixel a line covers, 0..1: fades instead of flickering where it is thinner than a pixel."""
    wide = np.maximum(width_m, pixel_m)
    return np.clip(1.5 - np.abs(distance) / (wide / 2), 0, 1) * np.minimum(1, width_m / wide)


def _mix(paint: Paint, amount: Floats) -> Floats:
    first, second = np.array(paint.colour, np.float32), np.array(paint.second or paint.colour, np.float32)
    return np.asarray(first + (second - first) * np.clip(amount, 0, 1)[:, None])


def _flat(paint: Paint, local: Floats) -> Floats:
    return np.repeat(np.array(paint.colour, np.float32)[None], len(local), 0)


def _plain(paint: Paint, local: Floats, _: Floats) -> Floats:
    return _flat(paint, local)


def _grain(paint: Paint, local: Floats, _: Floats) -> Floats:
    x, y, z = local.T
    return _mix(paint, 0.45 + 0.5 * noise(x * 0.25 + z * 0.9, y * 1.6 + z * 0.7, paint.seed))


def _planks(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    wide, long = 0.14, 1.3
    row = np.floor(local[:, 1] / wide)
    along = local[:, 0] + cell(row, row * 0, 3) * long
    board = np.floor(along / long)
    tone = cell(row, board, 5)
    grain = noise(along * 0.22 + tone * 9, local[:, 1] * 1.7 + tone * 5, 2)
    colour = _mix(paint, 0.1 + tone * 0.75 + 0.28 * grain)
    gaps = np.maximum(
        _line(local[:, 1] - (row + 0.5 + np.sign(local[:, 1] / wide - row - 0.5) * 0.5) * wide, 0.005, pixel_m),
        _line(along - np.round(along / long) * long, 0.005, pixel_m),
    )
    return colour * (1 - 0.34 * gaps)[:, None]


def _grid(u: Floats, v: Floats, edge: tuple[float, float], joint_m: float, pixel_m: Floats) -> tuple[Floats, Floats]:
    tone = cell(u / edge[0], v / edge[1], 1)
    joint = np.maximum(
        _line(u - np.round(u / edge[0]) * edge[0], joint_m, pixel_m),
        _line(v - np.round(v / edge[1]) * edge[1], joint_m, pixel_m),
    )
    return tone, joint


def _tiles(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    tone, joint = _grid(local[:, 0], local[:, 1], (0.45, 0.45), 0.008, pixel_m)
    body = _flat(paint, local) * (0.96 + 0.06 * tone + 0.02 * noise(local[:, 0], local[:, 1]))[:, None]
    return body + (np.array(paint.second, np.float32) * 0.86 - body) * joint[:, None]


def _walltiles(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    tone, joint = _grid(local[:, 0], local[:, 2], (0.3, 0.2), 0.006, pixel_m)
    body = _flat(paint, local) * (0.97 + 0.045 * tone)[:, None]
    band = ((local[:, 2] > 1.2) & (local[:, 2] < 1.4))[:, None]
    body = np.where(band, body * np.array([0.78, 0.90, 0.92], np.float32), body)
    return body + (np.array(paint.second, np.float32) * 0.9 - body) * joint[:, None]


def _brick(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    row = np.floor(local[:, 2] / 0.07)
    tone, joint = _grid(local[:, 0] + row * 0.11, local[:, 2], (0.22, 0.07), 0.01, pixel_m)
    return _mix(paint, tone) * (1 - 0.2 * joint)[:, None]


def _wall(paint: Paint, local: Floats, _: Floats) -> Floats:
    rough = 1 + 0.012 * noise(local[:, 0] * 2, local[:, 2] * 2)
    below = (local[:, 2] < paint.scale_m[2]) & (paint.second is not None)
    return _mix(paint, below.astype(np.float32)) * rough[:, None]


def _speckle(paint: Paint, local: Floats, _: Floats) -> Floats:
    return _mix(
        paint,
        0.5 + 0.3 * noise(local[:, 0] * 3, local[:, 1] * 3) + 0.35 * (cell(local[:, 0] * 90, local[:, 1] * 90) - 0.5),
    )


def _soft(paint: Paint, local: Floats, _: Floats) -> Floats:
    weave = cell(local[:, 0] * 120 + local[:, 2] * 40, local[:, 1] * 120 + local[:, 2] * 80, paint.seed) - 0.5
    return (
        _flat(paint, local)
        * (1 + 0.07 * weave + 0.05 * noise(local[:, 0] * 1.5 + local[:, 2], local[:, 1] * 1.5))[:, None]
    )


def _grass(paint: Paint, local: Floats, _: Floats) -> Floats:
    x, y = local[:, 0], local[:, 1]
    blades = cell(x * 60, y * 60) - 0.5
    worn = np.clip(noise(x * 0.05 + 0.3, y * 0.05, 4) * 1.6 - 0.7, 0, 0.6)[:, None]
    green = _mix(paint, 0.5 + 0.45 * noise(x * 0.16, y * 0.16) + 0.35 * blades)
    return green * (1 - worn) + worn * np.array([0.66, 0.60, 0.42], np.float32)


def _meadow(paint: Paint, local: Floats, _: Floats) -> Floats:
    """Ground around the premises: lawn, a light footpath along each side and a street beyond."""
    x, y = local[:, 0], local[:, 1]
    lawn = _mix(paint, 0.5 + 0.5 * noise(x * 0.05, y * 0.05))
    out = np.where(
        (np.mod(np.abs(y + 4), 60) > 14)[:, None] & (np.abs(y + 4) < 19)[:, None],
        np.array([0.50, 0.50, 0.51], np.float32),
        lawn,
    )
    path = ((np.abs(y + 4) > 12.2) & (np.abs(y + 4) < 14))[:, None]
    return np.where(path, np.array([0.74, 0.71, 0.66], np.float32), out)


def _paving(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    tone, joint = _grid(local[:, 0], local[:, 1], (0.6, 0.6), 0.012, pixel_m)
    return _mix(paint, tone * 0.7 + 0.2 * noise(local[:, 0], local[:, 1])) * (1 - 0.25 * joint)[:, None]


def _concrete(paint: Paint, local: Floats, _: Floats) -> Floats:
    return _mix(paint, 0.5 + 0.5 * noise(local[:, 0] * 0.4 + local[:, 2] * 0.4, local[:, 1] * 0.4 + local[:, 2] * 0.2))


def _puzzle(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    i, j = np.floor(local[:, 0] / 0.5 + 0.5), np.floor(local[:, 1] / 0.5 + 0.5)
    seam = np.maximum(
        *(
            _line(axis / 0.5 + 0.5 - np.round(axis / 0.5 + 0.5), 0.016, pixel_m * 2)
            for axis in (local[:, 0], local[:, 1])
        )
    )
    return _mix(paint, ((i + j) % 2).astype(np.float32)) * (1 - 0.15 * seam)[:, None]


def _rings(paint: Paint, local: Floats, _: Floats) -> Floats:
    radius = np.hypot(local[:, 0], local[:, 1]) / paint.scale_m[0]
    shades = np.array(
        [(0.97, 0.86, 0.62), paint.colour, (0.98, 0.93, 0.82), (0.55, 0.70, 0.62), (0.98, 0.93, 0.82), paint.colour],
        np.float32,
    )
    edges = np.array([0.22, 0.46, 0.54, 0.78, 0.85], np.float32)
    woven = 1 + 0.05 * (cell(local[:, 0] * 70, local[:, 1] * 70) - 0.5)
    return shades[np.searchsorted(edges, radius)] * woven[:, None]


def _border(paint: Paint, local: Floats, _: Floats) -> Floats:
    inset = np.minimum(paint.scale_m[0] / 2 - np.abs(local[:, 0]), paint.scale_m[1] / 2 - np.abs(local[:, 1]))
    woven = 1 + 0.06 * (cell(local[:, 0] * 70, local[:, 1] * 70) - 0.5)
    return _mix(paint, ((inset > 0.08) & (inset < 0.14)).astype(np.float32)) * woven[:, None]


def _stripes(paint: Paint, local: Floats, _: Floats) -> Floats:
    return _mix(paint, (np.sin(local[:, 2] / paint.scale_m[2] * 9) > 0.2).astype(np.float32))


def _blanket(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    u, v = local[:, 0] / 0.11, local[:, 1] / 0.11
    if paint.seed % 3 == 0:
        amount = (np.hypot(u - np.round(u), v - np.round(v)) < 0.24).astype(np.float32)
    elif paint.seed % 3 == 1:
        amount = (v % 2 < 0.7).astype(np.float32)
    else:
        amount = (((u % 2 < 1).astype(np.float32) + (v % 2 < 1)) / 2).astype(np.float32)
    folds = 1 + 0.05 * noise(local[:, 0] * 0.9, local[:, 1] * 0.5, paint.seed)
    return _mix(paint, amount * np.clip(0.03 / np.maximum(pixel_m, 1e-4), 0, 1)) * folds[:, None]


def _drawings(paint: Paint, local: Floats, _: Floats) -> Floats:
    """A row of sheets, each with somebody's sun, house, meadow or flowers; between them the wall shows as cork."""
    w, h = paint.scale_m[0], paint.scale_m[2]
    columns, rows = max(1, round(w / 0.36)), max(1, round(h / 0.32))
    u, v = (
        (local[:, 0] / w + 0.5) * columns,
        np.clip(local[:, 2] / h if np.ptp(local[:, 2]) > 0 else local[:, 2], 0, 0.999) * rows,
    )
    i, j = np.floor(u), np.floor(v)
    chance = cell(i, j, paint.seed)
    lean = (chance - 0.5) * 0.16
    x, y = u - i - 0.5, v - j - 0.5
    x, y = x - y * lean, y + x * lean
    sheet = (np.abs(x) < 0.42) & (np.abs(y) < 0.40)
    paper = np.where(
        (cell(i, j, paint.seed + 7) < 0.35)[:, None],
        np.array([0.99, 0.90, 0.66], np.float32),
        np.array([0.97, 0.96, 0.93], np.float32),
    )
    picture = _picture(paper, x / 0.84, y / 0.8, cell(i, j, paint.seed + 3), cell(i, j, paint.seed + 5))
    cork = (
        np.array([0.78, 0.62, 0.44], np.float32) * (1 + 0.1 * (cell(local[:, 0] * 80, local[:, 2] * 80) - 0.5))[:, None]
    )
    return np.where(sheet[:, None], picture, cork)


def _picture(paper: Floats, x: Floats, y: Floats, theme: Floats, tint: Floats) -> Floats:
    crayon = CRAYONS[(tint * 5.99).astype(np.int64)]
    other = CRAYONS[((tint * 37.7) % 5.99).astype(np.int64)]
    wobble = 0.03 * np.sin(x * 23 + theme * 40) + 0.02 * np.sin(y * 31)
    scribble = np.sin((x + y) * 55) > -0.25
    sun = np.hypot(x - 0.26, y - 0.26) + wobble < 0.13
    meadow = (y + wobble < -0.27) & scribble
    house = (np.abs(x + 0.1) < 0.17) & (y > -0.28) & (y < 0.02)
    roof = (np.abs(x + 0.1) < 0.24 - (y - 0.02)) & (y >= 0.02) & (y < 0.24)
    blobs = (np.hypot((x * 3) % 1 - 0.5, ((y + 0.1) * 3) % 1 - 0.5) + wobble < 0.28) & (np.abs(y) < 0.36)
    face = (
        (np.abs(np.hypot(x, y * 1.1) - 0.27 + wobble) < 0.035)
        | (np.hypot(np.abs(x) - 0.1, y - 0.08) < 0.03)
        | ((np.abs(np.hypot(x, y + 0.02) - 0.13) < 0.025) & (y < -0.05))
    )
    rainbow = (np.hypot(x, y + 0.3) > 0.22) & (np.hypot(x, y + 0.3) < 0.52) & (y > -0.3)
    out = paper.copy()
    which = (theme * 5).astype(np.int64)
    for kind, mask, colour in (
        (0, sun, CRAYONS[1]), (0, meadow, CRAYONS[3]), (0, house, crayon), (0, roof, other), (1, blobs & scribble, crayon),
        (1, meadow, CRAYONS[3]), (2, face, crayon), (3, meadow, CRAYONS[2]), (3, sun & scribble, crayon),
        (4, meadow & scribble, CRAYONS[3]),
    ):  # fmt: skip
        hit = (which == kind) & mask
        out[hit] = colour[hit] if colour.ndim == 2 else colour
    bands = CRAYONS[np.clip(((np.hypot(x, y + 0.3) - 0.22) / 0.06).astype(np.int64), 0, 4)]
    hit = (which >= 3) & rainbow & (which == 4)
    out[hit] = bands[hit]
    return out


def _poster(paint: Paint, local: Floats, _: Floats) -> Floats:
    """A printed sheet: a soft ground, a hill, a balloon or an animal's round head, a line of dots below."""
    x, y = local[:, 0] / paint.scale_m[0], local[:, 2] / paint.scale_m[2] - 0.5
    ground = np.array([(0.80, 0.89, 0.90), (0.98, 0.88, 0.72), (0.88, 0.92, 0.80), (0.93, 0.86, 0.90)], np.float32)[
        paint.seed % 4
    ]
    out = np.repeat(ground[None], len(local), 0)
    crayon, other = CRAYONS[paint.seed % 6], CRAYONS[(paint.seed // 6 + 3) % 6]
    hill = y < -0.22 + 0.1 * np.sin(x * 5 + paint.seed)
    head, ears = np.hypot(x, y - 0.03) < 0.24, np.hypot(np.abs(x) - 0.18, y - 0.22) < 0.1
    eyes, nose = np.hypot(np.abs(x) - 0.09, y - 0.06) < 0.03, np.hypot(x, y + 0.04) < 0.045
    for mask, colour in (
        (hill, (0.62, 0.74, 0.52)),
        (ears, other),
        (head, crayon),
        (eyes, (0.15, 0.13, 0.13)),
        (nose, (0.98, 0.93, 0.85)),
    ):
        out[mask] = colour
    out[(np.abs(x) > 0.46) | (np.abs(y) > 0.47)] = (0.98, 0.97, 0.94)
    return out


def _board(paint: Paint, local: Floats, _: Floats) -> Floats:
    """Cork with notes, or what somebody wrote on green."""
    x, z = local[:, 0], local[:, 2]
    i, j = np.floor((x + 5) / 0.26), np.floor(z / 0.24)
    u, v = (x + 5) / 0.26 - i - 0.5, z / 0.24 - j - 0.5
    chance = cell(i, j, paint.seed)
    note = (np.abs(u) < 0.26 + 0.14 * chance) & (np.abs(v) < 0.40 - 0.12 * chance) & (chance < 0.72)
    sheet = np.array([(0.97, 0.96, 0.92), (0.98, 0.90, 0.60), (0.80, 0.90, 0.93), (0.97, 0.80, 0.76)], np.float32)[
        (cell(i, j, paint.seed + 1) * 3.99).astype(np.int64)
    ]
    text = (np.abs((v * 9) % 1 - 0.5) < 0.17) & (np.abs(u) < 0.2) & (v < 0.2)
    sheet = np.where(text[:, None], sheet * 0.62, sheet)
    return np.where(note[:, None], sheet, _flat(paint, local) * (1 + 0.1 * (cell(x * 80, z * 80) - 0.5))[:, None])


def _leaves(paint: Paint, local: Floats, _: Floats) -> Floats:
    return _mix(paint, 0.35 + 0.7 * noise(local[:, 0] * 2.2 + local[:, 2], local[:, 1] * 2.2 + local[:, 2], paint.seed))


def _boards(paint: Paint, local: Floats, pixel_m: Floats) -> Floats:
    seam = _line(local[:, 2] / 0.12 - np.round(local[:, 2] / 0.12), 0.09, pixel_m / 0.12)
    return _mix(paint, 0.4 + 0.4 * cell(local[:, 2] / 0.12 + 0.5, local[:, 2] * 0)) * (1 - 0.3 * seam)[:, None]


def _steel(paint: Paint, local: Floats, _: Floats) -> Floats:
    return _flat(paint, local) * (1 + 0.05 * noise(local[:, 0] * 0.3, local[:, 1] * 6 + local[:, 2] * 6))[:, None]


_PATTERNS: dict[str, Pattern] = {
    "plain": _plain, "grain": _grain, "planks": _planks, "tiles": _tiles, "walltiles": _walltiles, "brick": _brick,
    "wall": _wall, "plaster": _wall, "speckle": _speckle, "carpet": _speckle, "cloth": _soft, "grass": _grass,
    "sand": _speckle, "paving": _paving, "concrete": _concrete, "meadow": _meadow, "puzzle": _puzzle, "rings": _rings,
    "border": _border, "stripes": _stripes, "blanket": _blanket, "drawings": _drawings, "poster": _poster,
    "board": _board, "leaves": _leaves, "boards": _boards, "steel": _steel,
}  # fmt: skip
