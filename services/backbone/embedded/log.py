"""The embedded log: ordered, partitioned, durable, with consumer groups, for several processes of one machine.

Belongs here: putting the parts together and housekeeping. The parts: ``log_schema`` (tables), ``log_values`` (value files),
``log_appender`` (the way in), ``log_reader`` and ``log_consumer`` (the way out), ``log_groups``, ``log_trim``.

    DIRECTORY/log.db          topics, the index of records, groups, offsets (SQLite, WAL)
    DIRECTORY/values/*.values values of more than 4 KiB, appended one after another
    DIRECTORY/writers/*.lock  one for each open log, locked while its process lives

Several processes open the same directory at once; it must lie on a local file system. It is also the agent's spool.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import structlog

from services.backbone import metrics
from services.backbone.embedded.log_appender import Appender, space_used
from services.backbone.embedded.log_clock import AgeClock, LogTime
from services.backbone.embedded.log_consumer import ConsumerPlan, EmbeddedConsumer
from services.backbone.embedded.log_groups import Membership, committed_offsets
from services.backbone.embedded.log_housekeeping import Housekeeping
from services.backbone.embedded.log_index import IndexWriter
from services.backbone.embedded.log_reader import DamagedRecord, Reader
from services.backbone.embedded.log_schema import create, translated
from services.backbone.embedded.log_topics import KnownTopic, create_topics, parts_of, read_topics
from services.backbone.embedded.log_values import WriterLock
from services.backbone.embedded.log_wakeup import LOOK_EVERY_S, Wakeup
from services.backbone.log_metrics import appending
from services.backbone.ports import OnPartitions, Outgoing, Position, TopicPartition
from services.contracts.dead_letter import DeadLetter, encode_dead_letter
from services.contracts.errors import KanhuError, Rejected, Transient
from services.contracts.topics import DEAD_LETTER, Topic

ROLL_BYTES = 64 * 1024 * 1024

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LogTuning:
    """Times and sizes that a test shortens and an installation leaves alone.

    ``lease_s``: how long a member that stands still (its process lives) keeps its partitions. ``drain_limit_s``: how long
    ``on_revoked`` may take. ``busy_timeout_s``: how long a locked database is waited for before ``Transient``.
    ``look_every_s``: how soon it is seen what another process appended (what this one appended is seen at once).
    """

    lease_s: float = 10.0
    drain_limit_s: float = 60.0
    busy_timeout_s: float = 5.0
    look_every_s: float = LOOK_EVERY_S
    housekeeping_s: float = 10.0
    roll_bytes: int = ROLL_BYTES
    times: LogTime = field(default_factory=LogTime)


class EmbeddedLog:
    """See :class:`services.backbone.ports.Log`. Make one with :meth:`open`; it belongs to one event loop."""

    def __init__(
        self,
        directory: Path,
        loop: asyncio.AbstractEventLoop,
        *,
        limit_bytes: int | None,
        tuning: LogTuning,
        on_damaged: Callable[[DamagedRecord], None] | None,
    ) -> None:
        """Blocks; called by :meth:`open`."""
        self._directory = directory
        self._loop = loop
        self._tuning = tuning
        self._on_damaged = on_damaged
        self._topics: dict[str, KnownTopic] = {}
        with translated(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        create(directory, tuning.busy_timeout_s)
        with translated(directory):
            self._lock = WriterLock(directory)
        self._index = IndexWriter(directory, tuning.busy_timeout_s)
        ages = AgeClock(tuning.times)
        roll_bytes = min(tuning.roll_bytes, max(1, limit_bytes // 8)) if limit_bytes else tuning.roll_bytes
        self._appender = Appender(
            directory, self._index, loop, writer=self._lock.writer, limit_bytes=limit_bytes, roll_bytes=roll_bytes,
            times=tuning.times, ages=ages, on_full=self._call_for_room, on_appended=lambda stands: self._wakeup.tell(stands),
        )  # fmt: skip
        self._housekeeping = Housekeeping(
            directory,
            self._index,
            writer=self._lock.writer,
            ages=ages,
            limit_bytes=limit_bytes,
            roll=self._appender.roll,
        )

    @classmethod
    async def open(
        cls,
        directory: Path | str,
        *,
        limit_bytes: int | None = None,
        tuning: LogTuning | None = None,
        on_damaged: Callable[[DamagedRecord], None] | None = None,
    ) -> EmbeddedLog:
        """Open the log in a directory, making it if need be.

        Beyond ``limit_bytes`` (value files and database) ``append`` raises ``Transient``; several processes appending at
        once may each exceed it by a batch. A damaged record is skipped, logged, counted, passed to ``on_damaged`` and,
        if a group read it and the topic exists, put on ``dead-letter.v1``.
        """
        log = await asyncio.to_thread(
            cls, Path(directory), asyncio.get_running_loop(),
            limit_bytes=limit_bytes, tuning=tuning or LogTuning(), on_damaged=on_damaged,
        )  # fmt: skip
        log._start()
        return log

    def _start(self) -> None:
        self._wakeup = Wakeup(self._directory, self._tuning.look_every_s)
        self._room_wanted = asyncio.Event()
        self._consumers: set[EmbeddedConsumer] = set()
        self._closed = False
        self._keeper = asyncio.create_task(self._keep_house(), name="log-housekeeping")

    async def ensure(self, topics: Iterable[Topic]) -> None:
        wanted = tuple(topics)
        await self._learn_topics()
        missing = [topic for topic in wanted if topic.name not in self._topics]
        if missing:
            await self._index.run(partial(create_topics, topics=missing))
            await self._learn_topics()

    async def append(self, records: Sequence[Outgoing]) -> list[Position]:
        if not records:
            return []
        with appending():
            topics = await self._known({record.topic for record in records})
            return await self._appender.append(records, [topics[record.topic] for record in records])

    @contextlib.asynccontextmanager
    async def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None,
        start: Literal["earliest", "latest"] = "earliest",
        on_assigned: OnPartitions | None = None,
        on_revoked: OnPartitions | None = None,
    ) -> AsyncIterator[EmbeddedConsumer]:
        known = await self._known(set(topics))
        parts = parts_of(known.values())
        plan = ConsumerPlan(
            parts, start, on_assigned, on_revoked, partial(self._report_damaged, group=group),
            self._tuning.lease_s, self._tuning.drain_limit_s,
        )  # fmt: skip
        membership = None
        if group is not None:
            membership = Membership(
                self._directory, self._tuning.times, group=group, member_id=secrets.token_hex(8),
                writer=self._lock.writer, topic_ids=[topic.topic_id for topic in known.values()],
                lease_s=self._tuning.lease_s, start=start,
            )  # fmt: skip
        reader = await asyncio.to_thread(Reader, self._directory, parts)
        consumer = EmbeddedConsumer(plan, index=self._index, reader=reader, wakeup=self._wakeup, membership=membership)
        self._consumers.add(consumer)
        try:
            await consumer.open()
            yield consumer
        finally:
            await consumer.close()
            self._consumers.discard(consumer)

    async def close(self) -> None:
        """Close the consumers, finish what was accepted, release the files. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for consumer in tuple(self._consumers):
            await consumer.close()
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        await asyncio.to_thread(self._close_files)

    async def committed(self, group: str) -> Mapping[TopicPartition, int]:
        found = await self._index.run(partial(committed_offsets, group=group), durable=False)
        return {TopicPartition(*place): offset for place, offset in found.items()}

    async def usage_bytes(self) -> int:
        """Bytes in value files and in used pages of the database: what the limit limits."""
        return await self._index.run(space_used, durable=False)

    async def trim(self, before: Mapping[TopicPartition, int]) -> None:
        """Delete all records below the given offsets, groups or not, and give their space back."""
        known = await self._known({partition.topic for partition in before})
        parts = parts_of(known.values())
        await self._housekeeping.trim({parts[partition]: offset for partition, offset in before.items()})

    async def trim_committed(self, group: str) -> None:
        """Delete all records that a group has committed, and give their space back (a spool's way)."""
        await self._housekeeping.trim_committed(group)

    async def forget_group(self, group: str) -> None:
        """Remove a group that is no longer used, so that it holds no records back. ``Rejected`` while it has members."""
        await self._housekeeping.forget_group(group)

    def _close_files(self) -> None:
        self._appender.close()
        self._index.close()
        self._wakeup.close()
        self._lock.release()

    async def _known(self, names: set[str]) -> dict[str, KnownTopic]:
        if self._closed:
            raise Transient("the log is closed; open it again")
        if not names <= self._topics.keys():
            await self._learn_topics()
        unknown = names - self._topics.keys()
        if unknown:
            raise Rejected(f"the log has no topic {', '.join(sorted(unknown))}; create it with ensure()")
        return {name: self._topics[name] for name in names}

    async def _learn_topics(self) -> None:
        self._topics = await self._index.run(read_topics, durable=False)

    def _call_for_room(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._room_wanted.set)

    async def _keep_house(self) -> None:
        while True:
            try:
                await self._housekeeping.sweep(urgent=self._room_wanted.is_set())
                metrics.LOG_USED_BYTES.labels(self._directory.name).set(await self.usage_bytes())
            except KanhuError as error:
                _log.warning("log.housekeeping_failed", cause=str(error))
            await asyncio.sleep(min(1.0, self._tuning.housekeeping_s))  # however often room is called for
            self._room_wanted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._tuning.housekeeping_s):
                    await self._room_wanted.wait()

    async def _report_damaged(self, damaged: DamagedRecord, *, group: str | None) -> None:
        origin = f"{damaged.topic}/{damaged.partition}/{damaged.offset}"
        metrics.LOG_DAMAGED.labels(damaged.topic).inc()
        _log.error("log.record_damaged", origin=origin, key=damaged.key, reason=damaged.reason, group=group)
        if self._on_damaged is not None:
            self._on_damaged(damaged)
        if group is None or DEAD_LETTER.name not in self._topics or damaged.topic == DEAD_LETTER.name:
            return
        headers, value = encode_dead_letter(DeadLetter(origin, f"{damaged.reason} (read by {group})", damaged.value))
        try:
            await self.append([Outgoing(DEAD_LETTER.name, origin, value, headers)])
        except KanhuError as error:
            _log.error("log.dead_letter_failed", origin=origin, cause=str(error))
