"""What readers' threads bring reaches the loop together, in order, and never later than it is due."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from services.backbone.system_clock import SystemClock
from services.ingest.handover import LIMIT_BYTES, SLACK_NS, Handover


def in_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def test_what_comes_within_the_wait_of_the_first_is_taken_in_one_turn_of_the_loop() -> None:
    handover, clock = Handover(SystemClock()), SystemClock()
    turns: list[tuple[str, int]] = []
    turn = 0

    def take(name: str) -> None:
        turns.append((name, turn))

    began_ns = clock.monotonic_ns()
    for name in "abc":
        in_a_thread(partial(handover.put, partial(take, name), wait_s=0.1, size_bytes=1))
    while not turns:
        turn += 1
        await asyncio.sleep(0.001)
    took_ns = clock.monotonic_ns() - began_ns
    assert [name for name, _ in turns] == ["a", "b", "c"]
    assert len({at for _, at in turns}) == 1
    assert took_ns >= 100_000_000 - SLACK_NS


async def test_the_earliest_decides_for_all() -> None:
    handover, clock = Handover(SystemClock()), SystemClock()
    taken = asyncio.Event()
    names: list[str] = []
    handover.put(partial(names.append, "patient"), wait_s=60.0, size_bytes=1)
    await asyncio.sleep(0)
    began_ns = clock.monotonic_ns()
    in_a_thread(partial(handover.put, taken.set, wait_s=0.03, size_bytes=1))
    await asyncio.wait_for(taken.wait(), 10)
    assert names == ["patient"]
    assert clock.monotonic_ns() - began_ns >= 30_000_000 - SLACK_NS


async def test_what_is_said_now_comes_after_what_was_put_before_and_takes_it_along() -> None:
    handover = Handover(SystemClock())
    names: list[str] = []
    in_a_thread(partial(handover.put, partial(names.append, "chunk"), wait_s=60.0, size_bytes=1))
    in_a_thread(partial(handover.put_now, partial(names.append, "end")))
    await asyncio.sleep(0)
    assert names == ["chunk", "end"]


async def test_nothing_waits_once_there_is_much() -> None:
    handover = Handover(SystemClock())
    names: list[str] = []
    handover.put(partial(names.append, "small"), wait_s=60.0, size_bytes=1)
    handover.put(partial(names.append, "large"), wait_s=60.0, size_bytes=LIMIT_BYTES)
    await asyncio.sleep(0)
    assert names == ["small", "large"]


async def test_a_delivery_that_fails_is_reported_and_takes_no_other_with_it() -> None:
    handover = Handover(SystemClock())
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    names: list[str] = []

    def fail() -> None:
        raise ValueError("a defect")

    handover.put_now(fail)
    handover.put_now(partial(names.append, "next"))
    await asyncio.sleep(0)
    assert names == ["next"]
    assert [type(context["exception"]) for context in reported] == [ValueError]


def test_a_reader_that_outlives_the_loop_is_not_disturbed() -> None:
    async def make() -> Handover:
        return Handover(SystemClock())

    handover = asyncio.run(make())
    handover.put_now(lambda: None)
    handover.put(lambda: None, wait_s=0.0, size_bytes=1)
