"""Meshes from numbers: boxes with rounded edges, rods, turned forms, balls, cloths. Metres; outward normals.

Belongs here: pure geometry. Does not belong here: what a thing is (``pieces``, ``shell``) or its colour (``patterns``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[Any]
Triangles = NDArray[np.int32]
Xyz = tuple[float, float, float]


@dataclass(frozen=True)
class Paint:
    """What a surface looks like: a pattern of ``patterns.py`` with its colours (sRGB 0..1); ``seed`` varies it.

    ``scale_m`` sets the pattern's size, ``glow`` lets a surface shine by itself (lamps, the sky behind glass).
    """

    colour: tuple[float, float, float]
    second: tuple[float, float, float] | None = None
    pattern: str = "plain"
    scale_m: tuple[float, float, float] = (1.0, 1.0, 1.0)
    seed: int = 0
    gloss: float = 0.0
    glow: float = 0.0


@dataclass
class Mesh:
    """Vertices with normals and the coordinates that patterns are painted in; a paint for each triangle."""

    vertices: Floats = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    normals: Floats = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    local: Floats = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    faces: Triangles = field(default_factory=lambda: np.zeros((0, 3), np.int32))
    paint: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    paints: list[Paint] = field(default_factory=list)

    def moved(self, matrix: ArrayLike) -> Mesh:
        """Transformed by a rigid 4x4 matrix; the pattern's coordinates stay the thing's own."""
        m = np.asarray(matrix, np.float32)
        vertices = self.vertices @ m[:3, :3].T + m[:3, 3]
        return Mesh(vertices, self.normals @ m[:3, :3].T, self.local, self.faces, self.paint, self.paints)


class Modeller:
    """Collects shapes into one mesh. Each method adds a shape in the thing's own axes."""

    def __init__(self, *, plain: bool = False) -> None:
        """``plain`` leaves edges sharp: the same outline of few triangles, for what only hides."""
        self._plain = plain
        self._parts: list[tuple[Floats, Floats, Triangles, int]] = []
        self._paints: list[Paint] = []

    def mesh(self) -> Mesh:
        if not self._parts:
            return Mesh()
        offsets = np.cumsum([0, *(len(part[0]) for part in self._parts[:-1])])
        vertices = np.concatenate([part[0] for part in self._parts])
        return Mesh(
            vertices, np.concatenate([part[1] for part in self._parts]), vertices.copy(),
            np.concatenate([part[2] + offset for part, offset in zip(self._parts, offsets, strict=True)]),
            np.concatenate([np.full(len(part[2]), part[3], np.int32) for part in self._parts]), list(self._paints),
        )  # fmt: skip

    def add(self, vertices: ArrayLike, normals: ArrayLike, faces: ArrayLike, paint: Paint) -> None:
        if paint not in self._paints:
            self._paints.append(paint)
        self._parts.append((
            np.asarray(vertices, np.float32), np.asarray(normals, np.float32), np.asarray(faces, np.int32),
            self._paints.index(paint),
        ))  # fmt: skip

    def box(self, size: Xyz, foot: Xyz, paint: Paint, *, round_m: float = 0.0, turn_rad: float = 0.0) -> None:
        """``foot`` is the middle of its lower face; ``round_m`` rounds its edges."""
        vertices, normals, faces = rounded_box(
            size, 0.0 if self._plain else min(round_m, *(edge / 2.01 for edge in size))
        )
        vertices, normals = _about_z(vertices, turn_rad), _about_z(normals, turn_rad)
        self.add(vertices + np.array([foot[0], foot[1], foot[2] + size[2] / 2], np.float32), normals, faces, paint)

    def rod(
        self, start: Xyz, end: Xyz, radius_m: float, paint: Paint, *, sides: int = 10, end_m: float | None = None
    ) -> None:
        """A round bar; ``end_m`` is the radius at its end, if another."""
        last = radius_m if end_m is None else end_m
        length = math.dist(start, end)
        self.turned([(0, 0), (radius_m, 0), (last, length), (0, length)], paint, sides=sides, start=start, end=end)

    def turned(
        self, profile: Sequence[tuple[float, float]], paint: Paint, *, sides: int = 20,
        foot: Xyz = (0, 0, 0), start: Xyz | None = None, end: Xyz | None = None, smooth: bool = False,
    ) -> None:  # fmt: skip
        """A form turned on a lathe: (radius, height) from bottom to top, upon ``foot`` or along ``start``→``end``."""
        vertices, normals, faces = lathe(profile, sides, smooth)
        if start is not None and end is not None:
            frame = _frame(np.subtract(end, start))
            vertices, normals, foot = vertices @ frame, normals @ frame, start
        self.add(vertices + np.array(foot, np.float32), normals, faces, paint)

    def ball(self, radius: float | Xyz, centre: Xyz, paint: Paint, *, rings: int = 10) -> None:
        """A sphere or an ellipsoid."""
        angles = np.linspace(-math.pi / 2, math.pi / 2, rings)
        vertices, normals, faces = lathe([(math.cos(a), math.sin(a)) for a in angles], 2 * rings, True)
        radii = np.array(radius if isinstance(radius, tuple) else (radius,) * 3, np.float32)
        normals = normals / radii
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        self.add(vertices * radii + np.array(centre, np.float32), normals, faces, paint)

    def quad(self, corners: Sequence[Xyz], paint: Paint) -> None:
        """A flat polygon (convex), counter-clockwise seen from its front."""
        points = np.array(corners, np.float32)
        normal = np.cross(points[1] - points[0], points[2] - points[0])
        normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
        fan = [(0, k, k + 1) for k in range(1, len(points) - 1)]
        self.add(points, np.repeat(normal[None], len(points), 0), fan, paint)

    def include(self, mesh: Mesh) -> None:
        """Everything of another mesh."""
        for number, paint in enumerate(mesh.paints):
            faces = mesh.faces[mesh.paint == number]
            if len(faces):
                used, numbered = np.unique(faces, return_inverse=True)
                self.add(mesh.vertices[used], mesh.normals[used], numbered.reshape(-1, 3), paint)


