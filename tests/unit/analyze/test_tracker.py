"""Tracks: who is who over time, at any rate, through blinks and crossings, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from services.analyze.core.detection import Detections
from services.analyze.core.tracker import Track, Tracker, TrackerSettings
from services.contracts.time import NS_PER_S

Box = tuple[float, float, float, float]


def found(*boxes: Box, scores: list[float] | None = None) -> Detections:
    chosen = scores or [0.9] * len(boxes)
    order = np.argsort([-score for score in chosen], kind="stable")
    array = np.array(boxes, np.float32).reshape(-1, 4)[order]
    return Detections(array, np.array(chosen, np.float32)[order], np.zeros(len(boxes), np.int32))


def walk(start_x: float, speed: float, t: float, size: float = 40.0) -> Box:
    x = start_x + speed * t
    return (x, 100.0, x + size, 100.0 + 2.5 * size)


def run(frames: list[Detections], rate: float = 5.0, tracker: Tracker | None = None) -> list[list[Track]]:
    tracker = tracker or Tracker()
    return [tracker.update(round(i / rate * NS_PER_S), frame) for i, frame in enumerate(frames)]


@pytest.mark.parametrize("rate", [2.0, 5.0, 12.0, 25.0])
def test_one_who_walks_is_one_track_at_any_rate(rate: float) -> None:
    tracks = run([found(walk(0, 60, i / rate)) for i in range(int(4 * rate))], rate)
    assert {track.track_id for frame in tracks for track in frame} == {1}
    assert tracks[-1][0].confirmed and not tracks[0][0].confirmed


def test_one_who_runs_out_of_its_own_box_is_still_one() -> None:
    tracks = run([found(walk(0, 260, i / 5)) for i in range(10)])
    assert {track.track_id for frame in tracks for track in frame} == {1}


def test_two_who_pass_each_other_keep_their_names() -> None:
    rate = 10.0
    frames = [
        found(walk(0, 80, i / rate), (walk(400, -80, i / rate)[0], 130, walk(400, -80, i / rate)[2], 250))
        for i in range(50)
    ]
    tracks = run(frames, rate)
    left = tracks[0][0].track_id
    rightmost = max(tracks[-1], key=lambda track: track.box[0])
    assert rightmost.track_id == left
    assert len({track.track_id for frame in tracks for track in frame}) == 2


def test_a_blink_keeps_the_track_and_a_long_absence_does_not() -> None:
    frames = [found(walk(0, 40, i / 5)) if not 5 <= i < 9 else found() for i in range(15)]
    assert {t.track_id for frame in run(frames) for t in frame} == {1}
    frames = [found(walk(0, 0, 0)) if not 5 <= i < 20 else found() for i in range(25)]
    assert {t.track_id for frame in run(frames) for t in frame} == {1, 2}


def test_an_unsure_box_prolongs_a_track_and_begins_none() -> None:
    frames = [found(walk(0, 0, 0), scores=[0.9 if i < 3 else 0.15]) for i in range(10)]
    assert [len(frame) for frame in run(frames)] == [1] * 10
    assert run([found(walk(0, 0, 0), scores=[0.2])] * 5) == [[]] * 5


def test_a_single_flicker_leaves_no_trace() -> None:
    tracks = run([found(walk(0, 0, 0)), found(), found(walk(0, 0, 0))])
    assert [t.track_id for frame in tracks for t in frame] == [1, 2]


def test_forgetting_gives_new_names() -> None:
    tracker = Tracker()
    before = run([found(walk(0, 0, 0))] * 3, tracker=tracker)
    tracker.forget()
    after = run([found(walk(0, 0, 0))] * 3, tracker=tracker)
    assert before[-1][0].track_id == 1 and after[-1][0].track_id == 2


def test_the_same_input_gives_the_same_tracks() -> None:
    rng = np.random.default_rng(3)
    frames = [
        found(
            *[tuple(np.concatenate([p, p + 30])) for p in rng.uniform(0, 300, (6, 2))],
            scores=list(rng.uniform(0.1, 1, 6)),
        )
        for _ in range(60)
    ]
    assert run(frames) == run(frames)


def test_many_boxes_stay_apart() -> None:
    frames = [found(*[walk(60 * k, 10, i / 5) for k in range(20)]) for i in range(20)]
    tracks = run(frames)
    assert {track.track_id for frame in tracks for track in frame} == set(range(1, 21))


def test_nothing_found_is_nothing_and_costs_no_state() -> None:
    tracker = Tracker(TrackerSettings())
    assert run([found()] * 100, tracker=tracker) == [[]] * 100
