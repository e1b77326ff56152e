"""The bound on what is on its way into a log."""

from __future__ import annotations

import asyncio

from services.backbone.in_flight import InFlight


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_callers_wait_for_room_and_pass_in_the_order_in_which_they_came() -> None:
    in_flight, passed = InFlight(10), list[str]()

    async def enter(name: str, size_bytes: int) -> None:
        await in_flight.enter(size_bytes)
        passed.append(name)

    tasks = [asyncio.create_task(enter(*one)) for one in (("first", 8), ("large", 5), ("small", 1))]
    await turns()
    assert passed == ["first"]  # the small one would fit, but does not overtake

    in_flight.leave(8)
    await asyncio.gather(*tasks)
    assert passed == ["first", "large", "small"]


async def test_who_brings_more_than_there_is_room_for_is_let_in_alone() -> None:
    in_flight = InFlight(10)
    await in_flight.enter(1)
    huge = asyncio.create_task(in_flight.enter(100))
    await turns()
    assert not huge.done()

    in_flight.leave(1)
    await huge
    late = asyncio.create_task(in_flight.enter(1))
    await turns()
    assert not late.done()
    in_flight.leave(100)
    await late


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    in_flight = InFlight(10)
    await in_flight.enter(10)
    first, second = asyncio.create_task(in_flight.enter(5)), asyncio.create_task(in_flight.enter(5))
    await turns()
    first.cancel()
    await turns()
    in_flight.leave(10)
    await second
    assert first.cancelled()
