"""A few threads that do blocking work for an event loop, one piece after another each.

Belongs here: handing work over and its outcome back. Does not belong here: whose turn it is, what the work is.

The standard library's pool does the same for half as much again: a future of its own beside the event loop's, locks for both,
and callbacks that copy the one into the other. Where work comes dozens of times a second and the caches are cold between, that
is a noticeable part of a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Task = tuple["asyncio.Future[Any]", Callable[[], Any]]


class WorkerThreads:
    """``count`` threads. Belongs to one event loop. Whoever calls waits, so no more is queued than there are callers."""

    def __init__(self, count: int, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[], T]) -> T:
        """Have it done; raises what it raises. Cancelled before it began, it is not done at all."""
        if self._closed:
            raise RuntimeError("these worker threads were closed")
        done: asyncio.Future[T] = self._loop.create_future()
        self._tasks.put((done, work))
        return await done

    def close(self) -> None:
        """Have what was queued done, and wait for that. Blocks; not for the event loop's thread."""
        self.dismiss()
        for thread in self._threads:
            thread.join()

    def dismiss(self) -> None:
        """Take no more work; the threads end when what was queued is done. Idempotent."""
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            done, work = task
            if done.cancelled():
                continue
            result, failure = None, None
            try:
                result = work()
            except BaseException as error:  # the caller's to judge
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_settle, done, result, failure)
            del task, done, work, result, failure  # nothing is kept alive until the next piece of work comes


def _settle(done: asyncio.Future[Any], result: object, failure: BaseException | None) -> None:
    if done.cancelled():
        return
    if failure is not None:
        done.set_exception(failure)
    else:
        done.set_result(result)
