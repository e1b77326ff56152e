"""When what waits to be written is written: together, at the earliest instant at which any of it is due.

A write costs much more than what is in it (a flush of the disk, a round trip), and an agent has many cameras. Their
chunks end together (``RunMuxer``'s periods); those that a sync picture ended earlier wait for the others. Belongs here: that
waiting. Does not belong here: what is written and where.
"""

from __future__ import annotations

import asyncio

from services.backbone.ports import Clock
from services.contracts.time import NS_PER_S

#: How long a record that is due waits for those of other cameras, whose pictures come some ms later.
GATHER_S = 0.04
_FAR_NS = 1 << 62


def patience_s(oldest_ns: int | None, now_ns: int, period_ns: int) -> float:
    """How long a record may wait whose oldest picture came at ``oldest_ns``: none waits longer than in a whole period's chunk."""
    if oldest_ns is None:
        return GATHER_S
    return GATHER_S + min(max(0, oldest_ns + period_ns - now_ns), period_ns) / NS_PER_S


class Gathering:
    """One for each way out; used from the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_ns = _FAR_NS
        self._sooner = asyncio.Event()

    def add(self, wait_s: float) -> int:
        """Something waits now that is due in so many seconds. Returns when, by the monotonic clock."""
        due_ns = self._clock.monotonic_ns() + int(wait_s * NS_PER_S)
        if due_ns < self._due_ns:
            self._due_ns = due_ns
            self._sooner.set()
        return due_ns

    def hurry(self) -> None:
        """What waits is due now."""
        self._due_ns = 0
        self._sooner.set()

    async def due(self) -> None:
        """Return when something is due; forgets it."""
        while (left_ns := self._due_ns - self._clock.monotonic_ns()) > 0:
            self._sooner.clear()
            try:
                async with asyncio.timeout(left_ns / NS_PER_S if self._due_ns < _FAR_NS else None):
                    await self._sooner.wait()
            except TimeoutError:
                break
        self._due_ns = _FAR_NS
