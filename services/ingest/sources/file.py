"""Video files as cameras: MP4, Matroska, MPEG-TS and raw H.264/H.265, paced by the wall clock.

With ``loop=1`` the file begins anew without a seam: its timeline goes on. Without, its end is the camera's end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from services.ingest.sources import libav
from services.ingest.sources.connection import SourceFailed, SourcePacket, StreamFormat

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from services.ingest.sources.connection import CodedBytes

_RAW = frozenset({"h264", "hevc"})
_RAW_TICKS_PER_S = 90_000
_DEFAULT_RATE = Fraction(25)
_MAX_RAW_BYTES = 32 * 1024 * 1024  # of a raw file that is decoded once for the order of its pictures
_MAX_UNTIMED = 32  # pictures at the beginning of a file without decoding times: no more than are ever reordered
_LONGEST_HOLE_S = 10.0  # a hole in a file's timeline is lived through up to this; beyond, time starts anew


class FileConnection:
    """A file played in real time. ``stop`` interrupts waiting."""

    def __init__(self, path: Path, *, loop: bool, now_ns: Callable[[], int], stop: threading.Event) -> None:
        self._path = path
        self._loop = loop
        self._now_ns = now_ns
        self._stop = stop
        self.hold_until_ns = 0
        self._container, self._stream = self._open()
        raw = self._container.format.name in _RAW
        base = self._stream.time_base or Fraction(1, _RAW_TICKS_PER_S)
        self._ticks_per_s = _RAW_TICKS_PER_S if raw or base.numerator != 1 else base.denominator
        self._scale = base * self._ticks_per_s
        self._raw_times = _RawTimes(path, self._stream) if raw else None
        try:
            self._format = libav.stream_format(self._container, self._stream, self._ticks_per_s)
        except BaseException:
            self._container.close()
            raise

    @property
    def format(self) -> StreamFormat:
        return self._format

    def batches(self) -> Iterator[list[SourcePacket]]:
        batch: list[SourcePacket] = []
        try:
            for packet in self._paced():
                batch.append(packet)
                if packet.sync or packet.arrival_ns >= self.hold_until_ns or packet.arrival_ns < batch[0].arrival_ns:
                    yield batch
                    batch = []
        except SourceFailed:
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    def _paced(self) -> Iterator[SourcePacket]:
        """All pictures of all rounds, each when it is due; ends when asked to stop."""
        offset = 0
        pace = _Pace(self._ticks_per_s, self._stop)
        while True:
            end = None
            for payload, pts, dts, duration, sync in self._one_pass():
                if end is None and offset:
                    offset -= dts  # the first picture of a new round is decoded where the last round ended
                if not pace.wait_for(dts + offset):
                    return
                yield SourcePacket(payload, pts + offset, dts + offset, sync, self._now_ns())
                end = dts + offset + duration
            if end is None:
                raise SourceFailed("unusable", f"{self._path.name} has no picture that can be read")
            if not self._loop:
                pace.wait_for(end)
                raise SourceFailed("ended", "file ended")
            offset = end
            self._container.close()
            self._container, self._stream = self._open()

    def close(self) -> None:
        self._container.close()

    def _open(self) -> tuple[InputContainer, VideoStream]:
        try:
            container = av.open(str(self._path))
        except (av.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, av.error.InvalidDataError | EOFError):
                raise SourceFailed("unusable", f"{self._path.name} is not a video file that can be read") from error
            raise libav.failure_of(error, opening=True) from error
        try:
            return container, libav.video_stream(container)
        except BaseException:
            container.close()
            raise

    def _one_pass(self) -> Iterator[tuple[CodedBytes, int, int, int, bool]]:
        """Payload, pts, dts, duration, sync of every picture of the file, in decoding order; times in our ticks."""
        usual = self._usual_duration()
        try:
            packets = (packet for packet in self._container.demux(self._stream) if packet.size)
            if self._raw_times is not None:
                for index, packet in enumerate(packets):
                    yield packet, *self._raw_times.of(index), usual, packet.is_keyframe
                return
            last_dts = None
            for packet, dts in self._with_decoding_times(packets, usual):
                if dts is None:
                    dts = 0 if last_dts is None else last_dts + usual
                last_dts = dts
                pts = self._ticks(packet.pts) if packet.pts is not None else dts
                duration = self._ticks(packet.duration) if packet.duration else usual
                yield packet, pts, dts, duration, packet.is_keyframe
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceFailed("unusable", f"{self._path.name} is damaged and cannot be read further") from error

    def _with_decoding_times(
        self, packets: Iterator[av.Packet[Any]], usual: int
    ) -> Iterator[tuple[av.Packet[Any], int | None]]:
        """Matroska tells no decoding times for its first reordered pictures: they are counted back from the first told."""
        untimed: list[av.Packet[Any]] = []
        for packet in packets:
            if packet.dts is None and len(untimed) < _MAX_UNTIMED:
                untimed.append(packet)
                continue
            dts = self._ticks(packet.dts) if packet.dts is not None else None
            for back, early in enumerate(untimed):
                yield early, None if dts is None else dts - (len(untimed) - back) * usual
            untimed = []
            yield packet, dts
        for early in untimed:
            yield early, None

    def _ticks(self, source_ticks: int) -> int:
        return source_ticks if self._scale == 1 else round(source_ticks * self._scale)

    def _usual_duration(self) -> int:
        if self._raw_times is not None:
            return self._raw_times.step
        rate = self._stream.average_rate or self._stream.guessed_rate or _DEFAULT_RATE
        return max(1, round(self._ticks_per_s / rate))


class _Pace:
    """Lets a timeline pass as fast as the wall clock does. Ticks in, waiting out."""

    def __init__(self, ticks_per_s: int, stop: threading.Event) -> None:
        self._ticks_per_s = ticks_per_s
        self._stop = stop
        self._anchor: tuple[float, int] | None = None

    def wait_for(self, dts: int) -> bool:
        """Wait until ``dts`` is due; ``False`` when asked to stop. A leap of the timeline starts a new one at once."""
        now = time.monotonic()
        if self._anchor is None:
            self._anchor = (now, dts)
        due = self._anchor[0] + (dts - self._anchor[1]) / self._ticks_per_s
        if not -_LONGEST_HOLE_S < due - now < _LONGEST_HOLE_S:
            self._anchor = (now, dts)
            return not self._stop.is_set()
        return not self._stop.wait(due - now) if due > now else not self._stop.is_set()


class _RawTimes:
    """Times for raw streams, which have none: steps of the frame rate, and the order of display from the bit stream.

    The whole file is decoded once for it, which no camera's stream ever is. Where that fails, or takes too long, the order
    of display is taken to be that of decoding.
    """

    def __init__(self, path: Path, stream: VideoStream) -> None:
        rate = stream.codec_context.framerate or stream.guessed_rate or _DEFAULT_RATE
        if not Fraction(1) <= rate <= Fraction(240):
            rate = _DEFAULT_RATE
        self.step = round(_RAW_TICKS_PER_S / rate)
        self._display = self._scan(path) if path.stat().st_size <= _MAX_RAW_BYTES else []

    def of(self, index: int) -> tuple[int, int]:
        """Pts and dts of the picture with this index in decoding order."""
        dts = index * self.step
        return (self._display[index] if index < len(self._display) else dts), dts

    def _scan(self, path: Path) -> list[int]:
        """Presentation times by index in decoding order, or nothing when some picture cannot be decoded."""
        shown: list[int | None] = []
        count = 0
        try:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "NONE"
                for packet in container.demux(stream):
                    if packet.size:
                        packet.pts = packet.dts = count
                        count += 1
                    shown += [frame.pts for frame in packet.decode()]
        except (av.FFmpegError, OSError, ValueError):
            return []
        place = {index: position for position, index in enumerate(shown)}
        if place.keys() != set(range(count)):
            return []
        depth = max((index - place[index] for index in range(count)), default=0)
        return [(place[index] + depth) * self.step for index in range(count)]
