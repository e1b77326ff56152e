"""A clock that stands still until told: for tests, and for replaying what happened at another time."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from services.contracts.media_record import ClockSample
from services.contracts.time import NS_PER_S


class SimulatedClock:
    """A :class:`services.backbone.ports.Clock` whose owner moves it.

    ``advance`` is time passing: both readings move and sleepers wake in the order of their deadlines. ``jump`` is someone
    setting the clock: only the wall reading moves, and sleepers sleep on.
    """

    def __init__(self, now_ns: int = 1_767_225_600 * NS_PER_S, *, known: ClockSample | None = None) -> None:
        self._now_ns = now_ns
        self._monotonic_ns = NS_PER_S
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.known = known if known is not None else ClockSample()

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def sample(self) -> ClockSample:
        return self.known

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        deadline_ns = self._monotonic_ns + round(seconds * NS_PER_S)
        heapq.heappush(self._sleepers, (deadline_ns, next(self._order), woken))
        await woken

    @property
    def sleepers(self) -> int:
        """How many tasks sleep on this clock."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let time pass; each sleeper wakes at its own deadline, and runs until it waits again."""
        end_ns = self._monotonic_ns + round(seconds * NS_PER_S)
        while self._sleepers and self._sleepers[0][0] <= end_ns:
            deadline_ns, _, woken = heapq.heappop(self._sleepers)
            self._move(max(0, deadline_ns - self._monotonic_ns))
            if not woken.done():
                woken.set_result(None)
            for _ in range(5):  # let what it woke run on to its next wait
                await asyncio.sleep(0)
        self._move(end_ns - self._monotonic_ns)
        await asyncio.sleep(0)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or a bad time server does."""
        self._now_ns += round(seconds * NS_PER_S)

    def _move(self, by_ns: int) -> None:
        self._now_ns += by_ns
        self._monotonic_ns += by_ns
