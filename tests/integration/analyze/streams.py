"""Files as the detect stream would carry them: run-start, chunks, run-end; through ``services.media``, without pacing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from services.analyze.engine import CameraEngine, Judgement
from services.contracts.errors import Corrupt
from services.contracts.media_record import Chunk, MediaRecord, RunEnd, RunStart
from services.contracts.time import NS_PER_S
from services.media.access_unit import VideoCodec, make_access_unit
from services.media.muxer import RunMuxer, StreamFacts
from services.media.nal import split
from services.media.parameter_sets import read_extradata

SHARED = Path(__file__).parents[4] / "shared" / "data"
START_NS = 1_760_000_000 * NS_PER_S
_TIMESCALE = 90_000


def muxed(
    path: Path, camera_id: str = "room", *, start_ns: int = START_NS, raw_frames_per_s: float | None = None
) -> list[MediaRecord]:
    """All records of a file. ``raw_frames_per_s`` for raw streams, which have no timestamps."""
    numbers = iter(range(1, 1_000_000))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec: VideoCodec = "h264" if stream.codec_context.name == "h264" else "h265"
        length_size, sets = read_extradata(codec, bytes(stream.codec_context.extradata or b""))
        facts = StreamFacts(camera_id, "record", "agent-1", "0" * 16, codec, _TIMESCALE)
        muxer = RunMuxer(
            facts, new_run_id=lambda ns: f"{next(numbers):028x}", sign=lambda message: bytes(64), parameter_sets=sets
        )
        records: list[MediaRecord] = []
        first: int | None = None
        for index, packet in enumerate(p for p in container.demux(stream) if p.size):
            pts, dts = _times(packet, index, raw_frames_per_s)
            first = dts if first is None else first
            arrival_ns = start_ns + (dts - first) * NS_PER_S // _TIMESCALE
            with contextlib.suppress(Corrupt):  # as an agent does: a bad access unit is left out, the stream goes on
                nals = split(bytes(packet), length_size)
                records += muxer.push(make_access_unit(codec, nals, pts=pts, dts=dts, arrival_ns=arrival_ns))
        return records + muxer.flush("camera")


def _times(packet: Packet, index: int, raw_frames_per_s: float | None) -> tuple[int, int]:
    if raw_frames_per_s is not None or packet.pts is None or packet.dts is None:
        at = round(index * _TIMESCALE / (raw_frames_per_s or 25.0))
        return at, at
    scale = Fraction(packet.time_base) * _TIMESCALE
    return round(packet.pts * scale), round(packet.dts * scale)


def watch(engine: CameraEngine, records: Iterable[MediaRecord]) -> list[Judgement]:
    """Feed an engine as a camera's worker does; at the end the camera falls silent."""
    runs: dict[str, RunStart] = {}
    judgements: list[Judgement] = []
    for record in records:
        match record:
            case RunStart():
                runs[record.run.run_id] = record
            case Chunk():
                judgements += engine.start(runs[record.run.run_id])
                judgements += engine.chunk(record)
            case RunEnd():
                judgements += engine.flush()
    return judgements + engine.end()


def chunks(records: Iterable[MediaRecord]) -> list[Chunk]:
    return [record for record in records if isinstance(record, Chunk)]


def run_start(records: Iterable[MediaRecord]) -> RunStart:
    return next(record for record in records if isinstance(record, RunStart))


def encode(path: Path, pictures: Sequence[NDArray[np.uint8]], frames_per_s: int, *, gop: int = 20) -> Path:
    """An H.264 MP4 of RGB pictures, compressed as a camera would."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=frames_per_s)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26", "g": str(gop), "bf": "0", "threads": "1"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
