"""The place to read a camera again from: a run-start old enough for its tracks, never one of another run."""

from __future__ import annotations

from services.analyze.core.rewinding import RewindMark
from services.analyze.core.tracker import REWIND_S
from services.contracts.time import NS_PER_S


def at(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def test_the_newest_start_that_is_old_enough_is_kept_until_the_next_one_is() -> None:
    mark = RewindMark()
    mark.run_start("a", 100, at(0))
    mark.run_start("a", 200, at(5))
    assert mark.offset == 100  # at the hand-over right after it, the tracks would be new
    mark.heard(at(5 + REWIND_S - 0.1))
    assert mark.offset == 100
    mark.heard(at(5 + REWIND_S))
    assert mark.offset == 200


def test_before_a_run_is_that_old_its_beginning_is_the_place() -> None:
    mark = RewindMark()
    mark.run_start("a", 100, at(0))
    mark.heard(at(1))
    assert mark.offset == 100


def test_a_new_run_needs_nothing_of_the_one_before() -> None:
    mark = RewindMark()
    mark.run_start("a", 100, at(0))
    mark.run_start("b", 150, at(1))
    assert mark.offset == 150


def test_starts_without_end_are_not_kept_without_end() -> None:
    mark = RewindMark()
    for offset in range(1000):
        mark.run_start("a", offset, at(1))
    assert mark.offset == 1000 - 16
