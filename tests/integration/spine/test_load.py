"""Sixteen cameras at 2 Mbit/s, the short form of ``bench/load.py``: no gap, every second there, memory that does not run away."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load import Load, run_load, two_megabit_clip
from tests.harness.ground import Ground
from tests.harness.site import SERVICES

pytestmark = pytest.mark.timeout(300)
CAMERAS, SECONDS = 16, 40.0


@pytest.fixture(scope="module")
def load(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Load:
    clip = two_megabit_clip(tmp_path_factory.mktemp("clip"), seconds=10)
    return run_load(ground, clip, cameras=CAMERAS, seconds=SECONDS, segment_s=10.0)


def test_no_camera_has_a_gap(load: Load) -> None:
    assert {name: rows for name, rows in load.gaps.items() if rows} == {}


def test_every_second_is_in_the_ledger(load: Load) -> None:
    assert len(load.covered_s) == CAMERAS
    assert min(load.covered_s.values()) >= SECONDS - 3.0


def test_nothing_is_found_by_check(load: Load) -> None:
    assert load.findings == []


@pytest.mark.parametrize("service", SERVICES)
def test_memory_does_not_run_away(load: Load, service: str) -> None:
    assert load.growth(service, SECONDS / 2) < 1.25  # type: ignore[arg-type]


def test_the_clip_is_what_it_says(tmp_path: Path) -> None:
    clip = two_megabit_clip(tmp_path, seconds=4)
    assert 0.8 <= clip.stat().st_size * 8 / 4 / 2_000_000 <= 1.2
