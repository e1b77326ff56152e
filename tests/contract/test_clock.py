"""The behaviour of every clock: the machine's, and the simulated one that tests and replays use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine

import pytest

from services.backbone.ports import Clock
from services.backbone.simulated_clock import SimulatedClock
from services.backbone.system_clock import SystemClock, read_timex
from services.contracts.media_record import ClockSample
from services.contracts.time import NS_PER_S

#: Lets a clock's time pass.
Passing = Callable[[float], Coroutine[None, None, None]]


@pytest.fixture(params=["system", "simulated"])
def clock_and_passing(request: pytest.FixtureRequest) -> tuple[Clock, Passing]:
    if request.param == "system":
        return SystemClock(), asyncio.sleep
    simulated = SimulatedClock()
    return simulated, simulated.advance


async def test_both_readings_move_with_time(clock_and_passing: tuple[Clock, Passing]) -> None:
    clock, passing = clock_and_passing
    now_ns, monotonic_ns = clock.now_ns(), clock.monotonic_ns()
    await passing(0.05)
    assert 0.04 * NS_PER_S <= clock.now_ns() - now_ns < 10 * NS_PER_S
    assert 0.04 * NS_PER_S <= clock.monotonic_ns() - monotonic_ns < 10 * NS_PER_S


async def test_a_sleeper_wakes_when_its_time_has_come(clock_and_passing: tuple[Clock, Passing]) -> None:
    clock, passing = clock_and_passing
    began_ns = clock.monotonic_ns()
    sleeper = asyncio.create_task(clock.sleep(0.02))
    await asyncio.sleep(0)
    assert not sleeper.done()
    await passing(0.03)
    await asyncio.wait_for(sleeper, 5)
    assert clock.monotonic_ns() - began_ns >= 0.02 * NS_PER_S


async def test_a_sleep_of_nothing_returns(clock_and_passing: tuple[Clock, Passing]) -> None:
    clock, _ = clock_and_passing
    await asyncio.wait_for(clock.sleep(0), 5)
    await asyncio.wait_for(clock.sleep(-1), 5)


async def test_a_sleeper_can_be_cancelled(clock_and_passing: tuple[Clock, Passing]) -> None:
    clock, passing = clock_and_passing
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
    await passing(0.01)


async def test_a_sample_says_how_far_off_or_that_nobody_knows(clock_and_passing: tuple[Clock, Passing]) -> None:
    sample = clock_and_passing[0].sample()
    assert sample.uncertainty_ns >= -1
    assert sample.camera_offset_ns is None
    if sample.uncertainty_ns == -1:
        assert sample.offset_ns == 0


# The machine's clock


def test_the_system_clock_is_the_machines() -> None:
    assert abs(SystemClock().now_ns() - time.time_ns()) < NS_PER_S


@pytest.mark.parametrize(
    ("state", "status", "offset", "maxerror_us", "expected"),
    [
        (0, 0x0001, 1500, 20, ClockSample(1_500_000, 20_000)),  # microseconds
        (0, 0x2001, 1500, 20, ClockSample(1500, 20_000)),  # STA_NANO
        (0, 0x2001, -7, 0, ClockSample(-7, 0)),
        (5, 0x0000, 1500, 20, ClockSample()),  # TIME_ERROR: not synchronised
        (0, 0x0040, 1500, 20, ClockSample()),  # STA_UNSYNC
        (-1, 0x0000, 0, 0, ClockSample()),  # refused
    ],
)
def test_the_kernels_answer_is_read_in_its_own_unit(
    state: int, status: int, offset: int, maxerror_us: int, expected: ClockSample
) -> None:
    assert read_timex(state, status, offset, maxerror_us) == expected


# The simulated clock


async def test_a_jump_moves_the_wall_and_wakes_nobody() -> None:
    clock = SimulatedClock()
    sleeper = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    now_ns, monotonic_ns = clock.now_ns(), clock.monotonic_ns()
    clock.jump(-3600)
    clock.jump(60)
    await asyncio.sleep(0)
    assert clock.now_ns() == now_ns - 3540 * NS_PER_S
    assert clock.monotonic_ns() == monotonic_ns
    assert not sleeper.done() and clock.sleepers == 1
    await clock.advance(10)
    await asyncio.wait_for(sleeper, 5)
    assert clock.sleepers == 0


async def test_sleepers_wake_in_order_each_at_its_own_time() -> None:
    clock = SimulatedClock()
    began_ns = clock.monotonic_ns()
    woken: list[tuple[str, int]] = []

    async def doze(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, (clock.monotonic_ns() - began_ns) // NS_PER_S))

    tasks = [asyncio.create_task(doze("a", 3, 4)), asyncio.create_task(doze("b", 1, 1, 1))]
    await asyncio.sleep(0)
    await clock.advance(10)
    await asyncio.gather(*tasks)
    assert sorted(woken[:4], key=lambda each: each[1]) == woken[:4]
    assert {("b", 1), ("b", 2), ("a", 3), ("b", 3), ("a", 7)} == set(woken)
    assert clock.monotonic_ns() - began_ns == 10 * NS_PER_S
