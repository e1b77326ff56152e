"""The lossy way out: chunks for analysis. Late is worse than never here, so nothing is spooled and little is kept.

Whatever is dropped is counted. A reader can join or go on only where it knows the run's init segment, so the run's
start is said again at the next sync chunk after a drop, and every few seconds besides (for an analysis that starts late).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import structlog

from services.backbone import metrics
from services.backbone.ports import Clock, Log, Outgoing
from services.contracts.errors import KanhuError
from services.contracts.media_record import Chunk, Headers, MediaRecord, RunEnd, RunStart
from services.contracts.topics import VIDEO_DETECT
from services.ingest.gathering import GATHER_S, Gathering

logger = structlog.get_logger(__name__)

_MAX_WAITING_BYTES = 16 * 1024 * 1024
_BATCH_RECORDS = 64
_PAUSE_S = 1.0
_REPEAT_START_NS = 5 * 1_000_000_000


@dataclass(slots=True)
class _Run:
    start: Outgoing
    start_said_ns: int
    interrupted: bool = False


class DetectOutlet:
    """One for all cameras. ``dropped`` counts records that analysis will never see. Used from the event loop only."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._runs: dict[str, _Run] = {}
        self._waiting: deque[Outgoing] = deque()
        self._waiting_bytes = 0
        self._gathering = Gathering(clock)
        self._wake = asyncio.Event()
        self.dropped = 0

    def offer(
        self, camera_id: str, record: MediaRecord, headers: Headers, value: bytes, *, wait_s: float = GATHER_S
    ) -> None:
        """Take a record of a run as encoded; what there is no room for is dropped with the rest of its GOP.

        ``wait_s`` as the outbox has it, so that both are written at once.
        """
        self._gathering.add(wait_s)
        outgoing = Outgoing(VIDEO_DETECT.name, camera_id, value, headers)
        if isinstance(record, RunStart):
            self._runs[camera_id] = _Run(outgoing, self._clock.monotonic_ns())
            self._put(camera_id, outgoing)
        elif isinstance(record, Chunk):
            self._chunk(camera_id, record, outgoing)
        elif isinstance(record, RunEnd):
            self._runs.pop(camera_id, None)
            self._put(camera_id, outgoing)

    async def run(self) -> None:
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            await self._gathering.due()
            batch = [self._waiting.popleft() for _ in range(min(_BATCH_RECORDS, len(self._waiting)))]
            self._waiting_bytes -= sum(len(one.value or b"") for one in batch)
            if self._waiting:
                self._gathering.hurry()
            try:
                await self._log.append(batch)
            except KanhuError as error:
                logger.debug("chunks for analysis dropped", error=str(error))
                self._drop(batch)
                self._drop_waiting()
                await asyncio.sleep(_PAUSE_S)

    def _chunk(self, camera_id: str, chunk: Chunk, outgoing: Outgoing) -> None:
        run = self._runs.get(camera_id)
        if run is None or (run.interrupted and not chunk.facts.sync):
            self._drop([outgoing])
            return
        now_ns = self._clock.monotonic_ns()
        if chunk.facts.sync and (run.interrupted or now_ns - run.start_said_ns >= _REPEAT_START_NS):
            run.interrupted = False
            run.start_said_ns = now_ns
            self._put(camera_id, run.start)
        self._put(camera_id, outgoing)

    def _put(self, camera_id: str, outgoing: Outgoing) -> None:
        if self._waiting_bytes + len(outgoing.value or b"") > _MAX_WAITING_BYTES:
            self._drop([outgoing])
            return
        self._waiting.append(outgoing)
        self._waiting_bytes += len(outgoing.value or b"")
        self._wake.set()

    def _drop_waiting(self) -> None:
        self._drop(list(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0

    def _drop(self, records: list[Outgoing]) -> None:
        self.dropped += len(records)
        metrics.AGENT_DETECT_DROPPED.inc(len(records))
        for camera_id in {record.key for record in records}:
            run = self._runs.get(camera_id)
            if run is not None:
                run.interrupted = True
