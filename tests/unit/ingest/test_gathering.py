"""What waits is written at the earliest instant at which any of it is due, and at once when it must."""

from __future__ import annotations

import asyncio

import pytest

from services.backbone.system_clock import SystemClock
from services.ingest.gathering import GATHER_S, Gathering, patience_s

MS = 1_000_000
PERIOD_NS = 320 * MS


@pytest.mark.parametrize(
    ("age_ms", "wait_ms"),
    [(0, 360), (100, 260), (319, 41), (320, 40), (900, 40), (-5_000, 360)],
    ids=["just begun", "ended early", "nearly whole", "whole", "late", "the clock was set back"],
)
def test_a_record_may_wait_as_long_as_one_of_a_whole_period_would_have_taken(age_ms: int, wait_ms: int) -> None:
    now_ns = 1_700_000_000_000 * MS
    assert patience_s(now_ns - age_ms * MS, now_ns, PERIOD_NS) == pytest.approx(wait_ms / 1000)


def test_what_has_no_picture_waits_for_its_company_only() -> None:
    assert patience_s(None, 1_700_000_000_000 * MS, PERIOD_NS) == GATHER_S


async def test_the_earliest_decides() -> None:
    gathering, clock = Gathering(SystemClock()), SystemClock()
    gathering.add(30.0)
    waiting = asyncio.create_task(gathering.due())
    await asyncio.sleep(0)
    began_ns = clock.monotonic_ns()
    due_ns = gathering.add(0.05)
    gathering.add(20.0)
    await asyncio.wait_for(waiting, 10)
    assert clock.monotonic_ns() >= due_ns >= began_ns + 50 * MS


async def test_a_hurry_ends_the_wait_and_is_forgotten() -> None:
    gathering = Gathering(SystemClock())
    gathering.add(30.0)
    waiting = asyncio.create_task(gathering.due())
    await asyncio.sleep(0)
    gathering.hurry()
    await asyncio.wait_for(waiting, 10)
    again = asyncio.create_task(gathering.due())
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()
