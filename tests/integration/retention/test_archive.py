"""Readings, incidents and states: each counts once, the newest state stands, what cannot be read is put aside."""

from __future__ import annotations

import time
from typing import Any

import pytest

from services.backbone.ports import Outgoing
from services.contracts.cloud_event import Payload, encode_event, make_event
from services.contracts.incident import Evidence, Incident
from services.contracts.sensor import TemperatureReading
from services.contracts.status import WatchSpan, WatchStatus
from services.contracts.time import NS_PER_S
from services.contracts.topics import INCIDENT, SENSOR, STATUS
from services.retention.watched import watched
from tests.integration.retention.conftest import House

pytestmark = pytest.mark.timeout(120)


def said(kind: str, subject: str, data: Payload, identity: object) -> bytes:
    return encode_event(make_event(kind, "/test", subject, time.time_ns(), data, identity=(identity,)))


def incident(closed_ns: int | None, number: int = 1) -> Incident:
    return Incident(
        incident_id=f"i-{number}", institution_id="demo", kind="I-12", severity="S2", title="someone", camera_id="yard",
        opened_ns=1_000 * number, raised_ns=2_000, closed_ns=closed_ns, evidence=Evidence(frame_ns=1_500), rule="r",
        rule_version="1",
    )  # fmt: skip


async def test_what_is_delivered_twice_counts_once_and_closed_stays_closed(house: House) -> None:
    assert house.backbone is not None
    opened = Outgoing(INCIDENT.name, "demo", said("kanhu.incident.opened", "i-1", incident(None), "opened"))
    closed = Outgoing(INCIDENT.name, "demo", said("kanhu.incident.closed", "i-1", incident(9_000), "closed"))
    late = Outgoing(INCIDENT.name, "demo", said("kanhu.incident.updated", "i-1", incident(None), "late"))
    other = Outgoing(INCIDENT.name, "demo", said("kanhu.incident.opened", "i-2", incident(None, 2), "other"))
    bad = Outgoing(INCIDENT.name, "demo", b"{not json")
    await house.backbone.log.append([opened, opened, closed, bad, opened, late, other])

    def archived() -> list[dict[str, Any]] | None:
        rows = house.site.lines("incidents", "list")
        return rows if len(rows) == 2 else None

    rows = await house.until(archived, "two incidents")
    assert [(row["incident_id"], row["closed_ns"]) for row in rows] == [("i-1", 9_000), ("i-2", None)]


async def test_readings_are_rows_and_a_number_no_catalog_holds_is_put_aside(house: House) -> None:
    assert house.backbone is not None
    reading = TemperatureReading(sensor_id="nap-room", observed_ns=time.time_ns(), celsius=21.5)
    absurd = TemperatureReading(sensor_id="nap-room", observed_ns=1 << 70, celsius=21.5)
    kind = "kanhu.sensor.temperature"
    records = [
        said(kind, "nap-room", reading, 1),
        said(kind, "nap-room", absurd, 2),
        said(kind, "nap-room", reading, 1),
    ]
    await house.backbone.log.append([Outgoing(SENSOR.name, "nap-room", value) for value in records])
    await house.backbone.log.append([Outgoing(SENSOR.name, "nap-room", said(kind, "nap-room", reading, 3))])
    counted = 'kanhu_retention_archived_total{topic="sensor.v1"} 3.0'
    await house.until(lambda: counted in house.site.metrics("retain"), "three readings archived")
    assert 'kanhu_dead_letters_total{topic="sensor.v1"} 1.0' in house.site.metrics("retain")


def watch(from_s: int, to_s: int, **skipped: int) -> Outgoing:
    """Five frames a second watched from one second to another, or nothing for the causes given."""
    base = 1_760_000_000 * NS_PER_S // (3600 * NS_PER_S) * 3600 * NS_PER_S
    from_ns, to_ns, frames = base + from_s * NS_PER_S, base + to_s * NS_PER_S, 0 if skipped else (to_s - from_s) * 5
    span = WatchSpan(
        from_ns=from_ns, to_ns=to_ns, mode="none" if skipped else "frames", cause=next(iter(skipped), None),
        frames_per_s=0.0 if skipped else 5.0, model="m@1", analysed_frames=frames, skipped_frames=skipped,
    )  # fmt: skip
    status = WatchStatus(
        camera_id="yard", from_ns=from_ns, to_ns=to_ns, analysed_frames=frames, skipped_chunks=0, model="m@1",
        rules_version="r1", asked_frames_per_s=5.0, spans=[span],
    )  # fmt: skip
    return Outgoing(STATUS.name, "yard", said("kanhu.status.watch", "yard", status, (from_s, to_s)))


async def test_what_was_watched_is_kept_in_few_rows_and_told_for_any_range(house: House) -> None:
    assert house.backbone is not None
    told = [watch(at, at + 10) for at in range(0, 100, 10)] + [watch(100, 104, late=100), watch(104, 110)]
    await house.backbone.log.append([*told, *told[4:], watch(200, 210)])
    base = 1_760_000_000 * NS_PER_S // (3600 * NS_PER_S) * 3600 * NS_PER_S
    counted = f'kanhu_retention_archived_total{{topic="status.v1"}} {float(len(told) * 2 - 3)}'
    await house.until(lambda: counted in house.site.metrics("retain"), "every status archived")
    rows = await watched(house.backbone.need_catalog(), "yard", base + 5 * NS_PER_S, base + 206 * NS_PER_S)
    assert [((row.from_ns - base) / NS_PER_S, (row.to_ns - base) / NS_PER_S, row.cause) for row in rows] == [
        (5, 100, None), (100, 104, "late"), (104, 110, None), (110, 200, "unaccounted"), (200, 206, None),
    ]  # fmt: skip
    assert [row.analysed_frames for row in rows] == [475, 0, 30, 0, 30]
    assert rows[1].skipped_frames == {"late": 100}
    assert [row.rules_version for row in rows] == ["r1", "r1", "r1", "", "r1"]
