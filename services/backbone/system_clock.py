"""The machine's clock, and what the kernel knows of its error."""

from __future__ import annotations

import asyncio
import ctypes
import time

from services.contracts.media_record import ClockSample

_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """``struct timex`` of <sys/timex.h> on Linux; the tail is padding that the kernel may fill."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("constant", ctypes.c_long),
        ("precision", ctypes.c_long), ("tolerance", ctypes.c_long), ("time_s", ctypes.c_long),
        ("time_fraction", ctypes.c_long), ("tick", ctypes.c_long), ("rest", ctypes.c_byte * 160),
    )  # fmt: skip


class SystemClock:
    """The operating system's clock (:class:`services.backbone.ports.Clock`)."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sample(self) -> ClockSample:
        """Offset and bound of error from ``adjtimex(2)``; undisciplined where the kernel does not know or tell."""
        timex = _Timex()
        try:
            state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
        except (AttributeError, OSError):  # not Linux, or refused by a sandbox
            return ClockSample()
        return read_timex(state, timex.status, timex.offset, timex.maxerror)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def read_timex(state: int, status: int, offset: int, maxerror_us: int) -> ClockSample:
    """Judge the kernel's answer. ``offset`` is ns if ``status`` says so, else µs; it is still to be added to the clock."""
    if state < 0 or state == _TIME_ERROR or status & _STA_UNSYNC:
        return ClockSample()
    offset_ns = offset if status & _STA_NANO else offset * 1000
    return ClockSample(offset_ns, max(0, maxerror_us) * 1000)
