"""The tracker on people with ground truth: a bar that must not fall. ``bench/tracking.py`` prints the figures in full.

The figures to beat are INDEX.md's (SORT as its authors released it) and those of ByteTrack in ``trackers`` 2.6.1 with its
defaults, written down here; ours come from one set of parameters for all sequences. Where ``../shared`` is absent the generated
rooms remain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest

from bench.environment import bench_python
from bench.mot.boxes import GIVEN, TrackedBoxes, TrackingCase, given_case, read_rows, read_truth
from bench.mot.detected import detected_case
from bench.mot.generated import generated_case
from bench.mot.running import library_scores, run_ours, run_sort
from bench.mot.scoring import Scores, mean, score
from bench.mot.scripted import scripted
from services.analyze.core.tracker import REWIND_S, Tracker

Clip = Callable[[str], Path]

#: name: (MOTA, IDF1, switches, false positives, false negatives) of SORT, "Numbers to beat" of INDEX.md.
SORT_OF_INDEX = {
    "TUD-Campus": (62.7, 60.6, 6, 15, 113),
    "TUD-Stadtmitte": (71.7, 73.5, 10, 22, 295),
    "MOT17-02": (46.8, 56.6, 23, 69, 9789),
    "MOT17-05": (54.0, 60.2, 56, 52, 3075),
}
LIGHT_PERSON = (66.3, 64.9)
#: (HOTA, MOTA, IDF1) of ByteTrack in the mean over the four sequences, scored by TrackEval 1.3.0.
BYTETRACK_IN_THE_MEAN = (48.97, 57.13, 62.65)


@cache
def case(name: str) -> TrackingCase:
    return given_case(*next(given for given in GIVEN if given[0] == name))


@cache
def ours(name: str) -> Scores:
    return score(case(name).truth, run_ours(case(name)))


@pytest.fixture(scope="module")
def mot(clip: Clip) -> None:
    clip("mot/MOT17-05/gt.txt")


@pytest.mark.usefixtures("mot")
@pytest.mark.parametrize("name", SORT_OF_INDEX)
def test_every_sequence_is_tracked_better_than_by_sort(name: str) -> None:
    mota, idf1, switches, *_ = SORT_OF_INDEX[name]
    assert 100 * ours(name).mota > mota
    assert 100 * ours(name).idf1 > idf1
    assert ours(name).switches < switches
    assert ours(name).hota > score(case(name).truth, run_sort(case(name))).hota


@pytest.mark.usefixtures("mot")
def test_the_mean_over_sequences_is_better_than_that_of_bytetrack() -> None:
    found = mean([ours(name) for name in SORT_OF_INDEX])
    hota, mota, idf1 = BYTETRACK_IN_THE_MEAN
    assert 100 * found.hota > hota + 2
    assert 100 * found.mota > mota + 2
    assert 100 * found.idf1 > idf1 + 4


def test_what_a_small_detector_finds_is_tracked_better_than_by_sort(clip: Clip) -> None:
    clip("mot/TUD-Campus/video_25fps.mp4"), clip("models/det_light_person_192.onnx")
    found = detected_case()
    here, sort = score(found.truth, run_ours(found)), score(found.truth, run_sort(found))
    assert 100 * here.mota > LIGHT_PERSON[0] and 100 * here.idf1 > LIGHT_PERSON[1]
    assert here.mota > sort.mota and here.idf1 > sort.idf1 and here.hota > sort.hota
    assert here.switches < sort.switches


@pytest.mark.usefixtures("mot")
@pytest.mark.parametrize("name", ["TUD-Campus", "TUD-Stadtmitte", "MOT17-05"])
def test_our_writing_of_sort_gives_the_figures_of_its_release(name: str) -> None:
    found = score(case(name).truth, run_sort(case(name)))
    assert (found.switches, found.false_positives, found.false_negatives) == SORT_OF_INDEX[name][2:]
    assert (round(100 * found.mota, 1), round(100 * found.idf1, 1)) == SORT_OF_INDEX[name][:2]


@pytest.mark.parametrize(
    ("name", "expected"), [("TUD-Campus", (52.6, 55.8, 7, 13, 150)), ("TUD-Stadtmitte", (56.4, 64.5, 7, 45, 452))]
)
def test_the_scorer_gives_the_figures_of_the_published_tracks(
    name: str, expected: tuple[float, ...], clip: Clip
) -> None:
    tracks = TrackedBoxes.of_rows(read_rows(clip(f"mot/{name}/test_tracks.txt")))
    found = score(read_truth(clip(f"mot/{name}/gt.txt").parent), tracks)
    counts = (found.switches, found.false_positives, found.false_negatives)
    assert (round(100 * found.mota, 1), round(100 * found.idf1, 1), *counts) == expected


def test_trackeval_itself_agrees_with_the_scorer_where_it_is_installed() -> None:
    python = bench_python(make=False)
    if python is None:
        pytest.skip("TrackEval is not installed beside the product; python -m bench tracking installs it")
    truth, tracks = scripted(3)
    assert asdict(score(truth, tracks)) == pytest.approx(library_scores(python, truth, tracks)["trackeval"], abs=1e-9)


@pytest.mark.parametrize("frames_per_s", [2.0, 5.0, 25.0])
def test_generated_rooms_are_tracked_better_than_by_sort_at_any_rate(frames_per_s: float) -> None:
    room = generated_case(frames_per_s, seed=4)
    here, sort = score(room.truth, run_ours(room)), score(room.truth, run_sort(room))
    assert here.mota > sort.mota + 0.1 and here.idf1 > sort.idf1 + 0.1 and here.hota > sort.hota + 0.1
    assert here.precision > 0.97


def changed_by_a_hand_over(crowd: TrackingCase, at: int, *, watched_s: float) -> tuple[int, int]:
    """(boxes told, boxes told otherwise) from frame ``at`` on by a tracker that was begun ``REWIND_S`` before it."""
    frames, whole, late = list(crowd.frames()), Tracker(), Tracker()
    begin, end = at - round(REWIND_S * crowd.frames_per_s), at + round(watched_s * crowd.frames_per_s)
    names: dict[int, int] = {}
    told = otherwise = 0
    for frame, frame_ns, found in frames[:end]:
        was = {track.box: track.track_id for track in whole.update(frame_ns, found) if track.confirmed}
        if frame <= begin:
            continue
        now = {track.box: track.track_id for track in late.update(frame_ns, found) if track.confirmed}
        if frame > at:
            told += len(was)
            otherwise += len(was.keys() ^ now.keys())
            otherwise += sum(names.setdefault(was[box], now[box]) != now[box] for box in was.keys() & now.keys())
    return told, otherwise


@pytest.mark.usefixtures("mot")
@pytest.mark.parametrize(
    ("name", "at_s"), [("TUD-Stadtmitte", 4.1), ("MOT17-05", 20), ("MOT17-05", 41), ("MOT17-02", 10)]
)
def test_a_rewound_tracker_goes_on_as_if_it_had_never_been_interrupted(name: str, at_s: float) -> None:
    told, otherwise = changed_by_a_hand_over(case(name), round(at_s * case(name).frames_per_s), watched_s=6)
    assert told > 100 and otherwise == 0
