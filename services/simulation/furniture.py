"""The still parts of the drawn rooms: walls, window, floor, door, shelves, cots. One function draws one
room; the door, which moves, is drawn over it.

No colour here comes near the orange of the figures' clothes (hue 12°-34° with more than half saturation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from services.simulation.canvas import Canvas, Colour, colour, shade
from services.simulation.floor_plan import DOOR_LEFT_M, DOOR_WIDTH_M
from services.simulation.perspective import BACK_WALL_M, CEILING_M, HALF_WIDTH_M, disc, project

DOOR_HEIGHT_M = 2.05
_NEAR_M = 3.0


@dataclass(frozen=True, slots=True)
class Palette:
    wall: Colour
    dado: Colour
    floor: Colour
    seam: Colour
    wood: Colour
    sky: Colour
    light: Colour
    door: Colour
    accents: tuple[Colour, ...]
    rug: tuple[Colour, Colour]


PLAYROOM = Palette(
    wall=colour("#F1ECE2"), dado=colour("#BFD3C4"), floor=colour("#DCCFBA"), seam=colour("#CBBCA4"),
    wood=colour("#D9C7A8"), sky=colour("#CFE6F3"), light=colour("#FFF8E4"), door=colour("#8FB3A8"),
    accents=tuple(colour(c) for c in ("#4F8FA6", "#7DB38A", "#E9D27A", "#B5709A", "#6F86C6", "#9CC7C9")),
    rug=(colour("#A5C3C8"), colour("#D9E5E1")),
)  # fmt: skip
NAP_ROOM = Palette(
    wall=colour("#D5DBE8"), dado=colour("#AEBBD3"), floor=colour("#BDB7B3"), seam=colour("#ADA7A4"),
    wood=colour("#CFC3B4"), sky=colour("#9FB4D6"), light=colour("#E6ECFF"), door=colour("#8792B5"),
    accents=tuple(colour(c) for c in ("#8FA8D6", "#A6CDB9", "#C7B3DC", "#86B7C4", "#DDD7B8", "#B9C3E6")),
    rug=(colour("#A9B7D8"), colour("#CBD5E8")),
)  # fmt: skip


def playroom(palette: Palette) -> Canvas:
    """Shelves under a window, a round rug with toys, a low table."""
    canvas = _shell(palette)
    _window(canvas, palette, -2.1, 1.9)
    _bunting(canvas, palette)
    _rug(canvas, palette, -0.2, 5.3, 1.75)
    _shelf(canvas, palette, -3.9, 3.9)
    _table(canvas, palette, -3.5, 5.2)
    canvas.box(3.35, 5.2, (0.9, 0.55, 0.9), palette.accents[5])
    canvas.box(3.5, 5.35, (0.6, 0.35, 0.6), palette.accents[2], y_m=0.55)
    _toys(canvas, palette)
    _plant(canvas, palette, 4.05, 7.6)
    return canvas


def nap_room(palette: Palette) -> Canvas:
    """Two rows of cots, drawn curtains, a moon on the wall, a night lamp."""
    canvas = _shell(palette)
    _window(canvas, palette, -1.8, 1.5)
    _curtains(canvas, palette, -1.8, 1.5)
    _moon(canvas)
    _rug(canvas, palette, 0.3, 5.1, 1.05)
    for row, z_m in enumerate((6.55, 4.5)):
        for index, x_m in enumerate((-4.1, -2.75) if row else (-4.1, -2.75, -1.4)):
            _cot(canvas, palette, x_m, z_m, palette.accents[(index + 3 * row) % 6])
    _cot(canvas, palette, 2.9, 4.7, palette.accents[4])
    canvas.box(1.2, 7.75, (0.75, 0.6, 0.45), palette.wood)
    _lamp(canvas, 1.57, 0.6, 7.85)
    _dusk(canvas)
    return canvas


def _shell(palette: Palette) -> Canvas:
    canvas = Canvas(shade(palette.wall, 1.03))
    left, right, back = -HALF_WIDTH_M, HALF_WIDTH_M, BACK_WALL_M
    canvas.polygon(
        [project(left, y, back) for y in (0, CEILING_M)] + [project(right, y, back) for y in (CEILING_M, 0)],
        palette.wall,
    )
    for side in (left, right):
        wall = [
            project(side, 0, back),
            project(side, CEILING_M, back),
            project(side, CEILING_M, _NEAR_M),
            project(side, 0, _NEAR_M),
        ]
        canvas.polygon(wall, shade(palette.wall, 0.93 if side < 0 else 0.9))
        dado = [
            project(side, 0, back),
            project(side, 0.95, back),
            project(side, 0.95, _NEAR_M),
            project(side, 0, _NEAR_M),
        ]
        canvas.polygon(dado, shade(palette.dado, 0.93 if side < 0 else 0.9))
    canvas.polygon([project(x, y, back) for x, y in ((left, 0), (left, 0.95), (right, 0.95), (right, 0))], palette.dado)
    canvas.line([project(left, 0.95, back), project(right, 0.95, back)], shade(palette.wall, 1.06), 1.6)
    _floor(canvas, palette)
    return canvas


def _floor(canvas: Canvas, palette: Palette) -> None:
    left, right, back = -HALF_WIDTH_M, HALF_WIDTH_M, BACK_WALL_M
    near = 2.4
    canvas.polygon(
        [project(x, 0, z) for x, z in ((left, back), (right, back), (right, near), (left, near))], palette.floor
    )
    for plank in range(-23, 24):
        canvas.line([project(plank * 0.2, 0, back), project(plank * 0.2, 0, near)], palette.seam, 0.5)
        for joint in range(4):
            z_m = near + (plank * 7 % 5) * 0.37 + joint * 1.85
            if z_m < back:
                canvas.line([project(plank * 0.2, 0, z_m), project(plank * 0.2 + 0.2, 0, z_m)], palette.seam, 0.5)
    skirting = [(left, 0), (left, 0.1), (right, 0.1), (right, 0)]
    canvas.polygon([project(x, y, back) for x, y in skirting], shade(palette.wall, 1.05))
    canvas.glow(
        [project(x, 0, z) for x, z in ((left, back), (right, back), (right, back - 0.5), (left, back - 0.5))],
        (60, 52, 46),
        0.28,
        7,
    )
    for side in (left, right):
        edge = [(side, back), (side * 0.93, back), (side * 0.93, near), (side, near)]
        canvas.glow([project(x, 0, z) for x, z in edge], (60, 52, 46), 0.22, 8)


def door(canvas: Canvas, palette: Palette, door_open: float) -> None:
    """The door of either room, ``door_open`` from 0 (shut) to 1 (wide open)."""
    left, right, back = DOOR_LEFT_M, DOOR_LEFT_M + DOOR_WIDTH_M, BACK_WALL_M
    frame = [
        (left - 0.09, 0),
        (left - 0.09, DOOR_HEIGHT_M + 0.09),
        (right + 0.09, DOOR_HEIGHT_M + 0.09),
        (right + 0.09, 0),
    ]
    canvas.polygon([project(x, y, back) for x, y in frame], shade(palette.wall, 1.06))
    hole = [(left, 0), (left, DOOR_HEIGHT_M), (right, DOOR_HEIGHT_M), (right, 0)]
    canvas.polygon([project(x, y, back) for x, y in hole], colour("#8C949C"))
    canvas.polygon(
        [project(x, y, back) for x, y in ((left, 0), (left, 0.35), (right, 0.2), (right, 0))], colour("#A7A9A8")
    )
    canvas.glow(
        [project(x, y, back) for x, y in ((left, 0.3), (left, 1.9), (right, 1.9), (right, 0.3))],
        (228, 234, 238),
        0.55,
        5,
    )
    # The leaf is hinged on the right and swings into the room.
    angle = door_open * math.radians(82)
    tip_x, tip_z = right - DOOR_WIDTH_M * math.cos(angle), back - DOOR_WIDTH_M * math.sin(angle)
    leaf = [(right, 0.02, back), (right, DOOR_HEIGHT_M, back), (tip_x, DOOR_HEIGHT_M, tip_z), (tip_x, 0.02, tip_z)]
    canvas.polygon([project(*corner) for corner in leaf], shade(palette.door, 1.0 - 0.16 * door_open))
    _pane(canvas, palette, (right, back), (tip_x, tip_z))
    handle = 0.88
    canvas.circle(
        project(right + (tip_x - right) * handle, 1.0, back + (tip_z - back) * handle), 1.7, colour("#F3F1EC")
    )


def _pane(canvas: Canvas, palette: Palette, hinge: tuple[float, float], tip: tuple[float, float]) -> None:
    def across(share: float, y_m: float) -> tuple[float, float]:
        return project(hinge[0] + (tip[0] - hinge[0]) * share, y_m, hinge[1] + (tip[1] - hinge[1]) * share)

    canvas.polygon([across(0.3, 1.2), across(0.3, 1.8), across(0.7, 1.8), across(0.7, 1.2)], shade(palette.sky, 0.97))


def _window(canvas: Canvas, palette: Palette, x_m: float, width_m: float) -> None:
    back, bottom, top, right = BACK_WALL_M, 1.1, 2.25, x_m + width_m
    frame = [
        (x_m - 0.08, bottom - 0.08),
        (x_m - 0.08, top + 0.08),
        (right + 0.08, top + 0.08),
        (right + 0.08, bottom - 0.08),
    ]
    canvas.glow([project(x, y, back) for x, y in frame], palette.light, 0.8, 16)
    canvas.polygon([project(x, y, back) for x, y in frame], shade(palette.wall, 1.07))
    glass = [(x_m, bottom), (x_m, top), (right, top), (right, bottom)]
    canvas.polygon([project(x, y, back) for x, y in glass], palette.sky)
    hills = [(x_m, bottom), (x_m, bottom + 0.3)]
    hills += [
        (x_m + width_m * k / 12, bottom + 0.3 + 0.1 * math.sin(k * 0.9) + 0.05 * math.sin(k * 2.1)) for k in range(13)
    ]
    canvas.polygon([project(x, y, back) for x, y in [*hills, (right, bottom)]], shade(palette.dado, 0.92))
    for k in range(1, 3):
        bar = x_m + width_m * k / 3
        canvas.line([project(bar, bottom, back), project(bar, top, back)], shade(palette.wall, 1.07), 2.2)
    sill = [
        (x_m - 0.15, bottom - 0.14),
        (x_m - 0.15, bottom - 0.06),
        (right + 0.15, bottom - 0.06),
        (right + 0.15, bottom - 0.14),
    ]
    canvas.polygon([project(x, y, back - 0.05) for x, y in sill], shade(palette.wall, 1.0))
    patch = [(x_m + 0.5, 6.9), (right + 0.5, 6.9), (right + 1.3, 4.6), (x_m + 1.3, 4.6)]
    canvas.glow([project(x, 0, z) for x, z in patch], palette.light, 0.5, 6)


def _bunting(canvas: Canvas, palette: Palette) -> None:
    back, count = BACK_WALL_M - 0.02, 14
    line = [(-HALF_WIDTH_M + k * 6.6 / count, 2.5 - 0.16 * math.sin(math.pi * (k % 7) / 7)) for k in range(count + 1)]
    canvas.line([project(x, y, back) for x, y in line], colour("#B9B4AA"), 0.7)
    for k, ((x0, y0), (x1, y1)) in enumerate(pairwise(line)):
        a, b = (x0 * 0.8 + x1 * 0.2, y0 * 0.8 + y1 * 0.2), (x0 * 0.2 + x1 * 0.8, y0 * 0.2 + y1 * 0.8)
        tip = ((x0 + x1) / 2, (y0 + y1) / 2 - 0.24)
        canvas.polygon([project(x, y, back) for x, y in (a, b, tip)], palette.accents[k % 6])


def _rug(canvas: Canvas, palette: Palette, x_m: float, z_m: float, radius_m: float) -> None:
    rim, field = palette.rug
    for share, fill in ((1.0, rim), (0.88, field), (0.56, shade(rim, 1.05)), (0.44, shade(field, 1.03))):
        canvas.polygon(disc(x_m, z_m, radius_m * share), fill)


def _shelf(canvas: Canvas, palette: Palette, x_m: float, width_m: float) -> None:
    front, height = 7.7, 0.86
    canvas.box(x_m, front, (width_m, height, 0.5), palette.wood)
    cells = 5
    for cell in range(cells):
        left = x_m + 0.06 + cell * (width_m - 0.06) / cells
        right = left + (width_m - 0.06) / cells - 0.06
        for row, (low, high) in enumerate(((0.06, 0.42), (0.48, 0.82))):
            canvas.polygon(
                [project(x, y, front - 0.01) for x, y in ((left, low), (left, high), (right, high), (right, low))],
                shade(palette.wood, 0.78),
            )
            fill = palette.accents[(cell * 2 + row * 3) % 6]
            top = low + (high - low) * (0.62 if (cell + row) % 2 else 0.8)
            inset = 0.05
            crate = [(left + inset, low), (left + inset, top), (right - inset, top), (right - inset, low)]
            canvas.polygon([project(x, y, front - 0.02) for x, y in crate], fill)
            canvas.line(
                [project(left + inset, top, front - 0.02), project(right - inset, top, front - 0.02)],
                shade(fill, 1.15),
                1.2,
            )
    for k, (x, size) in enumerate(((x_m + 0.4, 0.22), (x_m + 0.68, 0.16), (x_m + 2.9, 0.2))):
        canvas.box(x, front + 0.12, (size, size, size), palette.accents[(k * 2 + 1) % 6], y_m=height)


def _table(canvas: Canvas, palette: Palette, x_m: float, z_m: float) -> None:
    for dx in (0.05, 1.17):
        for dz in (0.62, 0.05):
            canvas.box(x_m + dx, z_m + dz, (0.08, 0.5, 0.08), shade(palette.wood, 0.86))
    canvas.box(x_m, z_m, (1.3, 0.07, 0.75), palette.wood, y_m=0.48)
    canvas.box(x_m + 0.45, z_m + 0.2, (0.42, 0.02, 0.3), colour("#FBFAF6"), y_m=0.55)
    canvas.box(x_m + 1.6, z_m + 0.1, (0.36, 0.3, 0.36), palette.accents[4])


def _toys(canvas: Canvas, palette: Palette) -> None:
    for x_m, z_m, size, accent in ((0.75, 5.9, 0.2, 3), (0.98, 5.85, 0.2, 2), (0.86, 5.86, 0.2, 1)):
        lifted = 0.2 if accent == 1 else 0.0
        canvas.box(x_m, z_m, (size, size, size), palette.accents[accent], y_m=lifted)
    x, y = project(-1.05, 0.16, 6.1)
    canvas.glow(disc(-1.05, 6.05, 0.2), (40, 34, 30), 0.4, 3)
    canvas.circle((x, y), 12.5, palette.accents[4])
    canvas.circle((x - 3.5, y - 4), 4.5, shade(palette.accents[4], 1.25))


def _plant(canvas: Canvas, palette: Palette, x_m: float, z_m: float) -> None:
    canvas.box(x_m - 0.16, z_m, (0.32, 0.36, 0.3), shade(palette.wall, 0.96))
    for k in range(9):
        lean = (k - 4) * 0.085
        tip, root = project(x_m + lean * 2.0, 0.98 - abs(lean) * 0.75, z_m), project(x_m + lean * 0.35, 0.36, z_m)
        canvas.line(
            [root, ((root[0] + tip[0]) / 2 + lean * 5, (root[1] + tip[1]) / 2 - 3), tip],
            shade(palette.accents[1], 0.72 + 0.06 * (k % 3)),
            3.4,
        )


def _curtains(canvas: Canvas, palette: Palette, x_m: float, width_m: float) -> None:
    back = BACK_WALL_M - 0.06
    canvas.line(
        [project(x_m - 0.55, 2.38, back), project(x_m + width_m + 0.55, 2.38, back)], shade(palette.wood, 0.8), 2.2
    )
    for left, right in ((x_m - 0.5, x_m + 0.42), (x_m + width_m - 0.42, x_m + width_m + 0.5)):
        for fold in range(6):
            a, b = left + (right - left) * fold / 6, left + (right - left) * (fold + 1) / 6
            strip = [(a, 0.75), (a, 2.38), (b, 2.38), (b, 0.75)]
            canvas.polygon([project(x, y, back) for x, y in strip], shade(palette.accents[0], 0.98 + 0.07 * (fold % 2)))


def _moon(canvas: Canvas) -> None:
    x, y = project(-3.55, 1.95, BACK_WALL_M)
    canvas.circle((x, y), 13, colour("#F4EFD2"))
    canvas.circle((x + 6, y - 3.5), 11.5, NAP_ROOM.wall)
    for dx, dy, size in ((30, -12, 1.7), (44, 6, 1.2), (24, 14, 1.1), (-26, -10, 1.3), (-22, 12, 1.6)):
        canvas.circle((x + dx, y + dy), size, colour("#F4EFD2"))


def _cot(canvas: Canvas, palette: Palette, x_m: float, z_m: float, blanket: Colour) -> None:
    width, depth = 0.95, 1.3
    canvas.box(x_m, z_m, (width, 0.28, depth), palette.wood)
    canvas.box(x_m + 0.05, z_m + 0.04, (width - 0.1, 0.1, depth - 0.08), colour("#F4F3EF"), y_m=0.28)
    canvas.box(x_m + 0.04, z_m + 0.02, (width - 0.08, 0.13, depth * 0.62), blanket, y_m=0.29)
    canvas.box(x_m + 0.22, z_m + depth - 0.36, (width - 0.44, 0.09, 0.26), colour("#FFFFFF"), y_m=0.38)


def _lamp(canvas: Canvas, x_m: float, y_m: float, z_m: float) -> None:
    x, y = project(x_m, y_m + 0.22, z_m)
    halo = [(x + 60 * math.cos(a), y + 48 * math.sin(a)) for a in (k * math.pi / 16 for k in range(32))]
    canvas.glow(halo, colour("#FFF3D0"), 0.62, 16)
    canvas.line([project(x_m, y_m, z_m), (x, y)], colour("#8D8B93"), 2)
    canvas.circle((x, y), 7.5, colour("#FFF9E6"))


def _dusk(canvas: Canvas) -> None:
    """Evening: the corners far from the window sink into blue."""
    canvas.glow([(0, 300), (0, 360), (640, 360), (640, 250)], colour("#39415C"), 0.3, 40)
    canvas.glow([(560, 0), (640, 0), (640, 360), (600, 360)], colour("#39415C"), 0.28, 30)
