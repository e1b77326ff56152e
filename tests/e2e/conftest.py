"""A box as a person starts it, and a real browser to look at its page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, sync_playwright

from deploy.local.server_process import free_port, launch, leash
from tests.harness.site import REPOSITORY
from tests.harness.waiting import wait_until

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class BoxUnderTest:
    """``kanhu box`` as a child process. ``said`` is what its terminal shows."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self.port = free_port()
        self.said_path = data.with_suffix(".said")
        with self.said_path.open("ab") as said:
            self.process = launch(
                lambda: subprocess.Popen(
                    [*leash(None), sys.executable, "-m", "services.box.command", "box", "--data", str(data),
                     "--listen", f"127.0.0.1:{self.port}", *arguments],
                    cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
                )
            )  # fmt: skip
        self.url = f"http://127.0.0.1:{self.port}/"

    @property
    def said(self) -> str:
        return self.said_path.read_text()

    def logs(self) -> str:
        """Where the services' logs are, for messages of failure."""
        return f"logs in {self.data / 'logs'}, terminal in {self.said_path}"

    def state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.data / "box.state.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return state

    def ready(self) -> bool:
        assert self.process.poll() is None, f"the box ended with {self.process.returncode}:\n{self.said}"
        state = self.state()
        services = state.get("services", {})
        return (
            state.get("pid") == self.process.pid
            and len(services) == 4
            and all(service["ready"] for service in services.values())
        )

    def wait_ready(self, seconds: float = 60) -> None:
        wait_until(self.ready, seconds=seconds, what=f"the box to be ready:\n{self.said}")

    def children(self) -> dict[str, int]:
        return {word: service["pid"] for word, service in self.state().get("services", {}).items()}

    def get(self, path: str) -> Any:
        with _DIRECT.open(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def kanhu(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.box.command", *words, "--data", str(self.data)],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=90, env=dict(os.environ),
        )  # fmt: skip

    def stop(self, seconds: float = 60) -> int:
        """Ctrl-C, once."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(seconds)

    def end(self) -> None:
        """Whatever is left is killed (teardown)."""
        pids = list(self.children().values())
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in pids:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxUnderTest]:
    """A newcomer's box: no camera named."""
    box = BoxUnderTest(tmp_path / "data")
    yield box
    box.end()


@pytest.fixture
def browser() -> Iterator[Browser]:
    assert Path(CHROMIUM).exists(), "the page is tested in Debian's chromium; run deploy/local/debian-packages.sh"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_SWITCHES)
        yield opened
        opened.close()
