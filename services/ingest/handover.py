"""From the readers' threads into the event loop: what many cameras bring at about the same time arrives there at once.

Waking the loop costs more than taking a record, for the reader as for the loop. Chunks end together (``RunMuxer``'s periods)
and wait for one another anyway before they are written (``gathering.py``); they do it here, outside the loop, and no longer
than there. Belongs here: that waiting, and the order of what one reader brings. Does not belong here: what is brought.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import structlog

from services.backbone.ports import Clock
from services.contracts.time import NS_PER_MS, NS_PER_S

logger = structlog.get_logger(__name__)

#: By how much something may be taken later than it is due, if that spares waking the loop once more.
SLACK_NS = 10 * NS_PER_MS
#: More is not kept out of the sight of those who look after memory.
LIMIT_BYTES = 4 * 1024 * 1024
_FAR_NS = 1 << 62

Delivery = Callable[[], None]


class Handover:
    """One for all readers of an agent. Make it in the event loop; ``put`` and ``put_now`` may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: list[Delivery] = []
        self._held_bytes = 0
        self._due_ns = _FAR_NS
        self._timer: asyncio.TimerHandle | None = None

    def put(self, delivery: Delivery, *, wait_s: float, size_bytes: int) -> None:
        """Have ``delivery`` called in the event loop within ``wait_s``, in the order of putting."""
        due_ns = self._clock.monotonic_ns() + int(wait_s * NS_PER_S) - SLACK_NS
        with self._lock:
            self._waiting.append(delivery)
            self._held_bytes += size_bytes
            if self._held_bytes > LIMIT_BYTES:
                due_ns = 0
            is_sooner = due_ns + SLACK_NS < self._due_ns
            if is_sooner:
                self._due_ns = due_ns
        if is_sooner:
            self._call(self._look)

    def put_now(self, delivery: Delivery) -> None:
        """Have ``delivery`` called as soon as the loop can, after everything put before."""
        with self._lock:
            self._waiting.append(delivery)
            self._due_ns = 0
        self._call(self._look)

    def _call(self, function: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed: nothing is left to tell
            logger.debug("a reader outlived the agent")

    # --- in the event loop

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait_ns = self._due_ns - self._clock.monotonic_ns()
        if wait_ns <= 0:
            self._deliver()
        elif self._waiting:
            self._timer = self._loop.call_later(wait_ns / NS_PER_S, self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        with self._lock:
            deliveries, self._waiting = self._waiting, []
            self._held_bytes, self._due_ns = 0, _FAR_NS
        for delivery in deliveries:
            try:
                delivery()
            except Exception as error:  # one reader's defect is none of the others'
                self._loop.call_exception_handler({"message": "a reader's records were not taken", "exception": error})
