"""A nursery that goes on by the clock: which instant of which simulated day a moment of real time shows, for all who look at it.

Belongs here: the clock of the simulated world, days that follow each other, which camera a name means. Does not belong here:
pictures (``studio.py``), the day itself (``day/``). All cameras and sensors of one place agree on one epoch, so that they show
one world, and whoever connects again finds it as far on as the clock is.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import structlog

from services.contracts.errors import NotFound, Rejected
from services.contracts.simulated_stream import EPOCH_VARIABLE, ServiceMode, SimulatedStream
from services.contracts.time import NS_PER_S
from services.simulation.building import Building, BuildingCamera, load_building
from services.simulation.day.calendar import DAY_S, usual_mode
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.script import Episode, load_script
from services.simulation.day.sensors import Reading
from services.simulation.world import World

logger = structlog.get_logger(__name__)

SCRIPTS = Path(__file__).parent / "scripts"
#: What people call rooms: kinds of room by other names.
_ALSO_CALLED = {"playroom": "activity", "nap-room": "nap", "hall": "corridor", "door": "entrance", "garden": "yard"}
_DAYS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Place:
    """What a simulated world follows from. Streams of equal places show one world."""

    building: str
    seed: int
    first_day: int
    script: str | None
    rate: float
    mode: ServiceMode | None = None

    @classmethod
    def of(cls, stream: SimulatedStream) -> Place:
        return cls(stream.building, stream.seed, stream.day.toordinal(), stream.script, stream.rate, stream.mode)

    def mode_of(self, index: int) -> ServiceMode | None:
        """How care is cut on the ``index``-th day: as told on the first, and on those after it that the calendar leaves open."""
        later_closed = index > 0 and usual_mode(date.fromordinal(self.first_day + index)) == "closed"
        return None if later_closed else self.mode


@dataclass(frozen=True, slots=True)
class WorldClock:
    """``world_s`` counts from the midnight before the first day and goes on past it: 86400 is the next midnight."""

    epoch_ns: int
    at_s: float
    speed: float

    @classmethod
    def of(cls, stream: SimulatedStream, now_ns: int) -> WorldClock | None:
        """The clock of a stream; ``None`` while the file that is to say its epoch is not there: ask again."""
        epoch_ns = _epoch_ns(stream.epoch_s, now_ns)
        return None if epoch_ns is None else cls(epoch_ns, stream.at_s, stream.speed)

    def world_s(self, instant_ns: int) -> float:
        return self.at_s + (instant_ns - self.epoch_ns) * self.speed / NS_PER_S

    def instant_ns(self, world_s: float) -> int:
        """When the clock shows ``world_s``."""
        return self.epoch_ns + round((world_s - self.at_s) / self.speed * NS_PER_S)


class Days:
    """The days of a place, one after the other, each made when it is first looked at. Safe to call from several threads."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.building = building_named(place.building)
        self._script = script_named(place.script)
        self._days: OrderedDict[int, NurseryDay] = OrderedDict()
        self._lock = threading.Lock()

    def world(self, world_s: float) -> World:
        """The world at an instant; ``World.t_s`` is of its own day."""
        index, t_s = divmod(world_s, DAY_S)
        return self.day(int(index)).world(t_s)

    def readings(self, from_s: float, to_s: float) -> list[tuple[float, Reading]]:
        """What the sensors say in ``[from_s, to_s)``, with the ``world_s`` of each."""
        said = []
        for index in range(math.floor(from_s / DAY_S), math.ceil(to_s / DAY_S)):
            midnight_s = index * DAY_S
            start_s, end_s = max(from_s, midnight_s) - midnight_s, min(to_s, midnight_s + DAY_S) - midnight_s
            said += [(midnight_s + one.t_s, one) for one in self.day(index).sensor_readings(start_s, end_s)]
        return said

    def day(self, index: int) -> NurseryDay:
        """The ``index``-th day; the first is 0. Makes it, which takes two seconds, unless it was looked at lately."""
        with self._lock:
            known = self._days.get(index)
            if known is None:
                known = self._days[index] = self._made(index)
                if len(self._days) > _DAYS_KEPT:
                    self._days.popitem(last=False)
            self._days.move_to_end(index)
            return known

    def _made(self, index: int) -> NurseryDay:
        place = self.place
        day, mode = date.fromordinal(place.first_day) + timedelta(days=index), place.mode_of(index)
        try:
            return NurseryDay(self.building, place.seed, day, mode, self._script, place.rate)
        except Rejected as error:
            if index == 0 or not self._script:
                raise  # the script is wrong for the day that it was written for: that must be said
            logger.info(
                "a script cannot be put on on a later day", script=place.script, day=str(day), why=str(error)[:200]
            )
            return NurseryDay(self.building, place.seed, day, mode, rate=place.rate)


@lru_cache(maxsize=8)
def days_of(place: Place) -> Days:
    """The days of a place, the same for all who ask. ``NotFound``, ``Rejected``: there is no such building or script."""
    return Days(place)


def camera_named(building: Building, name: str) -> BuildingCamera:
    """The camera that ``sim:NAME`` means: a camera, else the first of a room, else of a kind of room. ``NotFound`` lists them."""
    kind = _ALSO_CALLED.get(name, name)
    kinds = {room.id: room.kind for room in building.rooms}
    meant: tuple[Callable[[BuildingCamera], bool], ...] = (
        lambda camera: camera.id == name, lambda camera: camera.room == name, lambda camera: kinds[camera.room] == kind,
    )  # fmt: skip
    for means in meant:
        for camera in building.cameras:
            if means(camera):
                return camera
    known = ", ".join(camera.id for camera in building.cameras)
    raise NotFound(
        f"{building.id} has no camera, room or kind of room {name!r}; its cameras are {known}: write sim:{building.cameras[0].id}"
    )


def script_named(name: str | None) -> tuple[Episode, ...]:
    """A script that comes with the package by its name, or any YAML file. ``NotFound``, ``Rejected`` say what is wrong."""
    if name is None:
        return ()
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_script(path)
    path = SCRIPTS / f"{name}.yaml"
    if "/" in name or not path.exists():
        known = ", ".join(sorted(one.stem for one in SCRIPTS.glob("*.yaml")))
        raise NotFound(f"no script is called {name!r}; known ones: {known}; or name a file that ends in .yaml")
    return load_script(path)


@lru_cache(maxsize=8)
def building_named(name: str) -> Building:
    """A building, read once."""
    return load_building(name)


def _epoch_ns(told_s: float | None, now_ns: int) -> int | None:
    agreed = os.environ.get(EPOCH_VARIABLE, "")
    if told_s is None and not agreed:
        return _first_look_ns(now_ns)
    if told_s is None and agreed.startswith("/"):
        try:
            agreed = Path(agreed).read_text()
        except OSError:
            return None
    try:
        return round((float(agreed) if told_s is None else told_s) * NS_PER_S)
    except ValueError:
        raise Rejected(
            f"{EPOCH_VARIABLE} is {agreed[:60]!r}; write seconds since 1970, or the whole path of a file that says them"
        ) from None


_FIRST_LOOK: list[int] = []
_FIRST_LOOK_LOCK = threading.Lock()


def _first_look_ns(now_ns: int) -> int:
    """When anybody of this process first looked at any simulated place: the epoch if nobody agreed on another."""
    with _FIRST_LOOK_LOCK:
        if not _FIRST_LOOK:
            _FIRST_LOOK.append(now_ns or time.time_ns())
        return _FIRST_LOOK[0]
