"""The tracker says what the same tracker written on arrays says, whatever is seen: births, losses, crossings, doubles, doubts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analyze.core.detection import Detections
from services.analyze.core.tracker import Tracker
from services.contracts.time import NS_PER_S
from tests.unit.analyze.array_tracker import ArrayTracker

BEGIN_NS = 1_764_000_000 * NS_PER_S + 123_456_789
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Scene:
    """People who walk to and fro in a picture of 640 by 360, and a detector that misses, doubles, invents and doubts."""

    seed: int
    people: int
    frames: int
    rates: tuple[float, ...]
    missed: float
    doubled: float
    invented: float
    jitter_px: float

    def watched(self) -> Iterator[tuple[int, Detections]]:
        rng, t = random.Random(self.seed), 0.0
        walks = [(rng.uniform(0, 640), rng.uniform(-150, 150), rng.uniform(80, 360)) for _ in range(self.people)]
        for _ in range(self.frames):
            t += 1 / rng.choice(self.rates)
            boxes = [self._box(rng, walk, t) for walk in walks if rng.random() >= self.missed]
            # Larger each time: which of two that fit equally well is taken is nobody's business.
            boxes += [_grown(box, rng.uniform(0.01, 1)) for box in boxes if rng.random() < self.doubled]
            boxes += [self._box(rng, (rng.uniform(0, 640), 0, rng.uniform(80, 360)), t) for _ in range(2)
                      if rng.random() < self.invented]  # fmt: skip
            scores = sorted((rng.uniform(0.1, 1.0) for _ in boxes), reverse=True)
            rng.shuffle(boxes)
            classes = [rng.choice((0, 1, 1, 2)) for _ in boxes]
            yield (
                BEGIN_NS + round(t * NS_PER_S),
                Detections(
                    np.array(boxes, np.float32).reshape(-1, 4),
                    np.array(scores, np.float32),
                    np.array(classes, np.int32),
                ),
            )

    def _box(self, rng: random.Random, walk: tuple[float, float, float], t: float) -> Box:
        start, speed, foot = walk
        x, tall = abs((start + speed * t) % 1280 - 640), foot * 0.5
        x1, y1, x2, y2 = (
            side + rng.uniform(-1, 1) * self.jitter_px
            for side in (x - tall * 0.2, foot - tall, x + tall * 0.2, foot)
        )  # fmt: skip
        return x1, y1, max(x2, x1 + 2), max(y2, y1 + 2)


def _grown(box: Box, px: float) -> Box:
    return box[0] - px, box[1] - 2 * px, box[2] + 3 * px, box[3] + 4 * px


def is_the_same(scene: Scene) -> int:
    """How many tracks were told, after it was seen that both tell the same ones."""
    ours, arrays, told = Tracker(), ArrayTracker(), 0
    for frame_ns, found in scene.watched():
        here, there = ours.update(frame_ns, found), arrays.update(frame_ns, found)
        assert [track[:5] + track[7:] for track in here] == [track[:5] + track[7:] for track in there]
        for one, other in zip(here, there, strict=True):
            assert one.estimate == pytest.approx(other.estimate, abs=1e-6)
            assert one.velocity_px_s == pytest.approx(other.velocity_px_s, abs=1e-6)
        told += len(here)
    return told


RATES = st.sampled_from([(5.0,), (25.0,), (2.0,), (5.0, 5.0, 5.0, 0.4), (25.0, 0.5), (1.0, 12.0)])
SCENES = st.builds(
    Scene,
    seed=st.integers(0, 2**32),
    people=st.integers(0, 9),
    frames=st.integers(2, 40),
    rates=RATES,
    missed=st.sampled_from([0.0, 0.1, 0.4]),
    doubled=st.sampled_from([0.0, 0.1, 0.5]),
    invented=st.sampled_from([0.0, 0.2, 1.0]),
    jitter_px=st.sampled_from([0.0, 2.0, 20.0]),
)


@settings(max_examples=60, deadline=None)
@given(SCENES)
def test_few_or_many_come_go_and_cross(scene: Scene) -> None:
    is_the_same(scene)


@pytest.mark.parametrize("seed", range(2))
def test_a_crowd_in_which_nearly_every_box_is_contested(seed: int) -> None:
    crowd = Scene(seed, 40, 25, (5.0,), missed=0.1, doubled=0.1, invented=1.0, jitter_px=4.0)
    assert is_the_same(crowd) > 500


def test_one_who_is_lost_for_exactly_as_long_as_is_waited_is_found_again() -> None:
    """Nanoseconds of this century have more digits than a float."""
    box, ours = np.array([[100, 100, 140, 200]], np.float32), Tracker()
    seen = Detections(box, np.array([0.9], np.float32), np.zeros(1, np.int32))
    lost_ns = round(ours.settings.lost_s * NS_PER_S)
    for late_ns, expected in ((0, 1), (1, 2)):
        ours = Tracker()
        ours.update(BEGIN_NS, seen)
        ours.update(BEGIN_NS + NS_PER_S, seen)
        ours.update(BEGIN_NS + NS_PER_S + 1, Detections(box[:0], seen.scores[:0], seen.classes[:0]))
        assert ours.update(BEGIN_NS + NS_PER_S + lost_ns + late_ns, seen)[0].track_id == expected
