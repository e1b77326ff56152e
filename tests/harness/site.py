"""An installation under test: its FILE, its service processes, and the command line that an operator would use.

Services are real processes, started as a distributed installation starts them (``kanhu agent --config FILE``), on either
backbone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from deploy.local.server_process import free_port, launch, leash
from tests.harness.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
Service = Literal["agent", "analyze", "retain", "console"]
SERVICES: tuple[Service, ...] = ("retain", "analyze", "agent")


class Site:
    """One installation. ``backbone`` is the section of FILE; ``environment`` carries its secrets."""

    def __init__(self, root: Path, backbone: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.file = root / "kanhu.yaml"
        self.settings: dict[str, Any] = {
            "backbone": dict(backbone),
            "agent": {"data": str(root / "agent")},
            "analyze": {"models": str(root / "models")},
            "observability": {"log_level": "info"},
        }
        self._environment = {**os.environ, **(environment or {}), "PYTHONPATH": str(REPOSITORY)}
        self._processes: dict[Service, subprocess.Popen[bytes]] = {}
        self._ports: dict[Service, int] = {}

    def configure(self, **sections: Any) -> None:
        """Merge sections into FILE and write it whole (rename), as an operator's editor would."""
        for name, value in sections.items():
            old = self.settings.get(name)
            self.settings[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        draft = self.file.with_suffix(".draft")
        draft.write_text(yaml.safe_dump(self.settings, allow_unicode=True))
        draft.replace(self.file)

    # -- processes ---------------------------------------------------------------------------------------------------

    def start(self, *services: Service) -> None:
        """Start services and wait until each says it is ready."""
        for service in services:
            self.launch(service)
        for service in services:
            self.wait_ready(service)

    def launch(self, service: Service) -> None:
        """Start one service without waiting. It dies with us, even by SIGKILL."""
        assert service not in self._processes, f"{service} runs already"
        port = self._ports[service] = free_port()
        environment = {**self._environment, "KANHU_OBSERVABILITY__LISTEN": f"127.0.0.1:{port}"}
        words = [sys.executable, "-m", "services.box.command", service, "--config", str(self.file)]
        with self.log_path(service).open("ab") as log:
            self._processes[service] = launch(
                lambda: subprocess.Popen(
                    [*leash(None), *words],
                    cwd=self.root, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )
            )  # fmt: skip

    def wait_ready(self, service: Service, seconds: float = 40) -> None:
        wait_until(
            lambda: self._ready(service), seconds=seconds, what=f"{service} to be ready\n{self.log_tail(service)}"
        )

    def _ready(self, service: Service) -> bool:
        code = self._processes[service].poll()
        assert code is None, f"{service} ended with {code}:\n{self.log_tail(service)}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[service]}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def runs(self, service: Service) -> bool:
        """We started it and neither stopped nor killed it."""
        return service in self._processes

    def metrics(self, service: Service) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[service]}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def pid(self, service: Service) -> int:
        return self._processes[service].pid

    def kill(self, service: Service) -> None:
        """SIGKILL: what a power cut or the kernel's OOM killer does to it."""
        child = self._processes.pop(service)
        child.kill()
        child.wait()

    def ask_to_stop(self, service: Service) -> None:
        """SIGTERM, without waiting for what it does then."""
        self._processes[service].send_signal(signal.SIGTERM)

    def stop(self, *services: Service, seconds: float = 30) -> None:
        """SIGTERM, and the service must end by itself with 0."""
        for service in services or tuple(self._processes):
            child = self._processes.pop(service)
            child.send_signal(signal.SIGTERM)
            try:
                code = child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                raise AssertionError(f"{service} did not stop in {seconds} s:\n{self.log_tail(service)}") from None
            assert code == 0, f"{service} ended with {code}:\n{self.log_tail(service)}"

    def end(self) -> None:
        """Whatever still runs is killed (for teardown)."""
        for service in tuple(self._processes):
            self.kill(service)

    def log_path(self, service: Service) -> Path:
        return self.root / f"{service}.log"

    def log_tail(self, service: Service, lines: int = 40) -> str:
        path = self.log_path(service)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"

    # -- the command line ---------------------------------------------------------------------------------------------

    def run(self, *words: str, expect: Sequence[int] = (0,), seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run ``kanhu WORDS``; fail unless its exit code is expected."""
        done = subprocess.run(
            [sys.executable, "-m", "services.box.command", *words],
            cwd=self.root, env=self._environment, capture_output=True, text=True, timeout=seconds,
        )  # fmt: skip
        said = f"kanhu {' '.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode in expect, said
        return done

    def kanhu(
        self, *words: str, expect: Sequence[int] = (0,), seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run ``kanhu WORDS --config FILE`` of this installation."""
        return self.run(*words, "--config", str(self.file), expect=expect, seconds=seconds)

    def lines(self, *words: str, expect: Sequence[int] = (0, 1)) -> list[dict[str, Any]]:
        """The JSON lines of a reading command."""
        done = self.kanhu(*words, "--json", expect=expect)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
