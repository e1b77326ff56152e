"""The state file of a camera: what is in it when, and what a new process reads."""

from __future__ import annotations

from pathlib import Path

from services.ingest.run_memory import RunMemory


def test_an_agent_that_died_in_a_run_finds_that_out(tmp_path: Path) -> None:
    RunMemory(tmp_path, "boot").opened("cam", "run-1")
    assert RunMemory(tmp_path, "boot").since("cam") == "agent"
    assert RunMemory(tmp_path, "next boot").since("cam") == "power"


def test_a_run_that_ended_is_closed_only_when_its_end_is_durable(tmp_path: Path) -> None:
    memory = RunMemory(tmp_path, "boot")
    memory.opened("cam", "run-1")
    memory.ended("cam", "run-1", "maintenance")
    assert memory.since("cam") == "maintenance", "this process knows at once"
    assert RunMemory(tmp_path, "boot").since("cam") == "agent", "after a death the end may be lost"
    memory.closed("cam", "run-1", "maintenance")
    assert RunMemory(tmp_path, "boot").since("cam") == "maintenance"


def test_the_late_end_of_an_earlier_run_does_not_close_a_later_one(tmp_path: Path) -> None:
    memory = RunMemory(tmp_path, "boot")
    memory.opened("cam", "run-1")
    memory.opened("cam", "run-2")
    memory.ended("cam", "run-1", "camera")
    memory.closed("cam", "run-1", "camera")
    assert RunMemory(tmp_path, "boot").since("cam") == "agent"


def test_cameras_do_not_mix_and_an_unknown_one_has_no_past(tmp_path: Path) -> None:
    memory = RunMemory(tmp_path, "boot")
    memory.opened("a", "run-1")
    assert memory.since("b") is None


def test_a_damaged_file_counts_as_a_death(tmp_path: Path) -> None:
    memory = RunMemory(tmp_path, "boot")
    (tmp_path / "cam.json").write_bytes(b"\0" * 20)
    assert memory.since("cam") == "agent"
