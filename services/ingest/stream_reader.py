"""One connection of one stream, in a thread of its own: open, read, mux, hand finished records over, say why it ended.

Muxing happens here, so that the event loop sees a record a few times a second and never a picture. Belongs here: what
blocks. Does not belong here: what follows from an outcome (``core.life_cycle``) and where records go (``recorder.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.contracts.errors import KanhuError
from services.contracts.media_record import Chunk, ClockSample, GapCause, MediaRecord
from services.contracts.time import NS_PER_MS
from services.ingest.core.camera_clock import CameraClock
from services.ingest.core.drift import Drift
from services.ingest.core.life_cycle import Failure
from services.ingest.muxing import StreamMuxer
from services.ingest.sources.connection import SourceConnection, SourceFailed, SourcePacket, StreamFormat

logger = structlog.get_logger(__name__)

_EARLY_NS = 20 * NS_PER_MS  # by which pictures may come early


class Gate(Protocol):
    """Whether there is room for footage anywhere; read before every picture, from any thread."""

    @property
    def room_open(self) -> bool: ...


class ReaderListener(Protocol):
    """Called from the reader's thread; must only pass on."""

    def records(self, records: Sequence[MediaRecord], oldest_ns: int | None) -> None:
        """``oldest_ns``: when the oldest picture in them came; ``None``: they are in a hurry."""

    def no_room(self) -> None: ...

    def finished(self, failure: Failure | None) -> None: ...


@dataclass(slots=True)
class ClockReport:
    """What is known of clocks now; written by the event loop, read by readers. Replaced whole, so no lock."""

    sample: ClockSample


class StreamReader:
    """``start`` once; ``stop`` from the event loop. ``finished`` is called exactly once."""

    def __init__(
        self,
        name: str,
        opening: Callable[[threading.Event], SourceConnection],
        muxing: Callable[[StreamFormat, GapCause | None], StreamMuxer],
        listener: ReaderListener,
        *,
        gate: Gate,
        clock: ClockReport,
        since: GapCause | None,
        period_ns: int = 0,
    ) -> None:
        """``period_ns``: chunks end with the periods of the agent's clock; 0: every picture is looked at as it comes."""
        self._name = name
        self._opening = opening
        self._muxing = muxing
        self._listener = listener
        self._gate = gate
        self._clock = clock
        self._since = since
        self._muxer: StreamMuxer | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._stop_detail = ""
        self._no_room_said = False
        self._oldest_ns: int | None = None
        self._period_ns = period_ns
        self._sample: ClockSample | None = None
        self._drift = Drift()
        self.camera_clock = CameraClock()
        self.pictures = 0

    def start(self) -> None:
        threading.Thread(target=self._live, name=f"camera {self._name}", daemon=True).start()

    def stop(self, detail: str) -> None:
        """Ask to end; an open run ends as ``maintenance``."""
        self._stop_detail = detail
        self._stop.set()

    def end_run_now(self) -> None:
        """End an open run although the thread hangs in its source. What the thread still brings is ignored."""
        self._end_run("maintenance", self._stop_detail or "agent stopped", final=True)

    # --- the thread

    def _live(self) -> None:
        failure: Failure | None = None
        try:
            self._read()
        except SourceFailed as error:
            failure = error.failure
        except KanhuError as error:  # the muxer met a stream that cannot be what it claims
            failure = Failure("unusable", str(error)[:200])
        except Exception as error:
            logger.exception("reader failed; this is a defect", camera=self._name)
            failure = Failure("lost", f"internal error ({type(error).__name__})")
        if failure is None:
            self._end_run("maintenance", self._stop_detail, final=True)
        else:
            self._end_run(failure.cause, failure.detail, final=True)
        self._listener.finished(failure)

    def _read(self) -> None:
        connection = self._opening(self._stop)
        try:
            if self._stop.is_set():
                return
            with self._lock:
                self._muxer = self._muxing(connection.format, self._since)
            for batch in connection.batches():
                if self._take(batch) and self._period_ns:
                    begun_ns = batch[-1].arrival_ns // self._period_ns * self._period_ns
                    connection.hold_until_ns = begun_ns + self._period_ns - _EARLY_NS
        finally:
            connection.close()

    def _take(self, batch: Sequence[SourcePacket]) -> bool:
        """Mux a batch; whether it completed a chunk, so that the next cannot be complete for a while."""
        self.pictures += len(batch)
        if not self._gate.room_open:
            self._shut_out()
            return False
        self._no_room_said = False
        with self._lock:
            records = self._pushed(batch)
            if records:
                self._listener.records(records, self._oldest_ns)
        return bool(records)

    def _pushed(self, batch: Sequence[SourcePacket]) -> list[MediaRecord]:
        muxer = self._muxer
        if muxer is None:
            return []
        records: list[MediaRecord] = []
        self._oldest_ns = None
        for packet in batch:
            if packet.camera_clock_ns is not None:
                self.camera_clock = self.camera_clock.after(packet.camera_clock_ns - packet.arrival_ns)
            if packet.sync or self._sample is None:
                self._sample = self._clock_sample()
            made = muxer.push(packet, self._sample)
            if made:
                records += made
                if self._oldest_ns is None:
                    self._oldest_ns = muxer.oldest_ns
        if records and isinstance(records[-1], Chunk):
            arrival_ns = batch[-1].arrival_ns
            self._drift = self._drift.after(arrival_ns, records[-1].facts.end_ns)
            muxer.bearings_due = self._drift.is_out(arrival_ns)
        return records

    def _shut_out(self) -> None:
        """Neither log nor spool has room: end the run in good order, and begin another when there is some."""
        self._end_run("overload", "log and spool have no room", final=False)
        if not self._no_room_said:
            self._no_room_said = True
            self._listener.no_room()

    def _end_run(self, cause: GapCause, detail: str, *, final: bool) -> None:
        with self._lock:
            muxer = self._muxer
            if muxer is None:
                return
            records = muxer.end(cause, detail)
            if records:
                self._listener.records(records, None)
            if final:
                self._muxer = None

    def _clock_sample(self) -> ClockSample:
        known = self._clock.sample
        return ClockSample(known.offset_ns, known.uncertainty_ns, self.camera_clock.offset_ns)
