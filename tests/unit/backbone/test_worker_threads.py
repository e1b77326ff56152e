"""Threads for blocking work: outcomes come back to the loop, what nobody waits for is not begun, closing waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from services.backbone.worker_threads import WorkerThreads


@pytest.fixture
async def one() -> AsyncIterator[WorkerThreads]:
    threads = WorkerThreads(1, "test")
    yield threads
    await asyncio.to_thread(threads.close)


async def test_what_the_work_returns_and_raises_comes_back(one: WorkerThreads) -> None:
    assert await one.run(threading.current_thread) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        await one.run(lambda: 1 // 0)
    assert await one.run(lambda: "goes on") == "goes on"


async def test_two_threads_work_at_once() -> None:
    two, meeting = WorkerThreads(2, "test"), threading.Barrier(2, timeout=5)
    assert sorted(await asyncio.gather(two.run(meeting.wait), two.run(meeting.wait))) == [0, 1]
    await asyncio.to_thread(two.close)


async def test_what_is_cancelled_before_it_begins_is_not_done(one: WorkerThreads) -> None:
    gate, done = threading.Event(), list[str]()
    first = asyncio.create_task(one.run(lambda: gate.wait(5)))
    second = asyncio.create_task(one.run(lambda: done.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    assert await first
    assert (await one.run(lambda: "third"), done) == ("third", [])


async def test_closing_waits_for_what_was_queued_and_nothing_is_taken_after(one: WorkerThreads) -> None:
    gate = threading.Event()
    waiting = asyncio.create_task(one.run(lambda: gate.wait(5)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(one.close))
    gate.set()
    await closing
    assert await waiting
    with pytest.raises(RuntimeError):
        await one.run(lambda: None)
