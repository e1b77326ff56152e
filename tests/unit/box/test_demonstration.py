"""The story of a newcomer's box: its incidents are true ones, and the first comes within two minutes."""

from __future__ import annotations

import pytest

from services.analyze.core.rules import door_held_open
from services.analyze.core.rules.commands import Open, WakeAt
from services.analyze.core.rules.door_held_open import Door, DoorInput, DoorRead, Woken
from services.box import demonstration
from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.source_url import parse_source_url
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.live import Place, days_of

FIRST_WITHIN_S, WATCHED_S = 120.0, 1800.0


@pytest.fixture(scope="module")
def day() -> NurseryDay:
    stream = parse_source_url(demonstration.cameras()[0]["url"]).simulated
    assert stream is not None
    return days_of(Place.of(stream)).day(0)


def raised(day: NurseryDay, until_s: float) -> list[tuple[str, float, float]]:
    """Sensor, onset and raising (s after the beginning) of what the product's rule makes of the demonstration's doors."""
    begins_s = demonstration.BEGINS_S
    found = []
    for told in demonstration.sensors():
        sensor = SensorConfig.model_validate(told)
        if sensor.door is None:
            continue
        ahead: list[DoorInput] = [
            DoorRead(round(one.t_s * 1e9), open=bool(one.value))
            for one in day.sensor_readings(begins_s - 301.0, begins_s + until_s)
            if one.sensor_id == sensor.sensor_id and one.kind == "door"
        ]
        state, wake_ns = Door(), None
        for seen in ahead:
            assert isinstance(seen, DoorRead)
            steps: list[DoorInput] = [seen]
            if wake_ns is not None and wake_ns < seen.observed_ns:
                steps.insert(0, Woken(wake_ns))
            for step in steps:
                state, commands = door_held_open.step(sensor.door, state, step)
                wake_ns = next((one.at_ns for one in commands if isinstance(one, WakeAt)), None)
                found += [
                    (sensor.sensor_id, one.onset_ns / 1e9 - begins_s, one.grounds.at_ns / 1e9 - begins_s)
                    for one in commands
                    if isinstance(one, Open)
                ]
    return sorted(found, key=lambda one: one[2])


def test_the_first_incident_is_true_and_comes_within_two_minutes(day: NurseryDay) -> None:
    first = raised(day, WATCHED_S)[0]
    assert first[0] == "main-door-contact"
    assert 0.0 < first[1] < first[2] < FIRST_WITHIN_S
    true = [one for one in day.incidents if one.start_s >= demonstration.BEGINS_S]
    assert true[0].kind == "I-10" and true[0].target == "main-door"
    assert first[1] == pytest.approx(true[0].start_s - demonstration.BEGINS_S, abs=2.0)
    assert first[2] == pytest.approx(true[0].reached_s - demonstration.BEGINS_S, abs=2.0)


def test_what_the_doors_raise_is_what_truth_has_neither_less_nor_more(day: NurseryDay) -> None:
    begins_s = demonstration.BEGINS_S
    true = [one for one in day.incidents if one.kind == "I-10" and 0 <= one.reached_s - begins_s < WATCHED_S]
    assert [name for name, _, _ in raised(day, WATCHED_S)] == [f"{one.target}-contact" for one in true]
    assert len(true) >= 2


def test_nothing_is_armed_by_day_where_truth_has_no_intruder(day: NurseryDay) -> None:
    assert not [one for one in day.incidents if one.kind == "I-12"]
    zones = [zone for camera in demonstration.cameras() for zone in CameraConfig.model_validate(camera).zones]
    assert zones
    assert not [zone.name for zone in zones if zone.kind == "armed"]
