"""One partition of the record topic: a bounded inbox and one task that steps and performs its records in order.

Rules. (1) A record is performed wholly before the next is stepped, so what is durable and what is remembered never
differ by more than one record. (2) :attr:`committable` never passes a record whose effect is not durable (I2).
(3) Beyond the inbox's bound the caller pauses the partition; nothing here grows without limit. (4) When another recorder
got ahead, ``outpaced`` is set, the task ends, and the caller replays from :attr:`committable`.

Does not belong here: polling, committing, assignment (``recorder.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field

import structlog

from services.backbone import metrics
from services.backbone.ports import Backbone, Delivered, Outgoing, TopicPartition
from services.contracts.errors import Corrupt
from services.contracts.media_record import Gap
from services.contracts.settings import Settings
from services.contracts.time import NS_PER_S, Span
from services.retention.core.admission import read_media_record
from services.retention.core.commands import Arrived, Command, Event, Idle, Quarantine, Silent
from services.retention.core.sealing import step, unknown_run
from services.retention.core.stream_state import StreamState, held_offset
from services.retention.ledger import Outpaced, StreamKey, live_streams
from services.retention.patience import Patience
from services.retention.performer import Circumstances, Performer
from services.retention.remembrance import Remembrance
from services.retention.scratch import ScratchArea
from services.retention.trust import Trust

#: The inbox is full at this many bytes or records; then the partition is paused until half of it is taken up.
INBOX_BYTES = 16 * 1024 * 1024
INBOX_RECORDS = 512
#: Held chunks of a stream that says nothing for this long are sealed as they are: the log forgets after some days.
IDLE_SEAL_S = 600.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """What every partition of one recorder works with."""

    backbone: Backbone
    settings: Settings
    scratch: ScratchArea
    patience: Patience
    trust: Trust


@dataclass(slots=True)
class _Watched:
    """A stream and when, on the monotonic clock, something of it last arrived."""

    state: StreamState = field(default_factory=StreamState)
    heard_ns: int = 0


class PartitionRecorder:
    """Seals what one partition brings. ``offer`` records in order; ``close`` drops all that is not durable."""

    def __init__(self, partition: TopicPartition, tools: Tools) -> None:
        self.partition = partition
        self.outpaced = False
        self._tools = tools
        self._segment_ns = int(tools.settings.retain.segment_s * NS_PER_S)
        self._performer = Performer(tools.backbone, tools.settings, tools.scratch)
        self._remembrance = Remembrance(tools.backbone)
        self._streams: dict[StreamKey, _Watched] = {}
        self._inbox: deque[Delivered] = deque()
        self._inbox_bytes = 0
        self._wake = asyncio.Event()
        self._ticked = False
        self._first_offset: int | None = None
        self._done_until: int | None = None
        self._idle = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"retain-{partition.topic}-{partition.partition}")

    # -- the caller's side ----------------------------------------------------------------------------------------------

    def offer(self, record: Delivered) -> None:
        """Take a record; look at :attr:`full` afterwards."""
        if self._first_offset is None:
            self._first_offset = record.offset
        self._inbox.append(record)
        self._count(len(record.value or b""))
        self._idle.clear()
        self._wake.set()

    def tick(self) -> None:
        """The log has nothing newer: look for streams that fell silent."""
        self._ticked = True
        self._wake.set()

    @property
    def full(self) -> bool:
        return self._inbox_bytes >= INBOX_BYTES or len(self._inbox) >= INBOX_RECORDS

    @property
    def roomy(self) -> bool:
        return self._inbox_bytes <= INBOX_BYTES // 2 and len(self._inbox) <= INBOX_RECORDS // 2

    def caught_up(self, end_offset: int) -> bool:
        """Whether all that the log holds below ``end_offset`` was performed."""
        return not self._inbox and (self._done_until is None or self._done_until >= end_offset)

    @property
    def committable(self) -> int | None:
        """Everything below this offset is durable; ``None`` while nothing was read."""
        if self._done_until is None:
            return self._first_offset
        held = [offset for watched in self._streams.values() if (offset := held_offset(watched.state)) is not None]
        return min([*held, self._done_until])

    def raise_failure(self) -> None:
        """Raise what ended the task, if it failed."""
        if self._task.done() and not self._task.cancelled() and (failure := self._task.exception()) is not None:
            raise failure

    async def drain(self, timeout_s: float) -> None:
        """Wait until every offered record was performed, at most this long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                idle = asyncio.ensure_future(self._idle.wait())
                try:
                    await asyncio.wait({idle, self._task}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    idle.cancel()

    async def close(self) -> None:
        """Stop at once; what is not durable is dropped and will be replayed. Idempotent."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._performer.discard()
        self._count(-self._inbox_bytes)
        self._inbox.clear()

    def _count(self, change_bytes: int) -> None:
        self._inbox_bytes += change_bytes
        metrics.INBOX_BYTES.inc(change_bytes)

    # -- the task -------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._watch_live_streams()
            while True:
                while self._inbox:
                    record = self._inbox[0]
                    await self._take(record)
                    self._done_until = record.offset + 1
                    self._inbox.popleft()
                    self._count(-len(record.value or b""))
                if self._ticked:
                    self._ticked = False
                    await self._look_for_silence()
                    continue
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
        except Outpaced as error:
            self.outpaced = True
            logger.warning("another recorder was faster; replaying", partition=self.partition.partition, why=str(error))

    async def _watch_live_streams(self) -> None:
        """Streams of this partition that were recording when the ledger was last written must not fall silent unnoticed."""
        catalog = self._tools.backbone.need_catalog()

        async def read() -> list[tuple[StreamKey, str]]:
            async with catalog.snapshot() as tx:
                return await live_streams(tx, self.partition.topic, self.partition.partition)

        for key, run_id in await self._tools.patience.persist(read, "reading which streams are live"):
            await self._recall(key, run_id, self._watched(key))

    def _watched(self, key: StreamKey) -> _Watched:
        now_ns = self._tools.backbone.clock.monotonic_ns()
        return self._streams.setdefault(key, _Watched(heard_ns=now_ns))

    async def _take(self, record: Delivered) -> None:
        try:
            media = read_media_record(record)
        except Corrupt as error:
            await self._persist_quarantine(record, str(error))
            return
        about = media if isinstance(media, Gap) else media.run
        key = StreamKey(about.camera_id, about.stream)
        watched = self._watched(key)
        key_id = None if isinstance(media, Gap) else media.run.key_id
        public_key = await self._tools.patience.persist(
            lambda: self._tools.trust.public_key(key_id, at_ns=record.appended_ns), "looking up a key"
        )
        arrived = Arrived(media, record.offset, public_key)
        run_id = unknown_run(watched.state, arrived)
        if run_id is not None:
            await self._recall(key, run_id, watched)
        await self._apply(key, watched, arrived, record)

    async def _recall(self, key: StreamKey, run_id: str, watched: _Watched) -> None:
        remembered, again = await self._tools.patience.persist(
            lambda: self._remembrance.recall(key, run_id), "recalling a run from the ledger"
        )
        await self._say(again)
        await self._apply(key, watched, remembered, None)

    async def _apply(self, key: StreamKey, watched: _Watched, event: Event, record: Delivered | None) -> None:
        state, commands = step(watched.state, event, self._segment_ns)
        around = Circumstances(key, (self.partition.topic, self.partition.partition), record, _live(state))
        for command in commands:
            await self._perform(command, around)
        watched.state = state
        if isinstance(event, Arrived) and not any(isinstance(command, Quarantine) for command in commands):
            watched.heard_ns = self._tools.backbone.clock.monotonic_ns()

    async def _perform(self, command: Command, around: Circumstances) -> None:
        doing = f"{type(command).__name__} for {around.key.camera_id}"
        said = await self._tools.patience.persist(lambda: self._performer.perform(command, around), doing)
        if isinstance(command, Quarantine):
            logger.warning("media refused as evidence", camera=around.key.camera_id, why=command.reason)
        await self._say(said)

    async def _say(self, said: list[Outgoing]) -> None:
        if said:
            await self._tools.patience.persist(lambda: self._tools.backbone.log.append(said), "writing recording.v1")

    async def _persist_quarantine(self, record: Delivered, reason: str) -> None:
        logger.warning("record refused", partition=record.partition, offset=record.offset, why=reason)
        metrics.DEAD_LETTERS.labels(topic=record.topic).inc()
        await self._tools.patience.persist(lambda: self._performer.quarantine(record, reason), "writing a dead letter")

    async def _look_for_silence(self) -> None:
        now_ns = self._tools.backbone.clock.monotonic_ns()
        presume_ns = int(self._tools.settings.retain.presume_gap_s * NS_PER_S)
        for key, watched in self._streams.items():
            silence_ns = now_ns - watched.heard_ns
            if silence_ns >= presume_ns:
                await self._apply(key, watched, Silent(), None)
            if silence_ns >= IDLE_SEAL_S * NS_PER_S:
                await self._apply(key, watched, Idle(), None)


def _live(state: StreamState) -> tuple[Span, ...]:
    """Footage that is held in open segments."""
    return tuple(
        Span(run.segment.chunks[0].facts.start_ns, run.segment.chunks[-1].facts.end_ns)
        for run in state.runs.values()
        if run.segment is not None
    )
