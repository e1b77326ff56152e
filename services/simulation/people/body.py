"""How a body is proportioned: lengths and breadths in metres from stature, age and build.

Belongs here: anthropometry and its sources. Does not belong here: movement (``gait``, ``postures``), surfaces (``mesh``) and
clothes (``wardrobe``). Sources, and how far each number is trusted: ``docs/design/simulation.md``, "People".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.simulation.world import Person

#: Median length or stature at ages of 6 months to 6 years, girls and boys together (WHO Child Growth Standards, rounded).
_STATURE_M = (0.66, 0.75, 0.82, 0.87, 0.955, 1.03, 1.10, 1.16)
_STATURE_AGE_YEARS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)

#: The ages of the tables below; 18 stands for the adult.
_AGES = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 18.0)
_ADULT_YEARS = 18.0
#: Chin to crown over stature: a quarter at birth, a fifth at two, a sixth at six, 1/7.7 in adults (Stratz; Winter).
_HEAD = (0.238, 0.222, 0.200, 0.190, 0.182, 0.167, 0.130)
#: Sitting height over stature (Fredriks and others 2005, rounded; adult: Winter's hip height).
_SITTING = (0.650, 0.630, 0.600, 0.580, 0.565, 0.545, 0.525)
#: Hip joint above the seat.
_HIP_ABOVE_SEAT = (0.030, 0.032, 0.036, 0.038, 0.040, 0.044, 0.055)
#: Shoulder joint below the chin.
_SHOULDER_BELOW_CHIN = (0.020, 0.022, 0.028, 0.033, 0.036, 0.042, 0.055)
_UPPER_ARM = (0.165, 0.168, 0.172, 0.176, 0.178, 0.182, 0.186)
_FOREARM = (0.125, 0.128, 0.132, 0.135, 0.137, 0.140, 0.146)
_HAND = (0.110, 0.109, 0.107, 0.106, 0.106, 0.106, 0.108)
_FOOT = (0.160, 0.160, 0.163, 0.163, 0.160, 0.157, 0.152)
#: Breadth over the deltoids, of the hips, of the waist; depth of the chest.
_SHOULDERS = (0.285, 0.280, 0.272, 0.265, 0.258, 0.250, 0.245)
_HIPS = (0.215, 0.210, 0.200, 0.193, 0.190, 0.187, 0.196)
_WAIST = (0.205, 0.200, 0.188, 0.180, 0.172, 0.163, 0.160)
_CHEST_DEPTH = (0.170, 0.160, 0.148, 0.140, 0.132, 0.124, 0.128)
#: Head breadth and length (front to back).
_HEAD_BREADTH = (0.172, 0.165, 0.154, 0.145, 0.138, 0.124, 0.0915)
_HEAD_LENGTH = (0.210, 0.205, 0.190, 0.182, 0.174, 0.156, 0.115)


@dataclass(frozen=True, slots=True)
class Body:
    """Lengths in metres. Heights are those of a person who stands upright in shoes; ``_half`` is half of a breadth."""

    height: float
    age_years: float
    hip: float
    hip_half: float
    thigh: float
    shin: float
    ankle: float
    foot: float
    waist_up: float
    chest_up: float
    shoulder_up: float
    shoulder_half: float
    head_up: float
    head: float
    head_half: float
    head_depth_half: float
    upper_arm: float
    forearm: float
    hand: float
    shoulders_half: float
    hips_half: float
    waist_half: float
    chest_depth_half: float
    girth: float
    child: bool

    @property
    def leg(self) -> float:
        """Hip joint to ankle joint, stretched."""
        return self.thigh + self.shin

    @property
    def arm(self) -> float:
        """Shoulder to wrist, stretched."""
        return self.upper_arm + self.forearm

    @property
    def seat(self) -> float:
        """Hip joint above what is sat on."""
        return 0.44 * self.hips_half + 0.018 * self.height

    @property
    def lying(self) -> float:
        """Hip joint above what is lain on."""
        return 0.72 * self.hips_half + 0.004 * self.height


def age_years(person: Person) -> float:
    """The age that goes with a child's stature; adults are 18."""
    if person.role == "adult":
        return _ADULT_YEARS
    return _at(person.height_m, _STATURE_M, _STATURE_AGE_YEARS)


def body_of(person: Person) -> Body:
    """The body of a person; the same for the same height, role and build."""
    return _body(person.height_m, age_years(person), person.build, person.role == "child")


@lru_cache(maxsize=512)
def _body(height: float, age: float, build: float, child: bool) -> Body:
    def part(table: Sequence[float]) -> float:
        return height * _at(age, _AGES, table)

    # The bones are a little longer than hip to ankle: nobody stands with locked knees.
    # Heavier people are wider far more than their bones are apart.
    girth = 1.0 + 0.8 * (build - 1.0)
    head, ankle = part(_HEAD), 0.042 * height
    hip = height - part(_SITTING) + part(_HIP_ABOVE_SEAT)
    shoulder = height - head - part(_SHOULDER_BELOW_CHIN)
    trunk = shoulder - hip
    waist_up, chest_up = 0.22 * trunk, 0.30 * trunk
    head_joint = height - 0.86 * head
    return Body(
        height=height, age_years=age, child=child, girth=girth,
        hip=hip, hip_half=0.24 * part(_HIPS) * (1 + 0.3 * (build - 1.0)), thigh=0.503 * (hip - ankle), shin=0.503 * (hip - ankle),
        ankle=ankle, foot=part(_FOOT), waist_up=waist_up, chest_up=chest_up, shoulder_up=trunk - waist_up - chest_up,
        shoulder_half=0.40 * part(_SHOULDERS), head_up=head_joint - hip - waist_up - chest_up, head=head,
        head_half=0.5 * part(_HEAD_BREADTH), head_depth_half=0.5 * part(_HEAD_LENGTH),
        upper_arm=part(_UPPER_ARM), forearm=part(_FOREARM), hand=part(_HAND),
        shoulders_half=0.5 * part(_SHOULDERS) * (1 + 0.4 * (girth - 1)), hips_half=0.5 * part(_HIPS) * girth,
        waist_half=0.5 * part(_WAIST) * girth, chest_depth_half=0.5 * part(_CHEST_DEPTH) * girth,
    )  # fmt: skip


def _at(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Linear interpolation; beyond the ends the ends' values."""
    if x <= xs[0]:
        return ys[0]
    for left, right, low, high in zip(xs, xs[1:], ys, ys[1:], strict=False):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return ys[-1]
