"""What every source offers: a connection that yields coded pictures as they come, and says why it ended.

A connection is used by one thread, which blocks in it. Nothing is decoded; bytes are passed on as they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from services.ingest.core.life_cycle import Failure, FailureKind

if TYPE_CHECKING:
    from av import Packet

    CodedBytes = bytes | memoryview | Packet[Any]

Codec = Literal["h264", "h265"]


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How the packets of a connection are to be read. Known from the container, never guessed from the bytes.

    ``extradata`` is avcC or hvcC when ``length_prefixed``, else parameter sets as Annex B, possibly empty: then they
    come in-band. ``ticks_per_s`` is the unit of all times of the packets.
    """

    codec: Codec
    length_prefixed: bool
    extradata: bytes
    ticks_per_s: int


class SourcePacket(NamedTuple):
    """One access unit as it came. ``payload`` is any object that holds its bytes; they are first touched when muxed.

    Times in ticks; ``dts`` is ``None`` where the source tells presentation times only. ``sync`` is what the container or
    parser says; the muxer looks for itself. ``camera_clock_ns`` is what the camera's own clock says of the picture (from
    RTCP sender reports), ns UTC.
    """

    payload: CodedBytes
    pts: int
    dts: int | None
    sync: bool
    arrival_ns: int
    camera_clock_ns: int | None = None


class SourceConnection(Protocol):
    """An open source.

    ``batches`` blocks. It yields pictures together: up to and with each sync picture, and each as it comes once
    ``hold_until_ns`` (agent's clock, set by the reader) is past; before that nothing can be complete anyway, and taking
    several at once costs much less than waking up for each. It ends by raising ``SourceFailed``, or returns when asked to
    stop.
    """

    hold_until_ns: int

    @property
    def format(self) -> StreamFormat: ...

    def batches(self) -> Iterator[list[SourcePacket]]: ...

    def close(self) -> None: ...


class SourceFailed(Exception):
    """A source could not be opened or read on. Stays within the agent; its detail bears no secret."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.failure = Failure(kind, detail)
