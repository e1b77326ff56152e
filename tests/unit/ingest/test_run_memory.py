"""The state file of a camera: what is in it when, and what a new process reads."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from services.ingest import run_memory
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


def test_the_end_of_a_run_is_taken_note_of_while_the_disk_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop calls it; a flush can take seconds."""
    memory = RunMemory(tmp_path, "boot")
    memory.opened("a", "run-1")
    writing, may_go_on = threading.Event(), threading.Event()

    def slowly(path: Path, content: bytes, *, mode: int) -> None:
        writing.set()
        assert may_go_on.wait(20)

    monkeypatch.setattr(run_memory, "replace_file", slowly)
    opening = threading.Thread(target=memory.opened, args=("b", "run-2"))
    opening.start()
    assert writing.wait(20)
    ending = threading.Thread(target=memory.ended, args=("a", "run-1", "camera"), daemon=True)
    ending.start()
    ending.join(20)
    done = not ending.is_alive()
    may_go_on.set()
    opening.join(20)
    assert done
    assert memory.since("a") == "camera"
