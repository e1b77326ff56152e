"""The truth's lines: boxes from the posed bodies, rooms, readings, incidents; the same for ever; bad questions are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from services.box.command import main
from services.simulation import truth
from services.simulation.building import Building
from services.simulation.day.calendar import hours
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.sensors import Reading
from services.simulation.render.camera_model import camera_model
from services.simulation.world import World

#: Pinned: whoever changes it on purpose says so in the change log. Numbers are rounded before they are hashed.
GOLDEN = "ada65150e2845ba6aa87f8e4d47c49139a31103fe32517d6172b35fadd8f801b"

#: Instants whose boxes and foot points the digest covers: standing, sitting, lying, carrying, far and near.
FRAMES = (
    ("entrance", "08:10"), ("room-a", "09:40"), ("room-b", "09:35"), ("yard", "10:20"), ("kitchen", "11:00"), ("nap", "13:10"),
    ("room-a-2", "15:30"), ("room-b", "16:20"),
)  # fmt: skip


def test_boxes_hold_feet_and_heads_and_lie_in_the_picture(calm: NurseryDay) -> None:
    seen = 0
    for at in ("08:20", "09:40", "10:25", "13:05", "16:30"):
        for camera in calm.building.cameras:
            model = camera_model(camera)
            frame = truth.frame_line(calm.building, camera.id, calm.world(hours(at)), 0)
            for one in frame.people:
                seen += 1
                x1, y1, x2, y2 = one.box_px
                assert 0 <= x1 < x2 <= camera.width_px
                assert 0 <= y1 < y2 <= camera.height_px
                person = calm.persons[one.person]
                if one.activity in ("stand", "walk") and one.carried_by is None:
                    pixels, _ = model.project([one.foot_m, (*one.foot_m[:2], one.foot_m[2] + person.height_m * 0.97)])
                    inner = pixels[
                        (pixels >= 1).all(1) & (pixels[:, 0] < camera.width_px) & (pixels[:, 1] < camera.height_px)
                    ]
                    assert ((inner >= np.array([x1, y1]) - 6) & (inner <= np.array([x2, y2]) + 6)).all(), one
    assert seen > 60


def test_nobody_is_seen_through_a_wall(calm: NurseryDay) -> None:
    world = calm.world(hours("09:40"))
    people = {one.person.number: calm.room_of(one.person.number, world.t_s) for one in world.persons}
    frame = truth.frame_line(calm.building, "room-a", world, 0)
    assert frame.people
    assert {people[one.person] for one in frame.people} == {"room-a"}


def test_the_nearest_is_last_and_a_lost_camera_sees_nobody(calm: NurseryDay, eventful: NurseryDay) -> None:
    frame = truth.frame_line(calm.building, "room-a", calm.world(hours("09:40")), 0)
    eye = calm.building.camera("room-a").at
    far = [math.dist(one.foot_m, eye) for one in frame.people]
    assert far[0] > far[-1]
    lost = World(t_s=1.0, day=1, persons=calm.world(hours("09:40")).persons, faults={"room-a": _fault()})
    assert truth.frame_line(calm.building, "room-a", lost, 3) == truth.FrameLine(
        camera="room-a", index=3, t_s=1.0, fault="lost", people=[]
    )


def _fault():  # type: ignore[no-untyped-def]
    from services.simulation.world import CameraFault

    return CameraFault("lost")


def test_the_share_that_is_visible_is_read_off_the_silhouettes(calm: NurseryDay) -> None:
    world = calm.world(hours("09:40"))

    def nobody(camera: str, _: World) -> np.ndarray:  # type: ignore[type-arg]
        return np.zeros((360, 640), np.int32)

    def first(camera: str, _: World) -> np.ndarray:  # type: ignore[type-arg]
        return np.full((360, 640), number, np.int32)

    blind = truth.frame_line(calm.building, "room-a", world, 0, nobody)
    assert {one.visible for one in blind.people} == {0.0}
    number = blind.people[-1].person
    shown = {one.person: one.visible for one in truth.frame_line(calm.building, "room-a", world, 0, first).people}
    assert shown.pop(number) == 1.0
    assert set(shown.values()) == {0.0}


def test_mot_lines_are_what_mot_tools_read(calm: NurseryDay) -> None:
    frame = truth.frame_line(calm.building, "yard", calm.world(hours("10:25")), 4)
    for line, one in zip(truth.mot_lines(frame), frame.people, strict=True):
        number, identity, left, top, width, height, considered, kind, visible = (
            float(part) for part in line.split(",")
        )
        assert (number, identity, considered, kind, visible) == (5, one.person, 1, 1, -1.0), (
            "unknown, not wholly visible"
        )
        assert (left + width, top + height) == pytest.approx(one.box_px[2:], abs=0.11)
    seen = frame.model_copy(update={"people": [one.model_copy(update={"visible": 0.25}) for one in frame.people]})
    assert {line.rpartition(",")[2] for line in truth.mot_lines(seen)} == {"0.250"}
    assert "frameRate=10\nseqLength=7\nimWidth=640" in truth.mot_seqinfo(calm.building.camera("yard"), 7)


def test_readings_are_the_same_however_they_are_asked_for(eventful: NurseryDay) -> None:
    start, end = hours("09:00"), hours("09:20")
    whole = eventful.sensor_readings(start, end)
    pieces: list[Reading] = [
        one for t_s in np.arange(start, end, 37.5) for one in eventful.sensor_readings(t_s, min(end, t_s + 37.5))
    ]
    assert pieces == whole
    assert {one.kind for one in whole} == {"door", "temperature", "humidity", "lock", "heartbeat"}
    by_sensor = {one.sensor_id for one in whole}
    assert by_sensor == {sensor.id for sensor in eventful.building.sensors}


def test_a_contact_says_what_the_door_does(calm: NurseryDay) -> None:
    said = [
        one
        for one in calm.sensor_readings(hours("07:00"), hours("09:00"))
        if one.sensor_id == "main-door-contact" and one.kind == "door"
    ]
    opened = [one.t_s for one in said if one.value is True]
    assert len(opened) > 15
    assert all(calm.world(t_s + 1.0).openings["main-door"] > 0 for t_s in opened)


def test_the_morning_check_measures_everybody_once(calm: NurseryDay) -> None:
    said = [
        one.value
        for one in calm.sensor_readings(0, hours("09:30"))
        if one.sensor_id == "check-thermometer" and one.kind == "temperature"
    ]
    assert len(said) == len(calm.roster.children)
    assert all(36.0 <= float(value) < 37.3 for value in said)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_digest_of_truth(eventful: NurseryDay) -> None:
    lines: list[truth.Line] = [truth.head(eventful, 0.0, 86_400.0, ["room-a"]), *truth.incident_lines(eventful)]
    for at in ("08:10", "09:40", "10:20", "12:40", "15:30", "16:40"):
        lines.append(truth.second_line(eventful, hours(at)))
        lines += [truth.reading_line(one) for one in eventful.sensor_readings(hours(at), hours(at) + 60)]
    for index, (camera, at) in enumerate(FRAMES):
        line = truth.frame_line(eventful.building, camera, eventful.world(hours(at)), index)
        assert line.people, (camera, at)
        lines.append(line)
    assert truth.digest(lines) == GOLDEN


# The command line


def run(*words: str) -> int:
    return main(["simulate", *words])


def test_truth_prints_lines_of_the_published_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(
            "truth",
            "room-a",
            "--seed",
            "7",
            "--day",
            "2026-11-23",
            "--from",
            "09:40",
            "--seconds",
            "2",
            "--frames-per-s",
            "2",
        )
        == 0
    )
    adapter: TypeAdapter[truth.Line] = TypeAdapter(truth.Line)
    lines = [adapter.validate_json(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [line.kind for line in lines]
    assert kinds[0] == "head"
    assert kinds.count("frame") == 4
    assert kinds.count("second") == 2
    frames = [line for line in lines if isinstance(line, truth.FrameLine)]
    assert [line.t_s for line in frames] == [hours("09:40") + step for step in (0.0, 0.5, 1.0, 1.5)]


def test_truth_writes_mot_files(tmp_path: Path) -> None:
    words = ("--seed", "7", "--day", "2026-11-23", "--from", "10:20", "--seconds", "1", "--mot", "--out", str(tmp_path))
    assert run("truth", "yard", *words) == 0
    assert (tmp_path / "yard" / "gt" / "gt.txt").read_text().startswith("1,")
    assert "seqLength=10" in (tmp_path / "yard" / "seqinfo.ini").read_text()


def test_score_reads_an_incident_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, found = tmp_path / "script.yaml", tmp_path / "found.jsonl"
    script.write_text(
        '- {what: I-23, at: "10:00", target: nap, variant: dark, lasts_s: 120}\n- {what: I-25, target: nap}\n'
    )
    found.write_text(
        '{"kind": "I-23", "opened": "2026-11-22T10:00:00+08:00", "raised": "2026-11-22T10:01:04+08:00", "camera": "nap"}\n'
    )
    words = ("--seed", "7", "--day", "2026-11-22", "--script", str(script), "--score", str(found))
    assert run("truth", *words, "--json") == 0
    dark, clock = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (dark["kind"], dark["precision"], dark["recall"], dark["delay_p50_s"]) == ("I-23", 1.0, 1.0, 4.0)
    assert (clock["kind"], clock["precision"], clock["recall"], clock["delay_p50_s"]) == ("I-25", None, 0.0, None)
    assert run("truth", *words) == 0
    assert "I-23       1      1       1       1.00    1.00" in capsys.readouterr().out


@pytest.mark.parametrize("line", [
    "truth roof", "truth --building castle", "truth room-a --from 9h", "truth room-a --day today", "truth --mot",
    "truth room-a --from 10:00 --to 09:00", "truth room-a --parts dreams", "truth room-a --speed 0",
    "truth room-a --script absent.yaml", "truth --score absent.jsonl --day 2026-11-22", "truth room-a --rate nan",
    "truth room-a --frames-per-s -1 --seconds 1 --day 2026-11-22", "truth room-a --seed -3",
])  # fmt: skip
def test_wrong_use_says_why(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = run(*line.split())
    except SystemExit as exit_:  # argparse's own
        status = int(exit_.code or 0)
    assert status == 2
    assert len(capsys.readouterr().err) > 20


def test_every_line_has_a_published_shape(building: Building) -> None:
    schema = truth.truth_schema()
    assert {"HeadLine", "FrameLine", "SecondLine", "ReadingLine", "IncidentLine", "LookAlikeLine"} <= set(
        schema["$defs"]
    )
