"""The road of a file into the media arithmetic, as ingest takes it: PyAV's packets, without decoding."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from services.contracts.errors import Corrupt, Rejected
from services.contracts.media_record import MediaRecord
from services.media.access_unit import AccessUnit, VideoCodec, make_access_unit
from services.media.muxer import RunMuxer
from services.media.nal import split
from services.media.parameter_sets import read_extradata
from tests.unit.media import material as m

_CODECS: dict[str, VideoCodec] = {"h264": "h264", "hevc": "h265"}


@dataclass
class Muxed:
    """What came of a file. ``units`` are those that reached the muxer; ``refused`` says why others could not."""

    muxer: RunMuxer
    records: list[MediaRecord] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def mux_file(path: Path, *, tell_dts: bool = True) -> Muxed:
    """Mux the first video stream. ``Corrupt`` when the file cannot be opened, ``Rejected`` when it holds no such video."""
    try:
        with av.open(str(path)) as container:
            return _mux(container, tell_dts)
    except av.error.FFmpegError as error:
        raise Corrupt(f"{path.name} cannot be read: {error}") from error


def _mux(container: av.container.InputContainer, tell_dts: bool) -> Muxed:
    if not container.streams.video:
        raise Rejected("there is no video")
    stream = container.streams.video[0]
    codec = _CODECS.get(stream.codec_context.name)
    if codec is None:
        raise Rejected(f"video of codec {stream.codec_context.name} is not supported")
    base = stream.time_base or Fraction(1, 90_000)
    length_size, sets = read_extradata(codec, stream.codec_context.extradata or b"")
    out = Muxed(m.muxer(codec, timescale=base.denominator, parameter_sets=sets))
    number = 0
    for packet in container.demux(stream):
        if not packet.size:
            continue
        pts = packet.pts if packet.pts is not None else packet.dts
        if pts is None:  # a raw stream tells no times
            pts = number * base.denominator // (25 * base.numerator)
        times = (pts, packet.dts if tell_dts else None)
        number += 1
        try:
            nals = split(bytes(packet), length_size)
        except Corrupt as error:
            out.refused.append(str(error))
            continue
        pts, dts = (None if each is None else each * base.numerator for each in times)
        unit = make_access_unit(codec, nals, pts=pts or 0, dts=dts, arrival_ns=m.START_NS + number * 40_000_000)
        out.units.append(unit)
        out.records += out.muxer.push(unit, m.CLOCK)
    out.records += out.muxer.flush("camera", "end of file")
    return out
