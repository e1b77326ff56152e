"""An outbox on a real spool directory with a log that can be broken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from services.backbone.embedded.log import EmbeddedLog, LogTuning
from services.backbone.ports import Log, Outgoing
from services.backbone.system_clock import SystemClock
from services.ingest.outbox import Outbox
from services.ingest.spool import open_spool

MIB = 1024 * 1024
TOPIC = "video.record.v1"


def numbered(key: str, number: int, size_bytes: int = 2000) -> Outgoing:
    return Outgoing(TOPIC, key, number.to_bytes(8, "big").ljust(size_bytes, b"."), (("seq", str(number).encode()),))


def number_of(record: Outgoing) -> int:
    assert record.value is not None
    return int.from_bytes(record.value[:8], "big")


def first_copies(records: Sequence[Outgoing]) -> dict[str, list[int]]:
    """Numbers by key in the order in which each was first seen: what retention makes of the log."""
    seen: dict[str, dict[int, None]] = {}
    for record in records:
        seen.setdefault(record.key, {}).setdefault(number_of(record))
    return {key: list(numbers) for key, numbers in seen.items()}


@contextlib.asynccontextmanager
async def running_outbox(
    log: Log,
    directory: Path,
    *,
    deadline_s: float = 0.1,
    spool_limit_bytes: int = 64 * MIB,
    memory_limit_bytes: int = 16 * MIB,
    close_s: float = 10.0,
) -> AsyncIterator[Outbox]:
    spool_log = await EmbeddedLog.open(directory, tuning=LogTuning(busy_timeout_s=0.3, housekeeping_s=0.3))
    try:
        async with open_spool(spool_log, directory) as spool:
            outbox = Outbox(
                log, spool, SystemClock(), deadline_s=deadline_s, spool_limit_bytes=spool_limit_bytes,
                memory_limit_bytes=memory_limit_bytes,
            )  # fmt: skip
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(outbox.run())
                try:
                    yield outbox
                finally:
                    await outbox.close(close_s)
                    working.cancel()
    finally:
        await spool_log.close()
