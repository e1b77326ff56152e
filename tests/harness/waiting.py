"""Waiting on conditions, never on the clock alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T | None], *, seconds: float, what: str, every_s: float = 0.05) -> T:
    """Return the first truthy value of ``condition``; fail with ``what`` when ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        last = condition()
        if last:
            return last  # type: ignore[return-value]
        time.sleep(every_s)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}; last seen: {last!r}")
