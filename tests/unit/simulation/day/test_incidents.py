"""What is scripted really happens in the world, what only resembles an incident is none, and spans are exact."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from services.contracts.errors import NotFound, Rejected
from services.simulation.building import Building
from services.simulation.day.calendar import hours
from services.simulation.day.derivation import TrueIncident
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.scene import SCENES
from services.simulation.day.script import Episode, episode, load_script, read_script
from tests.unit.simulation.day.conftest import SUMMER

WANTED = {f"I-{number:02d}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 14, 17, 18, 19, 21, 22, 23, 25, 26, 30)}


def day_of(building: Building, *told: str | Episode, seed: int = 2, day: date = date(2026, 11, 23)) -> NurseryDay:
    return NurseryDay(building, seed, day, script=[episode(one) if isinstance(one, str) else one for one in told])


def test_a_child_is_lifted_by_somebody_who_is_there(building: Building) -> None:
    """However far the adult was when the child began to climb."""
    climbs = [Episode(what="I-07", at=at) for at in ("09:40", "09:52", "11:00", "11:08", "15:40", "15:55")]
    day = day_of(building, *climbs, seed=2)
    lifted = [
        (track, ride) for track in day.tracks.values() for ride in track.rides if track.is_present(ride.from_s - 0.1)
    ]

    assert len([one for one in day.incidents if one.kind == "I-07"]) == len(climbs)
    assert len(lifted) >= len(climbs)
    for child, ride in lifted:
        adult, before = day.tracks[ride.carrier].at(ride.from_s), child.at(ride.from_s - 0.1)
        assert math.dist((adult.x, adult.y), (before.x, before.y)) < 1.0


def test_there_is_a_scene_for_every_type_and_a_look_alike_for_every_type() -> None:
    assert {scene.kind for scene in SCENES.values() if not scene.look_alike} == WANTED
    assert {scene.kind for scene in SCENES.values() if scene.look_alike} == WANTED


def test_a_day_holds_every_incident_and_every_look_alike(eventful: NurseryDay) -> None:
    assert eventful.unrealised() == []
    assert {one.kind for one in eventful.incidents} == WANTED - {"I-30"}
    put_on = {one.name for one in eventful.happenings}
    # A child can be late from the yard only once; look-alikes have a test of their own.
    assert set(SCENES) - put_on - {"I-30"} <= {"straggler"}


def test_whatever_was_not_meant_follows_from_what_was(eventful: NurseryDay) -> None:
    for one in eventful.incidents:
        # A child left behind in the yard is also a child without an adult; nothing else is wrong that no scene meant.
        assert one.scripted or (one.kind, one.room) == ("I-01", "yard"), one
        assert one.start_s <= one.reached_s <= one.end_s, one
        assert one.reason


def test_look_alikes_stay_what_they_are(building: Building) -> None:
    names = [scene.name for scene in SCENES.values() if scene.look_alike]
    day = NurseryDay(building, 3, date(2026, 11, 24), script=[episode(name) for name in names])
    assert len(day.look_alikes) == len(names)
    assert day.incidents == ()


@pytest.fixture(scope="module")
def scripted(building: Building) -> NurseryDay:
    """Four incidents at told times."""
    return day_of(
        building, episode("I-01", "09:40", room="room-a", lasts_s=120), episode("I-06", "15:20", room="room-b", lasts_s=14),
        episode("I-08"), episode("I-21", "09:45", lasts_s=150),
    )  # fmt: skip


def only(day: NurseryDay, kind: str) -> TrueIncident:
    (one,) = [one for one in day.incidents if one.kind == kind]
    return one


def test_a_script_happens_and_nothing_else(scripted: NurseryDay) -> None:
    assert [one.kind for one in sorted(scripted.incidents, key=lambda one: one.kind)] == [
        "I-01",
        "I-06",
        "I-08",
        "I-21",
    ]
    assert all(one.scripted for one in scripted.incidents)


def test_a_child_alone_is_alone_from_the_first_to_the_last_second(scripted: NurseryDay) -> None:
    day, one = scripted, only(scripted, "I-01")
    assert (one.kind, one.room, one.scripted, one.reached_s) == ("I-01", "room-a", True, one.start_s + 60.0)
    assert hours("09:40") < one.start_s < hours("09:40") + 30

    def adults_and_children(t_s: float) -> tuple[int, int]:
        here = [day.persons[number].role for number in day.whereabouts(t_s).get("room-a", [])]
        return here.count("adult"), here.count("child")

    assert adults_and_children(one.start_s - 1.0)[0] > 0
    assert adults_and_children(one.end_s)[0] > 0
    for t_s in np.arange(one.start_s, one.end_s, 7.0):
        adults, children = adults_and_children(float(t_s))
        assert (adults, children > 0) == (0, True)


def test_a_fallen_child_lies_and_an_adult_comes(scripted: NurseryDay) -> None:
    day, one = scripted, only(scripted, "I-06")
    (child,) = one.persons
    assert one.end_s - one.start_s == pytest.approx(14.0, abs=0.1)
    assert next(state for state in day.people_at(one.end_s - 1.0) if state.person.number == child).activity == "fallen"
    states = {state.person.number: state for state in day.people_at(one.end_s + 5.0)}
    assert min(math.dist(states[child].at, other.at) for other in states.values() if other.person.role == "adult") < 1.2


def test_a_child_that_walks_out_is_outside_without_an_adult(scripted: NurseryDay) -> None:
    day, one = scripted, only(scripted, "I-08")
    (child,) = one.persons
    outside = {
        state.person.number for state in day.people_at(one.start_s + 6.0) if day.floor.room_at(*state.at[:2]) < 0
    }
    assert outside == {child}
    assert day.world(one.start_s).openings["yard-gate"] > 0.5
    later = day.whereabouts(one.end_s + 90.0)
    assert child in later["yard"]


def test_a_fire_burns_in_the_picture_and_heats_the_room(scripted: NurseryDay) -> None:
    day, one = scripted, only(scripted, "I-21")
    heights = [flame.height_m for t_s in (-1, 10, 60, 149, 151) for flame in day.world(one.start_s + t_s).flames]
    assert heights == pytest.approx([0.75 * 10 / 45, 0.75, 0.75])
    celsius = day.climate.by_second("kitchen")
    start = int(one.start_s)
    slopes = celsius[start : start + 150] - celsius[start - 60 : start + 90]
    assert slopes.max() > 8.0, "°C a minute"
    assert celsius.max() < 70.0
    said = [said.value for said in day.sensor_readings(start, start + 150)
            if (said.sensor_id, said.kind) == ("kitchen-temperature", "temperature")]  # fmt: skip
    assert len(said) >= 2
    assert float(said[-1]) > float(said[0]) + 3  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["covered", "moved", "defocused", "frozen", "dark", "lost"])
def test_a_camera_suffers_each_fault(building: Building, kind: str, blind: dict[str, NurseryDay]) -> None:
    day = blind[kind]
    (one,) = day.incidents
    assert (one.kind, one.target, one.start_s, one.end_s) == ("I-23", "nap", hours("14:00"), hours("14:00") + 90.0)
    assert day.world(one.start_s + 30.0).faults["nap"].kind == kind
    assert day.world(one.end_s).faults == {}


@pytest.fixture(scope="module")
def blind(building: Building) -> dict[str, NurseryDay]:
    kinds = ("covered", "moved", "defocused", "frozen", "dark", "lost")
    closed = date(2026, 11, 22)  # an empty day is made at once
    return {kind: NurseryDay(building, 1, closed, script=[episode("I-23", "14:00", target="nap", variant=kind, lasts_s=90)])
            for kind in kinds}  # fmt: skip


def test_an_intruder_on_a_closed_day_and_a_clock_and_a_silent_sensor(building: Building) -> None:
    script = [
        episode("I-12", "02:10", target="emergency-door"), episode("I-25", "05:00", target="yard", lasts_s=600),
        episode("I-26", "06:00", target="nap-temperature", variant="silent", lasts_s=600),
    ]  # fmt: skip
    day = NurseryDay(building, 1, date(2026, 11, 22), script=script)
    entry, clock, sensor = day.incidents
    assert [one.kind for one in day.incidents] == ["I-12", "I-25", "I-26"]
    assert day.whereabouts(entry.start_s + 5.0)["corridor"] == list(entry.persons)
    assert abs(day.clock_offset_s("yard", clock.start_s + 1)) > 1.0
    assert day.clock_offset_s("yard", clock.end_s) == 0.0 == day.clock_offset_s("nap", clock.start_s + 1)
    said = [one for one in day.sensor_readings(sensor.start_s, sensor.end_s) if one.sensor_id == "nap-temperature"]
    assert said == []


def test_nobody_comes_on_a_day_of_service(building: Building) -> None:
    day = day_of(building, "I-30")
    assert [one.kind for one in day.incidents] == ["I-30"]
    assert day.people_at(hours("10:00")) == ()


def test_a_fever_counts_from_the_measurement_that_repeats_it(eventful: NurseryDay) -> None:
    one = only(eventful, "I-19")
    first, again = (said for said in eventful.measurements if said.child == one.persons[0])
    assert first.celsius >= 37.3 <= again.celsius
    assert again.t_s - first.t_s == pytest.approx(300.0)
    assert (one.start_s, one.reached_s) == (first.t_s, again.t_s)
    assert again.t_s < one.end_s < again.t_s + 60.0
    assert one.end_s <= max(eventful.tracks[one.persons[0]].arrays[0]), "by then the child is on its way"


def test_climate_goes_wrong_in_summer_too(building: Building, eventful: NurseryDay) -> None:
    summer = day_of(building, "I-17", episode("I-18", target="fridge", variant="ajar"), day=SUMMER)
    assert {one.kind for one in summer.incidents} == {"I-17", "I-18"}
    hot, cold = only(summer, "I-17"), only(eventful, "I-17")
    assert hot.room is not None
    assert cold.room is not None
    assert summer.climate.by_second(hot.room).max() > 28.0
    for day in (summer, eventful):
        for where, low, high in (("room-a", 5, 40), ("nap", 5, 40), ("fridge", -2, 30), ("freezer", -25, 25)):
            celsius = day.climate.by_second(where)
            assert low < celsius.min()
            assert celsius.max() < high


# Scripts


def test_a_script_is_yaml(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text('- {what: I-01, at: "09:40", room: room-a, lasts_s: 90}\n- what: lie-down-to-play\n')
    first, second = load_script(path)
    assert (first.what, first.at_s, first.room, first.lasts_s) == ("I-01", hours("09:40"), "room-a", 90.0)
    assert (second.what, second.at_s) == ("lie-down-to-play", None)
    with pytest.raises(NotFound, match="no script"):
        load_script(tmp_path / "other.yaml")


@pytest.mark.parametrize(("document", "says"), [
    ("what: I-01", "must be a list"), ("- {what: I-01, at: 25:00x}", "time of day"), ("- {at: 10}", r"\[0\] what"),
    ("- {what: I-01, when: 10}", "when"), ("- [1]", r"\[0\]"), ("{", "not YAML"), ("- {what: I-01, at: .nan}", "at"),
    (b"\xff\xfe\x00", "not YAML"),
])  # fmt: skip
def test_a_bad_script_is_refused_by_name(document: str | bytes, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        read_script(document)


@pytest.mark.parametrize(("told", "says"), [
    ({"what": "I-99"}, "no scene 'I-99'"), ({"what": "I-01", "at": "03:00"}, "its times are"),
    ({"what": "I-01", "room": "kitchen"}, "activity room"), ({"what": "I-23", "target": "roof"}, "camera"),
    ({"what": "I-23", "variant": "upside-down"}, "variants"), ({"what": "I-06", "at": "09:40", "person": 999}, "no child"),
    ({"what": "I-10", "target": "door-a"}, "exit"), ({"what": "I-12", "at": "12:00"}, "its times are 00:01:00-06"),
    ({"what": "I-12", "at": "23:58"}, "its times are"), ({"what": "I-03", "room": "kitchen"}, "activity room"),
    ({"what": "I-07", "variant": "wall"}, "variants"), ({"what": "I-21", "room": "room-a"}, "not take room: it takes at"),
    ({"what": "I-09", "at": "10:55"}, "does not take at"), ({"what": "I-30", "person": 1}, "nothing but its name"),
    ({"what": "I-26", "variant": "flat", "target": "check-thermometer"}, "sensor"),
    ([{"what": "I-30"}, {"what": "I-22"}], "nobody comes"), ([{"what": "I-30"}, {"what": "I-17"}], "nobody comes"),
])  # fmt: skip
def test_what_a_day_cannot_give_is_refused(building: Building, told: object, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        NurseryDay(building, 1, date(2026, 11, 23), script=read_script(str(told if isinstance(told, list) else [told])))
