"""Whether a run's timeline has come apart from the agent's clock, so that a new run has to take its bearings again.

A run counts time by the camera's timestamps. A usual quartz is off by 4 s a day, and the agent's clock may be set. One late
picture means nothing (networks delay), so the distance must have been too large for a while without exception.
"""

from __future__ import annotations

from dataclasses import dataclass

LIMIT_NS = 1_000_000_000
PATIENCE_NS = 10 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Drift:
    """``since_ns`` is the arrival from which on every chunk was too far off in the same direction."""

    since_ns: int | None = None
    late: bool = False

    def after(self, arrival_ns: int, end_ns: int) -> Drift:
        """A chunk arrived whose footage ends at ``end_ns`` on the run's timeline."""
        distance_ns = arrival_ns - end_ns
        late = distance_ns > 0
        if abs(distance_ns) <= LIMIT_NS:
            return Drift()
        if self.since_ns is None or self.late != late or arrival_ns < self.since_ns:
            return Drift(arrival_ns, late)
        return self

    def is_out(self, arrival_ns: int) -> bool:
        """Whether a new run is due."""
        return self.since_ns is not None and arrival_ns - self.since_ns >= PATIENCE_NS
