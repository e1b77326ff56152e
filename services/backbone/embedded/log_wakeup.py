"""Telling readers that the log has changed, also when another process changed it.

A thread asks SQLite for its ``data_version`` 50 times a second, and only while somebody waits. Each look costs tens of
microseconds (a sleeping thread is woken); a log that no other process appends to is looked at less often.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path

from services.backbone.embedded.log_schema import connect

LOOK_EVERY_S = 0.02


class Wakeup:
    """A counter of changes seen. Take a ``ticket`` before looking, then ``wait`` for the counter to pass it."""

    def __init__(self, directory: Path, look_every_s: float = LOOK_EVERY_S) -> None:
        self._look_every_s = look_every_s
        self._connection = connect(directory, 1.0)
        self._loop = asyncio.get_running_loop()
        self._changes = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="log-wakeup", daemon=True)
        self._thread.start()

    @property
    def ticket(self) -> int:
        return self._changes

    async def wait(self, ticket: int, timeout_s: float) -> None:
        """Return when something changed after the ticket was taken, or after the timeout."""
        if self._changes != ticket or timeout_s <= 0 or self._closed:
            return
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        self._wanted.set()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)
            if not self._waiters:
                self._wanted.clear()

    def notify(self) -> None:
        """Say in this process that something changed. Call from the event loop."""
        self._changes += 1
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        """Wake all who wait and stop the thread. Blocks for the look under way."""
        self._closed = True
        self._ended.set()
        self._wanted.set()
        self.notify()
        self._thread.join()
        self._connection.close()

    def _watch(self) -> None:
        seen = -1
        while not self._closed:
            self._wanted.wait()
            with contextlib.suppress(sqlite3.Error):
                version = self._connection.execute("PRAGMA data_version").fetchone()[0]
                if version != seen:
                    seen = version
                    with contextlib.suppress(RuntimeError):  # the loop is closed already
                        self._loop.call_soon_threadsafe(self.notify)
            self._ended.wait(self._look_every_s)
