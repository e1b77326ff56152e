"""One stream of one camera in the event loop: performs the commands of its life-cycle, and sends its records on."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from services.backbone import metrics
from services.backbone.ports import Clock, Outgoing, Signer
from services.contracts.entity import CameraConfig
from services.contracts.errors import KanhuError
from services.contracts.ids import StreamName
from services.contracts.media_record import Chunk, Gap, Headers, MediaRecord, RunEnd, RunStart, encode
from services.contracts.time import NS_PER_MS
from services.contracts.topics import VIDEO_RECORD
from services.ingest.core.life_cycle import (
    Begun,
    Connect,
    DeclareGap,
    Disconnect,
    Failed,
    Failure,
    LifeCycle,
    LifeEvent,
    NoRoom,
    RetryAfter,
    RetryDue,
    RunBegan,
    RunEnded,
    Say,
    Withdrawn,
    step,
)
from services.ingest.core.reconciling import StreamPlan
from services.ingest.detect_outlet import DetectOutlet
from services.ingest.gathering import GATHER_S, patience_s
from services.ingest.handover import Handover
from services.ingest.muxing import MuxingTerms, StreamMuxer
from services.ingest.outbox import Outbox
from services.ingest.run_memory import RunMemory
from services.ingest.sources.connection import SourceConnection
from services.ingest.sources.opening import OpeningTerms, open_source
from services.ingest.stream_reader import ClockReport, StreamReader

logger = structlog.get_logger(__name__)

_STOP_PATIENCE_S = 1.5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all streams of an agent share."""

    agent_id: str
    signer: Signer
    clock: Clock
    clock_report: ClockReport
    outbox: Outbox
    detect: DetectOutlet
    handover: Handover
    memory: RunMemory
    chunk_ms: int
    stall_s: float


class StreamStatusBoard(Protocol):
    """Where a stream tells how it is."""

    def said(self, camera_id: str, stream: StreamName, say: Say) -> None: ...

    def run_began(self, start: RunStart) -> None: ...

    def received(self, camera_id: str, stream: StreamName, size_bytes: int) -> None: ...


