"""Time for the embedded log: leases and ages that no jump of the wall clock can disturb.

Leases use the kernel's monotonic clock, which all processes of one boot share; the boot id tells boots apart. The *age
clock* runs with time since boot and, across boots, with the wall clock as long as that goes forward; only it decides
what has outlived its retention. The wall clock is merely reported with each record.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Which boot of the machine this is; empty where the kernel does not tell."""
    try:
        return _BOOT_ID_FILE.read_text().strip()
    except OSError:
        return ""


def _since_boot_ns() -> int:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock)


@dataclass(frozen=True, slots=True)
class LogTime:
    """The clocks the log reads; replaced in tests."""

    wall_ns: Callable[[], int] = time.time_ns
    since_boot_ns: Callable[[], int] = _since_boot_ns
    lease_ns: Callable[[], int] = time.monotonic_ns
    boot: Callable[[], str] = boot_id


class AgeClock:
    """The age clock, kept in table ``fact`` as (boot, age, time since boot, wall) of its latest mark."""

    def __init__(self, times: LogTime) -> None:
        self._times = times
        self._shift_ns = 0
        self._boot = ""

    def now_ns(self, tx: sqlite3.Connection) -> int:
        """The age clock's present value, on which all processes agree. Call inside a writing transaction."""
        if not self._boot:
            self._anchor(tx)
        return self._shift_ns + self._times.since_boot_ns()

    def mark(self, tx: sqlite3.Connection) -> int:
        """Write the present value down, so that the next boot goes on from here; return it."""
        age_ns = self.now_ns(tx)
        mark = f"{self._boot} {age_ns} {self._times.since_boot_ns()} {self._times.wall_ns()}"
        tx.execute("INSERT OR REPLACE INTO fact (name, value) VALUES ('age-clock', ?)", (mark,))
        return age_ns

    def _anchor(self, tx: sqlite3.Connection) -> None:
        boot, since_boot_ns = self._times.boot() or "-", self._times.since_boot_ns()
        row = tx.execute("SELECT value FROM fact WHERE name = 'age-clock'").fetchone()
        if row is None:
            self._shift_ns, same_boot = -since_boot_ns, False
        else:
            marked_boot, age_text, since_text, wall_text = row[0].split(" ")
            same_boot = marked_boot == boot and int(since_text) <= since_boot_ns
            passed_ns = since_boot_ns - int(since_text) if same_boot else self._times.wall_ns() - int(wall_text)
            self._shift_ns = int(age_text) + max(0, passed_ns) - since_boot_ns
        self._boot = boot
        if not same_boot:
            self.mark(tx)
