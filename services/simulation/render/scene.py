"""Everything of a building that stands still, as one mesh: what a plate is painted from and light is stopped by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.simulation.building import Building
from services.simulation.render.pieces import furniture_mesh
from services.simulation.render.shapes import Mesh, Paint
from services.simulation.render.shell import shell_meshes

Floats = NDArray[Any]
_CASTS_NO_SHADOW = ("lamp", "bunting", "mobile", "drawings", "poster", "board", "clock", "rug")


@dataclass(frozen=True)
class Scene:
    """Triangles with what is interpolated over them: (n, 3, 3) corners, normals and pattern coordinates."""

    building: Building
    corners: Floats
    normals: Floats
    local: Floats
    paint: NDArray[np.int32]
    paints: tuple[Paint, ...]
    casts: NDArray[np.bool_]

    @cached_property
    def areas(self) -> Floats:
        edges = self.corners[:, 1:] - self.corners[:, :1]
        return np.asarray(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / 2)


def build_scene(building: Building, seed: int, *, plain: bool = False) -> Scene:
    """The still part of a building; ``seed`` chooses toys, books and drawings. ``plain`` is for what only hides."""
    shell = shell_meshes(building)
    pieces = [furniture_mesh(piece, seed * 1009 + index, plain=plain) for index, piece in enumerate(building.furniture)]
    casting = [True] * len(shell) + [piece.kind not in _CASTS_NO_SHADOW for piece in building.furniture]
    meshes = [*shell, *pieces]
    paints: dict[Paint, int] = {}
    numbers = [
        np.array([paints.setdefault(paint, len(paints)) for paint in mesh.paints], np.int32)[mesh.paint]
        for mesh in meshes
    ]
    return Scene(
        building, _stacked(meshes, "vertices"), _stacked(meshes, "normals"), _stacked(meshes, "local"),
        np.concatenate(numbers), tuple(paints),
        np.concatenate([np.full(len(mesh.faces), casts) for mesh, casts in zip(meshes, casting, strict=True)]),
    )  # fmt: skip


def _stacked(meshes: list[Mesh], name: str) -> Floats:
    return np.concatenate([getattr(mesh, name)[mesh.faces] for mesh in meshes]).astype(np.float32)
