"""From where a camera's records must be read again so that whoever takes it over knows what its tracks were.

A tracker is like one that was never interrupted once it has seen ``tracker.REWIND_S`` (its tests show it), and a decoder begins
at a run-start. So the place to read again from is the newest run-start that is at least that old, measured by what the log says
of its records, not by a clock here: catching up goes faster than time. Tracks do not outlive a run, hence nor do the places.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from services.analyze.core.tracker import REWIND_S
from services.contracts.time import NS_PER_S

_REWIND_NS = round(REWIND_S * NS_PER_S)
#: Run-starts come seconds apart; more than this many within a rewind is a confused sender, and the oldest is let go.
_MOST_STARTS = 16


@dataclass(slots=True)
class RewindMark:
    """The run-starts of a camera's present run that may still be needed, oldest first; offsets and append times of the log."""

    _run_id: str | None = None
    _starts: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_MOST_STARTS))

    def run_start(self, run_id: str, offset: int, appended_ns: int) -> None:
        """A run begins, or its beginning is told again."""
        if run_id != self._run_id:
            self._run_id = run_id
            self._starts.clear()
        self._starts.append((offset, appended_ns))
        self.heard(appended_ns)

    def heard(self, appended_ns: int) -> None:
        """Any record of the camera: time has come to here."""
        while len(self._starts) > 1 and self._starts[1][1] <= appended_ns - _REWIND_NS:
            self._starts.popleft()

    @property
    def offset(self) -> int:
        """Where to read again from. Only after a ``run_start``."""
        return self._starts[0][0]
