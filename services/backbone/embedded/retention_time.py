"""What time it is for the purpose of deleting: an instant that a wrong clock cannot push past a retention.

A retention that ends at T may be given up only when it is certainly later than T. So:

* The clock set *back*: retentions seem to last longer. That is the safe side; nothing needs doing.
* The clock set *forward* while nothing disciplines it (no NTP, no GNSS): not believed. Time then goes on from the last
  believed instant at the pace of the monotonic clock, across restarts of the process too (``.time``, same boot).
* The clock set forward while the kernel says that it is disciplined: believed; that is a clock being corrected.
* After a reboot nothing tells how long the machine was off: the clock is believed, and a step of more than a day is logged.

Belongs here: this judgement and the one small file it needs. Does not belong here: the retentions.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import structlog

from services.backbone.durable_file import replace_file
from services.backbone.ports import Clock
from services.contracts.errors import KanhuError
from services.contracts.time import DAY_NS, NS_PER_S, format_rfc3339

#: Slewing, leap seconds and rounding never add up to more than this between two looks.
TOLERANCE_NS = 60 * NS_PER_S
#: The file is renewed at most this often: its age costs nothing, each write costs an fsync.
_RENEW_NS = 300 * NS_PER_S
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

logger = structlog.get_logger(__name__)


def boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


class RetentionTime:
    """A believed instant, anchored to the monotonic clock. Blocking; call it in a thread."""

    def __init__(self, clock: Clock, path: Path) -> None:
        self._clock = clock
        self._path = path
        self._boot = boot_id()
        self._anchor_wall_ns: int | None = None
        self._anchor_monotonic_ns = 0
        self._written_monotonic_ns: int | None = None
        self._doubted = False

    def now_ns(self) -> int:
        """The latest instant that has certainly come."""
        if self._anchor_wall_ns is None:
            self._recall()
        wall_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        assert self._anchor_wall_ns is not None
        expected_ns = self._anchor_wall_ns + (monotonic_ns - self._anchor_monotonic_ns)
        ahead = wall_ns > expected_ns + TOLERANCE_NS
        if ahead and self._clock.sample().uncertainty_ns < 0:
            self._doubt(wall_ns, expected_ns)
            return expected_ns
        self._doubted = False
        if ahead or wall_ns < expected_ns:  # corrected by a source of time, or set back: the safe side
            self._anchor_wall_ns, self._anchor_monotonic_ns = wall_ns, monotonic_ns
        self._renew(wall_ns, monotonic_ns)
        return wall_ns

    def _doubt(self, wall_ns: int, expected_ns: int) -> None:
        if not self._doubted:
            logger.error(
                "the clock was set forward and nothing disciplines it; retentions are judged by the time before",
                clock=format_rfc3339(wall_ns), believed=format_rfc3339(expected_ns),
                remedy="set the clock right, or let NTP discipline it",
            )  # fmt: skip
        self._doubted = True

    def _recall(self) -> None:
        """Take up the believed instant that this or another process left in the same boot, else the clock's."""
        wall_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        self._anchor_wall_ns, self._anchor_monotonic_ns = wall_ns, monotonic_ns
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            left = json.loads(self._path.read_text())
            left_wall_ns, left_monotonic_ns = int(left["wall_ns"]), int(left["monotonic_ns"])
            if left["boot_id"] == self._boot and left_monotonic_ns <= monotonic_ns:
                self._anchor_wall_ns, self._anchor_monotonic_ns = left_wall_ns, left_monotonic_ns
            elif wall_ns > left_wall_ns + DAY_NS:
                seen = format_rfc3339(left_wall_ns)
                logger.warning("the store was last used more than a day ago by the clock", last_seen=seen)

    def _renew(self, wall_ns: int, monotonic_ns: int) -> None:
        if self._written_monotonic_ns is not None and monotonic_ns - self._written_monotonic_ns < _RENEW_NS:
            return
        self._written_monotonic_ns = monotonic_ns
        left = json.dumps({"wall_ns": wall_ns, "monotonic_ns": monotonic_ns, "boot_id": self._boot})
        with contextlib.suppress(KanhuError):  # a full disk must not stop the reaper that makes room
            replace_file(self._path, left.encode(), mode=0o640)
