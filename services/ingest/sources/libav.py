"""What both the RTSP and the file source need of PyAV: the video stream, its format, and its errors in our words."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import av
import av.error

from services.ingest.core.life_cycle import FailureKind
from services.ingest.sources.connection import Codec, SourceFailed, StreamFormat

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_CODECS: dict[str, Codec] = {"h264": "h264", "hevc": "h265"}
#: Containers whose samples are length-prefixed NAL units; everywhere else they are Annex B.
_LENGTH_PREFIXED = frozenset({"mov", "mp4", "matroska", "webm", "flv"})
_MAX_CODEC_NAME = 20

av.logging.set_level(None)  # libav's own lines name URLs with credentials; errors are reported in our words


def video_stream(container: InputContainer) -> VideoStream:
    """The first video stream; ``SourceFailed`` when there is none. All other tracks are left alone."""
    streams = container.streams.video
    if not streams:
        raise SourceFailed("unsupported", "the source has no video track")
    return streams[0]


def stream_format(container: InputContainer, stream: VideoStream, ticks_per_s: int) -> StreamFormat:
    """Tell codec and packaging from what the container declares."""
    context = stream.codec_context
    name = context.codec.canonical_name if context is not None else "unknown"
    codec = _CODECS.get(name)
    if codec is None:
        raise SourceFailed(
            "unsupported", f"codec {name[:_MAX_CODEC_NAME]!r} is not supported; set the camera to H.264 or H.265"
        )
    extradata = bytes(context.extradata or b"")
    prefixed = not _LENGTH_PREFIXED.isdisjoint(container.format.name.split(","))
    if prefixed and not extradata:
        raise SourceFailed("unusable", "the file has no decoder configuration (avcC or hvcC)")
    return StreamFormat(codec, prefixed, extradata, ticks_per_s)


def failure_of(error: Exception, *, opening: bool) -> SourceFailed:
    """Translate what PyAV raised. Its own text may hold the URL, so it is never passed on."""
    for types, kind, detail in _KNOWN:
        if isinstance(error, types):
            return SourceFailed(kind, detail)
    number = getattr(error, "errno", None)
    if number in (errno.ETIMEDOUT, errno.EAGAIN) or isinstance(error, TimeoutError | av.error.ExitError):
        return SourceFailed("unreachable" if opening else "stalled", "the camera did not answer in time")
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN):
        return SourceFailed("unreachable", "the network has no way to the camera")
    if number == errno.ECONNREFUSED:
        return SourceFailed("absent", "the camera's host refuses connections; is RTSP switched on?")
    reason = type(error).__name__.removesuffix("Error") or "unknown"
    return SourceFailed("absent" if opening else "lost", f"the source could not be read on ({reason})")


_KNOWN: tuple[tuple[tuple[type[BaseException], ...], FailureKind, str], ...] = (
    (
        (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError),
        "credentials",
        "the camera refused user name or password; correct them (password_file or password_env)",
    ),
    ((av.error.HTTPNotFoundError,), "absent", "the camera has no stream at this path"),
    ((FileNotFoundError,), "absent", "there is no such file"),
    ((PermissionError,), "unusable", "the file may not be read by the agent; give it permission"),
    ((IsADirectoryError,), "unusable", "the path is a directory, not a video file"),
)
