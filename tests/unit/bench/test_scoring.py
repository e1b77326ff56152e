"""The scorer says what TrackEval says. The figures here are TrackEval 1.3.0's own, written down; none comes from our scorer."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from bench.mot.boxes import TrackedBoxes
from bench.mot.scoring import Scores, mean, score
from bench.mot.scripted import scripted

TRACKEVAL_1_3_0 = (
    Scores(0.289086529, 0.500966184, 0.167391688, 0.862024930, 0.394366197, 0.232558140, 0.751173709, 0.737327189, 19, 57, 53),
    Scores(0.296688433, 0.449707352, 0.196276701, 0.807167353, 0.394366197, 0.302059497, 0.755868545, 0.718750000, 14, 63, 52),
    Scores(0.300354401, 0.384974343, 0.237571108, 0.773622888, 0.079812207, 0.298850575, 0.582159624, 0.558558559, 9, 98, 89),
    Scores(0.255728138, 0.325150167, 0.201844437, 0.743073945, -0.187793427, 0.260089686, 0.492957746, 0.450643777, 17, 128, 108),
)  # fmt: skip


def boxes(*rows: tuple[int, int, float]) -> TrackedBoxes:
    """(frame, id, x) of boxes 10 wide and 20 high."""
    return TrackedBoxes.of_rows(np.array([[f, i, x, 0, 10, 20, 1] for f, i, x in rows], float).reshape(-1, 7))


@pytest.mark.parametrize("number", range(4))
def test_every_figure_is_that_of_trackeval(number: int) -> None:
    assert asdict(score(*scripted(number))) == pytest.approx(asdict(TRACKEVAL_1_3_0[number]), abs=1e-9)


def test_right_tracks_are_right_in_everything() -> None:
    truth = boxes((1, 1, 0), (2, 1, 5), (2, 2, 50))
    assert score(truth, truth) == Scores(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0)


def test_a_change_of_name_is_one_switch_and_halves_the_identity() -> None:
    truth = boxes(*[(frame, 1, 0) for frame in range(1, 5)])
    told = boxes(*[(frame, 7 if frame < 3 else 8, 0) for frame in range(1, 5)])
    found = score(truth, told)
    assert (found.switches, found.mota, found.idf1) == (1, 0.75, 0.5)
    assert (found.det_a, found.ass_a) == (1.0, 0.5)  # each half is joined with 2 of the 4 boxes of its person


def test_no_tracks_at_all_are_misses_only() -> None:
    found = score(boxes((1, 1, 0), (2, 1, 0)), boxes())
    assert (found.false_negatives, found.false_positives, found.hota, found.mota, found.idf1) == (2, 0, 0.0, 0.0, 0.0)


def test_tracks_of_nobody_are_false() -> None:
    found = score(boxes((1, 1, 0)), boxes((1, 1, 0), (1, 2, 90), (2, 2, 90)))
    assert (found.false_positives, found.mota) == (2, -1.0)


def test_the_mean_sums_counts_and_averages_shares() -> None:
    both = mean(TRACKEVAL_1_3_0[:2])
    assert both.switches == 33 and both.hota == pytest.approx((0.289086529 + 0.296688433) / 2)
