"""An edge agent needs no database driver, no ONNX Runtime and no OpenCV: it runs where none of them is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml

from deploy.local.server_process import free_port
from tests.harness.site import REPOSITORY
from tests.harness.waiting import wait_until

WITHOUT = """
import sys

NOT_INSTALLED = {"sqlalchemy", "alembic", "asyncpg", "aiosqlite", "minio", "onnxruntime", "onnx", "cv2", "scipy"}

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in NOT_INSTALLED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from services.box.command import main
raise SystemExit(main(sys.argv[1:]))
"""


def test_the_agent_runs_with_its_own_extra_alone(tmp_path: Path) -> None:
    port = free_port()
    file = tmp_path / "agent.yaml"
    backbone = {"mode": "embedded", "data": str(tmp_path / "data")}
    file.write_text(yaml.safe_dump({"backbone": backbone, "observability": {"listen": f"127.0.0.1:{port}"}}))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with (tmp_path / "agent.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", WITHOUT, "agent", "--config", str(file)], env=environment, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: _ready(child, port, tmp_path / "agent.log"), seconds=40, what="the agent to be ready")
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()


def _ready(child: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert child.poll() is None, log.read_text()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_command_whose_extra_is_missing_says_which_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "check", "--data", "nowhere"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "kanhu[retention]" in done.stderr
