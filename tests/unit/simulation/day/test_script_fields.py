"""Scripts may ask for what the reference says: every field that a scene is said to take is read, at the hours that there are."""

from __future__ import annotations

from typing import Any

import pytest

from services.contracts.errors import Rejected
from services.simulation.building import Building
from services.simulation.day.calendar import hours
from services.simulation.day.fields import READS, WRITTEN
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.plan import Planner
from services.simulation.day.roster import roster_of
from services.simulation.day.scene import SCENES
from services.simulation.day.script import Episode, draws_desertion, episode
from services.simulation.day.stage import Stage
from tests.unit.simulation.day.conftest import MONDAY

READ: set[str] = set()


class Overheard(Episode):
    """An episode that notes which of its fields are read."""

    def __getattribute__(self, name: str) -> Any:
        if name in WRITTEN:
            READ.add(WRITTEN[name])
        return super().__getattribute__(name)


@pytest.fixture(scope="module")
def stage(building: Building, calm: NurseryDay) -> Stage:
    planner = Planner(calm.floor, roster_of(building, 3), calm.timetable, "fields")
    return Stage(
        calm.floor, planner.roster, calm.timetable, planner.written(3), planner.spots, MONDAY, "fields", 3
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(SCENES))
def test_a_scene_reads_what_it_is_said_to_read_and_no_more(stage: Stage, name: str) -> None:
    READ.clear()
    stage._busy.clear()  # what other scenes use is free again
    try:
        SCENES[name].put(stage, Overheard(what=name))
    except Rejected as error:
        pytest.fail(f"{name} could not be put on: {error}")
    # A lens is wiped in one way only: the scene tells the camera's fault which.
    known = set(READS[name].split()) | ({"variant"} if name in ("lens-wiped",) else set())
    assert known == READ


def test_fields_are_told_for_every_scene_and_no_other() -> None:
    assert set(READS) == set(SCENES)
    assert {field for fields in READS.values() for field in fields.split()} == set(WRITTEN.values())


@pytest.fixture(scope="module")
def night(building: Building) -> NurseryDay:
    script = [
        episode("I-12", "22:30", target="main-door", lasts_s=90), episode("passer-by", "20:00"),
        episode("I-23", "02:00", target="entrance", variant="covered", lasts_s=300), episode("lens-wiped", "21:00"),
        episode("I-26", "03:00", target="agent-heartbeat", variant="silent", lasts_s=600),
    ]  # fmt: skip
    return NurseryDay(building, 1, MONDAY, script=script)


def test_the_evening_of_a_day_of_service_is_armed_too(night: NurseryDay) -> None:
    entry = next(one for one in night.incidents if one.kind == "I-12")
    assert hours("22:30") <= entry.start_s < hours("22:31")
    assert night.whereabouts(entry.start_s + 20.0)["entrance"] == list(entry.persons)
    (walker,) = next(one for one in night.happenings if one.name == "passer-by").persons
    assert night.whereabouts(hours("20:00") + 6.0) == {"street": [walker]}


def test_a_camera_is_sabotaged_at_night(night: NurseryDay) -> None:
    (blind,) = [one for one in night.incidents if one.kind == "I-23"]
    assert (blind.target, blind.start_s, blind.end_s) == ("entrance", hours("02:00"), hours("02:05"))
    assert night.world(hours("02:01")).faults["entrance"].kind == "covered"


def test_the_agent_s_heartbeat_can_fall_silent(night: NurseryDay) -> None:
    (silent,) = [one for one in night.incidents if one.kind == "I-26"]
    assert (silent.target, silent.start_s, silent.reached_s) == ("agent-heartbeat", hours("03:00"), hours("03:03"))

    def beats(from_s: float) -> int:
        return sum(one.sensor_id == "agent-heartbeat" for one in night.sensor_readings(from_s, from_s + 600.0))

    assert (beats(hours("02:40")), beats(hours("03:00")), beats(hours("03:10"))) == (10, 0, 10)


def test_the_rate_draws_a_day_on_which_nobody_comes_unless_the_day_is_told_to_take_place(building: Building) -> None:
    seeds = [seed for seed in range(400) if draws_desertion(20.0, 21, f"{building.id}/{MONDAY}/full-day/{seed}")]
    assert 8 <= len(seeds) <= 32, "one in twenty"
    assert not any(draws_desertion(0.0, 21, f"{building.id}/{MONDAY}/full-day/{seed}") for seed in seeds)
    day = NurseryDay(building, seeds[0], MONDAY, rate=20)
    assert "I-30" in {one.kind for one in day.incidents}
    assert not {"I-01", "I-06", "I-21"} & {one.kind for one in day.incidents}
    assert day.people_at(hours("10:00")) == ()
    assert day.unrealised() == []
    assert NurseryDay(building, seeds[0], MONDAY, "full-day", rate=20).people_at(hours("10:00")) != ()
