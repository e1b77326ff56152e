"""Both buildings that come along have whole days: every scene can be put on in them, and every sensor says what it measures."""

from __future__ import annotations

from datetime import date

import pytest

from services.simulation.building import load_building
from services.simulation.day.calendar import DAY_S, hours
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.scene import SCENES
from services.simulation.day.script import episode
from services.simulation.day.sensors import Reading
from tests.unit.simulation.day.conftest import MONDAY, SUMMER

#: The class comes in from the yard once a day, and on a day on which nobody comes nothing else can happen.
ONE_A_DAY = ("straggler", "I-30")


@pytest.fixture(scope="module", params=["sunflower", "magnolia"])
def busy(request: pytest.FixtureRequest) -> NurseryDay:
    """A day with every scene that there is, but those that need a day of their own."""
    names = sorted(set(SCENES) - {*ONE_A_DAY, "I-26"})
    script = [*map(episode, names), episode("I-26", target="fridge-probe", variant="silent")]
    return NurseryDay(load_building(request.param), 3, MONDAY, script=script)


@pytest.fixture(scope="module", params=["sunflower", "magnolia"])
def still(request: pytest.FixtureRequest) -> tuple[NurseryDay, dict[str, list[Reading]]]:
    """An ordinary day of summer, and what each sensor says on it beside its heartbeat."""
    day = NurseryDay(load_building(request.param), 5, SUMMER)
    return day, said(day)


def said(day: NurseryDay, from_s: float = 0.0, to_s: float = DAY_S) -> dict[str, list[Reading]]:
    """What each sensor says beside its heartbeat."""
    found: dict[str, list[Reading]] = {sensor.id: [] for sensor in day.building.sensors}
    for one in day.sensor_readings(from_s, to_s):
        if one.kind != "heartbeat":
            found[one.sensor_id].append(one)
    return found


def celsius(readings: list[Reading]) -> list[float]:
    return [one.value for one in readings if isinstance(one.value, float)]


def test_every_scene_can_be_put_on(busy: NurseryDay) -> None:
    assert {one.name for one in busy.happenings} == set(SCENES) - set(ONE_A_DAY)
    assert busy.unrealised() == []
    for name in ONE_A_DAY:
        day = NurseryDay(busy.building, 3, MONDAY, script=[episode(name)])
        assert [one.name for one in day.happenings] == [name]
        assert day.unrealised() == []


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_watches_magnolia_s_nap_may_miss_a_round(seed: int) -> None:
    day = NurseryDay(load_building("magnolia"), seed, MONDAY, script=[episode("I-04"), episode("late-round")])
    assert [one.kind for one in day.incidents] == ["I-04"]


def test_every_room_s_thermometer_says_the_room_s_temperature(
    still: tuple[NurseryDay, dict[str, list[Reading]]],
) -> None:
    day, readings = still
    sensors = [one for one in day.building.sensors if one.kind == "temperature" and one.of is None]
    assert len(sensors) >= 3
    for sensor in sensors:
        values = celsius(readings[sensor.id])
        assert len(values) == pytest.approx(DAY_S / 60.0, abs=1.0), sensor.id
        assert 5.0 < min(values) <= max(values) < 40.0, sensor.id
        true = [day.climate.celsius_at(sensor.room, one.t_s) for one in readings[sensor.id]]
        assert max(abs(one - other) for one, other in zip(values, true, strict=True)) < 0.45, sensor.id


def test_the_check_s_thermometer_and_no_other_measures_each_child_once(
    still: tuple[NurseryDay, dict[str, list[Reading]]],
) -> None:
    day, readings = still
    assert day.thermometer_id == "check-thermometer"
    foreheads = readings["check-thermometer"]
    assert len(foreheads) == len(day.plan.check_s) == len(day.roster.children)
    assert all(36.0 <= value < 37.3 for value in celsius(foreheads))
    assert all(one.t_s < hours("09:00") for one in foreheads)
    measured = {round(one.t_s, 3) for one in day.measurements}
    others = {one.t_s for name, found in readings.items() for one in found if name != "check-thermometer"}
    assert not measured & others


def test_fire_and_a_wrong_temperature_are_read_in_their_rooms(busy: NurseryDay) -> None:
    (fire,) = [one for one in busy.incidents if one.kind == "I-21"]
    (wrong,) = [one for one in busy.incidents if one.kind == "I-17" and one.scripted]
    heat = celsius(said(busy, fire.start_s, fire.end_s + 60.0)[f"{fire.room}-temperature"])
    assert heat[-1] > heat[0] + 5.0
    late = celsius(said(busy, wrong.reached_s, wrong.end_s - 30.0)[f"{wrong.room}-temperature"])
    assert len(late) > 3
    assert not any(20.4 < value < 27.6 for value in late)


def test_a_locked_exit_is_said_by_its_lock(busy: NurseryDay) -> None:
    locks = {one.of: one.id for one in busy.building.sensors if one.kind == "lock"}
    assert set(locks) == {portal.opening.id for portal in busy.floor.exits if portal is not busy.floor.main_exit}
    day = NurseryDay(busy.building, 3, date(2026, 11, 22))  # closed: made at once
    for name in locks:
        day.effects.locked[str(name)].append((hours("10:00"), hours("10:30")))
    readings = said(day, hours("09:50"), hours("11:00"))
    for lock in locks.values():
        shut = [one.t_s for one in readings[lock] if one.value is True]
        assert shut[0] == hours("10:00")
        assert hours("10:24") < shut[-1] < hours("10:30")
        assert readings[lock][-1].value is False
