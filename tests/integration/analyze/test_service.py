"""The analysis as a service on the embedded backbone: chunks and readings in, incidents, snapshots and status out."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from services.analyze.core.rules import RULES_VERSION
from services.backbone.ports import Outgoing
from services.contracts.media_record import MediaRecord, RunStart
from services.contracts.time import DAY_NS, NS_PER_S
from services.contracts.topics import VIDEO_DETECT
from services.simulation.drawn_room import DrawnRoom
from tests.integration.analyze.house import House, analysis, backbone_of
from tests.integration.analyze.streams import chunks, muxed

DrawnClip = tuple[Path, DrawnRoom, float]
DRAWN = {
    "late_s": 3600.0,
    "detector": "drawn-person",
}  # the clips are of drawn rooms, whose figures no other model knows


def camera_section(room: DrawnRoom) -> dict[str, Any]:
    zone = {"name": "armed", "polygon": [list(corner) for corner in room.armed_zone]}
    return {"camera_id": "room", "url": "sim:playroom", "room_id": "room-1", "zones": [zone]}


def recent(drawn_clip: DrawnClip, ago_s: float | None = None) -> list[MediaRecord]:
    """The clip as if it had just been captured (its last chunk now, unless told otherwise)."""
    path, _, seconds = drawn_clip
    ago = seconds if ago_s is None else ago_s
    return muxed(path, start_ns=time.time_ns() - round(ago * NS_PER_S))


@pytest.fixture
def sections(drawn_clip: DrawnClip) -> dict[str, Any]:
    door = {"sensor_id": "door", "kind": "door", "title": "Back door", "door": {"open_s": 1.0, "serious_s": 2.0}}
    # Clips arrive at once here, not at their own pace, so nothing counts as late.
    return {"cameras": [camera_section(drawn_clip[1])], "sensors": [door], "analyze": DRAWN}


async def send_until_opened(house: House, records: list[MediaRecord]) -> int:
    """Send a few records at a time, each when what was sent before has been watched, until an incident opens; return how many."""
    sent, end_ns = 0, 0
    while "opened" not in house.stages():
        assert sent < len(records), "the whole clip raised nothing"
        await house.send(records[sent : sent + 4])
        end_ns = max([end_ns, *(chunk.facts.end_ns for chunk in chunks(records[sent : sent + 4]))])
        sent += 4
        await until_watched(house, end_ns)
    return sent


async def until_watched(house: House, end_ns: int) -> None:
    """Wait until the analysis has told what it watched up to an instant of capture time, or an incident opened."""

    def told_ns() -> int:
        return max((said.data.to_ns for said in house.statuses if said.type == "kanhu.status.watch"), default=0)

    await house.until(lambda: told_ns() >= end_ns or "opened" in house.stages(), "what was sent to be watched")


@pytest.fixture(autouse=True)
def status_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.analyze.service.STATUS_EVERY_S", 0.05)


async def test_a_person_in_an_armed_zone_is_announced_with_a_snapshot(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]
) -> None:
    async with backbone_of(tmp_path, **sections) as house, analysis(house):
        await house.send(recent(drawn_clip))
        await house.until(lambda: house.stages() == ["opened", "closed"], "an incident that opens and closes")
        opened, closed = (event.data for event in house.incidents)
        assert opened.incident_id == closed.incident_id
        assert (opened.kind, opened.severity, opened.camera_id, opened.zone) == ("I-12", "S1", "room", "armed")
        assert opened.evidence.run_id and opened.evidence.seq is not None and opened.evidence.boxes_px
        assert opened.model == "drawn-person" and len(opened.model_sha256) == 64
        assert opened.rule_version == RULES_VERSION
        assert closed.closed_ns > opened.opened_ns
        stored = await house.backbone.need_store().stat(opened.evidence.snapshot_key)
        assert stored.retain_until_ns == opened.evidence.frame_ns + 90 * DAY_NS
        body = b"".join([piece async for piece in house.backbone.need_store().read(opened.evidence.snapshot_key)])
        assert cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR).shape == (360, 640, 3)


def _looked(house: House) -> int:
    """Frames watched: analysed, or seen to be still."""
    return house.total("analysed_frames") + house.total("gated_frames")


async def test_what_was_watched_is_said(tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]) -> None:
    async with backbone_of(tmp_path, **sections) as house, analysis(house):
        await house.send(recent(drawn_clip))
        wanted = int(drawn_clip[2] * 5)
        looked = partial(_looked, house)
        await house.until(lambda: looked() >= wanted, f"{wanted} frames looked at")
        watched = [event.data for event in house.statuses]
        assert looked() <= wanted + 1
        assert {status.camera_id for status in watched} == {"room"}
        assert watched[0].model.startswith("drawn-person@")
        assert RULES_VERSION and {status.rules_version for status in watched} == {RULES_VERSION}
        assert house.total("skipped_chunks") + house.total("undecodable_chunks") == 0
        assert all(earlier.to_ns <= later.from_ns for earlier, later in pairwise(watched))
        told = [event.data for event in house.healths]
        assert {(status.camera_id, status.state) for status in told} == {("room", "ok")}
        assert told[0].reference_age_s is None and told[-1].reference_age_s is not None
        assert watched[-1].spans[-1].view == "clear"


async def test_a_late_stream_is_skipped_and_counted(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]
) -> None:
    sections["analyze"] = {**DRAWN, "late_s": 5.0}
    async with backbone_of(tmp_path, **sections) as house, analysis(house):
        records = recent(drawn_clip, ago_s=drawn_clip[2] + 3600)
        await house.send(records)
        newest = max(i for i, chunk in enumerate(chunks(records)) if chunk.facts.sync)
        await house.until(lambda: house.total("skipped_chunks") > 0, "skipped chunks to be told")
        assert house.total("skipped_chunks") <= newest


async def test_what_lay_in_the_log_too_long_is_passed_over_and_raises_nothing(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]
) -> None:
    sections["analyze"] = {**DRAWN, "late_s": 0.5}
    records = recent(drawn_clip, ago_s=drawn_clip[2] + 60)
    async with backbone_of(tmp_path, **sections) as house:
        await house.send(records)
        await house.send(records)  # whoever is at the end of the log is not behind: give it an end to be behind of
        sent = time.monotonic()
        await house.until(lambda: time.monotonic() - sent > 0.6, "the records to grow old")
        async with analysis(house):
            await house.until(
                lambda: house.total("skipped_chunks") > len(chunks(records)), "the old chunks to be counted"
            )
        assert house.stages() == []
        assert house.total("analysed_frames") < drawn_clip[2] * 5 / 2


async def test_the_first_seconds_of_a_new_installation_are_watched(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]
) -> None:
    async with backbone_of(tmp_path, **sections) as house:
        await house.send(recent(drawn_clip))
        async with analysis(house):
            await house.until(lambda: house.stages() == ["opened", "closed"], "what came before the service")


async def test_a_crash_amid_a_presence_leaves_one_incident_that_ends(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]
) -> None:
    records = recent(drawn_clip)
    async with backbone_of(tmp_path, **sections) as house:
        async with analysis(house, gently=False):
            sent = await send_until_opened(house, records)
        assert house.stages() == ["opened"]
        start = next(record for record in records if isinstance(record, RunStart))
        async with analysis(house):
            await house.send([start, *records[sent:]])
            await house.until(lambda: "closed" in house.stages(), "the end of the incident of before the crash")
        assert house.stages() == ["opened", "closed"]
        assert len({event.data.incident_id for event in house.incidents}) == 1


async def test_a_crash_with_nobody_left_closes_what_was_open(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.analyze.camera_worker.SILENCE_S", 0.5)
    records = recent(drawn_clip)
    async with backbone_of(tmp_path, **sections) as house:
        async with analysis(house, gently=False):
            await send_until_opened(house, records)
        async with analysis(house):
            await house.until(lambda: "closed" in house.stages(), "the silent camera's incident to end")
        assert house.incidents[-1].data.closed_ns >= house.incidents[0].data.opened_ns


async def test_a_camera_no_longer_enrolled_keeps_nothing_open(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]
) -> None:
    records = recent(drawn_clip)
    async with backbone_of(tmp_path, **sections) as house, analysis(house, gently=False):
        await send_until_opened(house, records)
    async with backbone_of(tmp_path, **{**sections, "cameras": []}) as house, analysis(house):
        await house.until(lambda: house.stages() == ["opened", "closed"], "the orphan to be closed")


async def test_a_door_held_open_fires_by_itself_worsens_and_closes(tmp_path: Path, sections: dict[str, Any]) -> None:
    async with backbone_of(tmp_path, **sections) as house, analysis(house):
        onset = time.time_ns()
        await house.door(True, onset)
        await house.until(lambda: house.stages() == ["opened", "updated"], "the door to be raised and to worsen")
        opened, updated = (event.data for event in house.incidents)
        assert (opened.kind, opened.severity, updated.severity) == ("I-10", "S3", "S2")
        assert opened.opened_ns == onset and 1.0 <= opened.evidence.measured["open_s"] < 2.0
        await house.door(False, time.time_ns())
        await house.until(lambda: house.stages()[-1] == "closed", "the door's incident to close")
        assert len({event.data.incident_id for event in house.incidents}) == 1


async def test_a_door_incident_survives_a_crash_once(tmp_path: Path, sections: dict[str, Any]) -> None:
    async with backbone_of(tmp_path, **sections) as house:
        async with analysis(house, gently=False):
            await house.door(True, time.time_ns())
            await house.until(lambda: "opened" in house.stages(), "the door to be raised")
        async with analysis(house):
            await house.until(lambda: "updated" in house.stages(), "the door to worsen after the restart")
            await house.door(False, time.time_ns())
            await house.until(lambda: "closed" in house.stages(), "the door's incident to close")
        assert house.stages() == ["opened", "updated", "closed"]


async def test_a_door_that_was_closed_while_nobody_looked_raises_nothing(
    tmp_path: Path, sections: dict[str, Any]
) -> None:
    async with backbone_of(tmp_path, **sections) as house:
        long_ago = time.time_ns() - 3600 * NS_PER_S
        for cycle in range(50):
            await house.door(True, long_ago + cycle * 10 * NS_PER_S)
            await house.door(False, long_ago + cycle * 10 * NS_PER_S + NS_PER_S // 2)
        async with analysis(house):
            await house.door(True, time.time_ns())
            await house.until(lambda: "opened" in house.stages(), "the one door that stays open")
        assert house.stages("I-10")[0] == "opened"
        assert len({event.data.incident_id for event in house.incidents}) == 1


async def test_what_cannot_be_read_goes_to_the_dead_letters_and_the_rest_goes_on(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]
) -> None:
    records = recent(drawn_clip)
    start = next(record for record in records if isinstance(record, RunStart))
    async with backbone_of(tmp_path, **sections) as house, analysis(house):
        await house.backbone.log.append(
            [
                Outgoing(VIDEO_DETECT.name, "room", b"noise", (("kind", b"chunk"),)),
                Outgoing(VIDEO_DETECT.name, "room", b"", ()),
                Outgoing("sensor.v1", "door", b"{not json"),
            ]
        )
        await house.send([replace(start, init=b"not an init segment", run=replace(start.run, run_id="e" * 28))])
        await house.send(records)
        await house.until(lambda: "closed" in house.stages(), "the incident in spite of all")
        await house.until(lambda: house.dead_letters == 4, "four dead letters")


async def test_a_real_camera_without_a_real_detector_is_not_watched_and_says_so(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any]
) -> None:
    sections["cameras"][0]["url"] = "rtsp://127.0.0.1/none"
    sections["analyze"] = {"late_s": 3600.0}
    async with backbone_of(tmp_path, **sections) as house, analysis(house):
        records = recent(drawn_clip)[:48]
        await house.send(records)
        await house.until(
            lambda: house.total("skipped_chunks") == len(chunks(records)), "all chunks to be told as skipped"
        )
        assert {event.data.model for event in house.statuses} == {"none"}
        assert house.total("analysed_frames") == 0
        assert house.incidents == []
