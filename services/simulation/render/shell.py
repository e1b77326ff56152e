"""The house itself: floors, ceilings, walls with holes for doors and windows, frames, skirting boards, fences, the street."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from services.simulation.building import Building, Opening, Room, Surface, Wall
from services.simulation.render.shapes import Mesh, Modeller, Paint, Xyz, shade, srgb

_FRAME = Paint((0.95, 0.94, 0.90), gloss=0.15)
_SKIRTING_M = 0.075
_FLOORS = {
    "wood": "planks", "tile": "tiles", "carpet": "carpet", "linoleum": "speckle", "paint": "plain", "wallpaper": "plain",
    "brick": "brick", "grass": "grass", "rubber": "speckle", "paving": "paving", "concrete": "concrete",
}  # fmt: skip


def floor_paint(surface: Surface) -> Paint:
    colour = srgb(surface.colour)
    second = srgb(surface.second) if surface.second else shade(colour, 0.88)
    gloss = {"wood": 0.35, "tile": 0.4, "linoleum": 0.3}.get(surface.material, 0.0)
    return Paint(colour, second, _FLOORS[surface.material], gloss=gloss)


def shell_meshes(building: Building) -> list[Mesh]:
    """Floors, ceilings and the ground, then each wall."""
    return [_ground(building), *(_wall(building, wall) for wall in building.walls)]


def wall_frame(wall: Wall) -> NDArray[np.float64]:
    """The matrix from a wall's own axes (x along, y to its left, z up) to the building's."""
    dx, dy = wall.direction
    return np.array([[dx, -dy, 0, wall.start[0]], [dy, dx, 0, wall.start[1]], [0, 0, 1, 0], [0, 0, 0, 1]])


def _ground(building: Building) -> Mesh:
    m = Modeller()
    for room in building.rooms:
        corners = room.footprint
        for a, b, c in triangulated(np.array(corners)):
            m.quad([(*corners[a], 0.0), (*corners[b], 0.0), (*corners[c], 0.0)], floor_paint(room.floor))
            if room.ceiling_m is not None:
                top = room.ceiling_m
                m.quad([(*corners[c], top), (*corners[b], top), (*corners[a], top)], Paint(srgb(room.ceiling)))
    far = 70.0
    street = Paint((0.52, 0.60, 0.40), (0.46, 0.54, 0.35), "meadow")
    m.quad([(-far, -far, -0.03), (far, -far, -0.03), (far, far, -0.03), (-far, far, -0.03)], street)
    return m.mesh()


def _wall(building: Building, wall: Wall) -> Mesh:
    openings = sorted((o for o in building.openings if o.wall == wall.id), key=lambda opening: opening.at_m)
    m = Modeller()
    if wall.kind == "fence":
        _pickets(m, wall, openings)
        return m.mesh().moved(wall_frame(wall))
    cuts = _cuts(building, wall, openings)
    for first, last in itertools.pairwise(cuts):
        middle = (first + last) / 2
        hole = next((o for o in openings if abs(middle - o.at_m) < o.width_m / 2), None)
        for side in (1.0, -1.0):
            beside = building.room_at(*wall.point(middle, side * (wall.thickness_m / 2 + 0.08)))
            paint = _wall_paint(building, wall, beside)
            for low, high in _solid(wall, hole):
                _panel(m, (first, last), (low, high), side * wall.thickness_m / 2, side, paint)
            indoors = beside is not None and not beside.outdoors
            if indoors and beside is not None and (hole is None or hole.sill_m > 0.1):
                _skirting(m, first, last, side * wall.thickness_m / 2, side, beside)
    m.box(
        (wall.length_m, wall.thickness_m, 0.04),
        (wall.length_m / 2, 0, wall.height_m - 0.02),
        Paint(srgb(building.facade)),
    )
    for opening in openings:
        _frame(m, wall, opening)
    return m.mesh().moved(wall_frame(wall))


def _cuts(building: Building, wall: Wall, openings: list[Opening]) -> list[float]:
    """Where a wall's look changes: at openings and where the rooms beside it end."""
    dx, dy = wall.direction
    cuts = {0.0, wall.length_m}
    for opening in openings:
        cuts |= {opening.at_m - opening.width_m / 2, opening.at_m + opening.width_m / 2}
    for room in building.rooms:
        for x, y in room.footprint:
            along, across = (
                (x - wall.start[0]) * dx + (y - wall.start[1]) * dy,
                (y - wall.start[1]) * dx - (x - wall.start[0]) * dy,
            )
            if abs(across) < 0.5 and 0 < along < wall.length_m:
                cuts.add(along)
    return sorted(cuts)


def _solid(wall: Wall, hole: Opening | None) -> list[tuple[float, float]]:
    if hole is None:
        return [(0.0, wall.height_m)]
    parts = [(0.0, hole.sill_m), (hole.sill_m + hole.height_m, wall.height_m)]
    return [(low, high) for low, high in parts if high - low > 0.01]


def _panel(
    m: Modeller, span: tuple[float, float], rise: tuple[float, float], y: float, side: float, paint: Paint
) -> None:
    corners: list[Xyz] = [(span[0], y, rise[0]), (span[1], y, rise[0]), (span[1], y, rise[1]), (span[0], y, rise[1])]
    m.quad(corners if side < 0 else corners[::-1], paint)


