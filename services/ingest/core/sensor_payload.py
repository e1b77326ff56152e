"""Reading what a sensor sent: plain JSON, bare values and Zigbee2MQTT, into one typed reading.

A payload either yields a reading, says nothing about the sensor asked for (``None``: a device may carry several
sensors, and sends its state piece by piece), or is refused with the reason (``Corrupt``), to become a dead letter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NoReturn

from pydantic import ValidationError

from services.contracts.cloud_event import Payload
from services.contracts.entity import SensorConfig
from services.contracts.errors import Corrupt, Rejected
from services.contracts.sensor import (
    ButtonReading,
    DoorReading,
    HeartbeatReading,
    HumidityReading,
    LockReading,
    TemperatureReading,
)
from services.contracts.time import parse_rfc3339

MAX_PAYLOAD_BYTES = 64 * 1024
_MAX_DEPTH_HINT = 64  # brackets: a deeper document is hostile, and would end Python's parser by recursion

Scalar = str | int | float | bool
_YES: frozenset[str] = frozenset({"on", "open", "opened", "true", "1", "yes"})
_NO: frozenset[str] = frozenset({"off", "closed", "close", "shut", "false", "0", "no"})
_LOCKED: frozenset[str] = frozenset({"lock", "locked", "on", "true", "1"})
_UNLOCKED: frozenset[str] = frozenset({"unlock", "unlocked", "not_fully_locked", "off", "false", "0"})
_BATTERY = ("battery", "battery_percent")
_DEVICE_TIME = ("time", "timestamp", "last_seen")
_EARLIEST_NS = 946_684_800 * 1_000_000_000  # 2000-01-01: a device that knows no time says less


def read_payload(sensor: SensorConfig, payload: bytes, observed_ns: int) -> Payload | None:
    """Return the reading of ``sensor`` in ``payload``, or ``None`` if the payload is about something else.

    ``observed_ns`` is the agent's clock at arrival. Raises ``Corrupt`` with the reason when the payload is unreadable.
    """
    document = _parse(payload)
    if isinstance(document, dict):
        return read_fields(sensor, document, observed_ns)
    return _checked(sensor, {"value": document}, bare=True, observed_ns=observed_ns)


def read_fields(sensor: SensorConfig, fields: Mapping[str, Any], observed_ns: int) -> Payload | None:
    """As :func:`read_payload`, of a JSON object."""
    return _checked(sensor, fields, bare=False, observed_ns=observed_ns)


def _checked(sensor: SensorConfig, fields: Mapping[str, Any], *, bare: bool, observed_ns: int) -> Payload | None:
    try:
        return _read(sensor, fields, bare=bare, observed_ns=observed_ns)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Corrupt(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def _read(sensor: SensorConfig, fields: Mapping[str, Any], *, bare: bool, observed_ns: int) -> Payload | None:
    head: dict[str, Any] = {"sensor_id": sensor.sensor_id, "room_id": sensor.room_id, "observed_ns": observed_ns}
    if not bare:
        head["battery_percent"] = _battery(fields)
        head["device_time_ns"] = _device_time_ns(fields)
    reading = _READERS[sensor.kind](fields, head)
    if reading is None and (head.get("battery_percent") is not None or fields.get("heartbeat") is True):
        return HeartbeatReading(**head)
    return reading


def _door(fields: Mapping[str, Any], head: dict[str, Any]) -> Payload | None:
    """``contact`` is true while the door is shut (Zigbee2MQTT); ``open`` is true while it is open."""
    if "contact" in fields:
        return DoorReading(open=not _truth(fields["contact"], "contact"), **head)
    name = _first(fields, ("open", "door", "state", "value"))
    return None if name is None else DoorReading(open=_truth(fields[name], name), **head)


def _temperature(fields: Mapping[str, Any], head: dict[str, Any]) -> Payload | None:
    name = _first(fields, ("temperature", "celsius", "value"))
    return None if name is None else TemperatureReading(celsius=_number(fields[name], name), **head)


def _humidity(fields: Mapping[str, Any], head: dict[str, Any]) -> Payload | None:
    name = _first(fields, ("humidity", "percent", "value"))
    return None if name is None else HumidityReading(percent=_number(fields[name], name), **head)


def _button(fields: Mapping[str, Any], head: dict[str, Any]) -> Payload | None:
    """Zigbee2MQTT clears ``action`` to an empty text after a press: that is no press."""
    name = _first(fields, ("action", "click", "button", "value"))
    if name is None or fields[name] in ("", None):
        return None
    action = fields[name]
    if not isinstance(action, str):
        _refuse(name, "a short text", action)
    return ButtonReading(action=action, **head)


def _lock(fields: Mapping[str, Any], head: dict[str, Any]) -> Payload | None:
    name = _first(fields, ("locked", "lock_state", "state", "value"))
    return None if name is None else LockReading(locked=_truth(fields[name], name, _LOCKED, _UNLOCKED), **head)


_READERS: dict[
    Literal["door", "temperature", "humidity", "button", "lock"],
    Callable[[Mapping[str, Any], dict[str, Any]], Payload | None],
] = {
    "door": _door, "temperature": _temperature, "humidity": _humidity, "button": _button, "lock": _lock,
}  # fmt: skip


def _parse(payload: bytes) -> dict[str, Any] | Scalar:
    """A JSON object, or a bare value as text, number or truth."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Corrupt(f"payload is {len(payload)} bytes long; at most {MAX_PAYLOAD_BYTES} are read")
    try:
        text = payload.decode("utf-8").strip().lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise Corrupt("payload is not UTF-8 text") from error
    if not text:
        raise Corrupt("payload is empty")
    if text.count("[") + text.count("{") > _MAX_DEPTH_HINT:
        raise Corrupt("payload is nested too deeply to be a reading")
    if text[0] not in '{["':
        return text
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise Corrupt(f"payload is not JSON: {error}") from error
    if isinstance(document, dict | str):
        return document
    raise Corrupt(f"payload is a JSON {type(document).__name__}; expected an object or a single value")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in fields), None)


