"""The words in which the parts of the nursery speak of an instant: who is where, doing what, and what stands open or burns.

Pure values. The day (``day/``) makes a ``World`` for a time, the figures (``people/``) turn its persons into limbs, the
renderer (``render/``) draws it, the truth is read off it. Coordinates are metres, right-handed: x east, y north, z up;
headings are radians, counter-clockwise from east. ``t_s`` is seconds since the local midnight of the simulated day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["adult", "child"]

#: What somebody's body does. ``fallen`` lies still after a fall; ``sleep`` lies on a cot; ``lie`` on the floor, awake.
Activity = Literal[
    "stand", "walk", "run", "crawl", "sit", "sit_floor", "play_floor", "squat", "bend", "reach", "lie", "sleep",
    "climb", "fall", "fallen", "carry", "carried", "wave",
]  # fmt: skip

#: What is wrong with a camera: the picture is what the fault makes of it (I-23). ``lost`` gives no picture at all.
FaultKind = Literal["covered", "moved", "defocused", "frozen", "dark", "lost"]

Rgb = tuple[int, int, int]
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is the same all day. ``number`` is the identity of the MOT files; ``build`` 1.0 is average width.

    ``apron`` is the colour of one worn over the clothes, ``stripe`` of a band across the chest.
    """

    number: int
    name: str
    role: Role
    height_m: float
    build: float = 1.0
    skin: Rgb = (224, 186, 158)
    hair: Rgb = (38, 30, 26)
    top: Rgb = (200, 90, 70)
    bottom: Rgb = (60, 70, 100)
    shoes: Rgb = (60, 56, 54)
    long_hair: bool = False
    skirt: bool = False
    apron: Rgb | None = None
    short_sleeves: bool = False
    shorts: bool = False
    stripe: Rgb | None = None


@dataclass(frozen=True, slots=True)
class PersonState:
    """A person at an instant.

    ``at`` is the point of the ground (or seat, cot, step) under the body's centre. ``stride_m`` is the way walked so far: a
    gait follows from it, so that feet do not slide. ``doing_s`` is how long the activity has lasted, ``before`` the one that
    it came from (postures blend over the first moments) and ``before_s`` how long that one had lasted. ``carried_by`` and
    ``carries`` name the other's number. Who lies or sleeps heads from the feet to the head, with the middle over ``at``.
    """

    person: Person
    at: Point
    heading_rad: float
    activity: Activity
    doing_s: float = 0.0
    before: Activity = "stand"
    speed_m_s: float = 0.0
    stride_m: float = 0.0
    carried_by: int | None = None
    carries: int | None = None
    before_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Flame:
    """A visible fire on something: its foot and how high it burns."""

    at: Point
    height_m: float


@dataclass(frozen=True, slots=True)
class CameraFault:
    """What a camera suffers from; ``amount`` 0..1 is how far it has come (a moved camera: of its turn)."""

    kind: FaultKind
    amount: float = 1.0
    since_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Headlights:
    """A car's lamps outside: where they are and how strong, 0..1. Their light comes in through whatever windows it meets."""

    at: Point
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a picture or a measurement at ``t_s`` follows from, and nothing else.

    ``openings`` gives for each door, window, fridge and gate by its id how far it is open, 0..1. ``lights`` gives each
    room's electric light, 0..1, and ``daylight`` the sky's, 0..1. ``blocked`` names the exits with clutter before them,
    ``curtains`` how far each window's curtain is drawn. ``night_sight`` names the cameras that are switched to their infrared
    lamps however bright it is; by themselves they do so in the dark.
    """

    t_s: float
    day: int
    persons: tuple[PersonState, ...] = ()
    openings: Mapping[str, float] = field(default_factory=dict)
    lights: Mapping[str, float] = field(default_factory=dict)
    daylight: float = 1.0
    curtains: Mapping[str, float] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    flames: tuple[Flame, ...] = ()
    faults: Mapping[str, CameraFault] = field(default_factory=dict)
    night_sight: frozenset[str] = frozenset()
    headlights: tuple[Headlights, ...] = ()
