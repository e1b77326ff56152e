"""Footage stops before the spool's limit and starts again well below it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.core.spool_room import SpoolRoom

GIB = 1024**3


def test_footage_stops_before_the_limit() -> None:
    room = SpoolRoom(GIB)
    assert room.after(room.close_at_bytes - 1).open
    assert not room.after(room.close_at_bytes).open
    assert room.close_at_bytes < GIB


def test_footage_starts_again_only_when_a_good_part_is_drained() -> None:
    shut = SpoolRoom(GIB).after(GIB)
    assert not shut.after(shut.close_at_bytes - 1).open
    assert not shut.after(shut.reopen_at_bytes + 1).open
    assert shut.after(shut.reopen_at_bytes).open


def test_the_reserve_of_a_large_spool_is_bounded() -> None:
    assert SpoolRoom(1000 * GIB).limit_bytes - SpoolRoom(1000 * GIB).close_at_bytes == 64 * 1024 * 1024


@given(st.integers(64, 10**12), st.lists(st.integers(0, 2 * 10**12), max_size=50))
def test_it_never_flaps_between_the_two_marks(limit: int, levels: list[int]) -> None:
    room = SpoolRoom(limit)
    for level in levels:
        following = room.after(level)
        if room.reopen_at_bytes < level < room.close_at_bytes:
            assert following.open == room.open
        room = following
