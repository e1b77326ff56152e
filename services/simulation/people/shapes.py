"""Surfaces of revolution that are not round: rings of superellipses joined to smooth skins, with a colour for every ring.

Belongs here: vertices, normals, triangles. Does not belong here: bodies and clothes (``mesh``), movement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.simulation.world import Rgb


@dataclass(frozen=True, slots=True)
class LimbMesh:
    """A limb's skin in the limb's frame.

    ``vertices`` and ``normals`` (n, 3) float32 metres, ``colours`` (n, 3) uint8 red green blue, ``triangles`` (m, 3) int32,
    counter-clockwise as seen from outside.
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    colours: NDArray[np.uint8]
    triangles: NDArray[np.int32]


class Ring(NamedTuple):
    """A closed curve at height ``z``: half axes ahead and aside, the middle's offset, a colour, and 2 for an ellipse, more for a
    rounder-cornered box. ``back`` replaces ``ahead`` behind the middle where it is given."""

    z: float
    ahead: float
    aside: float
    colour: Rgb
    x: float = 0.0
    y: float = 0.0
    power: float = 2.0
    back: float | None = None


def shade(colour: Rgb, factor: float) -> Rgb:
    """Darker below 1, lighter above."""
    red, green, blue = (max(0, min(255, round(channel * factor))) for channel in colour)
    return red, green, blue


def loft(rings: Sequence[Ring], sides: int, *, first: float | None = 0.0, last: float | None = 0.0) -> LimbMesh:
    """A skin through the rings, from the lowest to the highest or the other way.

    ``first`` and ``last`` tell how far the closing fan bulges beyond the end's ring; None leaves the end open. Two rings of one
    size at one height give a sharp change of colour.
    """
    points = np.concatenate([_curve(ring, sides) for ring in rings])
    colours = np.repeat(np.array([ring.colour for ring in rings], np.uint8), sides, axis=0)
    faces = [_band(level, sides) for level in range(len(rings) - 1) if _differ(rings[level], rings[level + 1])]
    outward = 1.0 if rings[-1].z >= rings[0].z else -1.0
    for level, bulge, sign in ((0, first, -outward), (len(rings) - 1, last, outward)):
        if bulge is not None:
            ring = rings[level]
            middle = ring.x if ring.back is None else ring.x + 0.5 * (ring.ahead - ring.back)
            points = np.concatenate((points, [[middle, ring.y, ring.z + sign * bulge]]))
            colours = np.concatenate((colours, np.array([ring.colour], np.uint8)))
            faces.append(_fan(level, sides, len(points) - 1, first=level == 0))
    triangles = np.concatenate(faces)
    if outward < 0:
        triangles = triangles[:, ::-1]
    return with_normals(points, colours, triangles)


def sheet(rings: Sequence[Ring], sides: int, columns: int) -> LimbMesh:
    """The front of a loft of these rings, ``columns`` corners to either side of the middle, as a single-sided cloth.

    Its corners lie on the same angles as those of a loft of as many sides: rings a little larger lie on it without piercing it.
    """
    width = 2 * columns + 1
    points = np.concatenate([np.roll(_curve(ring, sides), columns, axis=0)[:width] for ring in rings])
    colours = np.repeat(np.array([ring.colour for ring in rings], np.uint8), width, axis=0)
    faces = []
    for level in range(len(rings) - 1):
        here = level * width + np.arange(width - 1)
        below, beside = here + width, here + 1
        faces += [np.stack((here, beside + width, beside), axis=1), np.stack((here, below, beside + width), axis=1)]
    triangles = np.concatenate(faces).astype(np.int32)
    return with_normals(points, colours, triangles[:, ::-1] if rings[-1].z > rings[0].z else triangles)


def _differ(low: Ring, high: Ring) -> bool:
    return (low.z, low.ahead, low.aside) != (high.z, high.ahead, high.aside)


def _curve(ring: Ring, sides: int) -> NDArray[np.float64]:
    cos, sin = _circle(sides)
    exponent = 2.0 / ring.power
    ahead = np.sign(cos) * np.abs(cos) ** exponent
    depth = np.where(cos < 0, ring.ahead if ring.back is None else ring.back, ring.ahead)
    x = ring.x + depth * ahead
    y = ring.y + ring.aside * np.sign(sin) * np.abs(sin) ** exponent
    return np.stack((x, y, np.full(sides, ring.z)), axis=1)


@lru_cache(maxsize=16)
def _circle(sides: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angles = 2 * np.pi * np.arange(sides) / sides
    return np.cos(angles), np.sin(angles)


def _band(level: int, sides: int) -> NDArray[np.int32]:
    here = level * sides + np.arange(sides)
    beside = level * sides + (np.arange(sides) + 1) % sides
    return np.concatenate(
        (np.stack((here, beside, beside + sides), axis=1), np.stack((here, beside + sides, here + sides), axis=1))
    ).astype(np.int32)


def _fan(level: int, sides: int, middle: int, *, first: bool) -> NDArray[np.int32]:
    here = level * sides + np.arange(sides)
    beside = level * sides + (np.arange(sides) + 1) % sides
    order = (beside, here) if first else (here, beside)
    return np.stack((*order, np.full(sides, middle)), axis=1).astype(np.int32)


def with_normals(points: NDArray[np.float64], colours: NDArray[np.uint8], triangles: NDArray[np.int32]) -> LimbMesh:
    """Smooth normals; vertices at the same place share theirs."""
    corners = points[triangles]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    _, same = np.unique(np.round(points, 6), axis=0, return_inverse=True)
    sums = np.zeros((len(points), 3))
    np.add.at(sums, same.reshape(-1)[triangles].reshape(-1), np.repeat(face, 3, axis=0))
    normals = sums[same.reshape(-1)]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    return LimbMesh(points.astype(np.float32), normals.astype(np.float32), colours, triangles.astype(np.int32))


def joined(parts: Sequence[LimbMesh]) -> LimbMesh:
    """Several skins as one."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    return LimbMesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.colours for part in parts]),
        np.concatenate([part.triangles + np.int32(start) for part, start in zip(parts, starts, strict=True)]),
    )


def placed(part: LimbMesh, turn: NDArray[np.float64], at: tuple[float, float, float]) -> LimbMesh:
    """A skin turned (3, 3) and moved."""
    return LimbMesh(
        (part.vertices @ turn.T + np.array(at)).astype(np.float32),
        (part.normals @ turn.T).astype(np.float32),
        part.colours,
        part.triangles,
    )


def ball(
    at: tuple[float, float, float], half: tuple[float, float, float], colour: Rgb, sides: int, bands: int
) -> LimbMesh:
    """An ellipsoid about ``at`` with half axes ahead, aside, up."""
    rings = []
    for band in range(1, bands):
        angle = np.pi * band / bands - np.pi / 2
        wide, high = float(np.cos(angle)), float(np.sin(angle))
        rings.append(Ring(at[2] + high * half[2], wide * half[0], wide * half[1], colour, at[0], at[1]))
    pole = half[2] - (rings[-1].z - at[2])
    return loft(rings, sides, first=pole, last=pole)


def quad(corners: Sequence[tuple[float, float, float]], colour: Rgb) -> LimbMesh:
    """A flat patch, counter-clockwise as seen from outside."""
    return with_normals(
        np.array(corners, np.float64),
        np.tile(np.array([colour], np.uint8), (len(corners), 1)),
        np.array([(0, corner, corner + 1) for corner in range(1, len(corners) - 1)], np.int32),
    )
