"""From a source's packets to media records: the seam between what a source hands out and ``services.media``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from services.backbone import metrics
from services.backbone.ports import Signer
from services.contracts.errors import Corrupt
from services.contracts.ids import StreamName, new_run_id
from services.contracts.media_record import ClockSample, GapCause, MediaRecord
from services.ingest.sources.connection import SourceFailed, SourcePacket, StreamFormat
from services.media.access_unit import make_access_unit
from services.media.muxer import MAX_CHUNK_MS, RunMuxer, StreamFacts
from services.media.nal import split
from services.media.parameter_sets import read_extradata

logger = structlog.get_logger(__name__)

_MAX_BAD_IN_A_ROW = 250  # ten seconds of pictures that cannot be taken apart: this is no video


@dataclass(frozen=True, slots=True)
class MuxingTerms:
    """Whose stream it is and how it is cut and signed: ``chunk_ms`` of the agent's clock make a chunk."""

    camera_id: str
    stream: StreamName
    agent_id: str
    signer: Signer
    chunk_ms: int


class StreamMuxer:
    """One per connection. ``push`` and ``end`` are called by one thread at a time.

    ``bearings_due``: the run's timeline has come apart from the agent's clock; the next sync picture begins a new run.
    """

    def __init__(self, terms: MuxingTerms, form: StreamFormat, since: GapCause | None) -> None:
        self._terms = terms
        self._codec = form.codec
        try:
            length_size, parameter_sets = read_extradata(form.codec, form.extradata)
        except Corrupt as error:
            raise SourceFailed("unusable", f"the stream's decoder configuration is damaged: {error}") from error
        self._length_size = length_size
        self._bad_in_a_row = 0
        self.bearings_due = False
        sign: Callable[[bytes], bytes] = terms.signer.sign
        self._muxer = RunMuxer(
            StreamFacts(
                terms.camera_id, terms.stream, terms.agent_id, terms.signer.key_id, form.codec, form.ticks_per_s
            ),
            new_run_id=new_run_id, sign=sign, period_ms=terms.chunk_ms, parameter_sets=parameter_sets, since=since,
            chunk_ms=min(MAX_CHUNK_MS, terms.chunk_ms * 5 // 4),  # what jitter brings into a period, and no pile of late ones
        )  # fmt: skip

    @property
    def oldest_ns(self) -> int | None:
        """When the first picture of the open run's newest chunk came."""
        return self._muxer.oldest_ns

    def push(self, packet: SourcePacket, clock: ClockSample) -> list[MediaRecord]:
        """Take a packet; one that cannot be taken apart is counted and left out, as it is no picture to anyone."""
        try:
            nals = split(memoryview(packet.payload), self._length_size)
            unit = make_access_unit(self._codec, nals, pts=packet.pts, dts=packet.dts, arrival_ns=packet.arrival_ns)
            records = self._take_bearings() if self.bearings_due and unit.sync else []
            records += self._muxer.push(unit, clock)
        except Corrupt as error:
            self._bad(error)
            return []
        self._bad_in_a_row = 0
        return records

    def end(self, cause: GapCause, detail: str) -> list[MediaRecord]:
        """End the run if there is one; the next says ``since`` this cause."""
        return self._muxer.flush(cause, detail)

    def _take_bearings(self) -> list[MediaRecord]:
        self.bearings_due = False
        return self._muxer.flush("camera", "timestamps and the agent's clock came apart; a new run takes the time anew")

    def _bad(self, error: Corrupt) -> None:
        self._bad_in_a_row += 1
        metrics.AGENT_BAD_PICTURES.labels(camera=self._terms.camera_id).inc()
        if self._bad_in_a_row == 1:
            logger.warning("a picture cannot be recorded", camera=self._terms.camera_id, error=str(error))
        if self._bad_in_a_row >= _MAX_BAD_IN_A_ROW:
            raise SourceFailed("unusable", f"the stream cannot be read as {self._codec}: {error}") from error
