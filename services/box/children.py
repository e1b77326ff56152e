"""The services of a box as child processes: started, watched, started again when they die, drained in order.

Belongs here: the life of processes. Does not belong here: what a service does, or what its FILE says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from services.backbone.shutdown import PARENT_VARIABLE
from services.box.terminal import Terminal

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0
_SETTLED_S = 60.0
_LOG_LIMIT_BYTES = 16 * 1024 * 1024
_PROBE_EVERY_S = 0.15
WRONG_USE = 2
#: Never through a proxy of the environment: the addresses are this machine's own.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(slots=True)
class Child:
    """One service. ``word`` is what one says, ``module`` what runs; ``drain_s`` how long a clean stop may take.

    ``ready`` is about the process that runs now, ``up`` says that one was ready once.
    """

    word: str
    module: str
    drain_s: float
    process: asyncio.subprocess.Process | None = None
    port: int = 0
    restarts: int = 0
    ready: bool = False
    started_s: float = 0.0
    stopping: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Refused(Exception):
    """A service refused its settings before it was ever ready: starting it again would change nothing."""


class Nursery:
    """All children of one box. ``changed`` is called whenever a pid or an address changed."""

    def __init__(self, file: Path, logs: Path, terminal: Terminal, changed: Callable[[], None]) -> None:
        self._file, self._logs, self._terminal, self._changed = file, logs, terminal, changed
        self.children: list[Child] = []
        self._stop = asyncio.Event()

    async def run(self, child: Child) -> None:
        """Keep one service running until :meth:`drain` stops it. Raises :class:`Refused` on wrong settings."""
        wait_s = FIRST_WAIT_S
        while not self._stop.is_set():
            await self._start(child)
            code = await self._watch(child)
            if child.stopping or self._stop.is_set():
                return
            lived_s = time.monotonic() - child.started_s
            reason = self._why(child, code)
            if code == WRONG_USE and not child.ready and child.restarts == 0:
                raise Refused(f"{child.word}: {reason}")
            wait_s = FIRST_WAIT_S if lived_s > _SETTLED_S else wait_s
            self._terminal.bad(child.word, f"died after {lived_s:.0f} s: {reason}; starting it again in {wait_s:.1f} s")
            child.ready, child.restarts = False, child.restarts + 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def drain(self) -> None:
        """Stop all, each in its turn and within its time, so that what one still says the next still hears."""
        self._stop.set()
        for child in self.children:
            await self._end(child)

    def kill(self) -> None:
        """End all at once."""
        self._stop.set()
        for child in self.children:
            child.stopping = True
            if child.process is not None and child.process.returncode is None:
                child.process.kill()

    def log_path(self, child: Child) -> Path:
        return self._logs / f"{child.word}.log"

    def trim_logs(self) -> None:
        """Keep at most two files of 16 MiB per service; the children append, so a log can be cut under them."""
        for child in self.children:
            path = self.log_path(child)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > _LOG_LIMIT_BYTES:
                    shutil.copyfile(path, path.with_suffix(".log.1"))
                    os.truncate(path, 0)

    async def _start(self, child: Child) -> None:
        child.port = free_port()
        environment = {
            **os.environ, **child.environment, PARENT_VARIABLE: str(os.getpid()),
            "KANHU_OBSERVABILITY__LISTEN": f"127.0.0.1:{child.port}",
        }  # fmt: skip
        with self.log_path(child).open("ab") as log:
            # A session of its own: Ctrl-C reaches the box alone, which then stops its services in order.
            child.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", child.module, "--config", str(self._file),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip
        child.started_s = time.monotonic()
        self._changed()

    async def _watch(self, child: Child) -> int:
        assert child.process is not None
        ended = asyncio.create_task(child.process.wait())
        while not child.ready and not ended.done():
            if await asyncio.to_thread(answers, f"{child.url}/readyz"):
                child.ready = True
                child.up.set()
                self._terminal.good(child.word, f"ready after {time.monotonic() - child.started_s:.1f} s")
                self._changed()
                break
            await asyncio.wait({ended}, timeout=_PROBE_EVERY_S)
        return await ended

    async def _end(self, child: Child) -> None:
        process = child.process
        child.stopping = True
        if process is None or process.returncode is not None:
            return
        began_s = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), child.drain_s)
        except TimeoutError:
            self._terminal.bad(child.word, f"did not stop within {child.drain_s:.0f} s; ended by force")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        else:
            self._terminal.good(child.word, f"stopped after {time.monotonic() - began_s:.1f} s")

    def _why(self, child: Child, code: int) -> str:
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        said = last_words(self.log_path(child))
        return f"{how}, last said: {said}" if said else how


def last_words(path: Path, *, look_bytes: int = 16_384) -> str:
    """The newest warning or error in a log, or else its last line."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - look_bytes))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    for line in reversed(lines[-40:]):
        try:
            said = json.loads(line)
        except ValueError:
            return line.strip()[:300]
        if isinstance(said, dict) and said.get("level") in ("error", "critical"):
            return f"{said.get('event', '')} {said.get('error', '')}".strip()[:300]
    return ""


def free_port() -> int:
    """A TCP port on the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Whether an address of this machine answers 200."""
    try:
        with DIRECT.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False
