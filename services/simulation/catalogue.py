"""What kinds of furniture there are: usual sizes, whether one walks around them, and where one sits or lies on them.

Belongs here: facts of a kind that the day and the floor need. Does not belong here: how a kind looks (``render/``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FurnitureKind = Literal[
    "table", "round_table", "chair", "adult_chair", "desk", "cot", "crib", "shelf", "bookshelf", "cupboard", "cubbies",
    "sofa", "bench", "mat", "rug", "cushion", "slide", "sandpit", "playhouse", "seesaw", "tree", "shrub", "fence",
    "screen", "fridge", "freezer", "counter", "stove", "sink", "island", "plant", "toy_box", "blocks", "ball",
    "play_kitchen", "step_stool", "easel", "lamp", "board", "poster", "drawings", "clock", "bunting", "mobile",
    "extinguisher", "scale",
]  # fmt: skip

PlaceKind = Literal[
    "seat", "cot", "play", "stand", "desk", "check", "meal", "door_in", "door_out", "story", "cook", "yard", "climb"
]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that comes with the furniture: offset in its own axes (x its width, y its depth), heading relative to it."""

    kind: PlaceKind
    offset_m: tuple[float, float, float]
    heading_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Kind:
    """``size_m`` is width, depth, height; ``blocks`` says that one cannot walk there; its front looks along -y."""

    size_m: tuple[float, float, float]
    blocks: bool = True
    climbable: bool = False
    hung_m: float = 0.0
    """Height of its lower edge, for what hangs on a wall or from the ceiling."""
    spots: tuple[Spot, ...] = ()


_FRONT = -90.0  # whoever sits looks where the furniture's front looks: along -y

CATALOGUE: dict[FurnitureKind, Kind] = {
    "table": Kind((1.2, 0.7, 0.5), climbable=True),
    "round_table": Kind((1.1, 1.1, 0.5), climbable=True),
    "chair": Kind((0.32, 0.32, 0.56), spots=(Spot("seat", (0.0, -0.02, 0.28), _FRONT),)),
    "adult_chair": Kind((0.48, 0.5, 0.85), climbable=True, spots=(Spot("seat", (0.0, -0.03, 0.44), _FRONT),)),
    "desk": Kind((1.3, 0.65, 0.74), climbable=True),
    "cot": Kind((0.66, 1.36, 0.30), spots=(Spot("cot", (0.0, 0.0, 0.26), 90.0),)),
    "crib": Kind((0.68, 1.24, 0.95), spots=(Spot("cot", (0.0, 0.0, 0.42), 90.0),)),
    "shelf": Kind((1.2, 0.36, 0.75), climbable=True),
    "bookshelf": Kind((0.9, 0.34, 1.1), climbable=True),
    "cupboard": Kind((1.0, 0.5, 1.9)),
    "cubbies": Kind((1.6, 0.4, 1.35)),
    "sofa": Kind((1.3, 0.65, 0.6), climbable=True, spots=(
        Spot("seat", (-0.32, -0.08, 0.32), _FRONT), Spot("seat", (0.32, -0.08, 0.32), _FRONT))),
    "bench": Kind((1.2, 0.34, 0.32), spots=(
        Spot("seat", (-0.3, 0.0, 0.32), _FRONT), Spot("seat", (0.3, 0.0, 0.32), _FRONT))),
    "mat": Kind((2.0, 1.5, 0.03), blocks=False),
    "rug": Kind((2.2, 2.2, 0.012), blocks=False),
    "cushion": Kind((0.5, 0.5, 0.14), blocks=False),
    "slide": Kind((0.9, 2.4, 1.5), climbable=True, spots=(Spot("climb", (0.0, 0.55, 1.0), _FRONT),)),
    "sandpit": Kind((2.4, 2.4, 0.22), blocks=False),
    "playhouse": Kind((1.5, 1.3, 1.6)),
    "seesaw": Kind((2.0, 0.4, 0.5)),
    "tree": Kind((0.35, 0.35, 4.2)),
    "shrub": Kind((0.9, 0.9, 0.8)),
    "fence": Kind((1.2, 0.06, 0.7)),
    "screen": Kind((1.4, 0.08, 1.15)),
    "fridge": Kind((0.7, 0.68, 1.75)),
    "freezer": Kind((0.9, 0.65, 0.88), climbable=True),
    "counter": Kind((1.8, 0.62, 0.88), climbable=True),
    "stove": Kind((0.62, 0.62, 0.88)),
    "sink": Kind((0.8, 0.62, 0.88)),
    "island": Kind((1.5, 0.75, 0.88)),
    "plant": Kind((0.4, 0.4, 0.95)),
    "toy_box": Kind((0.7, 0.42, 0.4), climbable=True),
    "blocks": Kind((0.5, 0.5, 0.22), blocks=False),
    "ball": Kind((0.24, 0.24, 0.24), blocks=False),
    "play_kitchen": Kind((0.95, 0.36, 0.95)),
    "step_stool": Kind((0.4, 0.34, 0.3), climbable=True),
    "easel": Kind((0.6, 0.5, 1.1)),
    "lamp": Kind((1.2, 0.3, 0.06), blocks=False, hung_m=2.94),
    "board": Kind((1.8, 0.05, 0.9), blocks=False, hung_m=0.75),
    "poster": Kind((0.6, 0.02, 0.8), blocks=False, hung_m=1.1),
    "drawings": Kind((2.0, 0.02, 0.6), blocks=False, hung_m=1.2),
    "clock": Kind((0.3, 0.04, 0.3), blocks=False, hung_m=2.1),
    "bunting": Kind((3.0, 0.01, 0.25), blocks=False, hung_m=2.25),
    "mobile": Kind((0.6, 0.6, 0.5), blocks=False, hung_m=2.1),
    "extinguisher": Kind((0.16, 0.14, 0.5), blocks=False, hung_m=0.35),
    "scale": Kind((0.35, 0.45, 1.1)),
}  # fmt: skip
