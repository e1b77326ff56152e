"""The estimate of a camera's clock from noisy samples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.core.camera_clock import CameraClock

MS = 1_000_000
S = 1_000_000_000


def test_nothing_is_said_before_the_first_sample() -> None:
    assert CameraClock().offset_ns is None


@given(st.integers(-3600 * S, 3600 * S), st.lists(st.integers(-40 * MS, 40 * MS), min_size=20, max_size=60))
def test_it_stays_within_the_noise(true_ns: int, noise: list[int]) -> None:
    clock = CameraClock()
    for error in noise:
        clock = clock.after(true_ns + error)
    assert clock.offset_ns is not None and abs(clock.offset_ns - true_ns) <= 41 * MS


def test_a_step_of_the_cameras_clock_is_believed_at_once() -> None:
    clock = CameraClock()
    for _ in range(20):
        clock = clock.after(100 * MS)
    clock = clock.after(-3600 * S)
    assert clock.offset_ns == -3600 * S
