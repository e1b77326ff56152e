"""The simulated nursery's sensors: those that FILE knows, of the world that the cameras show, and how everything stood before."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from services.box import demonstration
from services.box.room_sensors import SensorField, sensor_fields
from services.contracts.entity import DoorRule
from services.contracts.settings import Settings
from services.contracts.simulated_stream import EPOCH_VARIABLE

EPOCH_S = 1_772_415_600
STORY_S = 35_820.0  # 09:57


@pytest.fixture(scope="module")
def field() -> SensorField:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(EPOCH_VARIABLE, str(EPOCH_S))
        (field,) = sensor_fields(settings_of(demonstration.added_to({})), EPOCH_S * 10**9)
    return field


def settings_of(document: Mapping[str, Any]) -> Settings:
    return Settings.model_validate({"backbone": {"mode": "embedded", "data": "/nowhere"}, **document})


def test_only_what_file_knows_speaks_and_all_of_it_does(field: SensorField) -> None:
    assert {one.sensor_id for one in field.said(STORY_S, STORY_S + 301)} == set(demonstration.SENSORS)


def test_the_story_s_door_opens_and_stays_open_longer_than_its_rule_allows(field: SensorField) -> None:
    assert field.clock.world_s(EPOCH_S * 10**9) == demonstration.BEGINS_S == STORY_S
    door = [
        (one.t_s, one.value)
        for one in field.said(STORY_S, STORY_S + 240)
        if one.sensor_id == "main-door-contact" and one.kind == "door"
    ]
    changes = [one for index, one in enumerate(door) if index == 0 or door[index - 1][1] != one[1]]
    (opened_s, opened), (shut_s, shut) = changes
    assert (opened, shut) == (True, False)
    assert opened_s - STORY_S < 60
    assert shut_s - opened_s > DoorRule().open_s + 30


def test_whoever_begins_to_listen_is_told_how_everything_stands_but_no_old_press(field: SensorField) -> None:
    state = {one.sensor_id: one for one in field.state(STORY_S + 60)}
    assert set(state) == set(demonstration.SENSORS) - {"alarm-button"}
    assert state["main-door-contact"].value is True
    assert 15 < float(state["room-a-temperature"].value or 0) < 30
    assert "alarm-button" in {one.sensor_id for one in field.said(STORY_S, STORY_S + 60) if one.kind == "button"}


def test_no_reading_is_said_twice_or_missed_however_time_is_cut(field: SensorField) -> None:
    cuts = [STORY_S + part * 17.3 for part in range(12)]
    pieces = [one for start, end in pairwise(cuts) for one in field.said(start, end)]
    assert pieces == field.said(cuts[0], cuts[-1])


def test_sensors_of_an_institution_without_simulated_cameras_are_real() -> None:
    document = demonstration.added_to({})
    document["cameras"] = [{"camera_id": "gate", "url": "rtsp://10.0.0.9/main"}]
    assert sensor_fields(settings_of(document), EPOCH_S * 10**9) == []
