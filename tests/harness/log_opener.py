"""An embedded log in a directory, with clocks that a test turns; opened any number of times."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from services.backbone.embedded.log import EmbeddedLog, LogTuning
from services.backbone.embedded.log_clock import LogTime
from services.backbone.embedded.log_reader import DamagedRecord
from services.backbone.ports import Delivered, Outgoing
from services.contracts.topics import Topic
from tests.harness.log_child import numbered
from tests.harness.log_site import until

KIB = 1024
MIB = 1024 * KIB
HOUR_NS = 3_600_000_000_000


@dataclass
class Clocks:
    """Clocks that a test turns."""

    wall_ns: int = 1_900_000_000_000_000_000
    since_boot_ns: int = 1_000_000_000_000
    boot: str = "boot-1"

    def times(self) -> LogTime:
        return LogTime(lambda: self.wall_ns, lambda: self.since_boot_ns, boot=lambda: self.boot)


@dataclass
class Opener:
    """Opens one directory any number of times, and closes what a test left open."""

    directory: Path
    clocks: Clocks = field(default_factory=Clocks)
    damaged: list[DamagedRecord] = field(default_factory=list)
    logs: list[EmbeddedLog] = field(default_factory=list)

    async def open(self, *topics: Topic, limit_bytes: int | None = None, roll_bytes: int = 64 * MIB) -> EmbeddedLog:
        tuning = LogTuning(
            lease_s=2.0, busy_timeout_s=1.0, housekeeping_s=0.05, roll_bytes=roll_bytes, times=self.clocks.times()
        )
        log = await EmbeddedLog.open(
            self.directory, limit_bytes=limit_bytes, tuning=tuning, on_damaged=self.damaged.append
        )
        self.logs.append(log)
        await log.ensure(topics)
        return log

    def value_files(self) -> list[Path]:
        return sorted((self.directory / "values").iterdir())

    def value_bytes(self) -> int:
        """On the disk; a file may go while this looks."""
        total = 0
        for path in (self.directory / "values").iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total


async def fill(
    log: EmbeddedLog, cameras: Topic, count: int, size_bytes: int, *, key: str = "k", first: int = 0
) -> None:
    for number in range(first, first + count):
        await log.append([Outgoing(cameras.name, key, numbered(key, number, size_bytes))])


async def read_all(log: EmbeddedLog, name: str) -> list[Delivered]:
    """What a reader finds now."""
    records: list[Delivered] = []
    async with log.consumer([name], group=None) as reader:
        while more := await reader.poll(timeout_s=0):
            records += more
    return records


async def commit_all(log: EmbeddedLog, name: str, group_name: str) -> None:
    async with log.consumer([name], group=group_name) as consumer:
        await consumer.commit(await consumer.end_offsets())


async def until_count(log: EmbeddedLog, cameras: Topic, count: int) -> None:
    async def there() -> bool:
        return len(await read_all(log, cameras.name)) == count

    await until(there, f"{count} records of {cameras.name}")
