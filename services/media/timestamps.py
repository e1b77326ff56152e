"""Timestamps: unwrapping counters, finding jumps, and placing samples on a run's own timeline.

Sources tell presentation times and, if demuxed from a container, decoding times. A run's timeline is in the source's ticks,
begins at 0 and its decoding times strictly increase, so that no duration is 0 or negative. Small
disorder (equal timestamps, jitter) is absorbed one tick at a time and counted; a jump is for the caller to end the run.
"""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import Final, Protocol

from services.media.access_unit import AccessUnit

#: A step of the timestamps beyond this is a discontinuity. Forward: also the longest time a sample may last.
FORWARD_LIMIT_S: Final = 2
#: Decoding times may jitter back by this much (equal or swapped timestamps); more is a jump.
BACKWARD_JITTER_MS: Final = 200
#: No level of H.264 or H.265 reorders by more.
MAX_REORDER_FRAMES: Final = 16
_MAX_HELD_UNITS = 2 * MAX_REORDER_FRAMES + 2
_MAX_OFFSET_TICKS = (1 << 31) - 1

#: An access unit with its decoding time on the run's timeline and its composition offset, in ticks.
Placed = tuple[AccessUnit, int, int]


class TickUnwrapper:
    """Turns a counter that wraps after ``bits`` bits (33 in MPEG-TS, 32 in RTP) into one that does not."""

    __slots__ = ("_half", "_last", "_mask")

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << (bits - 1)
        self._last: int | None = None

    def unwrap(self, ticks: int) -> int:
        """The value nearest to the one before; the first is taken as it is."""
        last = self._last
        if last is None:
            self._last = ticks & self._mask
        else:
            step = (ticks - last) & self._mask
            self._last = last + step - (self._mask + 1 if step >= self._half else 0)
        return self._last


class JumpDetector:
    """Says by how much timestamps jumped, in ticks; 0 while they run on."""

    __slots__ = ("_backward", "_decoding", "_forward", "_last", "_within_gop")

    def __init__(self, timescale: int, *, decoding: bool, reordered: bool) -> None:
        """``decoding``: judge by decoding times; else by presentation times, which may be ``reordered``."""
        self._forward = FORWARD_LIMIT_S * timescale
        self._backward = BACKWARD_JITTER_MS * timescale // 1000
        self._within_gop = self._forward if reordered and not decoding else self._backward
        self._decoding = decoding
        self._last: int | None = None

    def step(self, unit: AccessUnit) -> int:
        """Take the next unit; a jump does not change the state: its unit belongs to another run."""
        ticks = unit.dts if self._decoding and unit.dts is not None else unit.pts
        last = self._last
        if last is None:
            self._last = ticks
            return 0
        step = ticks - last
        # Presentation times go back within the reordering of a GOP; a sync picture follows all before it.
        if step > self._forward or step < -(self._backward if unit.sync else self._within_gop):
            return step
        if self._decoding or step > 0:
            self._last = ticks
        return 0


class Placer(Protocol):
    """Places the access units of one run on its timeline. What it holds back is bounded."""

    repaired: int

    def place(self, unit: AccessUnit) -> list[Placed]:
        """Take the next unit; return those whose place is now known."""
        ...

    def drain(self) -> list[Placed]:
        """Return those held back: no unit follows."""
        ...

    def presented_at(self, unit: AccessUnit) -> int:
        """The tick at which a unit would be presented."""
        ...


class GivenTimes:
    """Keeps the decoding times of the source, shifted so that the first unit is decoded and presented at 0."""

    __slots__ = ("_last", "_origin", "_shift", "_step", "repaired")

    def __init__(self) -> None:
        self._origin: int | None = None
        self._shift = 0
        self._last = -1
        self._step = 1
        self.repaired = 0

    def place(self, unit: AccessUnit) -> list[Placed]:
        given = unit.dts
        origin = self._origin
        if origin is None:
            given = unit.pts if given is None else given
            self._origin = origin = given
            self._shift = unit.pts - given
        elif given is None:  # told for most units, forgotten for this one
            given = origin + self._last + self._step
        dts = given - origin
        if dts <= self._last:
            dts = self._last + 1
            self.repaired += 1
        else:
            self._step = dts - self._last
        self._last = dts
        offset = unit.pts - given - self._shift
        if not -_MAX_OFFSET_TICKS <= offset <= _MAX_OFFSET_TICKS:
            offset = 0
            self.repaired += 1
        return [(unit, dts, offset)]

    def drain(self) -> list[Placed]:
        return []

    def presented_at(self, unit: AccessUnit) -> int:
        return unit.pts - (self._origin or 0) - self._shift


