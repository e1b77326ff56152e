"""The forms of what hangs, of the kitchen's machines and of soft things on the floor. See ``pieces.py``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.simulation.render.shapes import Modeller, Paint, Xyz, shade

Colour = tuple[float, float, float]
Draw = Callable[[Modeller, Xyz, Colour, np.random.Generator], None]

STEEL = Paint((0.76, 0.78, 0.79), pattern="steel", gloss=0.6)
_DARK = Paint((0.12, 0.12, 0.13), gloss=0.4)
BARK = Paint((0.42, 0.32, 0.24), (0.32, 0.24, 0.18), "grain")
WOOD = Paint((0.76, 0.57, 0.36), (0.66, 0.48, 0.29), "grain", gloss=0.1)
MERRY: tuple[Colour, ...] = (
    (0.86, 0.38, 0.30),
    (0.94, 0.74, 0.30),
    (0.36, 0.62, 0.70),
    (0.52, 0.70, 0.44),
    (0.75, 0.55, 0.72),
)


def _mat(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    m.box(
        size, (0, 0, 0), Paint(colour, shade(colour, 1.25), "puzzle", (0.5, 0.5, 0.5)), round_m=min(0.012, size[2] / 3)
    )


def _rug(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    r = min(size[0], size[1]) / 2
    if abs(size[0] - size[1]) < 0.05:
        paint = Paint(colour, shade(colour, 1.7), "rings", (r, r, 1.0))
        m.turned([(r, 0), (r, size[2]), (0, size[2])], paint, sides=64)
    else:
        m.box(size, (0, 0, 0), Paint(colour, shade(colour, 1.35), "border", size))


def _cushion(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    m.ball((size[0] / 2, size[1] / 2, size[2] / 2), (0, 0, size[2] / 2), Paint(colour, pattern="cloth"))


def _ball(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    m.ball(
        size[0] / 2,
        (0, 0, size[0] / 2),
        Paint(colour, (0.95, 0.93, 0.88), "stripes", (0.1, 0.1, 0.1), gloss=0.4),
        rings=14,
    )


def _blocks(m: Modeller, size: Xyz, _: Colour, rng: np.random.Generator) -> None:
    for k in range(11):
        edge = float(rng.uniform(0.045, 0.075))
        at = (float(rng.uniform(-0.5, 0.5)) * size[0], float(rng.uniform(-0.5, 0.5)) * size[1], 0.0)
        m.box(
            (edge * float(rng.choice([1, 1, 2])), edge, edge),
            at,
            Paint(MERRY[k % 5], gloss=0.1),
            round_m=0.006,
            turn_rad=float(rng.uniform(0, 3)),
        )
    for k in range(3):
        m.box(
            (0.07, 0.07, 0.07),
            (0.02 * (k % 2), 0, 0.07 * k),
            Paint(MERRY[(k + 2) % 5]),
            round_m=0.006,
            turn_rad=0.3 * k,
        )


def _plant(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, _, h = size
    pot = h * 0.32
    m.turned(
        [(0, 0), (w * 0.3, 0), (w * 0.42, pot), (w * 0.36, pot), (w * 0.34, pot - 0.03), (0, pot - 0.03)],
        Paint((0.80, 0.52, 0.38)),
        sides=20,
    )
    for k in range(26):
        turn, reach = k * 2.4, float(rng.uniform(0.25, 0.62)) * w
        top = (float(np.cos(turn)) * reach, float(np.sin(turn)) * reach, float(rng.uniform(0.55, 1.0)) * h)
        leaf = Paint(shade(colour, float(rng.uniform(0.7, 1.15))), gloss=0.15)
        m.rod((top[0] * 0.15, top[1] * 0.15, pot - 0.04), top, 0.006, leaf, sides=5, end_m=0.003)
        _leaf(m, top, turn, float(rng.uniform(0.09, 0.16)), leaf)


def _leaf(m: Modeller, at: Xyz, turn: float, length: float, paint: Paint) -> None:
    m.ball((length, length * 0.55, length * 0.13), (0, 0, 0), paint, rings=5)
    vertices, normals, faces, number = m._parts.pop()
    cos, sin, dip = np.cos(turn), np.sin(turn), 0.5
    lean = np.array([[np.cos(dip), 0, -np.sin(dip)], [0, 1, 0], [np.sin(dip), 0, np.cos(dip)]])
    turned = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ lean
    m._parts.append(
        ((vertices @ turned.T + at).astype(np.float32), (normals @ turned.T).astype(np.float32), faces, number)
    )


def _hung(pattern: str, frame: Colour | None) -> Draw:
    """Something flat on a wall, its picture towards -y."""

    def draw(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
        w, d, h = size
        if frame is not None:
            m.box((w + 0.05, d, h + 0.05), (0, 0, -0.025), Paint(frame, gloss=0.1), round_m=0.008)
        face = -d / 2 - (0.012 if frame is not None else 0.0)
        paint = Paint(colour, None, pattern, (w, 1.0, h), int(rng.integers(1000)))
        m.quad([(-w / 2, face, 0), (w / 2, face, 0), (w / 2, face, h), (-w / 2, face, h)], paint)

    return draw


def _clock(m: Modeller, size: Xyz, _: Colour, __: np.random.Generator) -> None:
    r = size[0] / 2
    m.rod((0, 0.02, r), (0, -0.02, r), r, Paint((0.85, 0.42, 0.32)), sides=28)
    m.rod((0, -0.02, r), (0, -0.026, r), r * 0.88, Paint((0.97, 0.96, 0.93)), sides=28)
    m.rod((0, -0.03, r), (0.0, -0.03, r * 1.6), 0.006, _DARK, sides=5)
    m.rod((0, -0.03, r), (-r * 0.45, -0.03, r * 1.2), 0.008, _DARK, sides=5)


def _bunting(m: Modeller, size: Xyz, _: Colour, __: np.random.Generator) -> None:
    w, _depth, h = size
    count = max(4, round(w / 0.28))
    for k in range(count):
        x0, x1 = -w / 2 + w * k / count, -w / 2 + w * (k + 0.86) / count
        z0, z1 = (h + 0.35 * (2 * x / w) ** 2 for x in (x0, x1))
        front = [((x0 + x1) / 2, 0.0, (z0 + z1) / 2 - h), (x1, 0.0, z1), (x0, 0.0, z0)]
        m.quad(front, Paint(MERRY[k % 5]))
        m.quad(front[::-1], Paint(MERRY[k % 5]))


def _mobile(m: Modeller, size: Xyz, _: Colour, __: np.random.Generator) -> None:
    m.rod((0, 0, size[2]), (0, 0, 0.9), 0.003, _DARK, sides=4)
    for k in range(5):
        x, y = float(np.cos(k * 1.257)) * 0.26, float(np.sin(k * 1.257)) * 0.26
        m.rod((0, 0, size[2]), (x, y, size[2] - 0.02), 0.004, WOOD, sides=4)
        m.rod((x, y, size[2]), (x, y, 0.18), 0.002, _DARK, sides=4)
        m.ball(0.055, (x, y, 0.14 + 0.03 * (k % 3)), Paint(MERRY[k]), rings=8)


def _lamp(m: Modeller, size: Xyz, _: Colour, __: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, h), (0, 0, 0), Paint((0.92, 0.92, 0.90)), round_m=0.01)
    m.quad([(-w / 2 + 0.03, d / 2 - 0.03, -0.002), (w / 2 - 0.03, d / 2 - 0.03, -0.002), (w / 2 - 0.03, -d / 2 + 0.03, -0.002),
            (-w / 2 + 0.03, -d / 2 + 0.03, -0.002)], Paint((1.0, 0.97, 0.90), glow=1.0))  # fmt: skip


def _fridge(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    """The cabinet with its shelves; the door moves and is drawn by ``movers``."""
    w, d, h = size
    body = Paint(colour, gloss=0.3)
    for x in (-w / 2 + 0.02, w / 2 - 0.02):
        m.box((0.04, d - 0.05, h), (x, 0.025, 0), body)
    for z in (0.0, h - 0.05):
        m.box((w, d - 0.05, 0.05), (0, 0.025, z), body)
    m.box((w, 0.03, h), (0, d / 2 - 0.015, 0), body)
    inside = Paint((0.93, 0.95, 0.97), glow=0.12)
    m.box((w - 0.08, 0.01, h - 0.1), (0, d / 2 - 0.04, 0.05), inside)
    for k in range(1, 5):
        m.box((w - 0.08, d - 0.12, 0.012), (0, 0.02, h * k / 5), inside)
        for j in range(4):
            m.box(
                (0.09, 0.1, 0.14),
                (-w / 2 + 0.12 + j * 0.15, 0.05, h * k / 5 + 0.012),
                Paint(MERRY[(j + k) % 5]),
                round_m=0.02,
            )


def _freezer(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, h - 0.08), (0, 0, 0), Paint(colour, gloss=0.25), round_m=0.02)
    m.box((w * 0.3, 0.004, 0.05), (0, -d / 2 - 0.002, 0.1), _DARK)


def _counter(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d - 0.05, h - 0.12), (0, 0.02, 0.08), Paint(colour))
    m.box((w - 0.02, d - 0.14, 0.08), (0, 0.05, 0), _DARK)
    m.box((w, d, 0.04), (0, 0, h - 0.04), STEEL, round_m=0.01)
    doors = max(1, round(w / 0.5))
    for k in range(doors):
        x = -w / 2 + w * (k + 0.5) / doors
        m.box((w / doors - 0.012, 0.016, h - 0.24), (x, -d / 2 + 0.04, 0.1), Paint(shade(colour, 1.08)), round_m=0.005)
        m.rod((x - 0.06, -d / 2 + 0.02, h - 0.19), (x + 0.06, -d / 2 + 0.02, h - 0.19), 0.006, STEEL, sides=6)


def _stove(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d - 0.04, h), (0, 0.02, 0), Paint(colour, gloss=0.3), round_m=0.01)
    m.box((w - 0.06, 0.01, h * 0.45), (0, -d / 2 + 0.015, 0.14), _DARK)
    m.box((w - 0.04, d - 0.1, 0.008), (0, 0, h), _DARK)
    for x, y in ((-0.15, -0.14), (0.15, -0.14), (-0.15, 0.14), (0.15, 0.14)):
        m.turned(
            [(0.05, 0), (0.1, 0), (0.1, 0.012), (0.05, 0.012)],
            Paint((0.25, 0.25, 0.26)),
            foot=(x, y, h + 0.008),
            sides=16,
        )
    m.turned([(0, 0), (0.12, 0), (0.125, 0.17), (0.11, 0.175), (0, 0.15)], STEEL, foot=(0.15, 0.14, h + 0.02), sides=22)
    for k in range(4):
        m.rod(
            (-0.2 + k * 0.13, -d / 2 + 0.02, h - 0.07),
            (-0.2 + k * 0.13, -d / 2 - 0.01, h - 0.07),
            0.018,
            _DARK,
            sides=10,
        )


def _sink(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, d, h = size
    _counter(m, size, colour, rng)
    m.box((w * 0.62, d * 0.6, 0.004), (0, -0.02, h), Paint((0.55, 0.57, 0.59), gloss=0.6))
    m.rod((0, d / 2 - 0.08, h), (0, d / 2 - 0.08, h + 0.24), 0.014, STEEL, sides=8)
    m.rod((0, d / 2 - 0.08, h + 0.24), (0, d / 2 - 0.26, h + 0.2), 0.012, STEEL, sides=8)


def _island(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, 0.035), (0, 0, h - 0.035), STEEL, round_m=0.01)
    m.box((w - 0.1, d - 0.1, 0.025), (0, 0, 0.22), STEEL)
    for x in (-w / 2 + 0.06, w / 2 - 0.06):
        for y in (-d / 2 + 0.06, d / 2 - 0.06):
            m.rod((x, y, 0), (x, y, h - 0.03), 0.02, STEEL, sides=8)
    m.box((0.42, 0.28, 0.02), (-0.35, 0, h), WOOD, round_m=0.008, turn_rad=0.2)
    for k in range(4):
        m.ball(0.036, (-0.42 + 0.06 * k, 0.03 * (k % 2), h + 0.055), Paint(MERRY[k % 4]), rings=7)
    m.turned(
        [(0, 0), (0.09, 0), (0.14, 0.09), (0.13, 0.09), (0, 0.02)],
        Paint((0.93, 0.92, 0.88)),
        foot=(0.4, 0.05, h),
        sides=22,
    )
    m.turned([(0, 0), (0.16, 0), (0.17, 0.2), (0.155, 0.2), (0, 0.17)], STEEL, foot=(0.3, 0, 0.245), sides=22)


def _step_stool(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d / 2, h / 2), (0, -d / 4, 0), Paint(colour), round_m=0.012)
    m.box((w, d / 2, h), (0, d / 4, 0), Paint(colour), round_m=0.012)


def _easel(m: Modeller, size: Xyz, _: Colour, rng: np.random.Generator) -> None:
    w, d, h = size
    for x in (-w / 2, w / 2):
        m.rod((x, -d / 2, 0), (x * 0.85, 0, h), 0.016, WOOD, sides=8)
        m.rod((x, d / 2, 0), (x * 0.85, 0, h), 0.016, WOOD, sides=8)
    paint = Paint((0.97, 0.96, 0.93), None, "drawings", (w, 1.0, 0.6), int(rng.integers(1000)))
    m.quad(
        [
            (-w / 2, -d * 0.34, h * 0.32),
            (w / 2, -d * 0.34, h * 0.32),
            (w / 2, -0.03, h * 0.92),
            (-w / 2, -0.03, h * 0.92),
        ],
        paint,
    )
    m.box((w, 0.08, 0.03), (0, -d * 0.36, h * 0.3), WOOD, round_m=0.01)


def _extinguisher(m: Modeller, size: Xyz, _: Colour, __: np.random.Generator) -> None:
    h = size[2]
    m.turned(
        [(0, 0), (0.07, 0), (0.075, 0.02), (0.075, h * 0.7), (0.03, h * 0.82), (0.025, h * 0.9), (0, h * 0.9)],
        Paint((0.80, 0.12, 0.10), gloss=0.4),
        sides=18,
        smooth=True,
    )
    m.box((0.04, 0.13, 0.03), (0, -0.02, h * 0.9), _DARK)


def _scale(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, 0.07), (0, 0, 0), Paint(colour, gloss=0.2), round_m=0.02)
    m.rod((0, d / 2 - 0.05, 0.05), (0, d / 2 - 0.05, h), 0.02, STEEL, sides=8)
    m.box((0.24, 0.05, 0.14), (0, d / 2 - 0.07, h - 0.06), Paint(colour), round_m=0.02)


FORMS: dict[str, tuple[Draw, Colour]] = {
    "mat": (_mat, MERRY[2]), "rug": (_rug, MERRY[1]), "cushion": (_cushion, MERRY[0]), "ball": (_ball, MERRY[0]),
    "blocks": (_blocks, MERRY[0]), "plant": (_plant, (0.38, 0.56, 0.32)),
    "board": (_hung("board", (0.80, 0.62, 0.40)), (0.20, 0.36, 0.30)),
    "poster": (_hung("poster", None), (0.97, 0.93, 0.83)), "drawings": (_hung("drawings", None), (0.96, 0.94, 0.90)),
    "clock": (_clock, MERRY[0]), "bunting": (_bunting, MERRY[0]), "mobile": (_mobile, MERRY[0]),
    "lamp": (_lamp, (1, 1, 1)), "fridge": (_fridge, (0.90, 0.91, 0.92)), "freezer": (_freezer, (0.93, 0.94, 0.94)),
    "counter": (_counter, (0.87, 0.89, 0.88)), "stove": (_stove, (0.84, 0.85, 0.86)),
    "sink": (_sink, (0.87, 0.89, 0.88)), "island": (_island, (0.8, 0.8, 0.8)), "step_stool": (_step_stool, MERRY[2]),
    "easel": (_easel, (0.8, 0.6, 0.4)), "extinguisher": (_extinguisher, (0.8, 0.1, 0.1)),
    "scale": (_scale, (0.9, 0.91, 0.91)),
}  # fmt: skip
