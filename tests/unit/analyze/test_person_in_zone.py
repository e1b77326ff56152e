"""I-12 as tables: who stands where in which frame, and what the rule says."""

from __future__ import annotations

import pytest

from services.analyze.core.rules import person_in_zone as rule_module
from services.analyze.core.rules.commands import Close, Command, Open
from services.analyze.core.rules.person_in_zone import FrameJudged, PersonSeen, Presence, PresenceRule
from services.analyze.core.zones import Box, PictureSize
from services.contracts.entity import Zone
from services.contracts.schedule import ArmedSchedule, WeeklyHours
from services.contracts.time import NS_PER_S

PICTURE = PictureSize(100, 100)
INSIDE: Box = (20, 30, 40, 80)
OUTSIDE: Box = (60, 30, 80, 80)
LEFT_HALF = Zone(name="left", polygon=[(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
RULE = PresenceRule(LEFT_HALF)
STEP_S = 0.2


def person(box: Box = INSIDE, track: int = 1, score: float = 0.8, confirmed: bool = True) -> PersonSeen:
    return PersonSeen(track, box, score, confirmed)


def judge(
    frames: list[list[PersonSeen]], rule: PresenceRule = RULE, state: Presence | None = None, start_ns: int = 0
) -> tuple[Presence, list[Command]]:
    """Frames every 0.2 s from ``start_ns``."""
    state, said = state or Presence(), []
    for index, persons in enumerate(frames):
        at = start_ns + round(index * STEP_S * NS_PER_S)
        state, commands = rule_module.step(rule, state, FrameJudged(at, PICTURE, tuple(persons)))
        said += commands
    return state, said


def at(index: int) -> int:
    return round(index * STEP_S * NS_PER_S)


def test_the_third_hit_raises_with_the_onset_of_the_first() -> None:
    _, said = judge([[], [person()], [person()], [person()]])
    assert [type(command) for command in said] == [Open]
    assert isinstance(said[0], Open)
    assert said[0].onset_ns == at(1)
    assert said[0].severity == "S1"
    assert said[0].grounds.at_ns == at(3)
    assert said[0].grounds.boxes_px == (INSIDE,)
    assert said[0].grounds.measured == {"dwell_s": 0.4, "score": 0.8, "persons": 1.0}


@pytest.mark.parametrize(
    ("why", "frames"),
    [
        ("two hits are a flicker", [[person()], [person()], [], []]),
        ("hits far apart are flickers", [[person()], *[[]] * 4, [person()], *[[]] * 4, [person()]]),
        ("hits of different tracks do not add up", [[person(track=i)] for i in range(6)]),
        ("unsure boxes do not begin a presence", [[person(score=0.3)]] * 6),
        ("an unconfirmed track does not begin one", [[person(confirmed=False)]] * 6),
        ("outside is outside", [[person(OUTSIDE)]] * 6),
        ("an arm from above has no feet here", [[person((20, 0, 40, 60))]] * 6),
    ],
)
def test_nothing_is_raised_when(why: str, frames: list[list[PersonSeen]]) -> None:
    assert judge(frames)[1] == [], why


def test_somebody_right_before_the_lens_fills_the_picture_and_counts() -> None:
    assert [type(c) for c in judge([[person((5, 0, 60, 100))]] * 3)[1]] == [Open]


def test_an_absence_ends_it_where_it_was_last_seen() -> None:
    _, said = judge([[person()]] * 5 + [[]] * 12)
    assert [type(command) for command in said] == [Open, Close]
    assert isinstance(said[1], Close)
    assert said[1].end_ns == at(4)
    assert said[1].onset_ns == 0
    assert said[1].grounds.measured["dwell_s"] == 0.8


def test_a_blink_of_the_detector_is_no_absence() -> None:
    _, said = judge([[person()]] * 3 + [[]] * 9 + [[person(track=2)]] * 3)
    assert [type(command) for command in said] == [Open]


def test_unsure_boxes_prolong_a_presence() -> None:
    _, said = judge([[person()]] * 3 + [[person(score=0.15)]] * 20 + [[]] * 12)
    assert isinstance(said[-1], Close)
    assert said[-1].end_ns == at(22)


def test_many_people_are_one_incident_that_counts_them() -> None:
    _, said = judge([[person()]] * 3 + [[person(), person(track=2)]] * 3 + [[person(track=2)]] * 10 + [[]] * 12)
    assert [type(command) for command in said] == [Open, Close]
    assert said[1].grounds.measured["persons"] == 2.0  # type: ignore[union-attr]


def test_coming_back_after_an_absence_is_another_incident() -> None:
    _, said = judge([[person()]] * 3 + [[]] * 12 + [[person(track=2)]] * 3)
    assert [type(command) for command in said] == [Open, Close, Open]
    assert said[2].onset_ns == at(15)  # type: ignore[union-attr]


def test_a_hole_in_the_stream_is_an_absence() -> None:
    state, _ = judge([[person()]] * 3)
    _, said = judge([[person()]] * 3, state=state, start_ns=60 * NS_PER_S)
    assert [type(command) for command in said] == [Close, Open]


def test_a_clock_set_back_ends_the_presence_and_blinds_nobody() -> None:
    state, _ = judge([[person()]] * 3, start_ns=10_000 * NS_PER_S)
    _, said = judge([[person()]] * 3, state=state, start_ns=0)
    assert [type(command) for command in said] == [Close, Open]


def test_disarming_ends_it() -> None:
    hours = ArmedSchedule(mode="hours", hours=[WeeklyHours(start="00:00", end="12:00")], time_zone="UTC")
    rule = PresenceRule(LEFT_HALF.model_copy(update={"armed": hours}))
    noon = 12 * 3600 * NS_PER_S
    _, said = judge([[person()]] * 10, rule, start_ns=noon - NS_PER_S)
    assert [type(command) for command in said] == [Open, Close]
    assert isinstance(said[1], Close) and said[1].end_ns == noon - round(0.2 * NS_PER_S)


def test_the_end_of_the_stream_ends_it() -> None:
    state, _ = judge([[person()]] * 4)
    state, said = rule_module.finish(state)
    assert [type(command) for command in said] == [Close]
    assert rule_module.finish(state)[1] == []


def test_a_resumed_presence_goes_on_under_its_name() -> None:
    resumed = rule_module.resume(onset_ns=at(0), last_ns=at(2))
    _, said = judge([[person()]] * 5 + [[]] * 12, state=resumed)
    assert [type(command) for command in said] == [Close]
    assert isinstance(said[0], Close) and (said[0].onset_ns, said[0].end_ns) == (at(0), at(4))


def test_a_resumed_presence_nobody_is_seen_in_ends_where_it_was_last_known() -> None:
    resumed = rule_module.resume(onset_ns=0, last_ns=at(2))
    _, said = judge([[]] * 30, state=resumed)
    assert isinstance(said[0], Close) and said[0].end_ns == at(2)
    assert said[0].grounds.measured == {"dwell_s": 0.4}


def test_frames_replayed_before_a_known_end_are_not_judged_again() -> None:
    closed = rule_module.resume_closed(at(10))
    _, said = judge([[person()]] * 10, state=closed)
    assert said == []


def test_judging_twice_gives_the_same(frames: int = 40) -> None:
    story = [[person()] if index % 17 < 9 else [] for index in range(frames)]
    assert judge(story) == judge(story)
