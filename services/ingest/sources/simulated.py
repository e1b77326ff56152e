"""Cameras of the simulated nursery. The only place of the agent that knows ``services.simulation``.

What is shown follows from place, epoch and clock: every camera of a place shows the same world, and one that connects again
finds it as far on as the clock is. A fault of a camera (I-23, I-25) is one of its stream: no pictures, or a wrong clock.
"""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from services.contracts.errors import KanhuError
from services.contracts.simulated_stream import SimulatedStream
from services.contracts.time import NS_PER_S
from services.ingest.sources.connection import SourceFailed, SourcePacket, StreamFormat

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

    from services.simulation.live import WorldClock
    from services.simulation.studio import Studio

_TICKS_PER_S = 90_000
#: What is later than this is not drawn any more: the picture before is sent again, as by a camera whose processor is busy. The
#: stream has no hole then. After so long a stillness the stream leaps on.
_LATEST_S, _LONGEST_STILL_S = 0.5, 30.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a connection looks at: whose camera, how large, how often."""

    studio: Studio
    camera_id: str
    size: tuple[int, int]
    frames_per_s: int


class _Turn(NamedTuple):
    """A picture to send: its number and the stream's first one's, whether there is time to draw it, and the monotonic ns that
    it is due at (``None``: as soon as can be)."""

    number: int
    first: int
    fresh: bool
    due_ns: int | None


class SimulatedConnection:
    """A camera of the nursery, coded as cameras do: H.264, no B-frames, parameter sets in-band before every sync sample.

    Opens at once; pictures come when the camera is painted, which takes seconds on a machine's first time. ``SourceFailed``:
    no such camera, a wrong script, or a library is not installed.
    """

    def __init__(self, stream: SimulatedStream, *, now_ns: Callable[[], int], stop: threading.Event) -> None:
        self._stream, self._now_ns, self._stop = stream, now_ns, stop
        self.hold_until_ns = 0
        try:
            self._scene = _opened(stream)
        except ModuleNotFoundError as error:
            raise SourceFailed("unusable", f"simulated cameras need {error.name}; install kanhu[simulation]") from error
        except KanhuError as error:
            raise SourceFailed("unusable", str(error)) from error
        self._encoder = encoder_of(self._scene.size, self._scene.frames_per_s, stream)
        self._chance = random.Random(zlib.crc32(f"{stream.seed}/{self._scene.camera_id}".encode()))  # noqa: S311

    @property
    def format(self) -> StreamFormat:
        return StreamFormat("h264", length_prefixed=False, extradata=b"", ticks_per_s=_TICKS_PER_S)

    def batches(self) -> Iterator[list[SourcePacket]]:
        scene = self._scene
        if not self._painted():
            return
        picture = None
        for index, first, fresh, due_ns in self._paced() if self._stream.paced else self._at_once():
            world_s = self._world_s(index)
            if fresh or picture is None:
                picture = scene.studio.picture(scene.camera_id, world_s)
            if picture is None:
                raise SourceFailed("lost", f"simulated camera {scene.camera_id} is unplugged")
            for packet in self._encoder.encode(frame_of(picture, scene.size, index - first, scene.frames_per_s)):
                self._delay(due_ns)
                pts = (index - first) * _TICKS_PER_S // scene.frames_per_s
                arrival_ns = self._now_ns()
                clock_ns = arrival_ns + self._clock_error_ns(world_s) if packet.is_keyframe else None
                yield [SourcePacket(bytes(packet), pts, pts, packet.is_keyframe, arrival_ns, clock_ns)]

    def close(self) -> None:
        """Nothing is held open but memory, which others may share."""

    def _painted(self) -> bool:
        """Wait for the camera's paint; whether it was worth waiting (nobody asked to stop)."""
        try:
            while not self._scene.studio.painted(self._scene.camera_id, _LOOK_EVERY_S):
                if self._stop.is_set():
                    return False
            # The day is made and the light mixed before the first picture is due: both take their time.
            self._scene.studio.picture(self._scene.camera_id, self._world_s(0))
        except ModuleNotFoundError as error:
            raise SourceFailed("unusable", f"simulated cameras need {error.name}; install kanhu[simulation]") from error
        except KanhuError as error:
            raise SourceFailed("unusable", str(error)) from error
        return True

    def _paced(self) -> Iterator[_Turn]:
        """Pictures as each is due, numbered since the epoch: all cameras of a rate draw at the same instants."""
        rate, clock = self._scene.frames_per_s, self._agreed()
        if clock is None:
            return
        ahead_ns = self._now_ns() - time.monotonic_ns()  # the clock of the wall may be set; pictures keep coming evenly
        epoch_ns = clock.epoch_ns - ahead_ns
        first = index = -((epoch_ns - time.monotonic_ns()) * rate // NS_PER_S)
        # What the network keeps back is not the camera's being busy.
        latest_s = _LATEST_S + self._stream.jitter_ms / 1000

        def due_ns(number: int) -> int:
            return epoch_ns + number * NS_PER_S // rate

        while self._waited(due_ns(index)):
            late = (time.monotonic_ns() - epoch_ns) * rate // NS_PER_S - index
            if late > _LONGEST_STILL_S * rate:
                index += late
            elif late > latest_s * rate:
                yield from (_Turn(missed, first, False, due_ns(missed)) for missed in range(index, index + late))
                index += late
            yield _Turn(index, first, True, due_ns(index))
            index += 1

    def _agreed(self) -> WorldClock | None:
        """Wait until the epoch is agreed on; ``None``: asked to stop."""
        from services.simulation.live import WorldClock

        while (clock := WorldClock.of(self._stream, self._now_ns())) is None:
            if self._stop.wait(_LOOK_EVERY_S):
                return None
        return clock

    def _at_once(self) -> Iterator[_Turn]:
        index = 0
        while not self._stop.is_set():
            yield _Turn(index, 0, True, None)
            index += 1

    def _world_s(self, index: int) -> float:
        return self._stream.at_s + index * self._stream.speed / self._scene.frames_per_s

    def _clock_error_ns(self, world_s: float) -> int:
        days = self._scene.studio.days
        index, t_s = divmod(world_s, 86_400.0)
        return round(days.day(int(index)).clock_offset_s(self._scene.camera_id, t_s) * NS_PER_S)

    def _delay(self, due_ns: int | None) -> None:
        """As a busy network does: late by the jitter at most, and behind whatever came before.

        Counted from when the picture was due, not from the one before it: delays longer than a picture's time would add up.
        """
        if self._stream.jitter_ms and due_ns is not None:
            self._waited(due_ns + round(self._chance.uniform(0.0, self._stream.jitter_ms) * 1e6))

    def _waited(self, until_ns: int) -> bool:
        """Wait until an instant of the monotonic clock; ``False``: asked to stop."""
        return not self._stop.wait(max(0.0, (until_ns - time.monotonic_ns()) / NS_PER_S))


def _opened(stream: SimulatedStream) -> _Scene:
    from services.simulation.live import Place, camera_named
    from services.simulation.studio import studio_of

    studio = studio_of(Place.of(stream))
    camera = camera_named(studio.building, stream.room)
    studio.prepare(camera.id)
    size = stream.size or (camera.width_px, camera.height_px)
    return _Scene(studio, camera.id, size, stream.frames_per_s or camera.frames_per_s)


def frame_of(picture: Any, size: tuple[int, int], index: int, rate: int) -> Any:
    """A picture (h, w, 3) as the coder takes it: of this size, the ``index``-th of ``rate`` a second."""
    import av
    import cv2

    if (picture.shape[1], picture.shape[0]) != size:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    # Planes by OpenCV: half the cost of letting the coder convert.
    frame = av.VideoFrame.from_ndarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
    frame.pts, frame.time_base = index, Fraction(1, rate)
    return frame


def encoder_of(size: tuple[int, int], rate: int, stream: SimulatedStream) -> VideoCodecContext:
    """The coder of a stream of ``rate`` pictures a second. ``SourceFailed``: this build has none."""
    import av

    try:
        encoder = av.VideoCodecContext.create("libx264", "w")
        (encoder.width, encoder.height), encoder.pix_fmt = size, "yuv420p"
        encoder.framerate, encoder.time_base = Fraction(rate), Fraction(1, rate)
        encoder.gop_size, encoder.thread_count = max(1, round(rate * stream.gop_s)), 1
        # zerolatency: a picture is out before the next one is drawn, and dts equals pts.
        options = {"tune": "zerolatency", "sc_threshold": "0"}
        if stream.kbit_s is None:
            # Half the cost of superfast for the same bits and looks: what there is to code is mostly grain.
            options |= {"preset": "ultrafast", "x264-params": "deblock=0,0", "crf": "23"}
        else:
            options["preset"] = "superfast"
            encoder.bit_rate = stream.kbit_s * 1000
            options |= {"maxrate": f"{stream.kbit_s}k", "bufsize": f"{2 * stream.kbit_s}k"}
        encoder.options = options
        encoder.open()
    except (av.FFmpegError, ValueError) as error:
        raise SourceFailed(
            "unusable", "this build of PyAV has no H.264 encoder (libx264) for simulated cameras"
        ) from error
    return encoder
