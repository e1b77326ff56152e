"""When the simulated world of a box begins: as soon as it can be seen, recorded and watched; and how far its painting is.

Belongs here: the epoch that the agent's cameras and the sensors agree on, and what is told until then. Does not belong here: the
world (``services.simulation``), which world it is (``demonstration.py``).

The epoch lies in a file, so that an agent that is started anew shows the same world, as far on as the clock is. It is written
when the services are up and the cameras painted: a story that begins before anybody looks would be over on a slow machine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

from services.box.children import Child
from services.box.terminal import Terminal
from services.contracts.entity import CameraConfig
from services.contracts.simulated_stream import EPOCH_VARIABLE
from services.contracts.source_url import parse_source_url

_FILE = "simulation.epoch"
_LOOK_EVERY_S = 0.25
#: However slow a machine is, or whatever cannot be painted: then the world begins for those cameras that there are.
_LONGEST_WAIT_S = 240.0
_NEEDED = ("agent", "analyze", "console")


class SimulatedWorld:
    """``environment`` is the agent's; ``begin`` decides on the epoch; ``begun`` is set then."""

    def __init__(self, cameras: Sequence[CameraConfig], data: Path) -> None:
        self.begun = asyncio.Event()
        self.environment: dict[str, str] = {}
        self._cameras, self._file = cameras, data / _FILE
        self._file.unlink(missing_ok=True)  # of the box before
        if cameras and EPOCH_VARIABLE not in os.environ:
            self.environment = {EPOCH_VARIABLE: str(self._file)}
            os.environ |= self.environment  # the sensors are played from this process

    async def begin(self, services: Sequence[Child], terminal: Terminal) -> None:
        """Tell each camera that is painted; begin the world when all are, and the services that matter are up."""
        if self.environment:
            until_s = time.monotonic() + _LONGEST_WAIT_S
            await self._painted(terminal, until_s)
            for child in services:
                if child.word in _NEEDED:
                    await _at_most(child.up, until_s)
            await asyncio.to_thread(_write, self._file, f"{time.time():.3f}\n")
        self.begun.set()

    async def _painted(self, terminal: Terminal, until_s: float) -> None:
        files = await asyncio.to_thread(plate_files, self._cameras)
        left = before = _missing(files)
        if left:
            terminal.note("painting", f"{left} simulated cameras are painted once, which takes some seconds each")
        while left and time.monotonic() < until_s:
            await asyncio.sleep(_LOOK_EVERY_S)
            left = _missing(files)
            if left < before:
                terminal.note("painting", f"rooms {len(files) - left}/{len(files)}")
            before = left


def plate_files(cameras: Sequence[CameraConfig]) -> dict[str, Path]:
    """Where the painted picture of each simulated camera lies, or will lie once it is painted. Unknown rooms are left out."""
    from services.contracts.errors import KanhuError
    from services.simulation.live import building_named, camera_named
    from services.simulation.render.camera_model import camera_model
    from services.simulation.render.plate_cache import PlateCache

    kept, found = PlateCache(), dict[str, Path]()
    for camera in cameras:
        stream = parse_source_url(camera.url).simulated
        if stream is None:
            continue
        try:
            building = building_named(stream.building)
            model = camera_model(camera_named(building, stream.room))
        except KanhuError:
            continue  # the agent will say what is wrong with it
        found[camera.camera_id] = kept.path(building, stream.seed, model)
    return found


def _missing(files: dict[str, Path]) -> int:
    return sum(not path.exists() for path in files.values())


async def _at_most(event: asyncio.Event, until_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), max(0.0, until_s - time.monotonic()))
    except TimeoutError:
        return


def _write(path: Path, text: str) -> None:
    """Whole or not at all: the agent reads it while it is written."""
    draft = path.with_name(path.name + ".draft")
    draft.write_text(text)
    draft.replace(path)
