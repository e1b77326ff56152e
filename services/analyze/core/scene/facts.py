"""What is known of a frame's objects: the vocabulary in which rules read the analysis. Metres, seconds, ns UTC, shares of 0..1.

Every uncertainty is a standard one (1 sigma, all causes together unless said). What is not known is ``None`` or ``"unknown"`` and
never a guess: a rule must decide what to do about it. An object is a track of one camera; its number means nothing beyond it and
there is no identity, no appearance and no name here (R-25).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from services.analyze.core.scene.calibration import Origin
from services.analyze.core.zones import Box, PictureSize, Point
from services.contracts.entity import ZoneKind

Age = Literal["adult", "child", "unsure"]
Posture = Literal["upright", "bent", "sitting", "lying", "unknown"]
Crossing = Literal["entered", "left", "vanished"]


class FloorPoint(NamedTuple):
    """Where somebody stands: metres to the right of the camera and ahead of it, on the floor under it."""

    right_m: float
    ahead_m: float
    right_sigma_m: float
    ahead_sigma_m: float


class Metres(NamedTuple):
    """A length or a speed with its standard uncertainty, in m or m/s."""

    value: float
    sigma: float


class Stay(NamedTuple):
    """A zone that somebody is in, and for how long (the time they were not seen for a moment included)."""

    zone: str
    kind: ZoneKind
    since_ns: int
    dwell_s: float


class ZoneCrossing(NamedTuple):
    """Somebody's foot point came into a zone or went out of it; ``vanished``: it was last seen in it and then lost, as one is who
    goes through a door. ``at_ns`` is the first frame inside, the last inside, the last seen."""

    track_id: int
    zone: str
    kind: ZoneKind
    crossing: Crossing
    at_ns: int
    age: Age


class ObjectFacts(NamedTuple):
    """One tracked person in one frame.

    ``foot``: fractions of the picture, as zones are given; ``None`` when the feet are not in it. ``whole``: no side of the box
    is the picture's edge. ``floor``, ``height`` (of the box, as if upright), ``speed``: ``None`` without calibration or where the
    picture does not say. ``stature``: how tall they are standing upright, by all that the track has shown. ``age`` follows from
    it with ``child_probability``; it does not flicker. ``height_share``: present height over stature, 1 upright. ``still_s``:
    how long the box has neither moved nor changed its shape; needs no calibration.
    """

    track_id: int
    box_px: Box
    score: float
    confirmed: bool
    age_s: float
    foot: Point | None
    whole: bool
    floor: FloorPoint | None
    height: Metres | None
    stature: Metres | None
    age: Age
    child_probability: float
    speed: Metres | None
    posture: Posture
    posture_since_ns: int
    height_share: float | None
    still_s: float
    stays: tuple[Stay, ...]


class CalibrationFacts(NamedTuple):
    """How the camera's place over the floor is known. Not known: ``origin`` ``None`` and ``why`` says what is missing."""

    origin: Origin | None
    why: str
    camera_height: Metres | None = None
    tilt_deg: float | None = None


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """One analysed frame. ``objects`` by track number; ``crossings`` happened since the frame before.

    ``view``: the camera's health in a word (``clear``, ``unjudged``, or what is wrong); metres of a camera that was moved are not
    metres of the room.
    """

    frame_ns: int
    picture: PictureSize
    calibration: CalibrationFacts
    objects: tuple[ObjectFacts, ...]
    crossings: tuple[ZoneCrossing, ...]
    view: str = "unjudged"

    def count(self, age: Age) -> int:
        """Confirmed objects of an age."""
        return sum(one.confirmed and one.age == age for one in self.objects)

    def within(self, zone: str) -> tuple[ObjectFacts, ...]:
        """Who is in a zone."""
        return tuple(one for one in self.objects if any(stay.zone == zone for stay in one.stays))