def _wall_paint(building: Building, wall: Wall, room: Room | None) -> Paint:
    if room is None or room.outdoors:
        return Paint(srgb(wall.colour or building.facade), pattern="plaster")
    surface = room.wall
    colour = srgb(surface.colour)
    if surface.material == "tile":
        return Paint(colour, srgb(surface.second) if surface.second else shade(colour, 0.9), "walltiles", gloss=0.3)
    if surface.material == "brick":
        return Paint(colour, srgb(surface.second) if surface.second else shade(colour, 0.8), "brick")
    dado = srgb(surface.dado) if surface.dado else None
    return Paint(colour, dado, "wall", (1.0, 1.0, surface.dado_m))


def _skirting(m: Modeller, first: float, last: float, y: float, side: float, room: Room) -> None:
    m.box((last - first, 0.014, _SKIRTING_M), ((first + last) / 2, y + side * 0.007, 0), _FRAME)
    if room.wall.dado and room.wall.material == "paint":
        rail = Paint(shade(srgb(room.wall.dado), 0.93))
        m.box((last - first, 0.016, 0.035), ((first + last) / 2, y + side * 0.008, room.wall.dado_m - 0.017), rail)


def _frame(m: Modeller, wall: Wall, opening: Opening) -> None:
    """Reveals, architraves and, of a window, its bars and sill."""
    deep, low, high = wall.thickness_m, opening.sill_m, opening.sill_m + opening.height_m
    left, right = opening.at_m - opening.width_m / 2, opening.at_m + opening.width_m / 2
    reveal = Paint((0.93, 0.92, 0.88))
    for x in (left, right):
        m.box((0.03, deep + 0.03, high - low), (x, 0, low), reveal)
    m.box((right - left + 0.03, deep + 0.03, 0.03), (opening.at_m, 0, high - 0.015), reveal)
    if opening.kind == "passage":
        return
    trim = 0.06
    for side in (-1.0, 1.0):
        y = side * (deep / 2 + 0.012)
        for x in (left - trim / 2, right + trim / 2):
            m.box((trim, 0.022, high - low + trim), (x, y, low), _FRAME)
        m.box((right - left + 2 * trim, 0.022, trim), (opening.at_m, y, high), _FRAME)
    if opening.kind == "window":
        for side in (-1.0, 1.0):
            m.box(
                (right - left + 0.2, 0.16, 0.035),
                (opening.at_m, side * (deep / 2 + 0.05), low - 0.035),
                _FRAME,
                round_m=0.01,
            )
        for bar in window_bars(opening):
            width, height = bar[2] - bar[0], bar[3] - bar[1]
            m.box((width, 0.05, height), ((bar[0] + bar[2]) / 2, 0, bar[1]), _FRAME)


def window_bars(opening: Opening) -> list[tuple[float, float, float, float]]:
    """The bars of a window as x0, z0, x1, z1 in its wall's axes: light that they stop is missing in the sun's patches."""
    left, right = opening.at_m - opening.width_m / 2, opening.at_m + opening.width_m / 2
    low, high, bar = opening.sill_m, opening.sill_m + opening.height_m, 0.05
    panes = max(2, round(opening.width_m / 0.8))
    bars = [
        (left, low, right, low + bar),
        (left, high - bar, right, high),
        (left, high - 0.42, right, high - 0.42 + bar * 0.8),
    ]
    for k in range(panes + 1):
        x = left + (right - left) * k / panes
        bars.append((max(left, x - bar / 2), low, min(right, x + bar / 2), high))
    return bars


def _pickets(m: Modeller, wall: Wall, openings: list[Opening]) -> None:
    paint = Paint(srgb(wall.colour) if wall.colour else (0.93, 0.91, 0.86))
    gaps = [(o.at_m - o.width_m / 2, o.at_m + o.width_m / 2) for o in openings]
    for x in np.arange(0.07, wall.length_m, 0.14):
        if not any(first < x < last for first, last in gaps):
            m.box((0.07, 0.022, wall.height_m - 0.06), (float(x), 0, 0.06), paint)
    edges = [0.0, *(edge for gap in sorted(gaps) for edge in gap), wall.length_m]
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        for z in (0.22, wall.height_m - 0.25):
            m.box((last - first, 0.035, 0.07), ((first + last) / 2, 0.028, z), paint)
        for x in np.linspace(first, last, max(2, round((last - first) / 2) + 1)):
            m.box((0.1, 0.1, wall.height_m + 0.05), (float(x), 0.03, 0), paint, round_m=0.012)


def triangulated(corners: NDArray[np.float64]) -> list[tuple[int, int, int]]:
    """Ear clipping of a simple counter-clockwise polygon."""
    left, triangles = list(range(len(corners))), []
    while len(left) > 3:
        for k in range(len(left)):
            a, b, c = left[k - 1], left[k], left[(k + 1) % len(left)]
            rest = [corners[i] for i in left if i not in (a, b, c)]
            convex = _turns_left(corners[a], corners[b], corners[c]) > 1e-12
            if convex and not any(_within(corners[a], corners[b], corners[c], point) for point in rest):
                triangles.append((a, b, c))
                left.pop(k)
                break
        else:
            left.pop()  # a degenerate corner
    return [*triangles, (left[0], left[1], left[2])]


def _turns_left(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _within(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    return min(_turns_left(a, b, point), _turns_left(b, c, point), _turns_left(c, a, point)) >= 0
