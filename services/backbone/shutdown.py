"""How a service is told to stop: first signal drains, second leaves at once, and nobody outlives the box that started it.

Belongs here: signals and the death of a parent. Does not belong here: what draining means for a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator

import structlog

PARENT_VARIABLE = "KANHU_PARENT_PID"
#: A terminal signals a whole group of processes, and a box its services too: within this long it is one request, not two.
SAME_REQUEST_S = 1.0
#: A service whose box was killed may drain this long; then the kernel ends it, whatever it is doing.
ORPHAN_DRAIN_S = 10
_PR_SET_PDEATHSIG = 1

logger = structlog.get_logger(__name__)


@contextlib.contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Within the block SIGINT and SIGTERM set ``stop``; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    request = _StopRequest(stop)
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, request.arrive, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class _StopRequest:
    """Tells a second request from an echo of the first, and bounds the draining of an orphan."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._first: signal.Signals | None = None
        self._first_s = 0.0

    def arrive(self, number: signal.Signals) -> None:
        if orphaned():  # the kernel's signal, not a person's: drain, but not for long
            signal.alarm(ORPHAN_DRAIN_S)
        elif self._first is not None and not self._is_echo(number):
            logger.warning("second signal: leaving at once", signal=number.name)
            os._exit(128 + number)
        if self._first is None:
            self._first, self._first_s = number, time.monotonic()
            logger.info("stopping; send the signal again to leave at once", signal=number.name)
            self._stop.set()

    def _is_echo(self, number: signal.Signals) -> bool:
        return number != self._first and time.monotonic() - self._first_s < SAME_REQUEST_S


def follow_parent() -> None:
    """As a child of the box: ask the kernel for SIGTERM when it dies. Without ``KANHU_PARENT_PID`` nothing happens.

    The kernel looks at the *thread* that started this process: the box must start its services from its main thread.
    """
    if PARENT_VARIABLE not in os.environ:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        logger.warning("cannot follow the parent process", errno=ctypes.get_errno())
    if orphaned():  # it died before we asked
        os._exit(128 + signal.SIGTERM)


def orphaned() -> bool:
    """Whether the box that started this process is gone."""
    parent = os.environ.get(PARENT_VARIABLE, "")
    return parent.isdigit() and os.getppid() != int(parent)
