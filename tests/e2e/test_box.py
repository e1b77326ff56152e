"""The life of a box: started with one command, drained by Ctrl-C, whole after a death, alone on its directory."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import psutil
import pytest

from services.box import demonstration
from tests.e2e.conftest import BoxUnderTest
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.timeout(240)


def streaming(box: BoxUnderTest) -> bool:
    cameras = box.get("api/v1/cameras")["cameras"]
    return len(cameras) == len(demonstration.CAMERAS) and all(camera["state"] == "streaming" for camera in cameras)


def test_ctrl_c_drains_and_leaves_nothing_half_written(box: BoxUnderTest, tmp_path: Path) -> None:
    box.wait_ready()
    wait_until(lambda: streaming(box), seconds=120, what=f"all cameras to stream; {box.logs()}")
    pids = box.children()
    assert box.stop() == 0, box.said
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert not (box.data / "box.state.json").exists()
    assert [path for path in box.data.rglob("*.draft")] == []
    order = [word for line in box.said.splitlines() if "stopped after" in line for word in line.split()[1:2]]
    assert order == ["agent", "analyze", "retain", "console"]
    check = box.kanhu("check")
    assert check.returncode == 0, check.stdout + check.stderr
    with sqlite3.connect(box.data / "catalog.db") as catalog:
        kept = catalog.execute("SELECT DISTINCT camera_id FROM segment").fetchall()
    assert {camera for (camera,) in kept} == set(demonstration.CAMERAS)
    judge_footage(box, tmp_path)


def judge_footage(box: BoxUnderTest, tmp_path: Path) -> None:
    """What was stored is authentic by itself, and one changed bit of it is named."""
    stored = [path for path in (box.data / "objects").rglob("*.mp4") if path.stat().st_size]
    assert len(stored) >= len(demonstration.CAMERAS)
    for path in stored:
        assert box.kanhu("evidence", "verify", str(path)).returncode == 0
    octets = bytearray(stored[0].read_bytes())
    octets[len(octets) // 2] ^= 1
    (tmp_path / "changed.mp4").write_bytes(octets)
    judged = box.kanhu("evidence", "verify", str(tmp_path / "changed.mp4"))
    assert judged.returncode == 1
    assert judged.stdout.startswith("edit: ")


def test_a_second_ctrl_c_leaves_at_once(box: BoxUnderTest) -> None:
    box.wait_ready()
    pids = box.children()
    os.kill(pids["agent"], signal.SIGSTOP)  # a service that does not stop by itself
    box.process.send_signal(signal.SIGINT)
    wait_until(lambda: "draining" in box.said, seconds=10, what="the drain to begin")
    began_s = time.monotonic()

    def pressed_again() -> bool:
        if box.process.poll() is None:
            box.process.send_signal(signal.SIGINT)
        return box.process.poll() is not None

    wait_until(pressed_again, seconds=10, what="the box to leave", every_s=0.3)
    assert time.monotonic() - began_s < 8  # the agent alone would have been given 15 s
    assert box.process.returncode == 130
    wait_until(
        lambda: not any(psutil.pid_exists(pid) for pid in pids.values()), seconds=10, what="all services to be gone"
    )


def test_a_service_that_dies_is_started_again_and_named(box: BoxUnderTest) -> None:
    box.wait_ready()
    before = box.children()
    os.kill(before["analyze"], signal.SIGKILL)
    wait_until(lambda: box.children()["analyze"] != before["analyze"] and box.ready(), seconds=40, what="a new analyze")
    assert "analyze          died" in box.said
    assert "SIGKILL" in box.said
    assert {word: pid for word, pid in box.children().items() if word != "analyze"} == {
        word: pid for word, pid in before.items() if word != "analyze"
    }
    assert box.stop() == 0


def test_nobody_outlives_a_box_that_was_killed(box: BoxUnderTest) -> None:
    box.wait_ready()
    pids = box.children()
    box.process.kill()
    box.process.wait()
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids.values()), seconds=30, what="the services to end")
    again = BoxUnderTest(box.data)
    try:
        again.wait_ready()
        assert again.stop() == 0
    finally:
        again.end()


def test_a_second_box_on_one_directory_is_refused(box: BoxUnderTest) -> None:
    wait_until(lambda: bool(box.state()), seconds=40, what="the box to say who it is")
    second = BoxUnderTest(box.data)
    assert second.process.wait(30) == 2
    assert f"process {box.process.pid}" in second.said


def test_settings_that_a_service_refuses_end_the_box_with_the_reason(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("console:\n  listen: 203.0.113.7:8600\n")
    box = BoxUnderTest(tmp_path / "data", "--config", str(config), "--listen", "203.0.113.7:8600")
    try:
        assert box.process.wait(60) == 2
        assert "203.0.113.7" in box.said
    finally:
        box.end()