class StreamTask:
    """``begin`` once, then ``withdraw``. Everything here runs in the event loop; readers call back through it."""

    def __init__(self, camera: CameraConfig, plan: StreamPlan, around: Surroundings, board: StreamStatusBoard) -> None:
        self._camera = camera
        self._plan = plan
        self._around = around
        self._board = board
        self._loop = asyncio.get_running_loop()
        self._state = LifeCycle(lossless=plan.to_record)
        self._reader: StreamReader | None = None
        self._retry: asyncio.TimerHandle | None = None
        labels = {"camera": camera.camera_id, "stream": plan.stream}
        self._runs_begun = metrics.AGENT_RUNS.labels(**labels)
        self._media_bytes = metrics.AGENT_MEDIA_BYTES.labels(**labels)
        self._finished = asyncio.Event()
        self._finished.set()
        self._last_failure: Failure | None = None
        self._writes: set[asyncio.Future[None]] = set()

    @property
    def camera_offset_ns(self) -> int | None:
        return self._reader.camera_clock.offset_ns if self._reader is not None else None

    @property
    def pictures(self) -> int:
        return self._reader.pictures if self._reader is not None else 0

    async def begin(self) -> None:
        since = None
        if self._plan.to_record:
            since = await asyncio.to_thread(self._around.memory.since, self._camera_id)
        self._apply(Begun(self._now_ns(), since))

    async def withdraw(self, detail: str) -> None:
        """End the run in good order. A reader that hangs in its source is left to itself."""
        self._apply(Withdrawn(self._now_ns(), detail))
        try:
            await asyncio.wait_for(self._finished.wait(), _STOP_PATIENCE_S)
        except TimeoutError:
            if self._reader is not None:
                self._reader.end_run_now()
                await asyncio.sleep(0)  # its last records are on their way through the loop
        self._board_metrics(streaming=False)

    async def written(self) -> None:
        """Wait until the state file says what happened."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=_STOP_PATIENCE_S)

    # --- life-cycle

    def _apply(self, event: LifeEvent) -> None:
        self._state, commands = step(self._state, event)
        for command in commands:
            match command:
                case Connect():
                    self._connect(command)
                case RetryAfter():
                    self._retry = self._loop.call_later(command.delay_s, lambda: self._apply(RetryDue(self._now_ns())))
                case DeclareGap():
                    self._declare(command)
                case Say():
                    self._board.said(self._camera_id, self._plan.stream, command)
                    self._board_metrics(streaming=command.state == "streaming")
                case Disconnect():
                    self._disconnect(command)

    def _connect(self, command: Connect) -> None:
        around, camera, plan = self._around, self._camera, self._plan
        knock_first = self._state.failures > 0

        def opening(stop: threading.Event) -> SourceConnection:
            terms = OpeningTerms(around.stall_s, around.clock.now_ns, stop, knock_first)
            return open_source(camera, plan.url, terms)

        terms = MuxingTerms(self._camera_id, plan.stream, around.agent_id, around.signer, around.chunk_ms)
        self._reader = StreamReader(
            f"{self._camera_id}/{plan.stream}", opening, partial(StreamMuxer, terms), _Callbacks(self),
            gate=around.outbox if plan.to_record else _AlwaysOpen(), clock=around.clock_report, since=command.since,
            period_ns=around.chunk_ms * NS_PER_MS,
        )  # fmt: skip
        self._finished.clear()
        self._reader.start()

    def _disconnect(self, command: Disconnect) -> None:
        if self._retry is not None:
            self._retry.cancel()
        if self._reader is not None:
            self._reader.stop(command.detail)

    def _declare(self, command: DeclareGap) -> None:
        gap = Gap(
            self._camera_id, self._plan.stream, self._around.agent_id, command.start_ns, None, command.cause,
            command.detail, command.since,
        )  # fmt: skip
        headers, value = encode(gap)
        self._around.outbox.offer(Outgoing(VIDEO_RECORD.name, self._camera_id, value, headers))

    # --- what readers bring

    def take_records(self, records: Sequence[MediaRecord], wait_s: float) -> None:
        """``wait_s``: for how long they may still wait for those of other cameras."""
        for record in records:
            headers, value = encode(record)
            if self._plan.to_record:
                self._record(record, headers, value, wait_s)
            if self._plan.to_detect:
                self._around.detect.offer(self._camera_id, record, headers, value, wait_s=wait_s)
            self._note(record)

    def reader_has_no_room(self) -> None:
        self._apply(NoRoom(self._now_ns(), "log and spool have no room"))

    def reader_finished(self, failure: Failure | None) -> None:
        self._finished.set()
        if failure is not None:
            metrics.AGENT_FAILURES.labels(camera=self._camera_id, kind=failure.kind).inc()
            level = logger.debug if failure == self._last_failure else logger.info
            self._last_failure = failure
            level(
                "connection ended", camera=self._camera_id, stream=self._plan.stream, kind=failure.kind,
                detail=failure.detail,
            )  # fmt: skip
            self._apply(Failed(self._now_ns(), failure, random.random()))  # noqa: S311 - jitter

    def _record(self, record: MediaRecord, headers: Headers, value: bytes, wait_s: float) -> None:
        on_durable = None
        if isinstance(record, RunEnd):
            self._around.memory.ended(self._camera_id, record.run.run_id, record.cause)
            on_durable = partial(self._note_closed, record)
        self._around.outbox.offer(
            Outgoing(VIDEO_RECORD.name, self._camera_id, value, headers), on_durable, wait_s=wait_s
        )

    def _note(self, record: MediaRecord) -> None:
        match record:
            case RunStart():
                self._runs_begun.inc()
                self._board.run_began(record)
                self._last_failure = None
                self._apply(RunBegan(self._now_ns()))
            case Chunk():
                self._media_bytes.inc(len(record.value))
                self._board.received(self._camera_id, self._plan.stream, len(record.value))
            case RunEnd():
                self._apply(RunEnded(self._now_ns(), record.cause, record.detail))

    def note_opened(self, start: RunStart) -> None:
        """Called in the reader's thread, before the record goes anywhere."""
        if self._plan.to_record:
            self._note_safely(self._around.memory.opened, self._camera_id, start.run.run_id)

    def _note_closed(self, end: RunEnd) -> None:
        writing = asyncio.ensure_future(
            asyncio.to_thread(self._note_safely, self._around.memory.closed, self._camera_id, end.run.run_id, end.cause)
        )
        self._writes.add(writing)
        writing.add_done_callback(self._writes.discard)

    def _note_safely(self, write: Callable[..., None], *arguments: object) -> None:
        try:
            write(*arguments)
        except KanhuError as error:
            logger.error("the state file cannot be written", camera=self._camera_id, error=str(error))

    def _board_metrics(self, *, streaming: bool) -> None:
        metrics.AGENT_STREAMING.labels(camera=self._camera_id, stream=self._plan.stream).set(int(streaming))

    @property
    def _camera_id(self) -> str:
        return self._camera.camera_id

    def _now_ns(self) -> int:
        return self._around.clock.now_ns()


class _AlwaysOpen:
    room_open = True


class _Callbacks:
    """A reader's way back into the event loop."""

    def __init__(self, task: StreamTask) -> None:
        self._task = task
        self._handover = task._around.handover
        self._clock = task._around.clock
        self._period_ns = task._around.chunk_ms * NS_PER_MS

    def records(self, records: Sequence[MediaRecord], oldest_ns: int | None) -> None:
        size_bytes = 0
        for record in records:
            if isinstance(record, RunStart):
                self._task.note_opened(record)
            elif isinstance(record, Chunk):
                size_bytes += len(record.value)
        if oldest_ns is None:
            self._handover.put_now(partial(self._task.take_records, records, GATHER_S))
            return
        wait_s = patience_s(oldest_ns, self._clock.now_ns(), self._period_ns)
        self._handover.put(partial(self._task.take_records, records, 0.0), wait_s=wait_s, size_bytes=size_bytes)

    def no_room(self) -> None:
        self._handover.put_now(self._task.reader_has_no_room)

    def finished(self, failure: Failure | None) -> None:
        self._handover.put_now(partial(self._task.reader_finished, failure))
