"""A log under test: the embedded one in a directory, or Kafka; opened any number of times, by this process and by children.

Belongs here: what the behaviour suite needs to know of an adapter. Does not belong here: expectations.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from deploy.local.server_process import wait_stopped
from deploy.local.servers import KafkaServer
from services.backbone.distributed.kafka_log import KafkaLog
from services.backbone.embedded.log import EmbeddedLog, LogTuning
from services.backbone.ports import Consumer, Delivered, Log
from services.contracts.topics import Topic

REPOSITORY = Path(__file__).parents[2]
LEASE_S = 2.0
DEADLINE_S = 40.0


def topic(
    *, partitions: int = 4, lossless: bool = True, compacted: bool = False, retention_ms: int = 3_600_000
) -> Topic:
    """A topic that no other test uses."""
    return Topic(f"t{secrets.token_hex(6)}", "camera_id", "of a test", partitions, retention_ms, lossless, compacted)


def group() -> str:
    return f"g{secrets.token_hex(6)}"


class LogSite(ABC):
    """Where a log lies."""

    kind: str

    def __init__(self, address: str) -> None:
        self.address = address
        self._logs: list[Log] = []
        self._children: list[Child] = []

    async def open(self) -> Log:
        """Open the log once more, as another service would; closed when the test ends."""
        log = await self._open()
        self._logs.append(log)
        return log

    async def ensure(self, *topics: Topic) -> Log:
        log = await self.open()
        await log.ensure(topics)
        return log

    async def child(self, role: str, *arguments: str) -> Child:
        """Start ``tests.harness.log_child`` in a process of its own."""
        child = await Child.start(self.kind, self.address, role, *arguments)
        self._children.append(child)
        return child

    async def stall(self, child: Child) -> None:
        """Stop a process where it stands, until it is sent SIGCONT."""
        await child.stop()

    async def close(self) -> None:
        for child in self._children:
            await child.kill()
        for log in self._logs:
            await log.close()

    @abstractmethod
    async def _open(self) -> Log: ...

    @abstractmethod
    def away(self) -> contextlib.AbstractAsyncContextManager[None]:
        """The database or broker does not answer inside the block."""


class EmbeddedSite(LogSite):
    kind = "embedded"

    async def _open(self) -> Log:
        return await open_log(self.kind, self.address)

    async def stall(self, child: Child) -> None:
        """Not while it writes: its lock on the database would stall everybody."""
        while True:
            await super().stall(child)
            try:
                with contextlib.closing(self._database(wait_s=0)) as database:
                    database.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError:
                child.send(signal.SIGCONT)
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        with contextlib.closing(self._database(wait_s=10)) as database:
            database.execute("BEGIN IMMEDIATE")
            yield

    def _database(self, wait_s: float) -> sqlite3.Connection:
        return sqlite3.connect(Path(self.address) / "log.db", isolation_level=None, timeout=wait_s)


class KafkaSite(LogSite):
    kind = "kafka"

    def __init__(self, server: KafkaServer) -> None:
        super().__init__(server.address)
        self._server = server

    async def _open(self) -> Log:
        return await open_log(self.kind, self.address)

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self._server.pause()
        try:
            yield
        finally:
            self._server.resume()


async def open_log(kind: str, address: str) -> Log:
    if kind == "kafka":
        return KafkaLog(address, append_timeout_s=4.0, session_s=LEASE_S, drain_limit_s=15.0, stall_limit_s=3.0)
    tuning = LogTuning(lease_s=LEASE_S, drain_limit_s=15.0, busy_timeout_s=1.0, housekeeping_s=0.5)
    return await EmbeddedLog.open(address, tuning=tuning)


class Child:
    """A process with the log open, that tells on its standard output what it did."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[str] = []

    @classmethod
    async def start(cls, *arguments: str) -> Child:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.harness.log_child", *arguments,
            cwd=REPOSITORY, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        return cls(process)

    async def line(self, begins: str | tuple[str, ...], timeout_s: float = DEADLINE_S) -> str:
        """Read on until a line begins so; what was read is in ``told``."""
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout_s):
            while raw := await self._process.stdout.readline():
                self.told.append(raw.decode().rstrip("\n"))
                if self.told[-1].startswith(begins):
                    return self.told[-1]
        raise AssertionError(f"the child ended before it said {begins!r}; it said {self.told[-5:]}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def stop(self) -> None:
        """SIGSTOP; returns when it stands still."""
        self.send(signal.SIGSTOP)
        await asyncio.to_thread(wait_stopped, self._process.pid)

    async def kill(self) -> None:
        """SIGKILL; what it had told meanwhile is in ``told``."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        assert self._process.stdout is not None
        rest = await self._process.stdout.read()
        self.told += rest.decode().splitlines()
        await self._process.wait()


async def drain(consumer: Consumer, count: int, timeout_s: float = DEADLINE_S) -> list[Delivered]:
    """Poll until ``count`` records came; fail when they do not."""
    records: list[Delivered] = []
    try:
        async with asyncio.timeout(timeout_s):
            while len(records) < count:
                records += await consumer.poll(timeout_s=0.5)
    except TimeoutError:
        raise AssertionError(f"{len(records)} of {count} records came in {timeout_s:g} s") from None
    return records


async def until(condition: Callable[[], Any | Awaitable[Any]], what: str, timeout_s: float = DEADLINE_S) -> Any:
    """Return the first true value of a condition; fail when there is none in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                value = condition()
                if isinstance(value, Awaitable):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s:g} s in vain for {what}") from None
