"""Tracks: who is who over time, at any rate, through blinks and crossings, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from services.analyze.core.detection import Detections
from services.analyze.core.tracker import REWIND_S, Track, Tracker, TrackerSettings
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


def test_faint_boxes_close_in_time_are_not_yet_evidence_and_the_same_ones_far_apart_are() -> None:
    faint = [found(walk(0, 0, 0), scores=[0.55])] * 3
    assert [frame[0].confirmed for frame in run(faint, rate=25.0)] == [False, False, True]
    assert [frame[0].confirmed for frame in run(faint, rate=5.0)] == [False, True, True]


@pytest.mark.parametrize("rate", [2.0, 5.0, 25.0])
def test_speed_is_in_pixels_a_second_and_age_in_seconds_of_capture_time(rate: float) -> None:
    last = run([found(walk(0, 60, i / rate)) for i in range(int(6 * rate) + 1)], rate)[-1][0]
    assert last.velocity_px_s == pytest.approx((60, 0), abs=1.0)
    assert last.age_s == pytest.approx(6.0)
    assert last.estimate == pytest.approx(last.box, abs=2.0)


def test_an_unsure_box_moves_the_estimate_less_than_a_sure_one() -> None:
    def jump(score: float) -> float:
        frames = [found(walk(0, 0, 0))] * 5 + [found((12.0, 100.0, 52.0, 200.0), scores=[score])]
        return run(frames)[-1][0].estimate[0]

    assert 0 < jump(0.45) < jump(0.95) < 12


def test_the_kind_is_what_most_boxes_are() -> None:
    tracker, box = Tracker(), np.array([walk(0, 0, 0)], np.float32)
    classes = [5, 2, 2, 5, 2, 2, 2]
    for number, kind in enumerate(classes):
        seen = Detections(box, np.array([0.9], np.float32), np.array([kind], np.int32))
        (track,) = tracker.update(number * NS_PER_S // 5, seen)
    assert track.kind == 2


def crowd(rate: float, seconds: float) -> list[Detections]:
    """Eight who walk to and fro on lines of their own, each hidden for a while now and then, with noise around them."""
    rng = np.random.default_rng(11)
    frames = []
    for number in range(int(rate * seconds)):
        t = number / rate
        walkers = [(300 + 250 * np.sin(t * 0.3 + k), 30.0 + 60 * k) for k in range(8) if (t + 1.7 * k) % 6 > 1.2]
        noise = [tuple(rng.uniform(0, 600, 2)) for _ in range(int(rng.integers(0, 2)))]
        boxes = [
            (x + j, y, x + j + 40, y + 100) for (x, y), j in zip(walkers + noise, rng.normal(0, 2, 99), strict=False)
        ]
        frames.append(found(*boxes, scores=list(rng.uniform(0.3, 0.95, len(boxes)))))
    return frames


@pytest.mark.parametrize("rate", [2.0, 5.0, 15.0])
def test_who_begins_a_rewind_earlier_makes_the_same_associations_from_the_hand_over_on(rate: float) -> None:
    frames, handed_over = crowd(rate, 30), int(rate * 15)
    begin = handed_over - int(REWIND_S * rate)
    kept, new = Tracker(), Tracker()
    names: dict[int, int] = {}
    for number, seen in enumerate(frames):
        old = kept.update(round(number / rate * NS_PER_S), seen)
        if number < begin:
            continue
        again = new.update(round(number / rate * NS_PER_S), seen)
        if number < handed_over:
            continue
        was, now = ({track.box: track.track_id for track in told if track.confirmed} for told in (old, again))
        assert was.keys() == now.keys()
        assert all(names.setdefault(was[box], now[box]) == now[box] for box in was)
    assert len(names) >= 8 and len(set(names.values())) == len(names)


def test_many_boxes_stay_apart() -> None:
    frames = [found(*[walk(60 * k, 10, i / 5) for k in range(20)]) for i in range(20)]
    tracks = run(frames)
    assert {track.track_id for frame in tracks for track in frame} == set(range(1, 21))


def test_nothing_found_is_nothing_and_costs_no_state() -> None:
    tracker = Tracker(TrackerSettings())
    assert run([found()] * 100, tracker=tracker) == [[]] * 100
