"""Telling readers that there is more for them, also when another process appended it.

A thread asks SQLite for its ``data_version`` 20 times a second, and only while somebody waits. Whoever waits says what it has;
when the version is another, the thread looks at those partitions and groups alone, and the event loop is woken only if there is
more. Each look costs up to 150 microseconds (a sleeping thread is woken, its caches cold), and in a busy log every one finds
another version; what is read live comes in chunks of a fifth of a second and more.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.backbone.embedded.log_schema import connect

LOOK_EVERY_S = 0.05
#: A partition's place is its ``part_id``, a group's lies below zero.
_STANDS = (
    "SELECT part_id, next_offset FROM part WHERE part_id IN ({0}) UNION ALL "
    "SELECT -1 - group_id, generation FROM consumer_group WHERE -1 - group_id IN ({0})"
)


def place_of_group(group_id: int) -> int:
    """What stands for a group beside the partitions."""
    return -1 - group_id


class Wakeup:
    """How far every place is known to be: a partition's next offset, a group's generation. Both only ever grow."""

    def __init__(self, directory: Path, look_every_s: float = LOOK_EVERY_S) -> None:
        self._look_every_s = look_every_s
        self._connection = connect(directory, 1.0)
        self._loop = asyncio.get_running_loop()
        self._stands: dict[int, int] = {}
        self._waiters: dict[asyncio.Future[None], Mapping[int, int]] = {}
        self._asked: tuple[Mapping[int, int], ...] = ()  # what the thread sees of them
        self._asked_anew = False
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
        self._ask()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            pass
        finally:
            if self._waiters.pop(waiter, None) is not None:
                self._ask()

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
        if waiters:
            self._ask()

    def _ask(self) -> None:
        """Tell the thread who waits. A version that it has seen already may hold what somebody new waits for."""
        self._asked = tuple(self._waiters.values())
        self._asked_anew = True
        if self._asked:
            self._wanted.set()
        else:
            self._wanted.clear()

    def _watch(self) -> None:
        seen = -1
        while not self._closed:
            self._wanted.wait()
            with contextlib.suppress(sqlite3.Error):
                version = self._connection.execute("PRAGMA data_version").fetchone()[0]
                if version != seen or self._asked_anew:
                    self._asked_anew = False  # before it is read what is asked
                    self._look(self._asked)
                    seen = version
            self._ended.wait(self._look_every_s)

    def _look(self, asked: Sequence[Mapping[int, int]]) -> None:
        """In the thread: how far the places are that are waited for; the loop hears of it if one is past what is known."""
        places = ",".join(map(str, {place for known in asked for place in known}))
        stands = dict(self._connection.execute(_STANDS.format(places)).fetchall())
        if any(stands.get(place, -1) > value for known in asked for place, value in known.items()):
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self.tell, stands)