def rounded_box(size: Xyz, radius_m: float) -> tuple[Floats, Floats, Triangles]:
    """A box about the origin; with ``radius_m`` its edges and corners are rounded in one step (smooth normals)."""
    half = np.array(size, np.float32) / 2
    steps = np.array([-1, 1] if radius_m <= 0 else [-1, -0.999, 0.999, 1], np.float32)
    grid_u, grid_v = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    count = len(steps)
    quad = np.array([(i * count + j, (i + 1) * count + j, (i + 1) * count + j + 1, i * count + j + 1)
                     for i in range(count - 1) for j in range(count - 1)])  # fmt: skip
    faces_of_side = np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    vertices: list[Floats] = []
    faces: list[Triangles] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            side = np.zeros((len(grid_u), 3), np.float32)
            side[:, axis], side[:, (axis + 1) % 3], side[:, (axis + 2) % 3] = sign, grid_u, grid_v
            faces.append((faces_of_side if sign > 0 else faces_of_side[:, ::-1]) + len(vertices) * len(grid_u))
            vertices.append(side)
    unit = np.concatenate(vertices)
    if radius_m <= 0:
        normals = np.repeat(np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]]), 4, 0)
        return unit * half, normals.astype(np.float32), np.concatenate(faces).astype(np.int32)
    inner = np.sign(unit) * (half - radius_m)
    outward = np.where(np.abs(unit) == 1, np.sign(unit), 0).astype(np.float32)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    return inner + outward * radius_m, outward, np.concatenate(faces).astype(np.int32)


def lathe(profile: Sequence[tuple[float, float]], sides: int, smooth: bool) -> tuple[Floats, Floats, Triangles]:
    """Rings of a turned form about z; without ``smooth`` every band has its own normals (sharp rims)."""
    angles = np.linspace(0, 2 * math.pi, sides, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], 1)
    vertices, normals, faces, count = [], [], [], 0
    bands = list(itertools.pairwise(profile))
    slopes = [np.array([z1 - z0, r0 - r1]) / max(math.hypot(z1 - z0, r1 - r0), 1e-9) for (r0, z0), (r1, z1) in bands]
    for index, ((r0, z0), (r1, z1)) in enumerate(bands):
        below = slopes[index] + (slopes[index - 1] if smooth and index else 0)
        above = slopes[index] + (slopes[index + 1] if smooth and index + 1 < len(slopes) else 0)
        for radius, height, slope in ((r0, z0, below), (r1, z1, above)):
            tilt = slope / max(float(np.linalg.norm(slope)), 1e-9)
            vertices.append(np.column_stack([around * radius, np.full(sides, height)]))
            normals.append(np.column_stack([around * tilt[0], np.full(sides, tilt[1])]))
        here, following = np.arange(sides), (np.arange(sides) + 1) % sides
        if r0 > 1e-6:
            faces.append(np.stack([here, following, following + sides], 1) + count)
        if r1 > 1e-6:
            faces.append(np.stack([here, following + sides, here + sides], 1) + count)
        count += 2 * sides
    stacked = (np.concatenate(part) for part in (vertices, normals))
    return *(part.astype(np.float32) for part in stacked), np.concatenate(faces).astype(np.int32)  # type: ignore[return-value]


def placed(foot: Xyz, turn_deg: float = 0.0) -> NDArray[np.float64]:
    """The matrix that stands a thing upon ``foot``, turned about the vertical."""
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    return np.array([[cos, -sin, 0, foot[0]], [sin, cos, 0, foot[1]], [0, 0, 1, foot[2]], [0, 0, 0, 1]])


def srgb(colour: str) -> tuple[float, float, float]:
    """``#rrggbb`` as 0..1."""
    return (int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255)


def shade(colour: Iterable[float], factor: float) -> tuple[float, float, float]:
    """Darker (< 1) or lighter (> 1, towards white)."""
    r, g, b = (value * factor if factor <= 1 else 1 - (1 - value) / factor for value in colour)
    return (r, g, b)


def _about_z(vectors: Floats, angle_rad: float) -> Floats:
    if not angle_rad:
        return vectors
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.asarray(vectors @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], np.float32))


def _frame(along: NDArray[np.float64]) -> Floats:
    """Rows: two axes across and the axis along a direction."""
    ahead = along / max(float(np.linalg.norm(along)), 1e-9)
    aside = np.cross(ahead, (0.0, 0.0, 1.0) if abs(ahead[2]) < 0.9 else (1.0, 0.0, 0.0))
    aside /= np.linalg.norm(aside)
    return np.stack([aside, np.cross(ahead, aside), ahead]).astype(np.float32)
