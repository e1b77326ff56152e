"""The skins of people at an instant: every vertex moved and lit in a few operations on long rows.

Moving eighteen nodes a person through the engine, each with its own lights, cost more than drawing them. Belongs here: vertices,
normals, colours. Does not belong here: postures (``people/``), drawing (``stage.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.simulation import people
from services.simulation.render.shine import Shine
from services.simulation.world import Person, PersonState

Floats = NDArray[np.float32]
_BLANKET = people.LIMBS.index("blanket")
#: Towards the light from above: a little off the vertical, so that upright faces differ.
_UP = np.array([0.0, -0.12, 1.0], np.float32) / np.float32(np.hypot(1.0, 0.12))


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """A person's limbs as one mesh: (3, n) vertices and normals in the limbs' frames, colours 0..255; (m, 3) triangles.

    ``limbs`` (n,) says which limb each vertex is of.
    """

    vertices: Floats
    normals: Floats
    colours: Floats
    limbs: NDArray[np.intp]
    triangles: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Company:
    """The skins of several people one after the other. ``rows`` number limbs through all, ``whose`` people; ``starts`` (p,)."""

    skins: tuple[Skin, ...]
    vertices: Floats
    normals: Floats
    colours: Floats
    rows: NDArray[np.intp]
    whose: NDArray[np.intp]
    starts: NDArray[np.intp]

    def moved(self, limbs: Floats) -> Floats:
        """(3, n) world metres of all vertices; ``limbs`` (p, limbs, 4, 4)."""
        turns = np.ascontiguousarray(limbs.reshape(-1, 16)[:, :12].T).take(self.rows, axis=1)
        x, y, z = self.vertices
        return np.stack([
            turns[row] * x + turns[row + 1] * y + turns[row + 2] * z + turns[row + 3] for row in (0, 4, 8)
        ])  # fmt: skip

    def lit(self, limbs: Floats, shines: Sequence[Shine]) -> Floats:
        """(3, n) display colours 0..255 under each person's light."""
        if not shines:
            return np.zeros_like(self.colours)
        turns = limbs[:, :, :3, :3]
        sides = np.array([shine.side for shine in shines], np.float32)
        sides /= np.maximum(np.linalg.norm(sides, axis=1, keepdims=True), 1e-6)
        strengths = np.array([(shine.around, shine.above, shine.beside) for shine in shines], np.float32)
        # The lights' directions in the limbs' frames: one product a limb instead of one a vertex.
        facing = np.concatenate([_UP @ turns, (sides[:, None, None, :] @ turns)[:, :, 0]], axis=-1)
        x, y, z, u, v, w = np.ascontiguousarray(facing.reshape(-1, 6).T).take(self.rows, axis=1)
        a, b, c = self.normals
        above, beside = np.maximum(x * a + y * b + z * c, 0), np.maximum(u * a + v * b + w * c, 0)
        share = np.ascontiguousarray(strengths.reshape(-1, 9).T).take(self.whose, axis=1)
        light = share[:3] + share[3:6] * above + share[6:] * beside
        return np.asarray(np.minimum(self.colours * light, 255.0))

    def numbered(self) -> Floats:
        """(3, n) colours that say whose a vertex is, see :func:`as_colour`; a blanket is nobody's."""
        codes = np.array([as_colour(number) for number in range(len(self.starts) + 1)], np.float32)
        mine = np.where(self.rows % len(people.LIMBS) == _BLANKET, 0, self.whose + 1)
        return np.ascontiguousarray(codes[mine].T)


def as_colour(number: int) -> tuple[int, int, int]:
    """A number below 4096 as red, green, blue: four bits each, in the middle of their step, since the pipe may round down."""
    red, green, blue = ((number >> shift & 15) * 16 + 8 if number else 0 for shift in (8, 4, 0))
    return red, green, blue


def company_of(states: Sequence[PersonState]) -> Company:
    """The skins of these, in this order."""
    return _company(tuple((state.person, state.activity == "sleep") for state in states))


@lru_cache(maxsize=256)
def _skin(person: Person, asleep: bool) -> Skin:
    names = people.limbs_shown("sleep" if asleep else "stand")
    meshes = [people.limb_meshes(person)[name] for name in names]
    counts = [len(mesh.vertices) for mesh in meshes]
    firsts = np.cumsum([0, *counts[:-1]])
    return Skin(
        _columns([mesh.vertices for mesh in meshes]), _columns([mesh.normals for mesh in meshes]),
        _columns([mesh.colours for mesh in meshes]), np.repeat([people.LIMBS.index(name) for name in names], counts),
        np.concatenate([mesh.triangles + first for mesh, first in zip(meshes, firsts, strict=True)]).astype(np.int32),
    )  # fmt: skip


@lru_cache(maxsize=48)
def _company(who: tuple[tuple[Person, bool], ...]) -> Company:
    skins = tuple(_skin(person, asleep) for person, asleep in who)
    counts = np.array([len(skin.limbs) for skin in skins], np.intp)
    whose, none = np.repeat(np.arange(len(skins)), counts), np.zeros((3, 0), np.float32)
    rows = np.concatenate([np.zeros(0, np.intp), *(skin.limbs for skin in skins)]) + whose * len(people.LIMBS)
    vertices, normals, colours = (
        np.concatenate([none, *(getattr(skin, name) for skin in skins)], axis=1)
        for name in ("vertices", "normals", "colours")
    )
    return Company(skins, vertices, normals, colours, rows, whose, np.cumsum(counts) - counts)


def _columns(parts: list[NDArray[Any]]) -> Floats:
    return np.ascontiguousarray(np.concatenate(parts).T, np.float32)