def _truth(raw: object, name: str, yes: frozenset[str] = _YES, no: frozenset[str] = _NO) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower() if isinstance(raw, str | int) else ""
    if word in yes:
        return True
    if word in no:
        return False
    _refuse(name, f"true or false, or one of {', '.join(sorted(yes | no))}", raw)


def _number(raw: object, name: str) -> float:
    if isinstance(raw, str):
        try:
            raw = float(raw)
        except ValueError:
            _refuse(name, "a number", raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        _refuse(name, "a number", raw)
    try:
        number = float(raw)
    except OverflowError:
        _refuse(name, "a number of sensible size", "a huge integer")
    if not math.isfinite(number):
        _refuse(name, "a finite number", raw)
    return number


def _battery(fields: Mapping[str, Any]) -> float | None:
    name = _first(fields, _BATTERY)
    return None if name is None or fields[name] is None else _number(fields[name], name)


def _device_time_ns(fields: Mapping[str, Any]) -> int | None:
    """RFC 3339 text, or milliseconds or seconds since 1970. What a device says of time is never a reason to refuse."""
    name = _first(fields, _DEVICE_TIME)
    raw = fields[name] if name is not None else None
    if isinstance(raw, str):
        try:
            return parse_rfc3339(raw)
        except Rejected:
            return None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw < 1e13:
        return None
    instant_ns = int(raw * 1_000_000) if raw > 1e11 else int(raw * 1_000_000_000)
    return instant_ns if instant_ns >= _EARLIEST_NS else None


def _refuse(name: str, expected: str, raw: object) -> NoReturn:
    shown = repr(raw)
    raise Corrupt(f"{name} is {shown if len(shown) <= 60 else shown[:57] + '...'}; expected {expected}")
