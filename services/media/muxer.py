"""From access units of one stream to its media records: run starts, chunks, run ends.

Pure: time and clock samples arrive with the access units, run ids and signatures through what is passed in. The rules:

- A run begins at a sync sample whose parameter sets are known; what comes before is skipped and counted (:attr:`Counters`).
- Another picture size or parameter set at a sync sample ends the run and begins the next at the same nanosecond.
- A jump of the timestamps ends the run, too; the next begins at the agent's clock when its first access unit arrived. It
  goes on with whatever comes, sync sample or not: nothing of a connection that was once decodable is thrown away.
- ``flush`` ends the run when the source is lost or stopped. The last sample then lasts as long as the one before it.

Every NAL unit that went in comes out once, in order, unless it was counted as skipped or refused with ``Corrupt``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.contracts.errors import Corrupt, Rejected
from services.contracts.ids import StreamName
from services.contracts.media_record import ClockSample, GapCause, MediaRecord, RunEnd, RunFacts, RunStart
from services.contracts.time import NS_PER_MS, NS_PER_S
from services.media import h264, h265
from services.media.access_unit import AccessUnit, VideoCodec
from services.media.chain import Sign
from services.media.cmaf_writer import build_init
from services.media.nal import MAX_NALS, Nal, sample_size
from services.media.parameter_sets import ParameterSets, TrackConfig
from services.media.run_writer import MAX_CHUNK_BYTES, RunWriter
from services.media.timestamps import DerivedTimes, GivenTimes, JumpDetector, Placed, Placer

MAX_CHUNK_MS: Final = 500
MAX_UNIT_BYTES: Final = MAX_CHUNK_BYTES - 512 * 1024
#: NAL units without a picture that wait for one.
MAX_LOOSE_BYTES: Final = 256 * 1024
#: So that a sample made of both can be split again.
_MAX_UNIT_NALS: Final = MAX_NALS // 2
#: A run that follows a jump never begins before the end of the one before it by jitter or drift; further back it is believed.
_MAX_OVERLAP_NS: Final = 2 * NS_PER_S
#: Nothing is known about the clock.
UNKNOWN_CLOCK: Final = ClockSample()
_NOMINAL_FRAMES_PER_S: Final = 25


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What is known of a stream before its first byte. ``timescale``: ticks per second of the access units' times."""

    camera_id: str
    stream: StreamName
    agent_id: str
    key_id: str
    codec: VideoCodec
    timescale: int


@dataclass(slots=True)
class Counters:
    """What happened since the muxer was made. ``skipped_*``: came before the first decodable sync sample of a connection."""

    units: int = 0
    skipped_units: int = 0
    skipped_bytes: int = 0
    refused_units: int = 0
    repaired_timestamps: int = 0
    unreadable_parameter_sets: int = 0
    runs: int = 0


@dataclass(slots=True)
class _OpenRun:
    writer: RunWriter
    track: TrackConfig
    in_band: bool
    placer: Placer
    jumps: JumpDetector
    clock: ClockSample


