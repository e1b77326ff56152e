"""The agent's disk spool: lossless records in the order in which they came, until the log takes them.

It is a log of its own (the embedded adapter) with one topic of one partition, so that the order of everything is kept.
Belongs here: wrapping records, counting bytes, removing what was drained. Does not belong here: when to spool and when to
drain (``outbox.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.backbone.ports import Consumer, Log, Outgoing, TopicPartition
from services.contracts.errors import Transient
from services.contracts.topics import Topic

SPOOL = Topic("spool.v1", "entity_id", "records of an agent that wait for the log", partitions=1, retention_ms=0)
_GROUP = "agent"
_TOPIC_HEADER = "spool.topic"
_ASSIGNMENT_S = 15.0  # longer than a lease: a member that stands still loses its partition by then
_LOOK_S = 0.02
_OVERHEAD_BYTES = 1024  # of a record beside its value: headers, rows


@dataclass(frozen=True, slots=True)
class Spooled:
    """A batch taken from the spool; hand it back to :meth:`Spool.drained` when the log has it."""

    records: tuple[Outgoing, ...]
    end_offset: int
    size_bytes: int


def footprint_bytes(record: Outgoing) -> int:
    """What a record is counted as."""
    return _OVERHEAD_BYTES + len(record.value or b"")


class Spool:
    """``used_bytes`` counts what has not been drained. One task appends, one drains."""

    def __init__(self, log: Log, reader: Consumer, *, used_bytes: int, drained_to: int, end: int) -> None:
        self._log = log
        self._reader = reader
        self._used_bytes = used_bytes
        self._drained_to = drained_to
        self._end = end

    @property
    def used_bytes(self) -> int:
        return self._used_bytes

    @property
    def is_empty(self) -> bool:
        return self._drained_to >= self._end

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Durable on return. ``Transient`` when the disk cannot take it; a part of it may then be there all the same."""
        size_bytes = sum(map(footprint_bytes, records))
        self._used_bytes += size_bytes
        try:
            positions = await self._log.append([_wrapped(record) for record in records])
        except BaseException:
            self._used_bytes = max(0, self._used_bytes - size_bytes)
            raise
        self._end = max(self._end, positions[-1].offset + 1)

    async def oldest(self, *, max_records: int = 64, timeout_s: float = 1.0) -> Spooled | None:
        """The next batch, not removed yet; ``None`` if nothing came in ``timeout_s``. Each record is given out once."""
        delivered = await self._reader.poll(max_records=max_records, timeout_s=timeout_s)
        if not delivered:
            return None
        records = tuple(
            Outgoing(dict(one.headers)[_TOPIC_HEADER].decode(), one.key, one.value, one.headers[:-1])
            for one in delivered
        )
        return Spooled(records, delivered[-1].offset + 1, sum(map(footprint_bytes, records)))

    async def drained(self, batch: Spooled) -> None:
        """Forget a batch. What is not forgotten comes again after a restart."""
        await self._reader.commit({TopicPartition(SPOOL.name, 0): batch.end_offset})
        self._drained_to = batch.end_offset
        self._used_bytes = 0 if self.is_empty else max(0, self._used_bytes - batch.size_bytes)


@contextlib.asynccontextmanager
async def open_spool(log: Log, directory: Path) -> AsyncIterator[Spool]:
    """Use ``log``, whose files lie in ``directory``, as a spool; what an earlier process left is drained first."""
    await log.ensure([SPOOL])
    async with log.consumer([SPOOL.name], group=_GROUP, start="earliest") as reader:
        drained_to, end = await _what_is_left(reader)
        used_bytes = _directory_bytes(directory) if end > drained_to else 0
        yield Spool(log, reader, used_bytes=used_bytes, drained_to=drained_to, end=end)


async def _what_is_left(reader: Consumer) -> tuple[int, int]:
    """Offsets of the oldest record that was not drained, and of the end. ``Transient`` while another agent holds it."""
    partition = TopicPartition(SPOOL.name, 0)
    try:
        async with asyncio.timeout(_ASSIGNMENT_S):
            while partition not in reader.assignment():  # noqa: ASYNC110 - the port has no event for it
                await asyncio.sleep(_LOOK_S)
    except TimeoutError as error:
        raise Transient("another agent uses this spool; give every agent a directory of its own") from error
    first = await reader.poll(max_records=1, timeout_s=0)
    if not first:
        return 0, 0
    await reader.seek(partition, first[0].offset)
    return first[0].offset, (await reader.end_offsets())[partition]


def _directory_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _wrapped(record: Outgoing) -> Outgoing:
    topic = (_TOPIC_HEADER, record.topic.encode())
    return Outgoing(SPOOL.name, record.key, record.value, (*record.headers, topic))
