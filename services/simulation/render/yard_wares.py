"""The forms of what stands in the yard. See ``pieces.py``."""

from __future__ import annotations

import numpy as np

from services.simulation.render.shapes import Modeller, Paint, Xyz, shade
from services.simulation.render.wares import BARK, MERRY, STEEL, WOOD, Colour, Draw


def _slide(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    """Steps at the back (+y), a platform, the chute towards -y."""
    w, d, h = size
    deck, back = h * 0.66, d * 0.12
    side = Paint((0.36, 0.60, 0.68), gloss=0.2)
    m.box((w, 0.75, 0.05), (0, back + 0.375, deck - 0.05), WOOD)
    for x in (-w / 2 + 0.04, w / 2 - 0.04):
        for y in (back + 0.04, back + 0.71):
            m.box((0.08, 0.08, h), (x, y, 0), WOOD, round_m=0.015)
        m.box((0.04, 0.67, 0.4), (x, back + 0.375, deck + 0.05), side, round_m=0.015)
        m.rod((x * 0.72, back, deck), (x * 0.72, -d / 2 + 0.25, 0.2), 0.06, Paint(colour, gloss=0.3))
        m.rod((x * 0.72, -d / 2 + 0.25, 0.2), (x * 0.72, -d / 2, 0.16), 0.06, Paint(colour, gloss=0.3))
    chute = Paint(shade(colour, 1.15), gloss=0.4)
    u = w * 0.34
    m.quad(
        [(-u, -d / 2 + 0.25, 0.16), (u, -d / 2 + 0.25, 0.16), (u, back, deck - 0.02), (-u, back, deck - 0.02)], chute
    )
    m.quad([(-u, -d / 2, 0.13), (u, -d / 2, 0.13), (u, -d / 2 + 0.25, 0.16), (-u, -d / 2 + 0.25, 0.16)], chute)
    for k in range(4):
        y = d / 2 - 0.03 - 0.09 * k
        m.box((w * 0.7, 0.14, 0.035), (0, y, deck * (k + 0.6) / 4.6), WOOD)
    for x in (-w * 0.36, w * 0.36):
        m.rod((x, d / 2 + 0.04, 0), (x, back + 0.72, deck + 0.1), 0.025, side)


def _sandpit(m: Modeller, size: Xyz, _: Colour, __: np.random.Generator) -> None:
    w, d, h = size
    for x, y, sx, sy in ((0, -d / 2, w, 0.2), (0, d / 2, w, 0.2), (-w / 2, 0, 0.2, d), (w / 2, 0, 0.2, d)):
        m.box((sx + 0.1, sy + 0.1 if sy < 1 else sy - 0.2, h), (x, y, 0), WOOD, round_m=0.02)
    m.box((w - 0.1, d - 0.1, 0.06), (0, 0, 0), Paint((0.90, 0.81, 0.62), (0.82, 0.72, 0.52), "sand"))
    m.turned(
        [(0, 0), (0.3, 0), (0.12, 0.16), (0, 0.19)],
        Paint((0.90, 0.81, 0.62), (0.82, 0.72, 0.52), "sand"),
        foot=(0.4, 0.35, 0.05),
        smooth=True,
    )
    m.turned([(0.07, 0), (0.1, 0.16), (0.09, 0.16), (0, 0.02)], Paint(MERRY[0], gloss=0.2), foot=(-0.5, 0.3, 0.06))


def _playhouse(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, d, h = size
    eave = h * 0.68
    wall = Paint((0.93, 0.82, 0.62), (0.84, 0.72, 0.52), "boards")
    for x in (-w / 2 + 0.02, w / 2 - 0.02):
        m.box((0.04, d, eave), (x, 0, 0), wall)
    m.box((w, 0.04, eave), (0, d / 2 - 0.02, 0), wall)
    for x in (-w * 0.34, w * 0.34):
        m.box((w * 0.32, 0.04, eave), (x, -d / 2 + 0.02, 0), wall)
    m.box((w * 0.4, 0.04, eave * 0.25), (0, -d / 2 + 0.02, eave * 0.75), wall)
    roof = Paint(colour, shade(colour, 0.85), "boards")
    for sign in (-1, 1):
        eave_x, z = sign * (w / 2 + 0.12), eave - 0.1
        flat = [(eave_x, -d / 2 - 0.12, z), (0.0, -d / 2 - 0.12, h), (0.0, d / 2 + 0.12, h), (eave_x, d / 2 + 0.12, z)]
        m.quad(flat if sign < 0 else flat[::-1], roof)
        m.quad([(x, y, q - 0.03) for x, y, q in (flat[::-1] if sign < 0 else flat)], roof)
    for y in (-d / 2 + 0.0, d / 2 - 0.0):
        gable = [(-w / 2, y, eave), (w / 2, y, eave), (0.0, y, h - 0.03)]
        m.quad(gable if y < 0 else gable[::-1], wall)


def _seesaw(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w = size[0]
    m.rod((-w / 2, 0, 0.2), (w / 2, 0, 0.48), 0.05, Paint(colour, gloss=0.2))
    m.turned([(0.22, 0), (0.08, 0.3), (0, 0.32)], Paint(MERRY[1]), foot=(0, 0, 0), smooth=True)
    for x, z in ((-w / 2 + 0.12, 0.26), (w / 2 - 0.12, 0.5)):
        m.box((0.26, 0.3, 0.05), (x, 0, z), Paint(MERRY[0]), round_m=0.02)
        m.rod((x * 0.72, -0.14, z + 0.18), (x * 0.72, 0.14, z + 0.18), 0.016, STEEL)


def _tree(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, _, h = size
    m.rod((0, 0, 0), (0.06, 0.03, h * 0.55), w / 2, BARK, sides=12, end_m=w * 0.32)
    for k in range(16):
        turn, reach = k * 2.4, float(rng.uniform(0.1, 0.28)) * h
        at = (float(np.cos(turn)) * reach, float(np.sin(turn)) * reach, h * float(rng.uniform(0.52, 0.95)))
        leaves = Paint(shade(colour, float(rng.uniform(0.75, 1.15))), shade(colour, 0.62), "leaves", seed=k)
        m.ball(float(rng.uniform(0.11, 0.19)) * h, at, leaves, rings=9)


def _shrub(m: Modeller, size: Xyz, colour: Colour, rng: np.random.Generator) -> None:
    w, _, h = size
    for k in range(9):
        at = (
            float(rng.uniform(-0.28, 0.28)) * w,
            float(rng.uniform(-0.28, 0.28)) * w,
            h * float(rng.uniform(0.35, 0.62)),
        )
        m.ball(
            h * float(rng.uniform(0.3, 0.42)),
            at,
            Paint(shade(colour, float(rng.uniform(0.8, 1.1))), shade(colour, 0.6), "leaves", seed=k),
            rings=9,
        )


def _fence(m: Modeller, size: Xyz, colour: Colour, _: np.random.Generator) -> None:
    w, _depth, h = size
    for x in np.arange(-w / 2 + 0.04, w / 2, 0.11):
        m.box((0.06, 0.02, h), (float(x), 0, 0), Paint(colour), round_m=0.008)
    for z in (h * 0.25, h * 0.75):
        m.box((w, 0.03, 0.05), (0, 0.025, z), Paint(colour))


_GREEN: Colour = (0.36, 0.54, 0.30)
FORMS: dict[str, tuple[Draw, Colour]] = {
    "slide": (_slide, MERRY[1]), "sandpit": (_sandpit, (0.76, 0.56, 0.36)), "playhouse": (_playhouse, MERRY[0]),
    "seesaw": (_seesaw, MERRY[2]), "tree": (_tree, _GREEN), "shrub": (_shrub, (0.40, 0.58, 0.33)),
    "fence": (_fence, (0.94, 0.92, 0.86)),
}  # fmt: skip
