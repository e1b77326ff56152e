"""The way out: every lossless record becomes durable within a short deadline, in the log or in the spool.

States. *Direct*: records are appended to the log, one batch under way at a time, while the next gathers. When the log
does not acknowledge a batch within the deadline, or fails, that batch and everything after it go to the spool. *Spooling*:
a drainer moves the oldest spooled records to the log; when the spool is empty, records go direct again. Since all paths
are in order and only one append is ever under way, the log sees each key in order; a batch that was given up while it
was under way may stand in the log twice, never in another order. Retention drops the second copy by run and number.

Memory is bounded by ``room_open``: readers look at it before each picture and end their runs when it is false.
See docs/decisions for why this path and not a write-ahead spool.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.backbone import metrics
from services.backbone.ports import Clock, Log, Outgoing
from services.contracts.errors import KanhuError, Transient
from services.ingest.core.spool_room import SpoolRoom
from services.ingest.gathering import GATHER_S, Gathering
from services.ingest.spool import Spool, footprint_bytes

logger = structlog.get_logger(__name__)

_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_RECORDS = 128
_LEAST_WAIT_S = 0.02
_FIRST_RETRY_S = 0.1
_LONGEST_RETRY_S = 2.0
_DISK_RETRY_S = 0.25


@dataclass(slots=True)
class _Entry:
    record: Outgoing
    size_bytes: int
    due_ns: int
    on_durable: Callable[[], None] | None


class Outbox:
    """One for all cameras and sensors of the agent. Everything but ``room_open`` is used from the event loop only."""

    def __init__(
        self,
        log: Log,
        spool: Spool,
        clock: Clock,
        *,
        deadline_s: float,
        spool_limit_bytes: int,
        memory_limit_bytes: int,
    ) -> None:
        self._log = log
        self._spool = spool
        self._clock = clock
        self._deadline_s = deadline_s
        self._memory_limit_bytes = memory_limit_bytes
        self._room = SpoolRoom(spool_limit_bytes)
        self._pending: deque[_Entry] = deque()
        self._held_bytes = 0
        self._gathering = Gathering(clock)
        self._wake = asyncio.Event()
        self._given_up: asyncio.Task[object] | None = None
        self._spooled = asyncio.Event()
        self._direct = spool.is_empty
        self._disk_ok = True
        self._closing = False
        self._closed = asyncio.Event()
        self.room_open = True
        self._look_at_room()

    @property
    def log_reachable(self) -> bool:
        return self._direct

    @property
    def spool_bytes(self) -> int:
        return self._spool.used_bytes

    def offer(
        self, record: Outgoing, on_durable: Callable[[], None] | None = None, *, wait_s: float = GATHER_S
    ) -> None:
        """Take a record; never blocks and never refuses (readers and servers look at ``room_open`` before).

        ``on_durable`` is called in the event loop when the record is in the log or in the spool. ``wait_s``: for how long
        others are waited for before it is written.
        """
        entry = _Entry(record, footprint_bytes(record), self._gathering.add(wait_s), on_durable)
        self._pending.append(entry)
        self._held_bytes += entry.size_bytes
        self._look_at_room()
        self._wake.set()
        if self._closing or len(self._pending) >= _BATCH_RECORDS or self._held_bytes >= _BATCH_BYTES:
            self._gathering.hurry()

    async def deliver(self, record: Outgoing) -> None:
        """Take a record and return when it is durable; ``Transient`` when there is no room for it now."""
        if self._held_bytes >= self._memory_limit_bytes or self._closing:
            raise Transient("the agent cannot store more readings now; send this one again", retry_after_s=2.0)
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.offer(record, lambda: None if durable.done() else durable.set_result(None))
        await durable

    async def run(self) -> None:
        """Work until ``close`` was called and everything taken is durable."""
        drainer = asyncio.create_task(self._drain_for_ever(), name="spool drainer")
        try:
            while await self._next_wanted():
                await self._gathering.due()
                if self._may_go_direct():
                    await self._append_to_log()
                else:
                    await self._append_to_spool(self._take_batch())
        finally:
            drainer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drainer
            self._closed.set()

    async def close(self, timeout_s: float) -> None:
        """Let ``run`` make durable what it has and end; after ``timeout_s`` what is left is given up and counted."""
        self._closing = True
        self._gathering.hurry()
        self._wake.set()
        try:
            await asyncio.wait_for(self._closed.wait(), timeout_s)
        except TimeoutError:
            logger.error("records were not durable when the agent had to stop", records=len(self._pending))

    # --- taking

    async def _next_wanted(self) -> bool:
        """Wait for something to write; ``False`` when closing and nothing is left."""
        while not self._pending:
            if self._closing:
                return False
            self._wake.clear()
            await self._wake.wait()
        return True

    def _take_batch(self) -> list[_Entry]:
        batch: list[_Entry] = []
        size = 0
        while self._pending and len(batch) < _BATCH_RECORDS and (not batch or size < _BATCH_BYTES):
            batch.append(self._pending.popleft())
            size += batch[-1].size_bytes
        if self._pending:
            self._gathering.hurry()
        return batch

    def _settle(self, batch: list[_Entry]) -> None:
        for entry in batch:
            self._held_bytes -= entry.size_bytes
            if entry.on_durable is not None:
                entry.on_durable()
        self._look_at_room()

    def _look_at_room(self) -> None:
        self._room = self._room.after(self._spool.used_bytes)
        is_open = self._room.open and self._held_bytes < self._memory_limit_bytes
        if is_open != self.room_open:
            logger.warning(
                "room for footage", open=is_open, spool_bytes=self._spool.used_bytes, held_bytes=self._held_bytes
            )
        self.room_open = is_open
        metrics.AGENT_SPOOL_BYTES.set(self._spool.used_bytes)
        metrics.AGENT_HELD_BYTES.set(self._held_bytes)

    # --- direct

    def _may_go_direct(self) -> bool:
        if not self._direct and self._spool.is_empty and self._given_up is None:
            self._direct = True
            logger.info("records go to the log again")
        return self._direct

    async def _append_to_log(self) -> None:
        batch = self._take_batch()
        appending: asyncio.Task[object] = asyncio.ensure_future(self._log.append([entry.record for entry in batch]))
        late_s = GATHER_S + (self._clock.monotonic_ns() - min(entry.due_ns for entry in batch)) / 1e9
        await asyncio.wait({appending}, timeout=max(_LEAST_WAIT_S, self._deadline_s - late_s))
        if not appending.done():
            self._given_up = appending
            self._spooled.set()
            await self._leave_log(batch, f"no answer within {self._deadline_s:g} s")
            return
        error = appending.exception()
        if error is None:
            self._settle(batch)
        elif isinstance(error, KanhuError):
            await self._leave_log(batch, str(error))
        else:
            raise error

    async def _leave_log(self, batch: list[_Entry], reason: str) -> None:
        self._direct = False
        metrics.AGENT_LOG_OUTAGES.inc()
        logger.warning("the log is away; records go to the spool", reason=reason)
        await self._append_to_spool(batch)

    # --- spooling

    async def _append_to_spool(self, batch: list[_Entry]) -> None:
        try:
            await self._spool.append([entry.record for entry in batch])
        except KanhuError as error:
            self._pending.extendleft(reversed(batch))
            self._gathering.hurry()
            if self._disk_ok:
                logger.error("the spool cannot be written; records wait in memory", error=str(error))
            self._disk_ok = False
            await asyncio.sleep(_DISK_RETRY_S)
            return
        self._disk_ok = True
        metrics.AGENT_SPOOLED.inc(len(batch))
        self._spooled.set()
        self._settle(batch)

    async def _drain_for_ever(self) -> None:
        while True:
            if self._given_up is not None:
                await asyncio.wait({self._given_up})
                self._given_up.exception()  # whatever became of it, its records are in the spool as well
                self._given_up = None
                self._wake.set()
            if self._spool.is_empty:
                self._spooled.clear()
                await self._spooled.wait()
                continue
            await self._drain_some()

    async def _drain_some(self) -> None:
        try:
            batch = await self._spool.oldest()
        except KanhuError as error:
            logger.error("the spool cannot be read", error=str(error))
            await asyncio.sleep(_LONGEST_RETRY_S)
            return
        if batch is None:
            return
        await self._until_done(lambda: self._log.append(batch.records), "the log does not take spooled records yet")
        await self._until_done(lambda: self._spool.drained(batch), "the spool cannot note what was drained")
        metrics.AGENT_DRAINED.inc(len(batch.records))
        self._look_at_room()
        self._wake.set()

    async def _until_done(self, attempt: Callable[[], Awaitable[object]], complaint: str) -> None:
        """Repeat with growing waits until it succeeds. Every refusal is worth repeating: nothing may be lost here."""
        wait_s = _FIRST_RETRY_S
        while True:
            try:
                await attempt()
                return
            except KanhuError as error:
                say = logger.warning if wait_s == _FIRST_RETRY_S else logger.debug  # once an outage
                say(complaint, error=str(error), retry_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_RETRY_S)
