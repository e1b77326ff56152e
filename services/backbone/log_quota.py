"""So many lines a minute and no more, for libraries that say the same thing a hundred times a second during an outage.

Belongs here: leaving lines out, and counting them. Does not belong here: how lines look (``telemetry.py``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

_WINDOW_S = 60.0


class LineQuota(logging.Filter):
    """Lets ``lines`` lines a minute of the logger ``library`` and those below it pass; each says how many were left out before.

    Lines that carry a traceback have a quota of their own, so that a defect is not lost among the complaints.
    """

    def __init__(self, library: str, *, lines: int = 3, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(library)
        self._lines = lines
        self._monotonic_s = monotonic_s
        self._windows = {True: _Window(), False: _Window()}

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):  # of another logger
            return True
        window, now_s = self._windows[record.exc_info is not None], self._monotonic_s()
        if now_s - window.began_s >= _WINDOW_S:
            window.began_s, window.passed = now_s, 0
        if window.passed >= self._lines:
            window.left_out += 1
            return False
        window.passed += 1
        if window.left_out:
            record.msg = f"{record.getMessage()} ({window.left_out} lines of {self.name} were left out before this)"
            record.args = None
            window.left_out = 0
        return True


class _Window:
    def __init__(self) -> None:
        self.began_s, self.passed, self.left_out = float("-inf"), 0, 0
