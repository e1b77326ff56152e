"""A reader naps while nothing can be complete, never long enough to hold a camera up, and dates what came meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.core.napping import BEHIND_NS, BUDGET_BYTES, BUDGET_SHARE, LONGEST_NS, Naps

MS = 1_000_000
FRAME_NS = 40 * MS
CHUNK_NS = 400 * MS
TICKS = 90_000
START_NS = 1_700_000_000_000_000_000


class Reading:
    """A reader and its camera: pictures come at given times, are read one after another, and naps are slept."""

    def __init__(self, *, size: int = 5_000, gop: int = 50, cost_ns: Callable[[int], int] = lambda _: MS) -> None:
        self.naps = Naps(TICKS)
        self.size, self.gop, self.cost_ns = size, gop, cost_ns
        self.now_ns = START_NS
        self.slept: list[tuple[int, int]] = []
        self.errors_ns: list[int] = []
        self.lags_ns: list[int] = []
        self._hold_ns = 0

    def read(self, comings_ns: Sequence[int]) -> Reading:
        for index, coming_ns in enumerate(comings_ns):
            self.now_ns = max(self.now_ns, coming_ns) + self.cost_ns(index)
            arrival_ns = self.naps.arrived(self.now_ns, index * TICKS // 25, self.size, index % self.gop == 0)
            self.errors_ns.append(arrival_ns - coming_ns)
            self.lags_ns.append(self.now_ns - coming_ns)
            if index % 10 == 0:  # a chunk became complete
                self._hold_ns = arrival_ns + CHUNK_NS - FRAME_NS - 20 * MS
            nap_ns = self.naps.due_ns(self._hold_ns)
            if nap_ns:
                self.slept.append((self.now_ns, nap_ns))
                self.now_ns += nap_ns
        return self


def steady(count: int) -> list[int]:
    return [START_NS + index * FRAME_NS for index in range(count)]


def test_most_of_the_time_is_slept() -> None:
    reading = Reading().read(steady(500))
    assert sum(nap for _, nap in reading.slept) > 0.6 * 500 * FRAME_NS


def test_no_nap_reaches_beyond_the_hold_or_the_budget() -> None:
    reading = Reading(size=10_000).read(steady(500))
    per_ns = 10_000 / FRAME_NS
    assert reading.slept
    assert all(nap <= LONGEST_NS and nap * per_ns <= BUDGET_BYTES * 1.05 for _, nap in reading.slept)


def test_what_the_kernel_takes_makes_naps_longer_and_what_it_does_not_tell_makes_them_no_shorter() -> None:
    def longest_ns(window_bytes: int | None) -> int:
        reading = Reading(size=10_000)
        reading.naps.room(window_bytes)
        return max(nap for _, nap in reading.read(steady(500)).slept)

    window_bytes = 140_000
    assert longest_ns(window_bytes) > 1.3 * longest_ns(None)
    assert longest_ns(window_bytes) * 10_000 / FRAME_NS <= window_bytes * BUDGET_SHARE * 1.05
    assert longest_ns(10_000_000) <= LONGEST_NS
    assert longest_ns(1_000) == longest_ns(None)


def test_a_stream_of_too_many_bits_gets_no_nap() -> None:
    assert Reading(size=60_000).read(steady(500)).slept == []


def test_pictures_of_a_nap_are_dated_when_they_came() -> None:
    reading = Reading().read(steady(500))
    assert max(map(abs, reading.errors_ns)) <= 5 * MS


def test_sync_pictures_are_read_as_they_come() -> None:
    reading = Reading(gop=17).read(steady(500))
    late = [lag for index, lag in enumerate(reading.lags_ns) if index % 17 == 0 and index > 34]
    assert reading.slept
    assert max(late) <= 2 * MS


def test_a_reader_that_is_behind_catches_up_before_it_naps_again() -> None:
    """It had no processor for two seconds."""
    reading = Reading(cost_ns=lambda index: 2_000 * MS if index == 250 else MS).read(steady(600))
    caught_up = next(index for index in range(251, 600) if reading.lags_ns[index] <= BEHIND_NS)
    behind_ns = (START_NS + 250 * FRAME_NS + 10 * MS, START_NS + caught_up * FRAME_NS)
    assert caught_up < 310
    assert not [at for at, _ in reading.slept if behind_ns[0] < at < behind_ns[1]]
    assert reading.lags_ns[-1] <= CHUNK_NS


@pytest.mark.parametrize("jump_ns", [3_600_000 * MS, -3_600_000 * MS])
def test_the_clock_may_be_set(jump_ns: int) -> None:
    reading = Reading().read(steady(250))
    reading.now_ns += jump_ns
    naps, now_ns = reading.naps, reading.now_ns
    for index in range(250, 1000):
        now_ns += FRAME_NS
        arrival_ns = naps.arrived(now_ns, index * TICKS // 25, 5_000, index % 50 == 0)
        assert now_ns - 2 * LONGEST_NS <= arrival_ns <= now_ns
        now_ns += naps.due_ns(arrival_ns + 300 * MS)


def test_a_jump_of_the_timestamps_is_dated_by_the_usual_interval() -> None:
    naps, now_ns = Naps(TICKS), START_NS
    nap_ns, index = 0, 0
    while not nap_ns:
        index += 1
        now_ns += FRAME_NS
        naps.arrived(now_ns, index * TICKS // 25, 5_000, index == 1)
        nap_ns = naps.due_ns(now_ns + 300 * MS) if index > 20 else 0
    arrival_ns = naps.arrived(now_ns + nap_ns, index * TICKS // 25 + 900_000, 5_000, False)
    assert arrival_ns == now_ns + FRAME_NS


@given(st.lists(st.integers(0, 300 * MS), min_size=50, max_size=200))
def test_times_never_lie_after_the_reading_nor_go_back_and_naps_are_bounded(delays_ns: list[int]) -> None:
    ordered = sorted(coming + delay for coming, delay in zip(steady(len(delays_ns)), delays_ns, strict=True))
    naps, now_ns, last_ns = Naps(TICKS), START_NS, 0
    for index, coming_ns in enumerate(ordered):
        now_ns = max(now_ns, coming_ns)
        arrival_ns = naps.arrived(now_ns, index * TICKS // 25, 5_000, index % 50 == 0)
        assert last_ns <= arrival_ns <= now_ns
        last_ns = arrival_ns
        nap_ns = naps.due_ns(arrival_ns + 300 * MS)
        assert 0 <= nap_ns <= LONGEST_NS
        now_ns += nap_ns
