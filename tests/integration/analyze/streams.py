"""Files as the detect stream would carry them: run-start, chunks, run-end; through ``services.media``, without pacing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.packet import Packet

from services.contracts.media_record import Chunk, ChunkFacts, RunEnd, RunFacts, RunStart
from services.contracts.time import NS_PER_S
from services.media.access_unit import AccessUnit, make_access_unit
from services.media.cmaf_writer import Sample, build_chunk, build_init
from services.media.nal import sample_size, split
from services.media.parameter_sets import ParameterSets, read_extradata

SHARED = Path(__file__).parents[4] / "shared" / "data"
START_NS = 1_760_000_000 * NS_PER_S
TIMESCALE = 90_000
NO_DIGEST = bytes(32)


def units_of(path: Path, frames_per_s: float | None = None) -> tuple[Literal["h264", "h265"], tuple[object, ...], list[AccessUnit]]:
    """(codec, out-of-band parameter sets, access units); ``frames_per_s`` for raw streams without timestamps."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec: Literal["h264", "h265"] = "h264" if stream.codec_context.name == "h264" else "h265"
        extradata = stream.codec_context.extradata or b""
        packets = [packet for packet in container.demux(stream) if packet.size]
        length_size, sets = read_extradata(codec, bytes(extradata))
        units = []
        for index, packet in enumerate(packets):
            pts, dts = _times(packet, index, frames_per_s)
            units.append(make_access_unit(codec, split(bytes(packet), length_size), pts=pts, dts=dts, arrival_ns=0))
    return codec, sets, units


def _times(packet: Packet, index: int, frames_per_s: float | None) -> tuple[int, int]:
    if frames_per_s is not None or packet.pts is None or packet.dts is None:
        at = round(index * TIMESCALE / (frames_per_s or 25.0))
        return at, at
    scale = Fraction(packet.time_base) * TIMESCALE
    return round(packet.pts * scale), round(packet.dts * scale)


def records_of(
    path: Path,
    camera_id: str = "room",
    *,
    start_ns: int = START_NS,
    frames_per_s: float | None = None,
    chunk_s: float = 0.32,
    run_id: str = "0" * 28,
) -> list[RunStart | Chunk | RunEnd]:
    """One run. A chunk ends before a sync sample and after ``chunk_s``."""
    codec, sets, units = units_of(path, frames_per_s)
    units = units[next(i for i, unit in enumerate(units) if unit.sync) :]
    known = ParameterSets(codec)
    known.update(sets)  # type: ignore[arg-type]
    known.update(units[0].nals)
    track = known.track_for(units[0], in_band=True)
    assert track is not None
    run = RunFacts(
        camera_id, "record", run_id, "agent-1", "0" * 16, track.codec_string, track.width, track.height, TIMESCALE
    )
    records: list[RunStart | Chunk | RunEnd] = [RunStart(run, start_ns, build_init(track, TIMESCALE))]
    for seq, group in enumerate(_groups(units, chunk_s)):
        records.append(_chunk(run, seq, group, units[0], start_ns))
    last = records[-1]
    assert isinstance(last, Chunk)
    records.append(RunEnd(run, last.facts.seq + 1, last.facts.end_ns, "camera"))
    return records


def _groups(units: Sequence[AccessUnit], chunk_s: float) -> Iterator[list[tuple[AccessUnit, int]]]:
    """Access units with their durations (ticks), chunk by chunk."""
    group: list[tuple[AccessUnit, int]] = []
    for index, unit in enumerate(units):
        following = units[index + 1] if index + 1 < len(units) else None
        assert unit.dts is not None
        duration = (following.dts - unit.dts) if following is not None and following.dts is not None else 3600
        group.append((unit, max(duration, 0)))
        length = sum(ticks for _, ticks in group)
        if following is None or following.sync or length + duration > chunk_s * TIMESCALE:
            yield group
            group = []


def _chunk(run: RunFacts, seq: int, group: list[tuple[AccessUnit, int]], first: AccessUnit, start_ns: int) -> Chunk:
    head = group[0][0]
    assert head.dts is not None and first.dts is not None
    samples = [
        Sample(unit.nals, sample_size(unit.nals), ticks, unit.pts - (unit.dts or 0), unit.sync) for unit, ticks in group
    ]
    value = build_chunk(samples, seq=seq, base_decode_time=head.dts - first.dts, run_id=run.run_id)
    begin = start_ns + (head.dts - first.dts) * NS_PER_S // TIMESCALE
    duration = sum(ticks for _, ticks in group) * NS_PER_S // TIMESCALE
    return Chunk(run, ChunkFacts(seq, begin, duration, head.sync, NO_DIGEST, NO_DIGEST), value)
