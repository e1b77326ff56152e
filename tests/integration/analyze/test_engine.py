"""The whole of one camera's analysis on real clips and on a drawn room: incidents where people are, none elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.analyze.core.motion import MotionGate
from services.analyze.core.rules.commands import Close, Open
from services.analyze.detector import Model
from services.contracts.entity import CameraCalibration, HeightMark, Zone
from services.contracts.media_record import Chunk
from services.contracts.schedule import ArmedSchedule
from services.simulation.drawn_room import DrawnRoom
from tests.integration.analyze.conftest import EngineMaker, intervals
from tests.integration.analyze.streams import chunks, muxed, run_start, watch
from tests.unit.analyze.test_ground import ROOM_MARKS

#: ``INDEX.md``: persons in room_people, read as 12 fps, edges good to about 0.5 s.
PEOPLE_S = [(1.5, 6.1), (14.8, 20.2), (28.4, 33.2), (43.6, 46.3)]


def assert_close(
    found: list[tuple[float, float]], expected: list[tuple[float, float]], tolerance_s: float = 1.0
) -> None:
    assert len(found) == len(expected), f"{found} for {expected}"
    for (start, end), (true_start, true_end) in zip(found, expected, strict=True):
        assert abs(start - true_start) <= tolerance_s, (found, expected)
        assert abs(end - true_end) <= tolerance_s, (found, expected)


def test_people_raise_incidents_when_they_are_there_and_at_no_other_time(
    clip: Callable[[str], Path], yolox_nano: Model, engine_of: EngineMaker
) -> None:
    judgements = watch(engine_of(yolox_nano), muxed(clip("clips/room_people_12fps.mp4")))
    assert_close(intervals(judgements), PEOPLE_S)


def test_the_motion_gate_loses_no_incident_and_saves_looks(
    clip: Callable[[str], Path], yolox_nano: Model, engine_of: EngineMaker
) -> None:
    engine = engine_of(yolox_nano, gate=MotionGate())
    assert_close(intervals(watch(engine, muxed(clip("clips/room_people_12fps.mp4")))), PEOPLE_S)
    assert engine.fates.gated > 0.1 * engine.fates.looked, "the room is empty half of the time, but for shadows"


def test_h265_with_b_frames_tells_the_same(
    clip: Callable[[str], Path], yolox_nano: Model, engine_of: EngineMaker
) -> None:
    judgements = watch(engine_of(yolox_nano), muxed(clip("clips/room_people_h265.mp4")))
    assert_close(intervals(judgements), [PEOPLE_S[0], (14.8, 16.0)])


@pytest.mark.parametrize(
    ("name", "frames_per_s"),
    [
        ("clips/neg_bottles_hand.mp4", None),
        ("clips/neg_city_dusk.h264", 25.0),
        ("bad_media/onvif_test_h264.mp4", None),
        ("bad_media/silent-black-10s.mp4", None),
    ],
)
def test_nobody_raises_nothing(
    name: str, frames_per_s: float | None, clip: Callable[[str], Path], yolox_nano: Model, engine_of: EngineMaker
) -> None:
    engine = engine_of(yolox_nano)
    assert watch(engine, muxed(clip(name), raw_frames_per_s=frames_per_s)) == []
    assert engine.analysed_frames > 0


def test_an_incident_shows_the_frame_it_rests_on(
    clip: Callable[[str], Path], yolox_nano: Model, engine_of: EngineMaker
) -> None:
    opened = next(
        j
        for j in watch(engine_of(yolox_nano), muxed(clip("clips/room_people_12fps.mp4")))
        if isinstance(j.command, Open)
    )
    assert opened.jpeg is not None and opened.jpeg.startswith(b"\xff\xd8")
    assert opened.frame is not None and opened.frame.model_sha256 == yolox_nano.sha256
    assert (opened.frame.picture.width_px, opened.frame.picture.height_px) == (768, 432)
    assert opened.command.grounds.measured["score"] >= 0.4
    assert len(opened.command.grounds.boxes_px) == opened.command.grounds.measured["persons"]


def test_a_drawn_room_raises_incidents_where_its_truth_has_presence(
    drawn_clip: tuple[Path, DrawnRoom, float], drawn_person: Model, engine_of: EngineMaker
) -> None:
    path, room, seconds = drawn_clip
    armed = Zone(name="armed", polygon=list(room.armed_zone))
    judgements = watch(engine_of(drawn_person, armed), muxed(path))
    truth = [(start, min(end, seconds)) for start, end in room.presence(0, seconds)]
    assert truth, "the room must show somebody for this test to say anything"
    assert_close(intervals(judgements), truth)


def test_the_motion_gate_changes_nothing_in_a_drawn_room(
    drawn_clip: tuple[Path, DrawnRoom, float], drawn_person: Model, engine_of: EngineMaker
) -> None:
    path, room, _ = drawn_clip
    armed = Zone(name="armed", polygon=list(room.armed_zone))
    gated = engine_of(drawn_person, armed, gate=MotionGate())
    open_, shut = (intervals(watch(engine, muxed(path))) for engine in (engine_of(drawn_person, armed), gated))
    assert_close(shut, open_, tolerance_s=0.5)
    assert gated.fates.gated > 0


def test_an_unarmed_zone_raises_nothing(
    drawn_clip: tuple[Path, DrawnRoom, float], drawn_person: Model, engine_of: EngineMaker
) -> None:
    path, room, _ = drawn_clip
    quiet = Zone(name="quiet", polygon=list(room.armed_zone), armed=ArmedSchedule(mode="never"))
    assert watch(engine_of(drawn_person, quiet), muxed(path)) == []


def test_a_stream_that_ends_amid_a_presence_ends_the_incident_where_it_was_last_seen(
    drawn_clip: tuple[Path, DrawnRoom, float], drawn_person: Model, engine_of: EngineMaker
) -> None:
    path, room, _ = drawn_clip
    start, end = next(span for span in room.presence(0, 600) if span[1] - span[0] > 3)
    middle = (start + end) / 2
    records = muxed(path)
    begin_ns = run_start(records).start_ns
    cut = [r for r in records if not isinstance(r, Chunk) or r.facts.end_ns - begin_ns <= middle * 1e9]
    armed = Zone(name="armed", polygon=list(room.armed_zone))
    closed = [j.command for j in watch(engine_of(drawn_person, armed), cut) if isinstance(j.command, Close)]
    assert abs((closed[-1].end_ns - begin_ns) / 1e9 - middle) <= 1.0


def test_who_joins_late_and_who_was_there_from_the_start_agree_on_what_is_left(
    drawn_clip: tuple[Path, DrawnRoom, float], drawn_person: Model, engine_of: EngineMaker
) -> None:
    """Same frames, same onset: the incident that begins after the join has the same id for both."""
    path, room, _ = drawn_clip
    records = muxed(path)
    armed = Zone(name="armed", polygon=list(room.armed_zone))
    whole = [j.command.onset_ns for j in watch(engine_of(drawn_person, armed), records) if isinstance(j.command, Open)]
    late_ns = whole[-1] - 3_000_000_000
    tail = [r for r in records if not isinstance(r, Chunk) or r.facts.start_ns >= late_ns]
    assert not chunks(tail)[0].facts.sync, "joining amid a GOP is what is tested"
    late = [j.command.onset_ns for j in watch(engine_of(drawn_person, armed), tail) if isinstance(j.command, Open)]
    assert late == [whole[-1]]


def test_people_of_a_marked_room_have_their_size_and_are_adults(
    clip: Callable[[str], Path], yolox_nano: Model, engine_of: EngineMaker
) -> None:
    marks = [HeightMark(foot=foot, head=head, height_m=tall_m) for foot, head, tall_m in ROOM_MARKS]
    engine = engine_of(yolox_nano)
    engine.reconfigure(engine.camera.model_copy(update={"calibration": CameraCalibration(marks=marks)}))
    statures: dict[int, float] = {}
    ages: dict[int, str] = {}
    records = muxed(clip("clips/room_people_12fps.mp4"))
    engine.start(run_start(records))
    for chunk in chunks(records):
        engine.chunk(chunk)
        assert engine.facts is not None and engine.facts.calibration.origin == "marks"
        for one in engine.facts.objects:
            if one.stature is not None and one.age_s > 2.0:
                statures[one.track_id], ages[one.track_id] = one.stature.value, one.age
    assert len(statures) >= 6
    assert all(1.5 <= value <= 1.95 for value in statures.values()), statures
    assert set(ages.values()) == {"adult"}
