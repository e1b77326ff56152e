"""Exact arithmetic between media ticks and nanoseconds.

All instants of a run are computed from the run's anchor and the *total* number of ticks since then, never by summing
rounded durations, so that neighbours share one boundary to the nanosecond and no error accumulates.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.contracts.time import NS_PER_S


def ticks_to_ns(ticks: int, timescale: int) -> int:
    """Ticks to nanoseconds, rounded down; ``timescale`` is ticks per second."""
    return ticks * NS_PER_S // timescale


def ns_to_ticks(span_ns: int, timescale: int) -> int:
    """The smallest number of ticks that lasts at least ``span_ns``; the inverse of :func:`ticks_to_ns`."""
    return -(-span_ns * timescale // NS_PER_S)


def ms_to_ticks(span_ms: int, timescale: int) -> int:
    """Milliseconds to ticks, rounded down: a limit stays a limit."""
    return span_ms * timescale // 1000


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where tick 0 of a run stands on the agent's clock."""

    anchor_ns: int
    timescale: int

    def at(self, ticks: int) -> int:
        """The instant of a tick, ns UTC on the agent's clock."""
        return self.anchor_ns + ticks_to_ns(ticks, self.timescale)
