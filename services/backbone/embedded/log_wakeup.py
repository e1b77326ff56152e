"""Telling readers that there is more for them, also when another process appended it.

A thread asks SQLite for its ``data_version`` 50 times a second, and only while somebody waits; when that is another, it reads how
far every partition is and which generation every group has. Each look costs tens of microseconds (a sleeping thread is woken);
whoever waits says what it has, and is woken when there is more than that, not by another topic's traffic.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

from services.backbone.embedded.log_schema import connect

LOOK_EVERY_S = 0.02
#: Partitions and groups in one numbering: ``part_id``, and below zero the groups.
_STANDS = "SELECT part_id, next_offset FROM part UNION ALL SELECT -1 - group_id, generation FROM consumer_group"


def place_of_group(group_id: int) -> int:
    """What stands for a group beside the partitions, which are their ``part_id``."""
    return -1 - group_id


class Wakeup:
    """How far every place is known to be: a partition's next offset, a group's generation. Both only ever grow."""

    def __init__(self, directory: Path, look_every_s: float = LOOK_EVERY_S) -> None:
        self._look_every_s = look_every_s
        self._connection = connect(directory, 1.0)
        self._loop = asyncio.get_running_loop()
        self._stands: dict[int, int] = {}
        self._waiters: dict[asyncio.Future[None], Mapping[int, int]] = {}
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="log-wakeup", daemon=True)
        self._thread.start()

    def is_past(self, known: Mapping[int, int]) -> bool:
        """Whether any of these places stands beyond the value given for it."""
        stands = self._stands
        return any(stands.get(place, -1) > value for place, value in known.items())

    async def wait(self, known: Mapping[int, int], timeout_s: float) -> None:
        """Return when a place is past what is known of it, when ``notify`` is called, or after the timeout."""
        if timeout_s <= 0 or self._closed or self.is_past(known):
            return
        waiter = self._loop.create_future()
        self._waiters[waiter] = known
        self._wanted.set()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.pop(waiter, None)
            if not self._waiters:
                self._wanted.clear()

    def tell(self, stands: Mapping[int, int]) -> None:
        """Say how far some places are. Call from the event loop."""
        mine = self._stands
        news = {place: value for place, value in stands.items() if value > mine.get(place, -1)}
        if news:
            mine.update(news)
            self._wake([waiter for waiter, known in self._waiters.items() if self.is_past(known)])

    def notify(self) -> None:
        """Have all who wait look again, whatever they wait for. Call from the event loop."""
        self._wake(list(self._waiters))

    def close(self) -> None:
        """Wake all who wait and stop the thread. Blocks for the look under way."""
        self._closed = True
        self._ended.set()
        self._wanted.set()
        self.notify()
        self._thread.join()
        self._connection.close()

    def _wake(self, waiters: list[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            del self._waiters[waiter]
            if not waiter.done():
                waiter.set_result(None)

    def _watch(self) -> None:
        seen, told = -1, dict[int, int]()
        while not self._closed:
            self._wanted.wait()
            with contextlib.suppress(sqlite3.Error):
                version = self._connection.execute("PRAGMA data_version").fetchone()[0]
                if version != seen:
                    stands = dict(self._connection.execute(_STANDS).fetchall())
                    news = dict(stands.items() - told.items())
                    seen, told = version, stands
                    if news:
                        with contextlib.suppress(RuntimeError):  # the loop is closed already
                            self._loop.call_soon_threadsafe(self.tell, news)
            self._ended.wait(self._look_every_s)
