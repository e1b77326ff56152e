"""The life of a service process: arguments, endpoint, signals, a dying parent, errors, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness.waiting import wait_until

CHILD = "tests.integration.backbone.service_child"
REPOSITORY = Path(__file__).parents[3]


class Service:
    """A service as a child process, its lines collected."""

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        self.log = directory / f"service-{os.urandom(4).hex()}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", CHILD, *arguments],
                cwd=REPOSITORY, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def text(self) -> str:
        return self.log.read_text()

    def until(self, words: str) -> None:
        wait_until(lambda: words in self.text or self.process.poll() is not None, seconds=30, what=words)
        assert words in self.text, self.text

    def ended(self) -> int:
        return self.process.wait(30)

    def get(self, path: str) -> tuple[int, str]:
        (url,) = re.findall(r'"url": "(http://127\.0\.0\.1:\d+)"', self.text)
        try:
            with urllib.request.urlopen(url + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    services: list[Service] = []

    def begin(*arguments: str, **environment: str) -> Service:
        services.append(Service(tmp_path, *arguments, **environment))
        return services[-1]

    yield begin
    for service in services:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait(30)


@pytest.fixture
def box(tmp_path: Path) -> str:
    data = tmp_path / "data"
    data.mkdir()
    (data / "box.yaml").write_text("cameras: [{camera_id: door, url: 'sim:nap'}]\n")
    return str(data)


def test_a_service_runs_on_an_empty_directory_and_drains_when_told(start: Start, tmp_path: Path) -> None:
    service = start("obey", "--data", str(tmp_path / "new"))
    service.until("running []")
    service.process.terminate()
    assert service.ended() == 0
    assert "drained" in service.text
    assert {"log", "objects", "catalog.db"} <= {path.name for path in (tmp_path / "new").iterdir()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once(start: Start, box: str, number: signal.Signals) -> None:
    service = start("cling", "--data", box)
    service.until("running")
    service.process.send_signal(number)
    service.until("send the signal again")
    assert service.process.poll() is None
    service.process.send_signal(number)
    assert service.ended() == 128 + number


def test_one_request_that_arrives_as_two_signals_still_drains(start: Start, box: str) -> None:
    service = start("obey", "--data", box)
    service.until("running")
    service.process.send_signal(signal.SIGINT)
    service.process.send_signal(signal.SIGTERM)
    assert service.ended() == 0
    assert "drained" in service.text


def test_the_endpoint_tells_health_readiness_and_metrics(start: Start, box: str) -> None:
    service = start("obey", "--data", box)
    service.until("running ['door']")
    assert service.get("/healthz") == (200, '{"status":"ok"}')
    status, body = service.get("/readyz")
    assert status == 200 and json.loads(body)["conditions"]["backbone"] == {"holds": True, "detail": ""}
    status, body = service.get("/metrics")
    assert status == 200
    assert 'kanhu_ready{condition="backbone"} 1.0' in body and 'kanhu_build_info{service="retain"' in body
    assert service.get("/nothing")[0] == 404


def test_two_services_share_one_directory(start: Start, box: str) -> None:
    services = [start("obey", "--data", box) for _ in range(3)]
    for service in services:
        service.until("running ['door']")
        service.process.terminate()
    assert [service.ended() for service in services] == [0, 0, 0]


# What goes wrong


@pytest.mark.parametrize("arguments", [[], ["--config"], ["--data", "a", "--config", "b"], ["--nonsense"]])
def test_wrong_use_is_exit_code_2(start: Start, arguments: list[str]) -> None:
    service = start("obey", *arguments)
    assert service.ended() == 2
    assert "usage: kanhu retain" in service.text and "Traceback" not in service.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "backbone"),
        ("backbone: {mode: embedded}\n", "data"),
        ("observability: {listen: nowhere}\nbackbone: {mode: embedded, data: DATA}\n", "HOST:PORT"),
    ],
)
def test_a_wrong_file_is_one_clear_line_and_exit_code_2(start: Start, tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "kanhu.yaml"
    file.write_text(text.replace("DATA", str(tmp_path / "data")))
    service = start("obey", "--config", str(file))
    assert service.ended() == 2
    plain = [line for line in service.text.splitlines() if not line.startswith("{")]
    assert len(plain) == 1 and plain[0].startswith("kanhu retain: ") and expected in plain[0]


def test_a_file_that_is_not_there_is_exit_code_2(start: Start, tmp_path: Path) -> None:
    service = start("obey", "--config", str(tmp_path / "none.yaml"))
    assert service.ended() == 2
    assert "none.yaml does not exist" in service.text and "Traceback" not in service.text


@pytest.mark.parametrize(("way", "code"), [("refuse", 2), ("starve", 1), ("stumble", 1)])
def test_a_service_that_fails_says_why(start: Start, box: str, way: str, code: int) -> None:
    service = start(way, "--data", box)
    assert service.ended() == code
    assert "geheim" not in service.text
    told = {"refuse": "models install", "starve": "broker is away", "stumble": "ZeroDivisionError"}[way]
    assert told in service.text


def test_a_backbone_that_is_away_is_waited_for_and_shows_as_not_ready(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "keys").mkdir(parents=True)
    file = tmp_path / "kanhu.yaml"
    file.write_text(
        "backbone:\n  mode: distributed\n  kafka: {bootstrap: '127.0.0.1:1'}\n"
        "  s3: {endpoint: '127.0.0.1:1', secure: false}\n  postgres: {host: 127.0.0.1, port: 1}\n"
        f"  keys: {data / 'keys'}\n"
    )
    service = start("obey", "--config", str(file), KANHU_POSTGRES_PASSWORD="geheim")
    service.until("trying again")
    status, body = service.get("/readyz")
    assert status == 503 and not json.loads(body)["conditions"]["backbone"]["holds"]
    assert service.get("/healthz")[0] == 200
    service.process.terminate()
    assert service.ended() == 0
    assert "geheim" not in service.text


# The box that started it


_PARENT = """
import os, subprocess, sys, time
environment = {**os.environ, "KANHU_PARENT_PID": str(os.getpid())}
child = subprocess.Popen([sys.executable, "-m", *sys.argv[1:]], env=environment)
print(f"child {child.pid}", flush=True)
time.sleep(600)
"""


def _orphan(log: Path, way: str, box: str) -> psutil.Process:
    """Start a service under a parent, kill the parent, return the service."""
    with log.open("wb") as output:
        parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT, CHILD, way, "--data", box], cwd=REPOSITORY, stdout=output, stderr=output
        )
    try:
        wait_until(lambda: "running" in log.read_text(), seconds=30, what="the service under its parent")
        (pid,) = re.findall(r"child (\d+)", log.read_text())
        child = psutil.Process(int(pid))
    finally:
        parent.kill()
        parent.wait()
    return child


def test_a_service_drains_when_its_box_is_killed(tmp_path: Path, box: str) -> None:
    log = tmp_path / "child.log"
    child = _orphan(log, "obey", box)
    child.wait(20)
    assert "drained" in log.read_text()


def test_a_service_that_cannot_drain_does_not_outlive_its_box(tmp_path: Path, box: str) -> None:
    child = _orphan(tmp_path / "child.log", "hang", box)
    child.wait(20)  # the kernel ends it after ORPHAN_DRAIN_S


def test_a_service_whose_box_is_gone_already_does_not_begin(start: Start, box: str) -> None:
    service = start("obey", "--data", box, KANHU_PARENT_PID="1")
    assert service.ended() == 128 + signal.SIGTERM
    assert "running" not in service.text
