from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.media.access_unit import AccessUnit
from services.media.timeline import Timeline, ms_to_ticks, ns_to_ticks, ticks_to_ns
from services.media.timestamps import DerivedTimes, GivenTimes, JumpDetector, TickUnwrapper, reorder_depth

SCALES = st.sampled_from([1, 25, 30, 1000, 12_288, 15_360, 44_100, 90_000, 1_200_000, 10_000_000, 999_999_937])


def unit(pts: int, dts: int | None = None, *, sync: bool = False) -> AccessUnit:
    return AccessUnit((b"\x41",), pts, dts, 0, sync)


def derive(times: list[int], depth: int | None, *, bound: int = 16, timescale: int = 25) -> list[tuple[int, int]]:
    """Decoding times and composition offsets of presentation times in order of decoding."""
    placer = DerivedTimes(timescale, depth, bound)
    placed = [each for pts in times for each in placer.place(unit(pts))]
    placed += placer.drain()
    assert [each[0].pts for each in placed] == times, "none lost, none displaced"
    return [(dts, offset) for _, dts, offset in placed]


@st.composite
def b_frame_streams(draw: st.DrawFn) -> tuple[list[int], int]:
    """Presentation times in decoding order, and the depth of their reordering; intervals vary."""
    depth = draw(st.integers(0, 4))
    intervals = draw(st.lists(st.integers(1, 9), min_size=1, max_size=60))
    times = [sum(intervals[:index]) for index in range(len(intervals))]
    order = list(range(len(times)))
    at = 1
    while at < len(order):  # a mini GOP: the last picture first
        size = draw(st.integers(1, depth + 1))
        group = order[at : at + size]
        order[at : at + size] = group[-1:] + group[:-1]
        at += size
    coded = [times[index] for index in order]
    return coded, reorder_depth(coded)


@given(b_frame_streams(), st.booleans())
def test_derived_times_increase_and_never_pass_presentation_by_more_than_the_shift(
    stream: tuple[list[int], int], stated: bool
) -> None:
    times, depth = stream
    placed = derive(times, depth if stated else None)
    decoding = [dts for dts, _ in placed]
    assert all(after > before for before, after in pairwise(decoding))
    assert decoding[0] == 0
    assert [dts + offset for dts, offset in placed] == [pts - min(times) for pts in times]
    if stated:
        shift = max(-offset for _, offset in placed)
        start = decoding[depth:]
        expected = [sorted(times)[index] - min(times) for index in range(len(start))]
        assert all(a - b == start[0] - expected[0] for a, b in zip(start, expected, strict=True)), shift


def test_no_reordering_keeps_times_as_they_are() -> None:
    assert derive([7, 10, 11, 30], 0) == [(0, 0), (3, 0), (4, 0), (23, 0)]


def test_two_b_frames_of_constant_rate() -> None:
    times = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    assert derive(times, 1) == [(n, pts - n) for n, pts in enumerate(times)]
    assert derive(times, None) == [(n, pts - n) for n, pts in enumerate(times)]


def test_deeper_reordering_than_seen_at_first_is_followed() -> None:
    times = [*range(20), 23, 20, 21, 22, 27, 24, 25, 26, 31, 28, 29, 30]
    placed = derive([each * 100 for each in times], None, timescale=2500)
    decoding = [dts for dts, _ in placed]
    assert all(after > before for before, after in pairwise(decoding))
    assert decoding[-1] >= 2700, "decoding keeps up with presentation again"


def test_equal_times_are_told_apart_by_one_tick() -> None:
    placer = GivenTimes()
    placed = [each for dts in (0, 0, 0, 90, 90, 180) for each in placer.place(unit(dts, dts))]
    assert [dts for _, dts, _ in placed] == [0, 1, 2, 90, 91, 180]
    assert all(offset == 0 for _, _, offset in placed)
    assert placer.repaired == 3
    assert [dts for dts, _ in derive([5, 5, 5, 95], 0)] == [0, 1, 2, 90]


def test_given_times_begin_at_presentation_zero() -> None:
    placer = GivenTimes()
    placed = [placer.place(unit(pts, dts))[0] for pts, dts in ((10, 8), (13, 9), (11, 10), (12, 11))]
    assert [(dts, offset) for _, dts, offset in placed] == [(0, 0), (1, 2), (2, -1), (3, -1)]
    assert placer.presented_at(unit(16, 12)) == 6


def test_a_forgotten_decoding_time_is_filled_in() -> None:
    placer = GivenTimes()
    placed = [placer.place(unit(pts, dts))[0] for pts, dts in ((0, 0), (40, 40), (80, None), (120, 120))]
    assert [dts for _, dts, _ in placed] == [0, 40, 80, 120]


