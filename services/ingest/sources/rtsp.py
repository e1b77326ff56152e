"""RTSP and RTSPS cameras through libav: over TCP or UDP, H.264 or H.265, basic or digest authentication.

libav's own socket timeout is used for reading, not PyAV's: that one takes the interpreter's lock at every look at the
socket, a third of the whole cost of a camera.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import av

from services.backbone.tls import client_context, tls_complaint
from services.contracts.errors import Rejected
from services.contracts.settings import TlsSettings
from services.contracts.source_url import SourceAddress
from services.contracts.time import NS_PER_S
from services.ingest.core.napping import Naps
from services.ingest.sources import libav
from services.ingest.sources.connection import SourceFailed, SourcePacket, StreamFormat
from services.ingest.sources.credentials import Credentials
from services.ingest.sources.receive_window import window_bytes

_OPEN_TIMEOUT_S = 10.0
_KNOCK_TIMEOUT_S = 1.5
_UDP_BUFFER_BYTES = 4 * 1024 * 1024
_TICKS_PER_S = 90_000  # RFC 6184 and RFC 7798: video clock rate
_PORTS = {"rtsp": 554, "rtsps": 322}
_WINDOW_LASTS_NS = 10 * NS_PER_S
_WINDOW_GROWS_NS = 2 * NS_PER_S  # at the begin of a connection


def check_tls(address: SourceAddress, ca_file: str | None) -> None:
    """Try a bare TLS handshake as libav did, which says only that it failed; ``SourceFailed`` says why."""
    parts = urlsplit(address.url)
    host, port = parts.hostname or "", parts.port or _PORTS["rtsps"]
    try:
        context = client_context(TlsSettings(ca_file=ca_file))
        if ca_file is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((host, port), timeout=_KNOCK_TIMEOUT_S) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except Rejected as error:
        raise SourceFailed("unusable", str(error)) from error
    except OSError as error:
        if (said := tls_complaint(error)) is not None:
            raise SourceFailed("unusable", f"TLS to the camera: {said}") from error


def knock(address: SourceAddress) -> None:
    """Try a bare TCP connection, so that an outage is told apart: no way there, or nobody at home."""
    target = _target(address)
    try:
        socket.create_connection(target, timeout=_KNOCK_TIMEOUT_S).close()
    except socket.gaierror as error:
        raise SourceFailed("unreachable", f"the name {target[0]!r} cannot be resolved") from error
    except OSError as error:
        raise libav.failure_of(error, opening=True) from error


def _target(address: SourceAddress) -> tuple[str, int]:
    parts = urlsplit(address.url)
    return parts.hostname or "", parts.port or _PORTS[address.scheme]


class RtspConnection:
    """One RTSP session. ``now_ns`` gives the agent's clock; ``stop`` is looked at between packets."""

    def __init__(
        self,
        address: SourceAddress,
        credentials: Credentials | None,
        *,
        transport: str,
        ca_file: str | None = None,
        stall_s: float,
        now_ns: Callable[[], int],
        stop: threading.Event,
    ) -> None:
        self._now_ns = now_ns
        self._stop = stop
        self._stall_s = stall_s
        self._target = _target(address)
        self._window_until_ns = now_ns() + _WINDOW_GROWS_NS
        # A datagram that finds no room is lost; TCP makes the camera wait.
        self._naps = Naps(_TICKS_PER_S, allowed=transport == "tcp")
        self.hold_until_ns = 0
        try:
            self._container = av.open(
                _with_credentials(address.url, credentials),
                options=_options(transport, stall_s) | _verification(address, ca_file),
                timeout=(_OPEN_TIMEOUT_S, None),
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            knock(address)  # tells the cause better, when it lies in the network
            if address.scheme == "rtsps":
                check_tls(address, ca_file)
            failure = libav.failure_of(error, opening=True)
            raise failure from error
        try:
            self._stream = libav.video_stream(self._container)
            self._format = libav.stream_format(self._container, self._stream, _TICKS_PER_S)
        except BaseException:
            self._container.close()
            raise

    @property
    def format(self) -> StreamFormat:
        return self._format

    def batches(self) -> Iterator[list[SourcePacket]]:
        batch: list[SourcePacket] = []
        first: SourcePacket | None = None
        now_ns, naps = self._now_ns, self._naps
        try:
            for packet in self._container.demux(self._stream):
                pts = packet.pts
                sync = packet.is_keyframe
                arrival_ns = now_ns()
                if pts is None:  # libav's parser loses the time of the first picture when it spans packets
                    if packet.size and first is None:
                        first = SourcePacket(packet, 0, None, sync, arrival_ns)
                    continue
                arrival_ns = naps.arrived(arrival_ns, pts, packet.size, sync)
                if first is not None:
                    batch.append(first._replace(pts=first_pts(pts)))
                    first = None
                clock_ns = _camera_clock_ns(packet) if sync else None
                batch.append(SourcePacket(packet, pts, None, sync, arrival_ns, clock_ns))
                if sync or arrival_ns >= self.hold_until_ns or arrival_ns < batch[0].arrival_ns:
                    if self._stop.is_set():
                        return
                    yield batch
                    batch = []
                if nap_ns := naps.due_ns(self.hold_until_ns):
                    self._look_at_window(arrival_ns)
                    time.sleep(nap_ns / NS_PER_S)
        except (av.FFmpegError, OSError, ValueError) as error:
            if batch:
                yield batch
            failure = libav.failure_of(error, opening=False)
            if failure.failure.kind == "stalled":
                failure = SourceFailed("stalled", f"no picture for {self._stall_s:g} s")
            raise failure from error
        if batch:
            yield batch
        raise SourceFailed("lost", "the camera ended the stream")

    def close(self) -> None:
        self._container.close()

    def _look_at_window(self, now_ns: int) -> None:
        if not 0 <= self._window_until_ns - now_ns <= _WINDOW_LASTS_NS:
            self._window_until_ns = now_ns + _WINDOW_LASTS_NS
            self._naps.room(window_bytes(*self._target))


def first_pts(next_pts: int) -> int:
    """The time of a connection's first picture, in ticks, from that of the second.

    libav counts from the first picture, unless the camera's RTP-Info names another origin; then a usual interval of
    1/25 s is assumed.
    """
    return 0 if 0 < next_pts <= 2 * _TICKS_PER_S else next_pts - _TICKS_PER_S // 25


def _options(transport: str, stall_s: float) -> dict[str, str]:
    return {
        "rtsp_transport": transport,
        "timeout": str(int(stall_s * 1_000_000)),
        "allowed_media_types": "video",
        "buffer_size": str(_UDP_BUFFER_BYTES),
        # Parameter sets come from the SDP or in-band and are read by us: nothing needs to be probed, and probing
        # would hold the first pictures back.
        "probesize": "32",
        "analyzeduration": "0",
        # RTP tells presentation times only; the decoding times that libav makes up are not monotonic at the start.
        "fflags": "nofillin",
    }


def _verification(address: SourceAddress, ca_file: str | None) -> dict[str, str]:
    """libav believes every certificate unless told otherwise. Media go inside the same connection, also for ``udp``."""
    if address.scheme != "rtsps" or ca_file is None:
        return {}
    return {"tls_verify": "1", "ca_file": ca_file}


def _with_credentials(url: str, credentials: Credentials | None) -> str:
    if credentials is None:
        return url
    parts = urlsplit(url)
    userinfo = f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{userinfo}@{parts.netloc}"))


def _camera_clock_ns(packet: av.Packet[Any]) -> int | None:
    """The camera's wall clock for this picture, from AVProducerReferenceTime (int64 microseconds, int flags)."""
    if not packet.has_sidedata("prft"):
        return None
    raw = bytes(packet.get_sidedata("prft"))
    wallclock_us: int = struct.unpack_from("=q", raw)[0]
    return wallclock_us * 1000 if wallclock_us > 0 else None
