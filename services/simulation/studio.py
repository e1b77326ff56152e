"""Pictures of a place for many cameras of one process: one renderer, plates painted one after the other, each picture drawn once.

Belongs here: sharing, waiting for paint, telling how far it is. Does not belong here: drawing (``render/``), coding, the clock.
"""

from __future__ import annotations

import contextlib
import ctypes
import queue
import threading
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from services.contracts.errors import KanhuError, Rejected
from services.simulation.building import Building
from services.simulation.live import Days, Place, building_named, days_of
from services.simulation.render.plate_cache import PlateCache
from services.simulation.world import World

if TYPE_CHECKING:
    from services.simulation.render.renderer import NurseryRenderer

logger = structlog.get_logger(__name__)

Picture = NDArray[np.uint8]
_WORLDS_KEPT = 4  # all cameras of a rate look at the same instants
_PICTURES_KEPT = 2  # of each camera: its record and its detect stream ask for the same instants


class Studio:
    """``prepare`` a camera, wait until it is ``painted``, then ask for pictures. Safe to call from several threads."""

    def __init__(self, place: Place) -> None:
        self.days: Days = days_of(place)
        self._paint_room = _paint_room(place.building, place.seed)
        self._drawn: dict[str, OrderedDict[float, Picture | None]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._worlds: OrderedDict[float, World] = OrderedDict()
        self._lock, self._worlds_lock = threading.Lock(), threading.Lock()

    @property
    def building(self) -> Building:
        return self.days.building

    def prepare(self, camera_id: str) -> None:
        """Have a camera painted in the background; returns at once."""
        self._paint_room.order(camera_id)

    def painted(self, camera_id: str, wait_s: float) -> bool:
        """Wait for a camera's paint. ``Rejected``: it cannot be painted here; the message says what to install."""
        return self._paint_room.painted(camera_id, wait_s)

    def picture(self, camera_id: str, world_s: float) -> Picture | None:
        """(h, w, 3) red, green, blue; ``None`` while the camera is lost. Must not be written to."""
        key = round(world_s, 4)
        with self._lock:
            own = self._locks.setdefault(camera_id, threading.Lock())
            drawn = self._drawn.setdefault(camera_id, OrderedDict())
        with own:
            if key not in drawn:
                drawn[key] = self._paint_room.renderer.picture(camera_id, self._world(key, world_s))
                if len(drawn) > _PICTURES_KEPT:
                    drawn.popitem(last=False)
            return drawn[key]

    def _world(self, key: float, world_s: float) -> World:
        with self._worlds_lock:
            if key not in self._worlds:
                self._worlds[key] = self.days.world(world_s)
                if len(self._worlds) > _WORLDS_KEPT:
                    self._worlds.popitem(last=False)
            return self._worlds[key]


@lru_cache(maxsize=8)
def studio_of(place: Place) -> Studio:
    """The studio of a place, the same for all of this process."""
    return Studio(place)


class PaintRoom:
    """Paints the cameras of one building in the order of asking, in a thread of its own. One renderer for all."""

    def __init__(self, building: Building, seed: int) -> None:
        self._building, self._seed = building, seed
        self._orders: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._done: dict[str, threading.Event] = {}
        self._failed: KanhuError | None = None
        self._renderer: NurseryRenderer | None = None
        self._lock = threading.Lock()

    @property
    def renderer(self) -> NurseryRenderer:
        assert self._renderer is not None, "painted() comes first"
        return self._renderer

    def order(self, camera_id: str) -> None:
        with self._lock:
            if not self._done:
                threading.Thread(target=self._paint, name="painting simulated cameras", daemon=True).start()
            if camera_id not in self._done:
                self._done[camera_id] = threading.Event()
                self._orders.put(camera_id)

    def painted(self, camera_id: str, wait_s: float) -> bool:
        done = self._done[camera_id].wait(wait_s)
        if self._failed is not None:
            raise self._failed
        return done

    def _paint(self) -> None:
        while True:
            camera_id = self._orders.get()
            try:
                if self._failed is None:
                    self._paint_one(camera_id)
            except KanhuError as error:
                self._failed = error
            except Exception as error:
                logger.exception("a simulated camera cannot be painted; this is a defect", camera=camera_id)
                self._failed = Rejected(
                    f"camera {camera_id} of {self._building.id} cannot be painted ({type(error).__name__})"
                )
            finally:
                self._done[camera_id].set()

    def _paint_one(self, camera_id: str) -> None:
        if self._renderer is None:
            from services.simulation.render.renderer import NurseryRenderer

            self._renderer = NurseryRenderer(self._building, self._seed, PlateCache())
        self._renderer.prepare(camera_id)
        _give_back()
        done = sum(one.is_set() for one in self._done.values()) + 1
        logger.info("painted a simulated camera", camera=camera_id, painted=done, of=len(self._done))


def _give_back() -> None:
    """Hand freed memory back to the system: painting leaves hundreds of MB of it, where the C library can be asked to."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


@lru_cache(maxsize=8)
def _paint_room(building: str, seed: int) -> PaintRoom:
    return PaintRoom(building_named(building), seed)
