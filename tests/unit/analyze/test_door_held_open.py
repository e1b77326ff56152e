"""I-10 as tables: readings and wake-ups, and what the rule says."""

from __future__ import annotations

from services.analyze.core.rules import door_held_open as rule_module
from services.analyze.core.rules.commands import Close, Command, Open, Update, WakeAt
from services.analyze.core.rules.door_held_open import Door, DoorInput, DoorRead, Woken
from services.contracts.entity import DoorRule
from services.contracts.schedule import ArmedSchedule, WeeklyHours
from services.contracts.time import NS_PER_S

RULE = DoorRule()  # 60 s, 300 s


def s(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def opened(seconds: float) -> DoorRead:
    return DoorRead(s(seconds), open=True)


def closed(seconds: float) -> DoorRead:
    return DoorRead(s(seconds), open=False)


def woken(seconds: float) -> Woken:
    return Woken(s(seconds))


def judge(*story: DoorInput, rule: DoorRule = RULE, state: Door | None = None) -> tuple[Door, list[Command]]:
    state, said = state or Door(), []
    for seen in story:
        state, commands = rule_module.step(rule, state, seen)
        said += commands
    return state, said


def incidents(said: list[Command]) -> list[tuple[str, str]]:
    return [(type(c).__name__, c.severity) for c in said if not isinstance(c, WakeAt)]


def wakes(said: list[Command]) -> list[int]:
    return [command.at_ns for command in said if isinstance(command, WakeAt)]


def test_a_door_closed_in_time_says_nothing() -> None:
    _, said = judge(opened(0), closed(59))
    assert incidents(said) == []
    assert wakes(said) == [s(60)]


def test_it_fires_without_another_reading() -> None:
    _, said = judge(opened(0), woken(60))
    assert incidents(said) == [("Open", "S3")]
    assert wakes(said) == [s(60), s(300)]
    assert isinstance(said[1], Open)
    assert said[1].onset_ns == 0
    assert said[1].grounds.measured == {"open_s": 60.0}


def test_it_worsens_and_closes() -> None:
    _, said = judge(opened(0), woken(60), woken(300), closed(400))
    assert incidents(said) == [("Open", "S3"), ("Update", "S2"), ("Close", "S2")]
    last = said[-1]
    assert isinstance(last, Close) and last.end_ns == s(400) and last.grounds.measured == {"open_s": 400.0}


def test_a_wake_up_too_early_asks_again() -> None:
    _, said = judge(opened(0), woken(59))
    assert incidents(said) == []
    assert wakes(said) == [s(60), s(60)]


def test_a_late_wake_up_opens_at_the_severity_due() -> None:
    _, said = judge(opened(0), woken(1000))
    assert incidents(said) == [("Open", "S2")]


def test_repeated_readings_change_nothing() -> None:
    _, said = judge(opened(0), opened(30), woken(60), opened(61), opened(61))
    assert incidents(said) == [("Open", "S3")]
    assert isinstance(said[2], Open) and said[2].onset_ns == 0


def test_a_late_reading_is_not_believed() -> None:
    state, _ = judge(opened(0), closed(50), opened(40))
    assert state.open_since_ns is None


def test_a_closing_without_an_opening_says_nothing() -> None:
    assert judge(closed(5), closed(6))[1] == []


def test_a_second_opening_is_another_incident() -> None:
    _, said = judge(opened(0), woken(60), closed(70), opened(80), woken(140))
    assert [c.onset_ns for c in said if isinstance(c, Open)] == [0, s(80)]


def test_outside_its_hours_it_waits_and_raises_when_they_begin() -> None:
    hours = ArmedSchedule(mode="hours", hours=[WeeklyHours(start="08:00", end="18:00")], time_zone="UTC")
    rule = DoorRule(active=hours)
    eight = 8 * 3600
    _, said = judge(opened(eight - 120), woken(eight - 60), rule=rule)
    assert incidents(said) == []
    assert wakes(said)[-1] == s(eight)
    _, said = judge(opened(eight - 120), woken(eight - 60), woken(eight), rule=rule)
    assert incidents(said) == [("Open", "S3")]


def test_a_serious_threshold_below_the_first_goes_straight_to_serious() -> None:
    _, said = judge(opened(0), woken(10), rule=DoorRule(open_s=60, serious_s=10))
    assert incidents(said) == [("Open", "S2")]


def test_a_resumed_incident_is_not_opened_again() -> None:
    resumed = rule_module.resume(0, "S3")
    _, said = judge(opened(0), woken(100), woken(300), closed(310), state=resumed)
    assert incidents(said) == [("Update", "S2"), ("Close", "S2")]
    assert all(not isinstance(c, Open | Update) or c.onset_ns == 0 for c in said)
