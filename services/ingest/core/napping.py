"""When a reader may leave a stream to the socket's buffer for a while, and when what it finds there afterwards had come.

Waking up for each picture costs more than reading it: most of a chunk's pictures are of no use before its last one. So
a reader naps while nothing can be complete. Three things bound a nap: the time until a chunk may be complete, the time
until the next sync picture (the camera's clock is read there), and the bytes that come meanwhile: the buffer must never
fill, or the camera would have to wait. A connection that is new takes little; what it takes later, the kernel tells. A reader
that is behind (a busy machine, a network that stood still) does not nap until it has caught up. A picture that came during a
nap is dated by the picture before it and the interval between their timestamps; it cannot have come before the one nor after
the nap.
"""

from __future__ import annotations

from services.contracts.time import NS_PER_MS, NS_PER_S

#: What may come during a nap at least: less than the 64 KiB that Linux takes without being read when a connection is new.
BUDGET_BYTES = 48 * 1024
#: Of what the kernel takes on a connection that it knows better; the rest is for a large picture that nobody expected.
BUDGET_SHARE = 0.5
LONGEST_NS = 300 * NS_PER_MS
#: Shorter ones save nothing: pictures come every 40 ms.
SHORTEST_NS = 50 * NS_PER_MS
#: A picture read this much later, by its timestamp, than the promptest of late is a sign of more that waits.
BEHIND_NS = 100 * NS_PER_MS
_PROMPTEST_OF_NS = 10 * NS_PER_S
_BEFORE_SYNC_NS = 20 * NS_PER_MS
_LEAST_MEASURED_NS = 200 * NS_PER_MS
_FAR_NS = 1 << 70


class Naps:
    """One per connection. Call ``arrived`` for each picture in order, then ``due_ns``, then sleep for as long.

    ``allowed``: what is not read waits, and is not lost.
    """

    __slots__ = (
        "_allowed", "_backlog", "_budget_bytes", "_bytes", "_delay_ns", "_interval_ns", "_last_ns", "_last_ticks",
        "_least_delay_ns", "_least_from_ns", "_measured_from_ns", "_next_least_ns", "_rate", "_sync_every_ns", "_sync_ns",
        "_ticks_ns", "_until_ns",
    )  # fmt: skip

    def __init__(self, ticks_per_s: int, *, allowed: bool = True) -> None:
        self._allowed = allowed
        self._ticks_ns = NS_PER_S / ticks_per_s
        self._backlog = False
        self._budget_bytes = float(BUDGET_BYTES)
        self._bytes = 0
        self._rate = 0.0  # bytes per ns; 0 before it is known
        self._measured_from_ns = 0
        self._last_ns = 0
        self._last_ticks = 0
        self._interval_ns = 0
        self._sync_ns = 0
        self._sync_every_ns = 0
        self._until_ns = 0
        # Of reading behind timestamps, from an origin that nobody knows: only differences mean something.
        self._delay_ns = 0
        self._least_delay_ns = self._next_least_ns = _FAR_NS
        self._least_from_ns = 0

    def arrived(self, now_ns: int, ticks: int, size_bytes: int, sync: bool) -> int:
        """When a picture came that was read at ``now_ns``, by the agent's clock."""
        arrival_ns = now_ns
        if self._backlog:
            step_ns = int((ticks - self._last_ticks) * self._ticks_ns)
            if not 0 <= step_ns <= LONGEST_NS:  # reordered, or a jump
                step_ns = self._interval_ns
            likely_ns = self._last_ns + step_ns
            # Far off: the agent's clock was set meanwhile.
            if likely_ns < self._until_ns and 0 <= now_ns - likely_ns <= 2 * LONGEST_NS:
                arrival_ns = likely_ns
                self._interval_ns = step_ns
            else:
                self._backlog = False
        else:
            self._interval_ns = min(max(0, now_ns - self._last_ns), LONGEST_NS)
        self._delay_ns = now_ns - int(ticks * self._ticks_ns)
        self._last_ns, self._last_ticks = arrival_ns, ticks
        self._bytes += size_bytes
        if sync:
            self._sync_every_ns = arrival_ns - self._sync_ns
            self._sync_ns = arrival_ns
        return arrival_ns

    def room(self, window_bytes: int | None) -> None:
        """How much the camera may send that is not read; ``None``: not known."""
        self._budget_bytes = max(BUDGET_BYTES, (window_bytes or 0) * BUDGET_SHARE)

    def due_ns(self, hold_until_ns: int) -> int:
        """For how long to nap now, 0 for not at all, when nothing can be complete before ``hold_until_ns``."""
        now_ns = self._last_ns
        too_short = hold_until_ns - now_ns < SHORTEST_NS
        if self._backlog or too_short or not self._allowed or self._is_behind(now_ns):
            return 0
        self._measure(now_ns)
        if not self._rate:
            return 0
        next_sync_ns = self._sync_ns + self._sync_every_ns - _BEFORE_SYNC_NS
        if now_ns < next_sync_ns < hold_until_ns:
            hold_until_ns = next_sync_ns
        nap_ns = min(hold_until_ns - now_ns, int(self._budget_bytes / self._rate), LONGEST_NS)
        if nap_ns < SHORTEST_NS:
            return 0
        self._backlog = True
        self._until_ns = now_ns + nap_ns
        return nap_ns

    def _is_behind(self, now_ns: int) -> bool:
        if not 0 <= now_ns - self._least_from_ns < _PROMPTEST_OF_NS:
            self._least_from_ns = now_ns
            self._least_delay_ns, self._next_least_ns = self._next_least_ns, _FAR_NS
        self._next_least_ns = min(self._next_least_ns, self._delay_ns)
        self._least_delay_ns = min(self._least_delay_ns, self._next_least_ns)
        return self._delay_ns - self._least_delay_ns > BEHIND_NS

    def _measure(self, now_ns: int) -> None:
        elapsed_ns = now_ns - self._measured_from_ns
        if 0 <= elapsed_ns < _LEAST_MEASURED_NS:
            return
        if self._measured_from_ns and 0 < elapsed_ns < 10 * NS_PER_S:
            self._rate = self._bytes / elapsed_ns
        self._measured_from_ns = now_ns
        self._bytes = 0
