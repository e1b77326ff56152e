"""What moves in a house besides people: doors, gates, the fridge's door, windows, curtains; clutter and flames that come and go.

Belongs here: their forms and where they are in a ``World``. Does not belong here: drawing them (``stage.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.simulation.building import Building, Furniture, Opening, Wall
from services.simulation.render.shapes import Mesh, Modeller, Paint, placed, shade, srgb
from services.simulation.render.shell import wall_frame
from services.simulation.world import World

Matrix = NDArray[np.float64]
_STEEL = Paint((0.72, 0.74, 0.75))
_WIDEST_RAD = math.radians(88)


@dataclass(frozen=True)
class Mover:
    """A thing with one form; :func:`mover_matrix` says where it is, or that it is not there."""

    name: str
    kind: str
    mesh: Mesh
    opening: Opening | None = None
    piece: Furniture | None = None
    wall: Wall | None = None
    inward: float = 1.0
    """The side of its wall that is a room: 1 the left, -1 the right."""


def movers_of(building: Building) -> list[Mover]:
    """Every mover of a building."""
    return [*_of_openings(building), *_of_furniture(building)]


def _of_openings(building: Building) -> Iterator[Mover]:
    for opening in building.openings:
        wall, left = building.wall(opening.wall), building.rooms_joined(opening)[0]
        indoors = left is not None and (opening.kind == "gate" or not left.outdoors)
        inward = 1.0 if indoors else -1.0
        if opening.kind in ("door", "gate"):
            leaf = _gate(opening) if opening.kind == "gate" else _leaf(opening)
            yield Mover(f"{opening.id}/leaf", "leaf", leaf, opening, None, wall, inward)
        if opening.kind == "window":
            yield Mover(f"{opening.id}/sash", "sash", _sash(opening), opening, None, wall, inward)
            if opening.curtain:
                for side in ("left", "right"):
                    yield Mover(
                        f"{opening.id}/curtain-{side}",
                        f"curtain-{side}",
                        _curtain(opening),
                        opening,
                        None,
                        wall,
                        inward,
                    )
        if opening.is_exit:
            yield Mover(f"{opening.id}/clutter", "clutter", _clutter(), opening, None, wall, inward)


def _of_furniture(building: Building) -> Iterator[Mover]:
    for index, piece in enumerate(building.furniture):
        if piece.kind in ("fridge", "freezer"):
            mesh = _fridge_door(piece) if piece.kind == "fridge" else _lid(piece)
            yield Mover(f"{piece.id or index}/door", piece.kind, mesh, piece=piece)


def mover_matrix(mover: Mover, world: World) -> Matrix | None:
    """Where a mover is, as a 4x4 matrix; None while it is not to be seen."""
    if mover.piece is not None:
        return _furniture_matrix(mover.piece, world.openings.get(mover.piece.id or "", 0.0))
    opening, wall = mover.opening, mover.wall
    assert opening is not None
    assert wall is not None
    if mover.kind == "clutter":
        return _clutter_matrix(mover, opening, wall) if opening.id in world.blocked else None
    open_share = float(world.openings.get(opening.id, 0.0))
    if mover.kind == "sash" and open_share < 0.02:
        return None
    if mover.kind.startswith("curtain"):
        return wall_frame(wall) @ _curtain_matrix(mover, opening, wall, float(world.curtains.get(opening.id, 0.0)))
    at_start, to_left = opening.hinge == "start", opening.swings == "left"
    x = opening.at_m + (-0.5 if at_start else 0.5) * opening.width_m
    sign = (1 if to_left else -1) * (1 if at_start else -1)
    angle = sign * _WIDEST_RAD * min(1.0, max(0.0, open_share)) * (0.7 if mover.kind == "sash" else 1.0)
    turned = placed((x, 0.0, opening.sill_m), math.degrees(angle))
    if not at_start:
        turned = turned @ np.diag([-1.0, -1.0, 1.0, 1.0])
    return np.asarray(wall_frame(wall) @ turned)


def _furniture_matrix(piece: Furniture, open_share: float) -> Matrix:
    w, d, h = piece.size
    stands = placed(piece.foot, piece.turn_deg)
    if piece.kind == "fridge":
        return np.asarray(stands @ placed((w / 2, -d / 2 + 0.05, 0), math.degrees(open_share * 1.75)))
    angle = -open_share * 1.2
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    tilt[:3, 3] = (0, d / 2, h - 0.08)
    return np.asarray(stands @ tilt)


def _clutter_matrix(mover: Mover, opening: Opening, wall: Wall) -> Matrix:
    side = mover.inward
    turn = 0.0 if side > 0 else 180.0
    return np.asarray(wall_frame(wall) @ placed((opening.at_m, side * 0.62, 0.0), turn))


def _curtain_matrix(mover: Mover, opening: Opening, wall: Wall, drawn: float) -> Matrix:
    """A unit-wide cloth stretched from its end of the rail: a fifth of the window when open, half and a bit when drawn."""
    inward, kind = mover.inward, mover.kind
    width = opening.width_m * (0.16 + 0.39 * min(1.0, max(0.0, drawn)))
    end = opening.at_m + (-1 if kind.endswith("left") else 1) * (opening.width_m / 2 + 0.12)
    matrix = np.diag([width * (1 if kind.endswith("left") else -1), inward, 1.0, 1.0])
    matrix[:3, 3] = (end, inward * (wall.thickness_m / 2 + 0.16), opening.sill_m - 0.25)
    return matrix


def _leaf(opening: Opening) -> Mesh:
    m = Modeller()
    w, h = opening.width_m - 0.04, opening.height_m - 0.02
    paint, inset = Paint(srgb(opening.colour)), Paint(shade(srgb(opening.colour), 0.88))
    if opening.glazed:
        for x in (0.05, w / 2, w - 0.03):
            m.box((0.09 if x != w / 2 else 0.04, 0.045, h), (x, 0, 0.01), paint)
        for z, tall in ((0.01, 0.28), (h / 2, 0.06), (h - 0.1, 0.1)):
            m.box((w, 0.045, tall), (w / 2 + 0.02, 0, z), paint)
    else:
        m.box((w, 0.042, h), (w / 2 + 0.02, 0, 0.01), paint)
        for side in (-0.023, 0.023):
            m.box((w * 0.62, 0.004, h * 0.34), (w / 2 + 0.02, side, 0.16), inset)
            m.box((w * 0.62, 0.004, h * 0.2), (w / 2 + 0.02, side, h * 0.5), inset)
            m.box((w * 0.3, 0.006, h * 0.16), (w / 2 + 0.02, side, h * 0.76), Paint((0.70, 0.82, 0.86)))
    for side in (-0.05, 0.05):
        m.rod((w - 0.08, side, 0.98), (w - 0.2, side, 0.98), 0.011, _STEEL, sides=8)
        m.rod((w - 0.08, side * 0.3, 0.98), (w - 0.08, side, 0.98), 0.011, _STEEL, sides=8)
    return m.mesh()


def _gate(opening: Opening) -> Mesh:
    m = Modeller()
    paint, w, h = Paint(srgb(opening.colour)), opening.width_m - 0.06, opening.height_m
    for x in np.linspace(0.06, w - 0.03, max(5, round(w / 0.14))):
        m.box((0.07, 0.022, h - 0.08), (float(x), 0, 0.06), paint)
    for z in (0.2, h - 0.24):
        m.box((w, 0.035, 0.08), (w / 2 + 0.03, 0.025, z), paint)
    m.rod((0.1, 0.03, 0.24), (w - 0.06, 0.03, h - 0.2), 0.025, paint, sides=6)
    return m.mesh()


def _sash(opening: Opening) -> Mesh:
    """An opened casement: a light frame, the glass is not drawn."""
    m = Modeller()
    paint, w, h = Paint((0.95, 0.94, 0.90)), opening.width_m / 2, opening.height_m - 0.46
    for x in (0.03, w - 0.03):
        m.box((0.05, 0.035, h), (x, 0, 0.03), paint)
    for z in (0.03, h - 0.02):
        m.box((w, 0.035, 0.05), (w / 2, 0, z), paint)
    return m.mesh()


def _curtain(opening: Opening) -> Mesh:
    """Cloth in folds along x 0..1, hanging from above the window to below its sill."""
    m = Modeller()
    high = opening.height_m + 0.42
    colour = srgb(opening.curtain or "#f0e0c0")
    folds = np.linspace(0, 1, 41)
    depth = 0.045 * np.sin(folds * 2 * math.pi * 7)
    for k in range(len(folds) - 1):
        paint = Paint(shade(colour, 0.84 + 0.16 * (0.5 + 0.5 * math.sin((folds[k] + 0.012) * 2 * math.pi * 7 + 0.9))))
        (x0, x1), (y0, y1) = folds[k : k + 2], depth[k : k + 2]
        m.quad([(x1, y1, 0), (x0, y0, 0), (x0, y0, high), (x1, y1, high)], paint)
    return m.mesh()


def _clutter() -> Mesh:
    """What should not stand before an exit: parcels, a folded table, a crate."""
    m = Modeller()
    card, tape = Paint((0.72, 0.56, 0.38)), Paint((0.84, 0.76, 0.62))
    for x, y, z, w, d, h, turn in (
        (-0.35, 0.05, 0, 0.55, 0.45, 0.42, 0.1), (-0.32, 0.08, 0.42, 0.45, 0.4, 0.34, -0.2), (0.28, 0.0, 0, 0.5, 0.5, 0.36, 0.35),
        (0.3, 0.02, 0.36, 0.4, 0.34, 0.3, -0.1), (-0.05, 0.42, 0, 0.46, 0.36, 0.3, 0.5),
    ):  # fmt: skip
        m.box((w, d, h), (x, y, z), card, round_m=0.008, turn_rad=turn)
        m.box((0.06, d + 0.006, h + 0.004), (x, y, z), tape, turn_rad=turn)
    m.box((1.1, 0.05, 0.7), (0.05, -0.3, 0.0), Paint((0.90, 0.88, 0.83)), round_m=0.01, turn_rad=0.06)
    m.box((0.4, 0.3, 0.25), (0.55, 0.42, 0), Paint((0.32, 0.58, 0.66)), round_m=0.02, turn_rad=0.7)
    return m.mesh()


def _fridge_door(piece: Furniture) -> Mesh:
    m = Modeller()
    w, _, h = piece.size
    colour = srgb(piece.colour) if piece.colour else (0.90, 0.91, 0.92)
    m.box((w, 0.06, h - 0.02), (-w / 2, -0.035, 0.01), Paint(colour), round_m=0.015)
    m.box((w - 0.1, 0.01, h - 0.12), (-w / 2, 0.0, 0.06), Paint((0.95, 0.96, 0.97)))
    m.rod((-w + 0.06, -0.1, h * 0.5), (-w + 0.06, -0.1, h * 0.78), 0.014, _STEEL, sides=8)
    m.box((0.16, 0.004, 0.2), (-w * 0.45, -0.067, h * 0.68), Paint((0.98, 0.90, 0.60)))
    m.box((0.1, 0.004, 0.12), (-w * 0.62, -0.067, h * 0.74), Paint((0.80, 0.90, 0.93)))
    return m.mesh()


def _lid(piece: Furniture) -> Mesh:
    m = Modeller()
    w, d, _ = piece.size
    colour = srgb(piece.colour) if piece.colour else (0.93, 0.94, 0.94)
    m.box((w, d, 0.08), (0, -d / 2, 0), Paint(shade(colour, 0.95)), round_m=0.025)
    m.rod((-0.12, -d - 0.02, 0.04), (0.12, -d - 0.02, 0.04), 0.014, _STEEL, sides=8)
    return m.mesh()


def flame_mesh() -> Mesh:
    """A tongue of flame one metre high, its foot at the origin."""
    m = Modeller()
    for scale, colour in ((1.0, (1.0, 0.45, 0.10)), (0.72, (1.0, 0.72, 0.18)), (0.42, (1.0, 0.95, 0.62))):
        profile = [(0.10, 0.0), (0.24, 0.16), (0.22, 0.34), (0.12, 0.62), (0.04, 0.88), (0.0, 1.0)]
        m.turned(
            [(r * scale, z * scale) for r, z in profile],
            Paint(colour, glow=1.0),
            sides=12,
            foot=(0, -0.02 * (1 - scale), 0),
            smooth=True,
        )
    return m.mesh()
