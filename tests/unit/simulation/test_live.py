"""The clock of the simulated world: one epoch for all who look, days that follow each other, names of cameras and scripts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.contracts.errors import NotFound, Rejected
from services.contracts.simulated_stream import EPOCH_VARIABLE, SimulatedStream, parse_simulated
from services.simulation import live
from services.simulation.building import Building, load_building
from services.simulation.day.sensors import Reading
from services.simulation.live import Days, Place, WorldClock, camera_named, script_named

EPOCH_S = 1_772_415_600.0
NOW_NS = 1_772_415_690 * 10**9  # a minute and a half later


@pytest.fixture(scope="module")
def building() -> Building:
    return load_building("sunflower")


def test_a_world_is_as_far_on_as_the_clock_is_since_its_epoch() -> None:
    clock = WorldClock.of(SimulatedStream("nap", at_s=36_000.0, epoch_s=EPOCH_S, speed=10.0), NOW_NS)
    assert clock is not None
    assert clock.world_s(NOW_NS) == 36_900.0
    assert clock.instant_ns(36_900.0) == NOW_NS


def test_the_surroundings_agree_on_an_epoch_for_all_that_say_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EPOCH_VARIABLE, str(EPOCH_S))
    late, later = (WorldClock.of(SimulatedStream("nap"), NOW_NS + wait) for wait in (0, 10**9))
    assert late == later
    assert WorldClock.of(SimulatedStream("nap", epoch_s=EPOCH_S + 5), NOW_NS) != late


def test_while_the_file_that_says_the_epoch_is_missing_nobody_sees_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(EPOCH_VARIABLE, str(tmp_path / "epoch"))
    assert WorldClock.of(SimulatedStream("nap"), NOW_NS) is None
    (tmp_path / "epoch").write_text(f"{EPOCH_S}\n")
    assert WorldClock.of(SimulatedStream("nap"), NOW_NS) == WorldClock(
        int(EPOCH_S) * 10**9, SimulatedStream("nap").at_s, 1.0
    )
    (tmp_path / "epoch").write_text("noon")
    with pytest.raises(Rejected, match="noon"):
        WorldClock.of(SimulatedStream("nap"), NOW_NS)


def test_without_any_word_the_first_look_of_the_process_is_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EPOCH_VARIABLE, raising=False)
    monkeypatch.setattr(live, "_FIRST_LOOK", [])
    assert WorldClock.of(SimulatedStream("nap"), NOW_NS) == WorldClock.of(SimulatedStream("yard"), NOW_NS + 7 * 10**9)


def test_streams_of_one_institution_are_one_place_however_they_are_coded() -> None:
    one, other = parse_simulated("nap?seed=2&size=320x180&fps=5"), parse_simulated("yard?seed=2&kbit_s=900&at=11:00")
    assert Place.of(one) == Place.of(other)
    assert Place.of(one) != Place.of(replace(one, seed=3))
    assert Place.of(one) != Place.of(replace(one, mode="hourly"))


@pytest.mark.parametrize(
    ("name", "camera"),
    [("room-a-2", "room-a-2"), ("room-a", "room-a"), ("activity", "room-a"), ("playroom", "room-a"),
     ("nap-room", "nap"), ("yard", "yard")],
)  # fmt: skip
def test_a_room_is_named_by_camera_room_kind_or_what_people_call_it(building: Building, name: str, camera: str) -> None:
    assert camera_named(building, name).id == camera


def test_an_unknown_room_is_refused_with_those_that_there_are(building: Building) -> None:
    with pytest.raises(NotFound, match=r"attic.*room-a, room-a-2, room-b, nap, corridor, entrance, kitchen, yard"):
        camera_named(building, "attic")


def test_a_script_comes_by_name_or_from_a_file(tmp_path: Path) -> None:
    assert {one.what for one in script_named("first-morning")} >= {"I-10", "I-14"}
    own = tmp_path / "mine.yaml"
    own.write_text('- {what: I-10, at: "09:50"}\n')
    assert [one.what for one in script_named(str(own))] == ["I-10"]
    assert script_named(None) == ()
    for unknown in ("second-morning", "../scripts/first-morning"):
        with pytest.raises(NotFound, match="first-morning"):
            script_named(unknown)


class _Day:
    """A day that only counts: every half hour a reading; a script is refused at week-ends."""

    def __init__(
        self, building: Building, seed: int, day: date, mode: str | None = None, script: Any = (), rate: float = 0.0
    ) -> None:
        if script and day.weekday() >= 5:
            raise Rejected("nobody is there")
        self.day, self.mode, self.scripted = day, mode, bool(script)

    def sensor_readings(self, from_s: float, to_s: float) -> list[Reading]:
        return [Reading(t, f"{self.day}", "nap", "heartbeat") for t in range(0, 86_400, 1800) if from_s <= t < to_s]


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> Days:
    monkeypatch.setattr(live, "NurseryDay", _Day)
    return Days(Place.of(SimulatedStream("nap", day=date(2026, 3, 6), script="first-morning")))  # a Friday


def test_readings_go_on_over_midnight_none_twice_none_missing(days: Days) -> None:
    said = [days.readings(start, start + 700.0) for start in range(84_000, 90_300, 700)]
    assert [at_s for span in said for at_s, _ in span] == [84_600.0, 86_400.0, 88_200.0, 90_000.0]
    assert [one.sensor_id for span in said for _, one in span] == ["2026-03-06", *["2026-03-07"] * 3]


def test_a_script_that_a_later_day_cannot_hold_does_not_end_the_world(days: Days) -> None:
    assert (days.day(0).scripted, days.day(1).scripted, days.day(3).scripted) == (True, False, True)  # type: ignore[attr-defined]


def test_care_is_cut_as_told_on_each_day_that_the_calendar_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "NurseryDay", _Day)
    told = Days(Place.of(parse_simulated("nap?day=2026-03-06&mode=half-day&script=first-morning")))  # a Friday
    assert [told.day(index).mode for index in range(4)] == ["half-day", None, None, "half-day"]
    sunday = Days(Place.of(parse_simulated("nap?day=2026-03-08&mode=hourly")))
    assert [sunday.day(index).mode for index in range(2)] == [
        "hourly",
        "hourly",
    ]  # whoever names the day means that day


def test_a_live_nursery_of_half_days_has_no_nap_and_is_empty_in_the_afternoon() -> None:
    days = Days(Place.of(parse_simulated("nap?mode=half-day")))
    assert days.day(0).mode == "half-day"
    assert days.day(0).timetable.phase("nap") is None
    assert days.world(10.5 * 3600.0).persons
    assert not days.world(14.0 * 3600.0).persons
