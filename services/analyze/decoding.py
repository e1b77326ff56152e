"""Chunks → pictures: one decoder kept open per camera, fed by hand, one thread, resynchronised when the stream breaks.

Opening a demuxer per chunk would double the cost of decoding, so ``services.media`` parses the boxes and the samples go straight
into libavcodec. Frame threads cost more CPU and delay; cameras run beside each other instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

import av
import av.error
from av.codec.context import CodecContext, ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from services.contracts.errors import Corrupt
from services.contracts.media_record import Chunk, RunStart
from services.contracts.time import NS_PER_S
from services.media.cmaf_reader import InitFacts, parse_chunk, parse_init

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODERS = {"h264": "h264", "h265": "hevc"}
#: Frames that may be inside the decoder at once (reordering); older remembered times belong to frames that never came out.
_MAX_IN_FLIGHT = 64


class Picture(NamedTuple):
    """A decoded frame and when it was captured (ns UTC, agent clock): run anchor + presentation time, to the nanosecond."""

    frame: VideoFrame
    frame_ns: int
    run_id: str
    seq: int


@dataclass(slots=True)
class DecodeTally:
    """What could not be used. ``resyncs`` counts how often decoding had to wait for a sync chunk again."""

    undecodable_chunks: int = 0
    unsynchronised_chunks: int = 0
    corrupt_frames: int = 0
    resyncs: int = 0
    #: Frames given to libavcodec, and those that came out of it; the rest are ``in_flight`` or lost.
    fed_frames: int = 0
    shown_frames: int = 0


@dataclass(slots=True)
class ChunkDecoder:
    """Decodes one camera's runs. Not thread-safe: one caller at a time."""

    tally: DecodeTally = field(default_factory=DecodeTally)
    _run_id: str | None = None
    _init: InitFacts | None = None
    _context: VideoCodecContext | None = None
    _next_seq: int | None = None
    _in_flight: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def run_id(self) -> str | None:
        return self._run_id

    @property
    def in_flight(self) -> int:
        """Frames inside the decoder that may still come out."""
        return len(self._in_flight)

    def start(self, record: RunStart) -> None:
        """Begin a run (again: harmless). ``Corrupt`` when its init segment is unreadable; its chunks are then counted only."""
        if record.run.run_id == self._run_id:
            return
        self._forget()
        self._run_id = record.run.run_id
        self._init = parse_init(record.init)

    def decode(self, chunk: Chunk) -> Iterator[Picture]:
        """The pictures that this chunk completes, in order of presentation. Never raises for what the camera sent."""
        if self._init is None or chunk.run.run_id != self._run_id or not self._in_step(chunk):
            self.tally.unsynchronised_chunks += 1
            return
        try:
            yield from self._feed(chunk)
        except (Corrupt, av.error.FFmpegError, ValueError, MemoryError, OverflowError):
            self.tally.undecodable_chunks += 1
            self._lose_step()

    def decode_keyframe(self, chunk: Chunk) -> Iterator[Picture]:
        """Only the first picture of a sync chunk; what follows up to the next sync chunk cannot be decoded then.

        The decoder is drained behind the picture, so that none waits in it for others to be put in order with.
        """
        if self._init is None or chunk.run.run_id != self._run_id or not chunk.facts.sync:
            self.tally.unsynchronised_chunks += 1
            return
        try:
            yield from self._feed(chunk, limit=1)
            yield from self.flush()
        except (Corrupt, av.error.FFmpegError, ValueError, MemoryError, OverflowError):
            self.tally.undecodable_chunks += 1
            self._lose_step()

    def flush(self) -> Iterator[Picture]:
        """The pictures still inside the decoder: for the end of a run, or where chunks are left out. Goes on at a sync chunk."""
        context, self._context, self._next_seq = self._context, None, None
        if context is None:
            return
        try:
            yield from filter(None, map(self._picture, context.decode(None)))
        except (av.error.FFmpegError, ValueError):
            self.tally.undecodable_chunks += 1
        self._in_flight.clear()

    def _in_step(self, chunk: Chunk) -> bool:
        """Whether the decoder holds what this chunk refers to; a sync chunk refers to nothing."""
        if self._next_seq is not None and chunk.facts.seq == self._next_seq and self._context is not None:
            return True
        if self._next_seq is not None and chunk.facts.seq != self._next_seq:
            self._lose_step()
        return chunk.facts.sync

    def _lose_step(self) -> None:
        if self._context is not None:
            self.tally.resyncs += 1
        self._context, self._next_seq = None, None
        self._in_flight.clear()

    def _forget(self) -> None:
        self._run_id, self._init, self._context, self._next_seq = None, None, None, None
        self._in_flight.clear()

    def _feed(self, chunk: Chunk, limit: int | None = None) -> Iterator[Picture]:
        assert self._init is not None
        context = self._context or self._open(self._init)
        self._context, self._next_seq = context, chunk.facts.seq + 1
        view = memoryview(chunk.value)
        samples = parse_chunk(view, self._init.defaults).samples[:limit]
        start_ns, seq, timescale = chunk.facts.start_ns, chunk.facts.seq, self._init.timescale
        first_dts = samples[0].dts if samples else 0
        for sample in samples:
            # Any buffer is taken without a copy of ours; the stub names bytes only.
            packet = Packet(cast(bytes, view[sample.offset : sample.offset + sample.size]))
            dts = packet.dts = sample.dts
            pts = packet.pts = dts + sample.composition_offset
            self.tally.fed_frames += 1
            self._remember(pts, start_ns + (pts - first_dts) * NS_PER_S // timescale, seq)
            for frame in context.decode(packet):
                picture = self._picture(frame)
                if picture is not None:
                    yield picture

    def _open(self, init: InitFacts) -> VideoCodecContext:
        context = CodecContext.create(_DECODERS[init.video_codec], "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata = init.extradata
        context.thread_type = ThreadType.NONE
        context.thread_count = 1
        return context

    def _remember(self, pts: int, frame_ns: int, seq: int) -> None:
        self._in_flight[pts] = (frame_ns, seq)
        if len(self._in_flight) > _MAX_IN_FLIGHT:
            del self._in_flight[next(iter(self._in_flight))]

    def _picture(self, frame: VideoFrame) -> Picture | None:
        """A frame that came out of the decoder, with its time; ``None`` if it is damaged or nobody knows it."""
        known = self._in_flight.pop(frame.pts, None) if frame.pts is not None else None
        if frame.is_corrupt or known is None:
            self.tally.corrupt_frames += 1
            return None
        assert self._run_id is not None
        self.tally.shown_frames += 1
        return Picture(frame, known[0], self._run_id, known[1])


def frames_in(chunk: Chunk) -> int:
    """How many frames a chunk holds, without decoding it; 0 when that cannot be read."""
    try:
        return len(parse_chunk(chunk.value).samples)
    except Corrupt:
        return 0
