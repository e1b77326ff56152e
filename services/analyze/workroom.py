"""The worker threads, and whose turn it is in them: cameras take turns by the time they have had, not by who asked first.

Belongs here: the pool and its turns. Does not belong here: whose turn it should be (``core.fair_share``).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from services.analyze.core.fair_share import FairShare
from services.backbone.worker_threads import WorkerThreads

T = TypeVar("T")


class Workroom:
    """``threads`` workers for all cameras of a service. Belongs to one event loop; a camera asks for one turn at a time."""

    def __init__(self, threads: int) -> None:
        self.workers = threads
        self._threads = WorkerThreads(threads, "analyze")
        self._errands = WorkerThreads(1, "analyze-errand")
        self._free = threads
        self._shares = FairShare()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._worked_ns = 0
        self._begun_ns: dict[str, int] = {}

    def worked_ns(self) -> int:
        """Time that workers have spent since the beginning, turns under way included."""
        now_ns = time.perf_counter_ns()
        return self._worked_ns + sum(now_ns - begun_ns for begun_ns in self._begun_ns.values())

    async def turn(self, camera_id: str, prepare: Callable[[], Callable[[], T] | None]) -> T | None:
        """Do work in a thread when it is this camera's turn. ``prepare`` chooses the work then, not before: what is the newest
        is known only when the turn has come. ``None``: there is nothing to do any more."""
        await self._take(camera_id)
        begun_ns = self._begun_ns[camera_id] = time.perf_counter_ns()
        try:
            work = prepare()
            return await self._threads.run(work) if work is not None else None
        finally:
            del self._begun_ns[camera_id]
            worked_ns = time.perf_counter_ns() - begun_ns
            self._worked_ns += worked_ns
            self._shares.charge(camera_id, worked_ns)
            self._give_back()

    async def errand(self, work: Callable[[], T]) -> T:
        """Blocking work that is not a turn (a model is read and activated), one after another in a thread of their own.

        Not the event loop's own threads: the log and the catalog stand on those, and all cameras ask at once.
        """
        return await self._errands.run(work)

    def forget(self, camera_id: str) -> None:
        """The camera left."""
        self._shares.forget(camera_id)

    async def close(self) -> None:
        """Wait for the turns under way; not for an errand, which may take long."""
        await asyncio.to_thread(self._threads.close)
        self._errands.dismiss()

    async def _take(self, camera_id: str) -> None:
        if self._free:
            self._free -= 1
            self._shares.first([camera_id])
            return
        assert camera_id not in self._waiting, "a camera asks for one turn at a time"
        waiting = self._waiting[camera_id] = asyncio.get_running_loop().create_future()
        try:
            await waiting
        except asyncio.CancelledError:
            if self._waiting.pop(camera_id, None) is None:  # the turn had just been given
                self._give_back()
            raise

    def _give_back(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        waiting = self._waiting.pop(self._shares.first(self._waiting))
        with contextlib.suppress(asyncio.InvalidStateError):
            waiting.set_result(None)
