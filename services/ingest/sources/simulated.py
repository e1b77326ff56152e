"""Drawn rooms as cameras. The only place of the agent that knows ``services.simulation``.

A room begins at its time zero when its connection is opened, so that what it shows follows from room, seed and time since.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from services.ingest.sources.connection import SourceFailed, SourcePacket, StreamFormat

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

_TICKS_PER_S = 90_000
_GOP_S = 1
_LATEST_S = 0.5  # a machine that cannot keep up loses pictures, as a camera would; it does not fall behind for ever


class SimulatedConnection:
    """A drawn room, encoded as a camera would: H.264, no B-frames, parameter sets in-band before every sync sample."""

    def __init__(self, room: str, seed: int, *, now_ns: Callable[[], int], stop: threading.Event) -> None:
        try:
            from services.simulation.drawn_room import DrawnRoom
        except ModuleNotFoundError as error:
            raise SourceFailed("unusable", f"drawn rooms need {error.name}; install kanhu[box]") from error
        self._room = DrawnRoom(room, seed)
        self._now_ns, self._stop = now_ns, stop
        self.hold_until_ns = 0
        self._encoder = _encoder(self._room.width_px, self._room.height_px, self._room.frames_per_s)

    @property
    def format(self) -> StreamFormat:
        return StreamFormat("h264", length_prefixed=False, extradata=b"", ticks_per_s=_TICKS_PER_S)

    def batches(self) -> Iterator[list[SourcePacket]]:
        import av

        rate = self._room.frames_per_s
        began_s, index = time.monotonic(), 0
        while not self._stop.wait(max(0.0, began_s + index / rate - time.monotonic())):
            late_s = time.monotonic() - began_s - index / rate
            if late_s > _LATEST_S:
                index += int(late_s * rate)
            picture = av.VideoFrame.from_ndarray(self._room.frame(index / rate), format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, rate)
            for packet in self._encoder.encode(picture):
                pts = (packet.pts if packet.pts is not None else index) * _TICKS_PER_S // rate
                yield [SourcePacket(bytes(packet), pts, pts, packet.is_keyframe, self._now_ns())]
            index += 1

    def close(self) -> None:
        """Nothing is held open but memory."""


def _encoder(width: int, height: int, rate: int) -> VideoCodecContext:
    import av

    try:
        encoder = av.VideoCodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.framerate, encoder.time_base = Fraction(rate), Fraction(1, rate)
        encoder.gop_size, encoder.thread_count = rate * _GOP_S, 1
        # zerolatency: a picture is out before the next one is drawn, and dts equals pts.
        encoder.options = {"preset": "superfast", "tune": "zerolatency", "crf": "22", "sc_threshold": "0"}
        encoder.open()
    except (av.FFmpegError, ValueError) as error:
        raise SourceFailed("unusable", "this build of PyAV has no H.264 encoder (libx264) for drawn rooms") from error
    return encoder
