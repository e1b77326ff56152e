"""The access unit: the coded picture as it comes from a source, before any container."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from services.media import h264, h265
from services.media.nal import Nal

VideoCodec = Literal["h264", "h265"]


class AccessUnit(NamedTuple):
    """All NAL units of one picture, in order, untouched. A tuple, since there is one for each picture of every camera.

    ``pts`` and ``dts`` are ticks of the source's timescale, already unwrapped; ``dts`` is ``None`` when the source tells
    only presentation times (RTP). ``arrival_ns`` is the agent's clock (UTC) when the last of it arrived. ``sync`` says that
    a decoder may begin here (H.264 IDR, H.265 IRAP).
    """

    nals: tuple[Nal, ...]
    pts: int
    dts: int | None
    arrival_ns: int
    sync: bool


def make_access_unit(
    codec: VideoCodec, nals: Sequence[Nal], *, pts: int, dts: int | None, arrival_ns: int
) -> AccessUnit:
    """An access unit whose ``sync`` is read from its NAL units, whatever the container claims."""
    kept = tuple(nals)
    sync = h264.is_sync(kept) if codec == "h264" else h265.is_sync(kept)
    return AccessUnit(kept, pts, dts, arrival_ns, sync)
