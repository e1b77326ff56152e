"""A drawn room: the same name and seed always give the same pictures, people, door and temperature."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2

from services.simulation import figure, furniture
from services.simulation.canvas import Canvas, Picture
from services.simulation.figure import Pose
from services.simulation.floor_plan import FLOOR, timetable_of
from services.simulation.furniture import Palette
from services.simulation.perspective import HEIGHT_PX, WIDTH_PX, Pixel, pixels_per_metre
from services.simulation.timetable import Floor, Place, Reading, Step

FRAMES_PER_S = 10
_DOOR_SWING_S = 0.6
_DOOR_STEPS = 6
_ADULT_M, _CHILD_M = 1.66, 1.08


@dataclass(frozen=True, slots=True)
class _Look:
    draw: Callable[[Palette], Canvas]
    palette: Palette


_LOOKS = (_Look(furniture.playroom, furniture.PLAYROOM), _Look(furniture.nap_room, furniture.NAP_ROOM))


@dataclass(frozen=True, slots=True)
class PersonTruth:
    """One person in one frame. The box is x1, y1, x2, y2 in pixels, the foot its bottom centre on the floor."""

    person: str
    box_px: tuple[float, float, float, float]
    foot_px: Pixel
    in_armed_zone: bool


class DrawnRoom:
    """A room seen by its camera. Time is seconds since the camera was switched on; nothing here knows a clock.

    ``room`` may be any name: one that speaks of sleep is drawn as a nap room, any other as a playroom.
    """

    width_px, height_px, frames_per_s = WIDTH_PX, HEIGHT_PX, FRAMES_PER_S

    def __init__(self, room: str, seed: int = 0) -> None:
        self.room = room
        self._look = _LOOKS["nap" in room or "sleep" in room]
        self._floor = FLOOR
        self._timetable = timetable_of(room, seed)
        self._still = _stills(self._look)

    @property
    def armed_zone(self) -> tuple[Place, ...]:
        """Corners of the armed part of the floor, as fractions of the picture."""
        return self._floor.armed

    def frame(self, t_s: float) -> Picture:
        """The picture at ``t_s``: (360, 640, 3) uint8, red green blue; the caller may draw on it."""
        picture = self._background(t_s).copy()
        _mobile(picture, t_s, self._look.palette)
        for step in self._timetable.people(t_s):
            figure.draw(picture, _pose(step))
        return picture

    def truth(self, t_s: float) -> list[PersonTruth]:
        """Everybody who is drawn at ``t_s``, the farthest first."""
        return [_truth(step, self._floor) for step in self._timetable.people(t_s)]

    def presence(self, from_s: float, to_s: float) -> list[tuple[float, float]]:
        """The spans (s) in which somebody's foot point is in the armed zone."""
        return self._timetable.presence(from_s, to_s)

    def readings(self, from_s: float, to_s: float) -> list[Reading]:
        """What the room's door and thermometer say in ``[from_s, to_s)``."""
        return self._timetable.readings(from_s, to_s)

    def door_openings(self, from_s: float, to_s: float) -> list[tuple[float, float]]:
        """The spans (s) in which the door stands open."""
        return self._timetable.door_openings(from_s, to_s)

    def _background(self, t_s: float) -> Picture:
        return self._still[round(self._door_angle(t_s) * _DOOR_STEPS)]

    def _door_angle(self, t_s: float) -> float:
        """How far the door is open, 0 to 1: it swings in a moment, not at once."""
        for start_s, end_s in self.door_openings(t_s - _DOOR_SWING_S, t_s + 1e-9):
            opened = min(1.0, (t_s - start_s) / _DOOR_SWING_S)
            shut = max(0.0, (t_s - end_s) / _DOOR_SWING_S)
            return max(0.0, opened - shut)
        return 0.0


@cache
def _stills(look: _Look) -> tuple[Picture, ...]:
    """The empty room with its door shut, and in each step of its swing to wide open."""
    canvas = look.draw(look.palette)
    stills = []
    for step in range(_DOOR_STEPS + 1):
        with_door = canvas.copy()
        furniture.door(with_door, look.palette, step / _DOOR_STEPS)
        stills.append(with_door.finished())
        stills[-1].flags.writeable = False
    return tuple(stills)


def _pose(step: Step) -> Pose:
    x_px, y_px = step.foot[0] * WIDTH_PX, step.foot[1] * HEIGHT_PX
    number = int(step.person[1:])
    child = number % 2 == 1
    height_px = pixels_per_metre(y_px) * (_CHILD_M if child else _ADULT_M + 0.05 * (number % 3))
    facing = max(-1.0, min(1.0, step.heading * 5.0))
    return Pose((x_px, y_px), height_px, facing, step.stride, step.walking, number // 2, child)


def _truth(step: Step, floor: Floor) -> PersonTruth:
    pose = _pose(step)
    return PersonTruth(step.person, figure.box_px(pose), pose.foot, floor.is_armed(step.foot))


def _mobile(picture: Picture, t_s: float, palette: Palette) -> None:
    """A mobile under the ceiling turns slowly: an empty room is seen to be alive, and a frozen picture to be frozen."""
    x, y = 468, 12
    cv2.line(picture, (x, 0), (x, y), (150, 148, 144), 1, cv2.LINE_AA)
    for index in range(4):
        turn = 0.55 * t_s + index * math.pi / 2
        px, drop = x + 26 * math.cos(turn), y + 17 + 5 * (index % 2) + 1.5 * math.sin(t_s * 1.3 + index)
        cv2.line(picture, (x, y), (round(px), y + 3), (150, 148, 144), 1, cv2.LINE_AA)
        cv2.line(picture, (round(px), y + 3), (round(px), round(drop)), (170, 168, 164), 1, cv2.LINE_AA)
        centre = (round(px * 16), round(drop * 16))
        cv2.circle(
            picture, centre, round((4.2 + 0.8 * math.sin(turn)) * 16), palette.accents[index], -1, cv2.LINE_AA, 4
        )
