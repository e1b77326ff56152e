"""What sensors send, sound and hostile, and what becomes of it."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.cloud_event import Payload
from services.contracts.entity import SensorConfig
from services.contracts.errors import Corrupt
from services.contracts.sensor import (
    ButtonReading,
    DoorReading,
    HeartbeatReading,
    HumidityReading,
    LockReading,
    TemperatureReading,
)
from services.ingest.core.sensor_payload import MAX_PAYLOAD_BYTES, read_payload

Kind = Literal["door", "temperature", "humidity", "button", "lock"]
KINDS: tuple[Kind, ...] = ("door", "temperature", "humidity", "button", "lock")
NOW_NS = 1_772_323_200 * 10**9


def sensor(kind: Kind) -> SensorConfig:
    return SensorConfig(sensor_id="s", kind=kind, room_id="room")


def read(kind: Kind, payload: bytes | str) -> Payload | None:
    return read_payload(sensor(kind), payload.encode() if isinstance(payload, str) else payload, NOW_NS)


def head(**more: Any) -> dict[str, Any]:
    return {"sensor_id": "s", "room_id": "room", "observed_ns": NOW_NS, **more}


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        ("door", '{"open": true}', DoorReading(**head(open=True))),
        ("door", '{"open": false}', DoorReading(**head(open=False))),
        ("door", '{"contact": false}', DoorReading(**head(open=True))),
        ("door", '{"contact": true}', DoorReading(**head(open=False))),
        ("door", "ON", DoorReading(**head(open=True))),
        ("door", "open", DoorReading(**head(open=True))),
        ("door", " Closed\n", DoorReading(**head(open=False))),
        ("door", "0", DoorReading(**head(open=False))),
        ("door", '"open"', DoorReading(**head(open=True))),
        ("door", '{"state": "OPEN"}', DoorReading(**head(open=True))),
        ("door", b"\xef\xbb\xbfopen", DoorReading(**head(open=True))),
        ("temperature", '{"temperature": 21.5}', TemperatureReading(**head(celsius=21.5))),
        ("temperature", "21.5", TemperatureReading(**head(celsius=21.5))),
        ("temperature", "-7", TemperatureReading(**head(celsius=-7.0))),
        ("temperature", '{"celsius": "36.6"}', TemperatureReading(**head(celsius=36.6))),
        ("humidity", '{"humidity": 40}', HumidityReading(**head(percent=40.0))),
        ("button", '{"action": "single"}', ButtonReading(**head(action="single"))),
        ("button", "pressed", ButtonReading(**head(action="pressed"))),
        ("lock", '{"lock_state": "locked"}', LockReading(**head(locked=True))),
        ("lock", '{"state": "UNLOCK"}', LockReading(**head(locked=False))),
    ],
)
def test_a_plain_payload_is_read(kind: Kind, payload: str | bytes, expected: Payload) -> None:
    assert read(kind, payload) == expected


def test_a_zigbee2mqtt_door_is_read_with_its_battery_and_without_its_radio() -> None:
    payload = '{"battery": 97, "contact": false, "linkquality": 120, "voltage": 3005, "last_seen": "2026-03-01T08:00:00+08:00"}'
    expected = DoorReading(**head(open=True, battery_percent=97.0, device_time_ns=NOW_NS))
    assert read("door", payload) == expected


def test_one_zigbee2mqtt_payload_serves_thermometer_and_hygrometer() -> None:
    payload = '{"battery": 100, "humidity": 41.2, "linkquality": 87, "pressure": 1013, "temperature": 22.31}'
    assert read("temperature", payload) == TemperatureReading(**head(celsius=22.31, battery_percent=100.0))
    assert read("humidity", payload) == HumidityReading(**head(percent=41.2, battery_percent=100.0))


def test_a_payload_about_something_else_says_nothing() -> None:
    assert read("door", '{"linkquality": 87}') is None
    assert read("temperature", '{"contact": true}') is None


def test_a_battery_report_alone_is_a_heartbeat() -> None:
    assert read("door", '{"battery": 15, "linkquality": 80}') == HeartbeatReading(**head(battery_percent=15.0))


def test_a_cleared_action_is_no_press() -> None:
    assert read("button", '{"action": "", "battery": null}') is None
    assert read("button", '{"action": null}') is None


@pytest.mark.parametrize(
    ("seconds_or_ms", "expected"),
    [(1_772_323_200, NOW_NS), (1_772_323_200_000, NOW_NS), (3600, None), (-5, None), (1e300, None), (True, None)],
)
def test_a_devices_clock_is_believed_only_when_it_may_be_a_clock(seconds_or_ms: float, expected: int | None) -> None:
    reading = read("door", json.dumps({"open": True, "timestamp": seconds_or_ms}))
    assert isinstance(reading, DoorReading) and reading.device_time_ns == expected


@pytest.mark.parametrize(
    ("kind", "payload", "says"),
    [
        ("door", "", "empty"),
        ("door", "   ", "empty"),
        ("door", b"\xff\xfe\x00", "UTF-8"),
        ("door", "maybe", "value is 'maybe'"),
        ("door", '{"open": "ajar"}', "open is 'ajar'"),
        ("door", '{"open": null}', "open is None"),
        ("door", '{"open": [true]}', "open is [True]"),
        ("door", "{", "not JSON"),
        ("door", '{"open": true} trailing', "not JSON"),
        ("door", "[1, 2]", "JSON list"),
        ("door", "[" * 5000, "nested too deeply"),
        ("door", b"x" * (MAX_PAYLOAD_BYTES + 1), "at most"),
        ("temperature", "warm", "value is 'warm'"),
        ("temperature", "nan", "finite"),
        ("temperature", "inf", "finite"),
        ("temperature", '{"temperature": NaN}', "no JSON value"),
        ("temperature", '{"temperature": 1e999}', "finite"),
        ("temperature", '{"temperature": true}', "temperature is True"),
        ("temperature", '{"temperature": 999}', "celsius"),
        ("temperature", '{"temperature": ' + "9" * 400 + "}", "number"),
        ("humidity", "140", "percent"),
        ("door", '{"open": true, "battery": 400}', "battery_percent"),
        ("door", '{"open": true, "battery": "low"}', "battery is 'low'"),
        ("button", '{"action": 7}', "action is 7"),
        ("button", '{"action": "' + "x" * 100 + '"}', "action"),
        ("lock", '{"locked": "jammed"}', "locked is 'jammed'"),
    ],
)
def test_a_payload_that_cannot_be_read_is_refused_with_the_reason(kind: Kind, payload: str | bytes, says: str) -> None:
    with pytest.raises(Corrupt) as refused:
        read(kind, payload)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 500, "a reason is no copy of the payload"


@given(st.sampled_from(KINDS), st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_no_bytes_do_more_than_be_refused(kind: Kind, payload: bytes) -> None:
    try:
        reading = read(kind, payload)
    except Corrupt:
        return
    assert reading is None or reading.model_dump()["sensor_id"] == "s"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["open", "contact", "state", "value", "temperature", "humidity", "battery", "action", "locked", "time", "last_seen"]
)


@given(st.sampled_from(KINDS), st.dictionaries(FIELDS, JSON, max_size=5))
def test_no_document_does_more_than_be_refused(kind: Kind, document: dict[str, Any]) -> None:
    with contextlib.suppress(Corrupt):
        read(kind, json.dumps(document))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sensor_may_say_that_it_is_alive_and_nothing_else(kind: Kind) -> None:
    assert read(kind, '{"heartbeat": true}') == HeartbeatReading(**head())
    assert read(kind, '{"heartbeat": false}') is None
