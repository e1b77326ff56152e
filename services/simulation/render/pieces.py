"""The furniture's forms, kind by kind: what stands in a nursery's rooms. ``wares.py`` has the walls' and the kitchen's things.

A form is drawn in its own axes: its foot's middle at the origin, its width along x, its front towards -y.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.simulation.building import Furniture
from services.simulation.render import wares, yard_wares
from services.simulation.render.shapes import Mesh, Modeller, Paint, Xyz, placed, shade, srgb

Colour = tuple[float, float, float]
Draw = Callable[[Modeller, Xyz, Colour, np.random.Generator], None]

TOYS: tuple[Colour, ...] = (
    (0.85, 0.36, 0.28), (0.93, 0.70, 0.25), (0.32, 0.58, 0.66), (0.47, 0.66, 0.40), (0.62, 0.45, 0.66), (0.93, 0.86, 0.74),
)  # fmt: skip
BEECH: Colour = (0.86, 0.69, 0.47)
METAL = Paint((0.72, 0.73, 0.74), gloss=0.5)
DARK = Paint((0.13, 0.13, 0.14), gloss=0.3)
WHITE = Paint((0.94, 0.93, 0.90))


def wood(colour: Colour, seed: int = 0) -> Paint:
    return Paint(colour, shade(colour, 0.86), "grain", seed=seed, gloss=0.12)


def furniture_mesh(piece: Furniture, seed: int, *, plain: bool = False) -> Mesh:
    """A piece where it stands in the building. The same seed draws the same toys on its boards."""
    draw, colour = _FORMS.get(piece.kind) or wares.FORMS.get(piece.kind) or yard_wares.FORMS[piece.kind]
    modeller = Modeller(plain=plain)
    draw(modeller, piece.size, srgb(piece.colour) if piece.colour else colour, np.random.default_rng(seed))
    return modeller.mesh().moved(placed(piece.foot, piece.turn_deg))


def _table(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, 0.035), (0, 0, h - 0.035), wood(colour), round_m=0.014)
    m.box((w - 0.16, d - 0.16, 0.05), (0, 0, h - 0.085), wood(shade(colour, 0.9)))
    for x in (-w / 2 + 0.09, w / 2 - 0.09):
        for y in (-d / 2 + 0.09, d / 2 - 0.09):
            m.rod((x, y, 0), (x, y, h - 0.04), 0.022, wood(BEECH), end_m=0.03)


def _round_table(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    r, h = size[0] / 2, size[2]
    m.turned(
        [(0, h - 0.04), (r - 0.02, h - 0.04), (r, h - 0.03), (r, h - 0.01), (r - 0.012, h), (0, h)],
        wood(colour),
        sides=36,
    )
    for turn in np.arange(4) * np.pi / 2 + np.pi / 4:
        x, y = float(np.cos(turn)) * r * 0.7, float(np.sin(turn)) * r * 0.7
        m.rod((x * 1.12, y * 1.12, 0), (x, y, h - 0.03), 0.022, wood(BEECH), end_m=0.03)


def _chair(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    seat = h * 0.5
    paint = Paint(colour, gloss=0.15)
    m.box((w, d, 0.03), (0, 0, seat - 0.03), paint, round_m=0.012)
    for x in (-w / 2 + 0.03, w / 2 - 0.03):
        m.rod((x * 1.08, -d / 2 + 0.02, 0), (x, -d / 2 + 0.04, seat - 0.02), 0.013, wood(BEECH), sides=8)
        m.rod((x * 1.08, d / 2 + 0.015, 0), (x, d / 2 - 0.02, seat), 0.014, wood(BEECH), sides=8)
        m.rod((x, d / 2 - 0.02, seat), (x * 0.95, d / 2 + 0.03, h), 0.013, wood(BEECH), sides=8)
    m.box((w * 0.96, 0.02, h * 0.24), (0, d / 2 + 0.022, h * 0.78), paint, round_m=0.009)


def _adult_chair(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, 0.07), (0, 0, 0.37), Paint(colour, pattern="cloth"), round_m=0.03)
    m.box((w * 0.95, 0.06, h - 0.5), (0, d / 2 - 0.02, 0.5), Paint(colour, pattern="cloth"), round_m=0.028)
    for x in (-w / 2 + 0.04, w / 2 - 0.04):
        for y in (-d / 2 + 0.05, d / 2 - 0.05):
            m.rod((x * 1.05, y * 1.05, 0), (x, y, 0.38), 0.014, METAL, sides=8)


def _desk(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, 0.04), (0, 0, h - 0.04), wood(colour), round_m=0.012)
    m.box((w - 0.06, 0.02, h - 0.12), (0, -d / 2 + 0.05, 0.06), wood(shade(colour, 1.25)))
    m.box((0.4, d - 0.12, h - 0.06), (w / 2 - 0.23, 0, 0.02), wood(shade(colour, 0.93)))
    m.box((0.03, d - 0.1, h - 0.04), (-w / 2 + 0.04, 0, 0), wood(shade(colour, 0.93)))
    m.box((0.5, 0.02, 0.32), (-0.1, 0.12, h + 0.09), DARK, round_m=0.008)
    m.box((0.46, 0.004, 0.28), (-0.1, 0.133, h + 0.11), Paint((0.35, 0.52, 0.62), glow=0.25))
    m.box((0.2, 0.15, 0.012), (-0.1, 0.13, h), DARK)
    m.box((0.04, 0.03, 0.12), (-0.1, 0.12, h), DARK)
    m.box((0.42, 0.14, 0.02), (-0.1, 0.27, h), Paint((0.86, 0.86, 0.84)), round_m=0.008)
    m.box((0.21, 0.297, 0.012), (0.4, 0.02, h), WHITE, turn_rad=0.2)
    m.turned([(0, 0), (0.035, 0), (0.04, 0.1), (0, 0.1)], Paint(TOYS[0]), foot=(0.22, -0.12, h), sides=12)


def _cot(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, d, h = size
    frame = Paint((0.90, 0.84, 0.72), gloss=0.1)
    m.box((w, d, 0.05), (0, 0, h - 0.1), frame, round_m=0.02)
    for x in (-w / 2 + 0.04, w / 2 - 0.04):
        for y in (-d / 2 + 0.05, d / 2 - 0.05):
            m.rod((x, y, 0), (x, y, h - 0.06), 0.02, Paint(colour), sides=8)
    for y in (-d / 2 + 0.02, d / 2 - 0.02):
        m.box((w, 0.04, 0.14 if y < 0 else 0.2), (0, y, h - 0.1), Paint(colour), round_m=0.018)
    m.box((w - 0.05, d - 0.1, 0.07), (0, 0, h - 0.06), Paint((0.95, 0.94, 0.91), pattern="cloth"), round_m=0.03)
    turn = float(rng.normal(0, 0.06))
    m.box(
        (w * 0.62, 0.24, 0.07),
        (0, d / 2 - 0.22, h),
        Paint((0.97, 0.96, 0.93), pattern="cloth"),
        round_m=0.034,
        turn_rad=turn,
    )
    blanket = Paint(colour, shade(colour, 1.5), "blanket", (0.12, 0.12, 0.12), int(rng.integers(99)))
    length = d * float(rng.uniform(0.44, 0.56))
    m.box(
        (w + 0.015, length, 0.035),
        (0, -d / 2 + 0.06 + length / 2, h - 0.005),
        blanket,
        round_m=0.016,
        turn_rad=turn / 2,
    )
    m.box(
        (w + 0.02, 0.13, 0.03),
        (0, -d / 2 + 0.06 + length, h + 0.022),
        Paint((0.96, 0.94, 0.90), pattern="cloth"),
        round_m=0.014,
    )


def _crib(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    paint = wood(colour)
    for x in (-w / 2 + 0.02, w / 2 - 0.02):
        for y in (-d / 2 + 0.02, d / 2 - 0.02):
            m.box((0.045, 0.045, h), (x, y, 0), paint, round_m=0.01)
        for z in (0.3, h - 0.05):
            m.box((0.03, d - 0.06, 0.05), (x, 0, z), paint)
        for y in np.linspace(-d / 2 + 0.12, d / 2 - 0.12, 10):
            m.rod((x, float(y), 0.32), (x, float(y), h - 0.04), 0.009, paint, sides=6)
    for y in (-d / 2 + 0.02, d / 2 - 0.02):
        m.box((w - 0.06, 0.025, h - 0.32), (0, y, 0.3), paint, round_m=0.01)
    m.box((w - 0.08, d - 0.08, 0.1), (0, 0, 0.33), Paint((0.95, 0.94, 0.92), pattern="cloth"), round_m=0.03)


def _shelf(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    _carcass(m, size, colour, boards=max(2, round(size[2] / 0.38)), bays=max(1, round(size[0] / 0.6)), back=True)
    rows, bays = max(2, round(size[2] / 0.38)), max(1, round(size[0] / 0.6))
    for row in range(rows):
        for bay in range(bays):
            x = -size[0] / 2 + size[0] * (bay + 0.5) / bays
            _toys(m, (x, -0.02, size[2] * row / rows + 0.045), size[0] / bays - 0.1, size[2] / rows - 0.08, rng)
    for _ in range(int(rng.integers(1, 4))):
        _toy(m, (float(rng.uniform(-0.4, 0.4)) * size[0], float(rng.uniform(-0.06, 0.06)), size[2]), rng)


def _bookshelf(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    rows = max(2, round(size[2] / 0.36))
    _carcass(m, size, colour, boards=rows, bays=1, back=True)
    for row in range(rows):
        x = -size[0] / 2 + 0.06
        while x < size[0] / 2 - 0.1:
            thick, tall = float(rng.uniform(0.018, 0.05)), float(rng.uniform(0.17, 0.26))
            if rng.random() < 0.1:
                x += 0.12
                continue
            cover = TOYS[int(rng.integers(len(TOYS)))]
            m.box(
                (thick, 0.19, tall),
                (x + thick / 2, -0.03, size[2] * row / rows + 0.03),
                Paint(shade(cover, float(rng.uniform(0.7, 1.2)))),
            )
            x += thick + 0.002


def _cupboard(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, h), (0, 0, 0), wood(colour), round_m=0.008)
    for x in (-w / 4, w / 4):
        m.box((w / 2 - 0.012, 0.02, h - 0.12), (x, -d / 2 - 0.008, 0.08), wood(shade(colour, 1.06)), round_m=0.006)
        m.rod((x * 0.16, -d / 2 - 0.04, h * 0.5), (x * 0.16, -d / 2 - 0.04, h * 0.62), 0.008, METAL, sides=8)


def _cubbies(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, d, h = size
    bays = max(3, round(w / 0.3))
    _carcass(m, size, colour, boards=1, bays=bays, back=True)
    m.box((w - 0.04, d - 0.02, 0.02), (0, 0, h * 0.78), wood(colour))
    m.box((w - 0.04, d - 0.02, 0.02), (0, 0, 0.3), wood(colour))
    for bay in range(bays):
        x = -w / 2 + w * (bay + 0.5) / bays
        coat = TOYS[int(rng.integers(len(TOYS)))]
        if rng.random() < 0.75:
            m.box((w / bays - 0.1, 0.11, h * 0.34), (x, 0.02, h * 0.40), Paint(coat, pattern="cloth"), round_m=0.045)
        if rng.random() < 0.7:
            bag = TOYS[int(rng.integers(len(TOYS)))]
            m.box((w / bays - 0.12, 0.18, 0.16), (x, -0.02, h * 0.8 + 0.01), Paint(bag), round_m=0.05)
        for side in (-0.045, 0.045):
            m.box((0.06, 0.15, 0.055), (x + side, -0.03, 0.045), Paint(shade(coat, 0.6)), round_m=0.024)
        m.box((0.07, 0.004, 0.07), (x, -d / 2 - 0.002, h - 0.1), Paint(TOYS[bay % len(TOYS)]))


def _sofa(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    cloth = Paint(colour, pattern="cloth")
    m.box((w, d, 0.2), (0, 0, 0.04), cloth, round_m=0.05)
    for x in (-w / 4 + 0.03, w / 4 - 0.03):
        m.box(
            (w / 2 - 0.09, d - 0.2, 0.12), (x, -0.06, 0.22), Paint(shade(colour, 1.08), pattern="cloth"), round_m=0.05
        )
    m.box((w, 0.18, h - 0.05), (0, d / 2 - 0.09, 0.05), cloth, round_m=0.08)
    for x in (-w / 2 + 0.06, w / 2 - 0.06):
        m.box((0.13, d, 0.4), (x, 0, 0.04), cloth, round_m=0.06)


def _bench(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    for k in range(3):
        m.box((w, d / 3 - 0.015, 0.03), (0, (k - 1) * d / 3, h - 0.03), wood(colour, k), round_m=0.01)
    for x in (-w / 2 + 0.12, w / 2 - 0.12):
        m.box((0.05, d - 0.04, h - 0.03), (x, 0, 0), wood(shade(colour, 0.85)), round_m=0.01)


def _screen(m: Modeller, size: Xyz, colour: Colour, __: np.random.Generator) -> None:
    w, _, h = size
    m.box((w, 0.035, h - 0.06), (0, 0, 0.06), Paint(colour, pattern="cloth"), round_m=0.015)
    for x in (-w / 2 + 0.02, w / 2 - 0.02):
        m.box((0.045, 0.05, h), (x, 0, 0), wood(BEECH), round_m=0.015)
        m.box((0.05, 0.4, 0.035), (x, 0, 0), wood(BEECH), round_m=0.012)


def _toy_box(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, d, h = size
    for x, y, sx, sy in ((0, -d / 2, w, 0.025), (0, d / 2, w, 0.025), (-w / 2, 0, 0.025, d), (w / 2, 0, 0.025, d)):
        m.box((sx + 0.024, sy + 0.024, h), (x, y, 0), Paint(colour, gloss=0.1), round_m=0.01)
    m.box((w, d, 0.02), (0, 0, h * 0.45), Paint(shade(colour, 0.6)))
    for _ in range(7):
        _toy(m, (float(rng.uniform(-0.38, 0.38)) * w, float(rng.uniform(-0.3, 0.3)) * d, h * 0.62), rng)


def _play_kitchen(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    m.box((w, d, 0.5), (0, 0, 0), wood(BEECH), round_m=0.01)
    m.box((w, 0.03, h), (0, d / 2 - 0.015, 0), Paint(colour), round_m=0.01)
    m.box((w, 0.16, 0.025), (0, d / 2 - 0.09, h - 0.14), wood(BEECH))
    m.box((w * 0.45, 0.015, 0.34), (-w / 4, -d / 2 - 0.005, 0.09), Paint(colour), round_m=0.006)
    m.box((w * 0.3, 0.005, 0.17), (-w / 4, -d / 2 - 0.014, 0.2), DARK)
    m.box((w * 0.42, 0.015, 0.34), (w / 4, -d / 2 - 0.005, 0.09), WHITE, round_m=0.006)
    for x in (-w / 4 - 0.1, -w / 4 + 0.1):
        m.turned([(0, 0), (0.075, 0), (0.075, 0.008), (0, 0.008)], DARK, foot=(x, -0.02, 0.5), sides=18)
    m.turned(
        [(0, 0), (0.06, 0), (0.065, 0.07), (0.06, 0.075), (0, 0.06)],
        Paint(TOYS[0]),
        foot=(-w / 4 - 0.1, -0.02, 0.51),
        sides=16,
    )
    m.turned([(0, 0), (0.1, 0), (0.12, 0.01), (0, 0.004)], METAL, foot=(w / 4, -0.02, 0.5), sides=18)


def _carcass(m: Modeller, size: Xyz, colour: Colour, *, boards: int, bays: int, back: bool) -> None:
    """Sides, boards and back of an open shelf."""
    w, d, h = size
    for bay in range(bays + 1):
        m.box((0.025, d, h), (-w / 2 + 0.0125 + (w - 0.025) * bay / bays, 0, 0), wood(colour, bay))
    for board in range(boards + 1):
        m.box((w, d, 0.025), (0, 0, min(h - 0.025, 0.03 + (h - 0.03) * board / boards)), wood(colour, board))
    if back:
        m.box((w - 0.02, 0.012, h - 0.03), (0, d / 2 - 0.012, 0.02), wood(shade(colour, 0.8)))


def _toys(m: Modeller, at: Xyz, wide: float, high: float, rng: np.random.Generator) -> None:
    """What lies in a bay of a shelf: a bin, or a few things."""
    if rng.random() < 0.55:
        bin_colour = TOYS[int(rng.integers(len(TOYS)))]
        m.box((wide * 0.86, 0.24, high * 0.6), at, Paint(shade(bin_colour, 1.15), gloss=0.1), round_m=0.02)
        return
    for k in range(int(rng.integers(1, 4))):
        _toy(m, (at[0] + (k - 1) * wide * 0.3, at[1] - 0.02, at[2]), rng, limit_m=high * 0.8)


def _toy(m: Modeller, at: Xyz, rng: np.random.Generator, *, limit_m: float = 0.2) -> None:
    paint = Paint(TOYS[int(rng.integers(len(TOYS)))], gloss=0.15)
    size = float(rng.uniform(0.06, 0.13))
    form = int(rng.integers(4))
    if form == 0:
        m.box((size, size, size), at, paint, round_m=0.012, turn_rad=float(rng.uniform(0, 3)))
    elif form == 1:
        m.ball(size * 0.55, (at[0], at[1], at[2] + size * 0.55), paint, rings=8)
    elif form == 2:
        for k in range(3):
            if (k + 1) * 0.035 < limit_m:
                r = size * (0.7 - 0.17 * k)
                m.turned(
                    [(0, 0), (r, 0), (r, 0.035), (0, 0.035)],
                    Paint(TOYS[(k + form) % 6]),
                    foot=(at[0], at[1], at[2] + k * 0.035),
                    sides=14,
                )
    else:
        m.box((size * 1.5, size * 0.7, size * 0.5), (at[0], at[1], at[2] + 0.02), paint, round_m=0.02)
        m.box(
            (size * 0.7, size * 0.66, size * 0.4),
            (at[0], at[1], at[2] + 0.02 + size * 0.45),
            Paint((0.9, 0.9, 0.88)),
            round_m=0.02,
        )


_FORMS: dict[str, tuple[Draw, Colour]] = {
    "table": (_table, BEECH), "round_table": (_round_table, BEECH), "chair": (_chair, TOYS[0]),
    "adult_chair": (_adult_chair, (0.45, 0.5, 0.52)), "desk": (_desk, BEECH), "cot": (_cot, TOYS[2]),
    "crib": (_crib, (0.93, 0.90, 0.83)), "shelf": (_shelf, BEECH), "bookshelf": (_bookshelf, BEECH),
    "cupboard": (_cupboard, (0.92, 0.88, 0.78)), "cubbies": (_cubbies, BEECH), "sofa": (_sofa, (0.56, 0.7, 0.55)),
    "bench": (_bench, BEECH), "screen": (_screen, TOYS[2]), "toy_box": (_toy_box, TOYS[1]),
    "play_kitchen": (_play_kitchen, (0.92, 0.72, 0.63)),
}  # fmt: skip
