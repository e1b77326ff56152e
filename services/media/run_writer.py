"""One open run: samples in, chained and signed chunks out. :mod:`muxer` decides when a run begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.contracts.media_record import Chunk, ChunkFacts, ClockSample, GapCause, RunEnd, RunFacts
from services.media import chain
from services.media.cmaf_writer import Sample, build_chunk
from services.media.nal import Nal
from services.media.timeline import Timeline, ms_to_ticks
from services.media.timestamps import FORWARD_LIMIT_S

#: Leaves room in a log record for headers and framing (``topics.MAX_RECORD_BYTES`` is 8 MiB).
MAX_CHUNK_BYTES: Final = 6 * 1024 * 1024
MAX_CHUNK_SAMPLES: Final = 1024
#: A GOP without end (gradual refresh, "smart" codecs) is signed in between, so that little is ever unsigned.
SIGN_EVERY_MS: Final = 10_000


@dataclass(slots=True)
class _Pending:
    """The newest sample: its duration is known when the next one comes."""

    nals: Sequence[Nal]
    size: int
    dts: int
    composition_offset: int
    sync: bool
    clock: ClockSample
    arrival_ns: int


class RunWriter:
    """Collects samples into chunks of at most ``chunk_ms`` that begin at every sync sample; chains and signs them.

    Holds at most one chunk of samples and the newest one. A chunk is given out as soon as it is certain that nothing
    more fits into it: when its follower is a sync sample, would by its expected duration exceed the limit, or came in
    another of the spans of ``period_ns`` into which the agent's clock is divided.

    ``oldest_ns``: when the first sample of the newest chunk came.
    """

    __slots__ = (
        "_bytes",
        "_came_ns",
        "_chunk_dts",
        "_chunk_ticks",
        "_clock",
        "_default_ticks",
        "_genesis",
        "_link",
        "_pending",
        "_period_ns",
        "_samples",
        "_sign",
        "_sign_ticks",
        "_signed_dts",
        "_step",
        "oldest_ns",
        "run",
        "seq",
        "timeline",
    )  # fmt: skip

    def __init__(
        self,
        run: RunFacts,
        init: bytes,
        start_ns: int,
        sign: chain.Sign,
        *,
        chunk_ms: int,
        default_ticks: int,
        period_ns: int | None = None,
    ) -> None:
        self.run = run
        self.seq = 0
        self.timeline = Timeline(start_ns, run.timescale)
        self._sign = sign
        self._chunk_ticks = ms_to_ticks(chunk_ms, run.timescale)
        self._sign_ticks = ms_to_ticks(SIGN_EVERY_MS, run.timescale)
        self._default_ticks = default_ticks
        self._genesis = self._link = chain.genesis(run, chain.digest(init))
        self._samples: list[Sample] = []
        self._bytes = 0
        self._chunk_dts = 0
        self._signed_dts = 0
        self._step = 0
        self._clock = ClockSample()
        self._pending: _Pending | None = None
        self._period_ns = period_ns
        self._came_ns = 0
        self.oldest_ns = 0

    def add(
        self,
        nals: Sequence[Nal],
        size: int,
        dts: int,
        composition_offset: int,
        sync: bool,
        clock: ClockSample,
        arrival_ns: int = 0,
    ) -> list[Chunk]:
        """Take the next sample; ``dts`` is beyond the last one's. Returns the chunks it completes."""
        chunks: list[Chunk] = []
        if self._pending is not None:
            self._settle(dts - self._pending.dts, chunks)
            ticks = dts - self._chunk_dts
            full = ticks + min(self._step, self._chunk_ticks) > self._chunk_ticks
            over = self._period_ns is not None and arrival_ns // self._period_ns != self._came_ns // self._period_ns
            if sync or full or over or self._bytes + size > MAX_CHUNK_BYTES or len(self._samples) >= MAX_CHUNK_SAMPLES:
                chunks.append(self._close(dts, ends_gop=sync))
        self._pending = _Pending(nals, size, dts, composition_offset, sync, clock, arrival_ns)
        return chunks

    def extend(self, nals: Sequence[Nal], size: int) -> None:
        """Append NAL units that belong to no later sample to the newest one."""
        if self._pending is not None:
            self._pending.nals = (*self._pending.nals, *nals)
            self._pending.size += size

    def end(self, cause: GapCause, detail: str, *, next_dts: int | None = None) -> list[Chunk | RunEnd]:
        """Give out what is left and close the run. ``next_dts``: where the next run goes on, if it does.

        Otherwise the last sample lasts as long as the one before it.
        """
        out: list[Chunk] = []
        end_dts = 0
        pending = self._pending
        if pending is not None:
            last = 0 if next_dts is None else next_dts - pending.dts
            if not 0 < last <= FORWARD_LIMIT_S * self.run.timescale:
                last = self._step or self._default_ticks
            duration = last
            end_dts = pending.dts + duration
            self._settle(duration, out)
            out.append(self._close(end_dts, ends_gop=True))
            self._pending = None
        return [*out, RunEnd(self.run, self.seq, self.timeline.at(end_dts), cause, detail)]

    def _settle(self, duration: int, chunks: list[Chunk]) -> None:
        """Move the newest sample, whose duration is now known, into the open chunk, or into a new one if it is too long."""
        pending = self._pending
        assert pending is not None
        if self._samples and pending.dts + duration - self._chunk_dts > self._chunk_ticks:
            chunks.append(self._close(pending.dts, ends_gop=pending.sync))
        if not self._samples:
            self._clock = pending.clock
            self._came_ns = pending.arrival_ns
        self._samples.append(Sample(pending.nals, pending.size, duration, pending.composition_offset, pending.sync))
        self._bytes += pending.size
        self._step = duration

    def _close(self, end_dts: int, *, ends_gop: bool) -> Chunk:
        value = build_chunk(self._samples, seq=self.seq, base_decode_time=self._chunk_dts, run_id=self.run.run_id)
        start_ns = self.timeline.at(self._chunk_dts)
        duration_ns = self.timeline.at(end_dts) - start_ns
        sync, clock, seq = self._samples[0].sync, self._clock, self.seq
        digest = chain.digest(value)
        canonical = chain.canonical_chunk(seq, start_ns, duration_ns, sync, clock)
        prev_link, self._link = self._link, chain.next_link(self._link, digest, canonical)
        signature = None
        if ends_gop or end_dts - self._signed_dts >= self._sign_ticks:
            signature = self._sign(chain.gop_message(self.run.run_id, seq, self._genesis, self._link))
            self._signed_dts = end_dts
        self.seq += 1
        self.oldest_ns = self._came_ns
        self._samples = []
        self._bytes = 0
        self._chunk_dts = end_dts
        return Chunk(self.run, ChunkFacts(seq, start_ns, duration_ns, sync, digest, prev_link, clock, signature), value)
