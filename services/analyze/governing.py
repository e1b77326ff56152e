"""Keeps the load within what the machine can do: measures all cameras twice a second and gives each its pace.

Belongs here: measuring and handing out. Does not belong here: deciding (``core.shedding``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from services.analyze.camera_worker import CameraWorker
from services.analyze.core.shedding import Load, Shedding, step
from services.analyze.workroom import Workroom
from services.backbone import metrics

EVERY_S = 0.5
#: Chunks may wait this share of ``late_s`` (and no longer than the second number of seconds) before less is watched.
_TARGET_SHARE, _LONGEST_TARGET_S = 0.25, 900.0

_log = structlog.get_logger(__name__)


class Governor:
    """One for all cameras of the service."""

    def __init__(self, workroom: Workroom, workers: Callable[[], Sequence[CameraWorker]], late_s: float) -> None:
        self._workroom = workroom
        self._workers = workers
        self._state = Shedding(min(late_s * _TARGET_SHARE, _LONGEST_TARGET_S))
        self._at_ns = time.perf_counter_ns()
        self._worked_ns = 0
        self._reduced: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Govern for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.govern()

    def govern(self) -> None:
        """Measure since the last time, decide, and tell the cameras."""
        workers = {worker.camera_id: worker for worker in self._workers()}
        at_ns, worked_ns = time.perf_counter_ns(), self._workroom.worked_ns()
        room_ns = max(1, at_ns - self._at_ns) * self._workroom.workers
        busy = min(1.0, max(0.0, (worked_ns - self._worked_ns) / room_ns))
        self._at_ns, self._worked_ns = at_ns, worked_ns
        waited_s = max((worker.waited_s for worker in workers.values()), default=0.0)
        loads = [worker.load() for worker in workers.values()]
        self._state, paces = step(self._state, Load(self._workroom.workers, busy, waited_s, loads))
        for camera_id, pace in paces.items():
            workers[camera_id].keep_pace(pace)
        metrics.ANALYSIS_BUSY.set(busy)
        metrics.ANALYSIS_WAIT_SECONDS.set(waited_s)
        self._say(frozenset(self._state.rungs))

    def _say(self, reduced: frozenset[str]) -> None:
        """Once when it begins and once when it is over."""
        if bool(reduced) != bool(self._reduced):
            if reduced:
                _log.warning("more is asked than this machine can do; cameras are watched less", cameras=len(reduced))
            else:
                _log.info("every camera is watched in full again")
        self._reduced = reduced
