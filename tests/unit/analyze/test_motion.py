"""The motion gate: shut while nothing changes whatever the noise, open for anything that could be a person."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from services.analyze.core.motion import GatePolicy, MotionGate
from services.contracts.time import NS_PER_S

ROWS, COLUMNS = 29, 52
STEP_NS = NS_PER_S // 5
START_NS = 1_760_000_000 * NS_PER_S


def scene() -> np.ndarray:
    return np.random.default_rng(1).uniform(40, 200, (ROWS, COLUMNS)).astype(np.uint8)


def noisy(sigma: float, seed: int = 2) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    while True:
        yield np.clip(scene() + rng.normal(0, sigma, (ROWS, COLUMNS)), 0, 255).astype(np.uint8)


def looks(gate: MotionGate, frames: Iterator[np.ndarray], count: int, first: int = 0) -> list[int]:
    """Which of the frames (5 a second) were looked at."""
    return [n for n in range(first, first + count) if gate.wants(next(frames), START_NS + n * STEP_NS)]


def with_person(
    frame: np.ndarray, row: int, column: int, contrast: float, height: int = 4, width: int = 2
) -> np.ndarray:
    changed = frame.astype(np.float32)
    changed[row : row + height, column : column + width] += contrast
    return np.clip(changed, 0, 255).astype(np.uint8)


def test_the_first_frame_is_looked_at_and_a_still_scene_then_only_every_few_seconds() -> None:
    frames = (scene() for _ in range(100))
    assert looks(MotionGate(), iter(frames), 100) == [0, 25, 50, 75]


@pytest.mark.parametrize("every_s", [0.2, 1.0, 3.0, 10.0])
def test_the_gate_is_never_shut_longer_than_the_policy_says(every_s: float) -> None:
    seen = looks(MotionGate(GatePolicy(look_every_s=every_s)), noisy(0.5), 200)
    assert np.diff([*seen, 200]).max() <= max(1, every_s * 5)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.0, 1.5])
def test_noise_alone_hardly_opens_the_gate_once_it_is_known(sigma: float) -> None:
    gate = MotionGate()
    frames = noisy(sigma)
    looks(gate, frames, 50)  # two seconds of getting to know it would do
    seen = looks(gate, frames, 500, first=50)
    assert len(seen) <= 500 / 25 + 5


@pytest.mark.parametrize("sigma", [0.0, 0.7, 1.5])
def test_a_person_of_low_contrast_opens_the_gate_through_the_noise(sigma: float) -> None:
    gate, frames = MotionGate(), noisy(sigma)
    looks(gate, frames, 60)
    assert gate.wants(with_person(next(frames), 12, 20, contrast=18), START_NS + 60 * STEP_NS)


def test_somebody_who_moves_slower_than_any_step_shows_adds_up() -> None:
    """A person who fades in over ten seconds, as one who comes out of the dark does: each step is below the threshold."""
    gate = MotionGate(GatePolicy(look_every_s=60))
    frames = [with_person(scene(), 12, 20, contrast=0.4 * n) for n in range(50)]
    seen = looks(gate, iter(frames), 50)
    assert len(seen) > 2 and seen[1] < 20


def test_light_that_fades_slowly_costs_a_look_now_and_then() -> None:
    gate = MotionGate(GatePolicy(look_every_s=60))
    frames = (np.clip(scene() - 0.05 * n, 0, 255).astype(np.uint8) for n in range(300))  # 15 levels in a minute
    assert 2 <= len(looks(gate, frames, 300)) <= 60


def test_a_switch_from_day_to_night_is_looked_at_and_then_is_the_new_normal() -> None:
    gate = MotionGate()
    day = noisy(0.5)
    looks(gate, day, 50)
    night = (np.clip(frame * 0.4 + 60, 0, 255).astype(np.uint8) for frame in noisy(1.2, seed=5))
    after = looks(gate, night, 200, first=50)
    assert after[0] == 50
    assert len([n for n in after if n >= 75]) <= 200 / 25 + 4


def test_while_somebody_is_there_every_frame_is_looked_at() -> None:
    gate = MotionGate()
    still = scene()
    for number in range(100):
        at_ns = START_NS + number * STEP_NS
        assert gate.held_open(at_ns) or gate.wants(still, at_ns)
        gate.hold(at_ns)
    assert gate.held_open(at_ns + STEP_NS), "and it costs no comparison"


def test_the_gate_stays_open_for_a_while_after_somebody_was_there() -> None:
    gate = MotionGate(GatePolicy(after_person_s=2.0))
    looks(gate, iter([scene()]), 1)
    gate.hold(START_NS)
    assert looks(gate, (scene() for _ in range(20)), 20, first=1) == list(range(1, 10))


def test_after_somebody_left_the_first_frame_is_looked_at_and_then_nothing_is_missed() -> None:
    gate = MotionGate()
    looks(gate, (scene() for _ in range(30)), 30)
    left_ns = START_NS + 40 * STEP_NS
    gate.hold(left_ns)
    assert gate.held_open(left_ns + STEP_NS)
    after_ns = left_ns + 3 * NS_PER_S
    assert not gate.held_open(after_ns)
    frame = scene()
    assert gate.wants(frame, after_ns)
    assert not gate.wants(frame, after_ns + STEP_NS)
    assert gate.wants(with_person(frame, 12, 20, contrast=18), after_ns + 2 * STEP_NS)


def test_a_policy_of_every_frame_looks_at_every_frame() -> None:
    gate = MotionGate(GatePolicy(look_every_s=0))
    assert all(gate.held_open(START_NS + n * STEP_NS) for n in range(20))


def test_a_screen_that_flickers_is_got_used_to_and_a_person_before_it_is_not() -> None:
    gate = MotionGate(GatePolicy(look_every_s=60))
    rng = np.random.default_rng(3)

    def flickering() -> Iterator[np.ndarray]:
        while True:
            frame = scene().astype(np.float32)
            frame[5:8, 5:9] += rng.normal(0, 2.5, (3, 4))
            yield np.clip(frame, 0, 255).astype(np.uint8)

    frames = flickering()
    early, late = looks(gate, frames, 100), looks(gate, frames, 200, first=400)
    assert len(late) / 200 < len(early) / 100 / 2
    assert gate.wants(with_person(next(frames), 5, 6, contrast=25), START_NS + 600 * STEP_NS)


def test_a_single_block_is_not_motion() -> None:
    gate = MotionGate()
    looks(gate, (scene() for _ in range(3)), 3)
    assert not gate.wants(with_person(scene(), 3, 3, contrast=40, height=1, width=1), START_NS + 3 * STEP_NS)


@pytest.mark.parametrize("bend", ["another size", "a clock set back", "forgotten"])
def test_what_cannot_be_compared_is_looked_at(bend: str) -> None:
    gate = MotionGate()
    looks(gate, (scene() for _ in range(3)), 3)
    frame, at_ns = scene(), START_NS + 3 * STEP_NS
    assert not MotionGate.wants(gate, frame, at_ns)
    match bend:
        case "another size":
            frame = scene()[:20]
        case "a clock set back":
            at_ns = START_NS - NS_PER_S
        case _:
            gate.forget()
    assert gate.wants(frame, at_ns)