class DerivedTimes:
    """Derives decoding times from presentation times: the n-th is the (n - D)-th smallest, D the reordering depth.

    With D = 0 both are the same and nothing is held back. Otherwise the first few units are held
    until the frame interval, and with it the start, is known; from then on each is placed as it comes. Where the stream
    does not state D, the units held at the start show it, and it grows when later ones show more.
    """

    __slots__ = (
        "_adaptive", "_depth", "_held", "_hold", "_hold_least", "_hold_ticks", "_last", "_last_raw", "_origin", "_shift",
        "_window", "repaired",
    )  # fmt: skip

    def __init__(self, timescale: int, reorder_frames: int | None, reorder_bound: int) -> None:
        self._adaptive = reorder_frames is None
        self._depth = reorder_frames or 0
        expected = min(reorder_bound, 3) if reorder_frames is None else reorder_frames
        self._hold = min(_MAX_HELD_UNITS, 2 * expected + 2) if expected else 0
        self._hold_least = expected + 2  # fewer do not show the frame interval of a pyramid
        self._hold_ticks = timescale // 4
        self._held: list[AccessUnit] = []
        self._window: list[int] = []
        self._origin = 0
        self._shift = 0
        self._last = -1
        self._last_raw = 0
        self.repaired = 0

    def place(self, unit: AccessUnit) -> list[Placed]:
        if self._hold:
            held = self._held
            held.append(unit)
            enough = len(held) >= self._hold_least and abs(unit.pts - held[0].pts) >= self._hold_ticks
            if enough or len(held) >= self._hold:
                return self.drain()
            return []
        if self._last < 0:
            self._origin = unit.pts
        return [self._place(unit)]

    def drain(self) -> list[Placed]:
        held, self._held, self._hold = self._held, [], 0
        if not held:
            return []
        times = [unit.pts for unit in held]
        ordered = sorted(times)
        if self._adaptive:
            self._depth = reorder_depth(times)
        interval = min((b - a for a, b in pairwise(ordered) if b > a), default=1)
        self._origin = ordered[0]
        self._shift = self._depth * interval
        # The D presentation times before the first: as if D frames had come before, at the same interval.
        self._window = [ordered[0] - back * interval for back in range(self._depth, 0, -1)]
        return [self._place(unit) for unit in held]

    def presented_at(self, unit: AccessUnit) -> int:
        return unit.pts - self._origin

    def _place(self, unit: AccessUnit) -> Placed:
        pts = unit.pts
        window = self._window
        raw = heapq.heappushpop(window, pts) if window else pts
        if self._adaptive and raw == pts < self._last_raw and self._last >= 0 and len(window) < MAX_REORDER_FRAMES:
            heapq.heappush(window, raw)  # reordered more deeply than any before: D grows by one
        else:
            self._last_raw = raw
        ticks = raw + self._shift - self._origin
        if ticks <= self._last:
            ticks = self._last + 1
            self.repaired += 1
        self._last = ticks
        # Without reordering a picture is presented when it is decoded, also where equal times were told apart.
        offset = pts - self._origin - ticks if window else 0
        if not -_MAX_OFFSET_TICKS <= offset <= _MAX_OFFSET_TICKS:
            offset = 0
        return unit, ticks, offset


def reorder_depth(times: list[int]) -> int:
    """The smallest D for which the (n - D)-th smallest time is never later than the n-th in order of coming."""
    return max((index - sum(other < time for other in times) for index, time in enumerate(times)), default=0)