def test_an_absurd_presentation_time_does_not_overflow() -> None:
    placer = GivenTimes()
    placer.place(unit(0, 0))
    ((_, dts, offset),) = placer.place(unit(1 << 62, 40))
    assert (dts, offset, placer.repaired) == (40, 0, 1)


@given(st.lists(st.tuples(st.integers(-(1 << 62), 1 << 62), st.none() | st.integers(-(1 << 62), 1 << 62)), max_size=40))
def test_hostile_times_still_increase(stream: list[tuple[int, int | None]]) -> None:
    for placer in (
        GivenTimes(),
        DerivedTimes(90_000, None, 16),
        DerivedTimes(90_000, 3, 4),
        DerivedTimes(90_000, 0, 1),
    ):
        placed = [each for pts, dts in stream for each in placer.place(unit(pts, dts))] + placer.drain()
        assert len(placed) == len(stream)
        assert all(after[1] > before[1] for before, after in pairwise(placed))
        assert all(-(1 << 31) <= offset < 1 << 31 for _, _, offset in placed)


@pytest.mark.parametrize("bits", [32, 33])
def test_a_wrap_goes_on(bits: int) -> None:
    unwrapper = TickUnwrapper(bits)
    top = 1 << bits
    assert [unwrapper.unwrap(each % top) for each in range(top - 7200, top + 7200, 3600)] == [
        top - 7200, top - 3600, top, top + 3600,
    ]  # fmt: skip


@given(st.integers(0, 1 << 33), st.lists(st.integers(-(1 << 31), 1 << 31), max_size=50))
def test_unwrapping_follows_any_walk(first: int, steps: list[int]) -> None:
    unwrapper = TickUnwrapper(33)
    true = [first & ((1 << 33) - 1)]
    for step in steps:
        true.append(true[-1] + step)
    assert [unwrapper.unwrap(each & ((1 << 33) - 1)) for each in true] == true


def test_jumps() -> None:
    jumps = JumpDetector(90_000, decoding=True, reordered=False)
    assert [jumps.step(unit(0, dts)) for dts in (0, 3600, 3600, 3000, 183_000, 363_001)] == [0, 0, 0, 0, 0, 180_001]
    assert jumps.step(unit(0, 183_000 - 18_001)) == -18_001
    assert jumps.step(unit(0, 186_600)) == 0, "a jump leaves no trace in the run it does not belong to"


def test_presentation_times_may_go_back_within_a_gop_only() -> None:
    jumps = JumpDetector(25, decoding=False, reordered=True)
    assert [jumps.step(unit(pts)) for pts in (100, 110, 102, 104, 120)] == [0] * 5
    assert jumps.step(unit(69)) == -51
    assert jumps.step(unit(100, sync=True)) == -20
    ordered = JumpDetector(25, decoding=False, reordered=False)
    assert [ordered.step(unit(pts)) for pts in (100, 94)] == [0, -6]


@given(st.integers(0, 1 << 50), SCALES)
def test_ticks_and_nanoseconds(ticks: int, timescale: int) -> None:
    if timescale <= 1_000_000_000:
        assert ns_to_ticks(ticks_to_ns(ticks, timescale), timescale) == ticks


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50), SCALES, st.integers(0, 1 << 62))
def test_neighbours_on_a_timeline_share_their_boundary(steps: list[int], timescale: int, anchor: int) -> None:
    line = Timeline(anchor, timescale)
    at, end_ns = 0, anchor
    for step in steps:
        start_ns = line.at(at)
        assert start_ns == end_ns
        at += step
        end_ns = start_ns + (line.at(at) - start_ns)
    assert 0 <= at * 1_000_000_000 - (end_ns - anchor) * timescale < timescale


def test_limits_round_down() -> None:
    assert ms_to_ticks(320, 30) == 9


@pytest.mark.parametrize("frames_per_s", [8, 10, 12, 25, 30])
@pytest.mark.parametrize(("depth", "bound"), [(2, 4), (None, 4)])
def test_a_pyramid_of_any_rate_is_decoded_at_even_intervals_from_the_first_unit_on(
    frames_per_s: int, depth: int | None, bound: int
) -> None:
    """Order of coming of a B-pyramid: 0 4 2 1 3 8 6 5 7 …; at 12 fps its second unit already lies a third of a second ahead."""
    interval = 90_000 // frames_per_s
    order = [0] + [base + step for base in range(0, 40, 4) for step in (4, 2, 1, 3)]
    decoded = [dts for dts, _ in derive([number * interval for number in order], depth, bound=bound, timescale=90_000)]
    assert [later - earlier for earlier, later in pairwise(decoded)] == [interval] * (len(order) - 1)