class RunMuxer:
    """The step machine of one stream. Feed it with :meth:`push`, end it with :meth:`flush`; both return records to send.

    ``period_ms`` divides the agent's clock: units that came in different periods are in different chunks, so that the
    chunks of many streams end together and are stored together. Without it a chunk ends where ``chunk_ms`` ends it.
    ``since`` and ``detail`` tell why nothing came before the first run (``RunStart``). Memory is bounded by one chunk and, while
    timestamps are being derived, some access units.
    """

    def __init__(
        self,
        stream: StreamFacts,
        *,
        new_run_id: Callable[[int], str],
        sign: Sign,
        chunk_ms: int = 320,
        period_ms: int | None = None,
        parameter_sets: Sequence[Nal] = (),
        since: GapCause | None = None,
        detail: str = "",
    ) -> None:
        for given_ms in (chunk_ms, chunk_ms if period_ms is None else period_ms):
            if not 0 < given_ms <= MAX_CHUNK_MS:
                raise Rejected(f"chunks of {given_ms} ms cannot be made; choose 1 to {MAX_CHUNK_MS}")
        if not 0 < stream.timescale <= NS_PER_S:
            raise Rejected(
                f"a timescale of {stream.timescale} ticks per second is not usable; expected 1 to {NS_PER_S}"
            )
        self.stream = stream
        self.counters = Counters()
        self._new_run_id = new_run_id
        self._sign = sign
        self._chunk_ms = chunk_ms
        self._period_ns = None if period_ms is None else period_ms * NS_PER_MS
        self._sets = ParameterSets(stream.codec)
        self._sets.update(parameter_sets)
        self._is_slice = h264.is_slice if stream.codec == "h264" else h265.is_slice
        self._since: GapCause | None = since
        self._since_detail = detail
        self._in_band = False
        self._open: _OpenRun | None = None
        self._loose: list[Nal] = []
        self._loose_bytes = 0

    @property
    def run(self) -> RunFacts | None:
        """The open run."""
        return self._open.writer.run if self._open else None

    @property
    def oldest_ns(self) -> int | None:
        """When the first access unit of the open run's newest chunk came."""
        return self._open.writer.oldest_ns if self._open else None

    def push(self, unit: AccessUnit, clock: ClockSample = UNKNOWN_CLOCK) -> list[MediaRecord]:
        """Take the next access unit. ``Corrupt`` when it is too large to be carried; the stream goes on without it."""
        self.counters.units += 1
        size = sample_size(unit.nals)
        if size > MAX_UNIT_BYTES or len(unit.nals) > _MAX_UNIT_NALS:
            self.counters.refused_units += 1
            raise Corrupt(
                f"access unit of {size} bytes in {len(unit.nals)} NAL units is too large "
                f"(limits: {MAX_UNIT_BYTES}, {_MAX_UNIT_NALS}); lower the camera's bit rate"
            )
        self._in_band |= self._sets.update(unit.nals)
        self.counters.unreadable_parameter_sets = self._sets.unreadable
        if not any(map(self._is_slice, unit.nals)):
            return self._keep_for_next(unit, size)
        size += self._loose_bytes
        nals = unit.nals
        if self._loose:
            nals, self._loose, self._loose_bytes = (*self._loose, *nals), [], 0
            unit = AccessUnit(nals, unit.pts, unit.dts, unit.arrival_ns, unit.sync)
        out: list[MediaRecord] = []
        if self._open is not None:
            self._turn(self._open, unit, clock, out)
        elif not self._begin(unit, clock, out):
            self.counters.skipped_units += 1
            self.counters.skipped_bytes += size
            return out
        return self._write(unit, clock, out)

    def flush(self, cause: GapCause, detail: str = "") -> list[MediaRecord]:
        """End the run: nothing follows, for ``cause``. The next run, if any, says ``since`` the same."""
        out: list[MediaRecord] = []
        if self._open is not None:
            self._end(self._open, cause, detail, None, out)
            self._open = None
        elif self._loose:
            self.counters.skipped_units += 1
            self.counters.skipped_bytes += self._loose_bytes
        self._loose, self._loose_bytes = [], 0
        self._since, self._since_detail = cause, detail
        return out

    def _keep_for_next(self, unit: AccessUnit, size: int) -> list[MediaRecord]:
        """NAL units without a picture (a lone SEI, parameter sets sent apart) go in front of the next picture's."""
        if self._loose_bytes + size > MAX_LOOSE_BYTES or len(self._loose) + len(unit.nals) > _MAX_UNIT_NALS:
            self.counters.refused_units += 1
            raise Corrupt(f"more than {MAX_LOOSE_BYTES} bytes without a picture; the camera's stream is damaged")
        self._loose += unit.nals
        self._loose_bytes += size
        return []

    def _begin(self, unit: AccessUnit, clock: ClockSample, out: list[MediaRecord]) -> bool:
        """Open the first run of a connection, if this unit allows it."""
        track = self._sets.track_for(unit, in_band=self._in_band) if unit.sync else None
        if track is None:
            return False
        self._start(track, unit, unit.arrival_ns, self._since, self._since_detail, clock, out)
        return True

    def _turn(self, run: _OpenRun, unit: AccessUnit, clock: ClockSample, out: list[MediaRecord]) -> None:
        """End the open run and begin the next one, if this unit demands it."""
        jump = run.jumps.step(unit)
        if not jump and not unit.sync:
            return
        in_band = self._in_band and (jump != 0 or run.in_band)
        track = (self._sets.track_for(unit, in_band=in_band) if unit.sync else None) or run.track
        if jump:
            direction = "forward" if jump > 0 else "back"
            detail = f"timestamps jumped {direction} by {abs(jump) / self.stream.timescale:.3f} s"
            end_ns = self._end(run, "camera", detail, None, out)
            start_ns = unit.arrival_ns
            if end_ns - _MAX_OVERLAP_NS < start_ns < end_ns:
                start_ns = end_ns
            self._start(track, unit, start_ns, "camera", detail, clock, out)
        elif track != run.track:
            track = self._sets.track_for(unit, in_band=self._in_band) or track
            old = run.track
            detail = (
                f"parameter sets changed: {old.codec_string} {old.width}x{old.height} "
                f"to {track.codec_string} {track.width}x{track.height}"
            )
            end_ns = self._end(run, "camera", detail, unit, out)
            self._start(track, unit, end_ns, None, detail, clock, out)

    def _start(
        self,
        track: TrackConfig,
        unit: AccessUnit,
        start_ns: int,
        since: GapCause | None,
        detail: str,
        clock: ClockSample,
        out: list[MediaRecord],
    ) -> None:
        stream = self.stream
        run = RunFacts(
            stream.camera_id, stream.stream, self._new_run_id(start_ns), stream.agent_id, stream.key_id,
            track.codec_string, track.width, track.height, stream.timescale,
        )  # fmt: skip
        init = build_init(track, stream.timescale)
        writer = RunWriter(
            run,
            init,
            start_ns,
            self._sign,
            chunk_ms=self._chunk_ms,
            default_ticks=_frame_ticks(track, stream.timescale),
            period_ns=self._period_ns,
        )
        decoding = unit.dts is not None
        placer: Placer = GivenTimes()
        if not decoding:
            placer = DerivedTimes(stream.timescale, track.reorder_frames, track.reorder_bound)
        jumps = JumpDetector(stream.timescale, decoding=decoding, reordered=track.reorder_frames != 0)
        jumps.step(unit)
        self._open = _OpenRun(writer, track, self._in_band, placer, jumps, clock)
        self.counters.runs += 1
        out.append(RunStart(run, start_ns, init, since, detail, clock))

    def _write(self, unit: AccessUnit, clock: ClockSample, out: list[MediaRecord]) -> list[MediaRecord]:
        run = self._open
        assert run is not None
        run.clock = clock
        self._add(run, run.placer.place(unit), clock, out)
        return out

    def _add(self, run: _OpenRun, placed: list[Placed], clock: ClockSample, out: list[MediaRecord]) -> None:
        for unit, dts, offset in placed:
            out += run.writer.add(unit.nals, sample_size(unit.nals), dts, offset, unit.sync, clock, unit.arrival_ns)

    def _end(
        self, run: _OpenRun, cause: GapCause, detail: str, follower: AccessUnit | None, out: list[MediaRecord]
    ) -> int:
        """Close a run; ``follower`` goes on where it ends. Returns the end, ns UTC."""
        self._add(run, run.placer.drain(), run.clock, out)
        self.counters.repaired_timestamps += run.placer.repaired
        if follower is None and self._loose:
            run.writer.extend(self._loose, self._loose_bytes)
        next_dts = None if follower is None else run.placer.presented_at(follower)
        out += run.writer.end(cause, detail, next_dts=next_dts)
        end = out[-1]
        assert isinstance(end, RunEnd)
        return end.end_ns


def _frame_ticks(track: TrackConfig, timescale: int) -> int:
    """How long a frame lasts when nothing but the parameter sets can tell."""
    if track.frame_duration is not None:
        ticks = track.frame_duration[0] * timescale // track.frame_duration[1]
        if 0 < ticks <= timescale:
            return ticks
    return max(1, timescale // _NOMINAL_FRAMES_PER_S)
