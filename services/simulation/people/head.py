"""The head: skull, face, hair. Its frame's origin is where it nods, a little above the chin's height."""

from __future__ import annotations

import numpy as np

from services.simulation.people.body import Body
from services.simulation.people.shapes import LimbMesh, Ring, ball, joined, loft, quad, shade, with_normals
from services.simulation.world import Person, Rgb

_SIDES = 9
_EYE: Rgb = (40, 30, 28)


def head(person: Person, body: Body) -> LimbMesh:
    """Skull, ears, eyes, nose, mouth and hair; the crown is at the person's height."""
    return joined([_skull(person, body), *_face(person, body), *_hair(person, body)])


def _skull(person: Person, body: Body) -> LimbMesh:
    """Children have large foreheads and small chins."""
    tall, deep, wide, skin = body.head, 0.95 * body.head_depth_half, 0.95 * body.head_half, person.skin
    jaw, cheek = (0.74, 0.96) if body.child else (0.72, 0.90)
    return loft(
        [
            Ring(-0.125 * tall, 0.26 * deep, 0.30 * wide, shade(skin, 0.93), x=0.48 * deep),
            Ring(-0.04 * tall, 0.58 * deep, jaw * wide, shade(skin, 0.97), x=0.26 * deep, back=0.50 * deep),
            Ring(0.13 * tall, 0.92 * deep, cheek * wide, skin, x=0.04 * deep, back=0.72 * deep),
            Ring(0.34 * tall, 0.96 * deep, wide, skin, back=0.98 * deep),
            Ring(0.58 * tall, 0.93 * deep, 0.96 * wide, skin, back=0.97 * deep),
            Ring(0.74 * tall, 0.66 * deep, 0.70 * wide, skin),
        ],
        _SIDES, first=0.012 * tall, last=0.06 * tall,
    )  # fmt: skip


def _face(person: Person, body: Body) -> list[LimbMesh]:
    tall, deep, wide, skin = body.head, 0.95 * body.head_depth_half, 0.95 * body.head_half, person.skin
    parts = [_eye(body, deep, wide, side) for side in (1, -1)]
    for side in (1, -1):
        ear = (-0.04 * deep, side * 0.99 * wide, 0.24 * tall)
        parts.append(ball(ear, (0.16 * deep, 0.10 * wide, 0.10 * tall), skin, 4, 2))
    return [*parts, _mouth(skin, body, deep, wide), _nose(body, skin, deep, wide)]


def _eye(body: Body, deep: float, wide: float, side: int) -> LimbMesh:
    """A dark spot, higher than wide, on the curve of the face."""
    up, y = (0.25 if body.child else 0.31) * body.head, side * 0.40 * wide
    half_y, half_z = (0.125 if body.child else 0.11) * wide, (0.055 if body.child else 0.040) * body.head
    corners = []
    for across, high in ((-1.0, 0.0), (-0.5, -1.0), (0.5, -1.0), (1.0, 0.0), (0.5, 1.0), (-0.5, 1.0)):
        corners.append((0.925 * deep - 0.045 * deep * across * side, y + across * half_y, up + high * half_z))
    return quad(corners, _EYE)


def _mouth(skin: Rgb, body: Body, deep: float, wide: float) -> LimbMesh:
    """A smile: lower in its middle than at its ends."""
    red = shade((skin[0], skin[1] * 2 // 3, skin[2] * 2 // 3), 0.86)
    up, thick, half = 0.045 * body.head, 0.020 * body.head, 0.27 * wide
    rows = [(-1.0, 0.022), (-0.45, -0.004), (0.45, -0.004), (1.0, 0.022)]
    points = []
    for across, lift in rows:
        x, z = deep * (0.965 - 0.06 * abs(across)), up + lift * body.head
        points += [(x, across * half, z - thick * 0.7), (x, across * half, z + thick * (1.0 - abs(across)))]
    triangles = []
    for column in range(3):
        low = 2 * column
        triangles += [(low, low + 2, low + 3), (low, low + 3, low + 1)]
    colours = np.tile(np.array([red], np.uint8), (8, 1))
    return with_normals(np.array(points), colours, np.array(triangles, np.int32))


def _nose(body: Body, skin: Rgb, deep: float, wide: float) -> LimbMesh:
    tall, long = body.head, 0.10 if body.child else 0.17
    root, tip, base = 0.30 * tall, 0.145 * tall, 0.12 * tall
    points = np.array(
        [
            (0.94 * deep, 0.0, root), (0.90 * deep, 0.16 * wide, base), ((0.96 + long) * deep, 0.0, tip),
            (0.90 * deep, -0.16 * wide, base),
        ]
    )  # fmt: skip
    colours = np.array([skin, shade(skin, 0.9), shade(skin, 1.03), shade(skin, 0.9)], np.uint8)
    return with_normals(points, colours, np.array([(0, 1, 2), (0, 2, 3), (1, 3, 2)], np.int32))


def _hair(person: Person, body: Body) -> list[LimbMesh]:
    """A cap with a fringe; long hair as a bob, a bun or tails."""
    style = person.number % 3 if person.long_hair else -1
    tall, deep, wide, hair = body.head, body.head_depth_half, body.head_half, person.hair
    fringe = 0.50 if body.child else 0.58
    nape = -0.16 if style == 0 else 0.02
    spread = 1.06 if style == 0 else 1.0
    cap = loft(
        [
            Ring(nape * tall, -0.35 * deep, 0.86 * spread * wide, shade(hair, 0.85), back=0.84 * spread * deep),
            Ring(0.24 * tall, -0.12 * deep, 1.03 * spread * wide, hair, back=1.0 * deep),
            Ring((fringe - 0.10) * tall, 0.25 * deep, 1.03 * wide, hair, back=1.0 * deep),
            Ring(fringe * tall, 0.98 * deep, 1.01 * wide, shade(hair, 1.12), back=1.0 * deep),
            Ring(0.72 * tall, 0.80 * deep, 0.82 * wide, shade(hair, 1.2), back=0.84 * deep),
            Ring(0.825 * tall, 0.42 * deep, 0.44 * wide, shade(hair, 1.3), back=0.46 * deep),
        ],
        _SIDES, first=0.0, last=0.035 * tall,
    )  # fmt: skip
    return [cap, *_tails(person, body, style)]


def _tails(person: Person, body: Body, style: int) -> list[LimbMesh]:
    tall, deep, wide, hair = body.head, body.head_depth_half, body.head_half, shade(person.hair, 1.1)
    if style == 1 and body.child:
        half = (0.20 * deep, 0.18 * wide, 0.22 * tall)
        return [ball((-0.25 * deep, side * 1.12 * wide, 0.36 * tall), half, hair, 5, 3) for side in (1, -1)]
    if style == 1:
        return [ball((-1.02 * deep, 0.0, 0.52 * tall), (0.32 * deep, 0.34 * wide, 0.17 * tall), hair, 6, 4)]
    if style == 2:
        return [ball((-1.06 * deep, 0.0, 0.10 * tall), (0.20 * deep, 0.24 * wide, 0.36 * tall), hair, 6, 3)]
    return []
