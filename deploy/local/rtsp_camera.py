#!/usr/bin/python3
"""An RTSP camera for tests and local work: serves media files as a camera would, sample by sample, paced in real time.

    rtsp_camera.py --port 18554 [--user U --password P] [--certificate FILE] [--once] door=clip.mp4 yard=yard.h264

Prints one line of JSON, ``{"port": 18554}``, when it listens. Every client gets each file from its beginning, so that a test can
compare what arrived with the whole source; with ``--once`` the stream ends (RTCP BYE) with the file, else it goes round with
timestamps that keep rising. The coded samples are never parsed or changed on the way. MP4 and Matroska keep their timestamps,
B-frames included; a raw H.264 or H.265 file has none and is sent at ``--fps``, in decoding order. With ``--certificate``, a PEM
file with its private key, it speaks ``rtsps://`` only.

Runs on the system's Python with Debian's GStreamer, not in the project's environment. To unplug it, kill it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

LOOPBACK = "127.0.0.1"
RAW_PARSERS = {".h264": "h264", ".264": "h264", ".h265": "h265", ".265": "h265", ".hevc": "h265"}
DEMUXERS = {".mp4": "qtdemux", ".mov": "qtdemux", ".m4v": "qtdemux", ".mkv": "matroskademux"}
PAYLOADERS = {
    "video/x-h264": "rtph264pay name=pay0 pt=96 config-interval=0 aggregate-mode=none",
    "video/x-h265": "rtph265pay name=pay0 pt=96 config-interval=0 aggregate-mode=none",
}


@dataclass(frozen=True)
class Recording:
    """A file in memory. ``samples`` are (buffer, pts_ns, dts_ns) in decoding order; times begin at 0."""

    caps: Gst.Caps
    samples: list[tuple[Gst.Buffer, int, int]]
    duration_ns: int

    @property
    def payloader(self) -> str:
        return PAYLOADERS[self.caps.get_structure(0).get_name()]


def load(path: Path, fps: float) -> Recording:
    suffix = path.suffix.lower()
    if suffix in RAW_PARSERS:
        codec = RAW_PARSERS[suffix]
        reader = f"! {codec}parse ! video/x-{codec},stream-format=byte-stream,alignment=au !"
    elif suffix in DEMUXERS:
        reader = f"! {DEMUXERS[suffix]} name=demuxer demuxer.video_0 !"
    else:
        raise SystemExit(f"rtsp_camera: {path}: can serve {', '.join([*DEMUXERS, *RAW_PARSERS])}")
    pipeline = Gst.parse_launch(f'filesrc location="{path}" {reader} appsink name=sink sync=false max-buffers=64')
    sink, bus = pipeline.get_by_name("sink"), pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    caps, read = None, []
    while not sink.get_property("eos"):
        sample = sink.emit("try-pull-sample", Gst.SECOND // 10)
        if sample is not None:
            caps = caps or _payloadable(sample.get_caps())
            read.append(sample.get_buffer())
        elif (failed := bus.pop_filtered(Gst.MessageType.ERROR)) is not None:
            raise SystemExit(f"rtsp_camera: {path}: {failed.parse_error().gerror.message}")
    pipeline.set_state(Gst.State.NULL)
    if caps is None or caps.get_structure(0).get_name() not in PAYLOADERS:
        raise SystemExit(f"rtsp_camera: {path}: holds no H.264 or H.265 video")
    return _timed(caps, read, None if suffix in DEMUXERS else fps)


def _payloadable(caps: Gst.Caps) -> Gst.Caps:
    """The payloaders know only the names for parameter sets out of band; with sets in band the framing is the same."""
    text = caps.to_string()
    return Gst.Caps.from_string(text.replace("(string)hev1", "(string)hvc1").replace("(string)avc3", "(string)avc"))


def _timed(caps: Gst.Caps, read: list[Gst.Buffer], fps: float | None) -> Recording:
    if fps is not None:
        frame_ns = round(1e9 / fps)
        samples = [(buffer, n * frame_ns, n * frame_ns) for n, buffer in enumerate(read)]
        return Recording(caps, samples, len(read) * frame_ns)
    first = min(buffer.pts for buffer in read)
    samples = []
    for buffer in read:
        dts = buffer.pts if buffer.dts == Gst.CLOCK_TIME_NONE else min(buffer.dts, buffer.pts)
        samples.append((buffer, buffer.pts - first, max(0, dts - first)))
    lengths = [0 if buffer.duration == Gst.CLOCK_TIME_NONE else buffer.duration for buffer in read]
    ends = [pts + length for (_, pts, _), length in zip(samples, lengths, strict=True)]
    return Recording(caps, samples, max(ends))


class Feeder:
    """Gives one client's pipeline the next sample whenever it asks."""

    def __init__(self, recording: Recording, *, once: bool) -> None:
        self.recording = recording
        self.once = once
        self.next = 0

    def feed(self, source: Gst.Element, _wanted_bytes: int) -> None:
        rounds, index = divmod(self.next, len(self.recording.samples))
        if rounds and self.once:
            source.emit("end-of-stream")
            return
        self.next += 1
        original, pts, dts = self.recording.samples[index]
        buffer = original.copy()  # shares the coded bytes
        buffer.pts = pts + rounds * self.recording.duration_ns
        buffer.dts = dts + rounds * self.recording.duration_ns
        buffer.duration = Gst.CLOCK_TIME_NONE
        source.emit("push-buffer", buffer)


class CameraFactory(GstRtspServer.RTSPMediaFactory):
    def __init__(self, recording: Recording, *, once: bool) -> None:
        super().__init__()
        self.recording = recording
        self.once = once
        self.set_shared(False)
        self.set_eos_shutdown(True)
        self.connect("media-configure", self._configure)

    def do_create_element(self, _url: GstRtsp.RTSPUrl) -> Gst.Element:
        source = "appsrc name=source format=time stream-type=stream is-live=false max-bytes=1 block=false"
        return Gst.parse_launch(f"( {source} ! {self.recording.payloader} )")

    def _configure(self, _factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name("source")
        source.set_property("caps", self.recording.caps)
        source.connect("need-data", Feeder(self.recording, once=self.once).feed)


def admit(arguments: argparse.Namespace, factories: list[CameraFactory]) -> GstRtspServer.RTSPAuth:
    """Who may watch, and over what: digest authentication if there is a user, TLS if there is a certificate."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    if arguments.user:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(arguments.user, arguments.password, token)
    else:
        auth.set_default_token(token)
    if arguments.certificate is not None:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(str(arguments.certificate)))
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
        permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
        factory.set_permissions(permissions)
    return auth


def serve(arguments: argparse.Namespace) -> None:
    server = GstRtspServer.RTSPServer()
    server.set_address(LOOPBACK)
    server.set_service(str(arguments.port))
    factories, loaded = [], {}
    for mount in arguments.mounts:
        name, _, file = mount.partition("=")
        path = Path(file).resolve()
        if path not in loaded:
            loaded[path] = load(path, arguments.fps)
        factories.append(CameraFactory(loaded[path], once=arguments.once))
        server.get_mount_points().add_factory(f"/{name.lstrip('/')}", factories[-1])
    if arguments.user or arguments.certificate is not None:
        server.set_auth(admit(arguments, factories))
    if not server.attach(None):
        raise SystemExit(f"rtsp_camera: cannot listen on {LOOPBACK}:{arguments.port}")
    # Clients that vanished without a TEARDOWN are forgotten when their session has run out.
    GLib.timeout_add_seconds(2, lambda: server.get_session_pool().cleanup() >= 0)
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    GLib.MainLoop().run()


def main() -> None:
    parser = argparse.ArgumentParser(description="An RTSP camera that plays files.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one (default)")
    parser.add_argument("--once", action="store_true", help="end with the file instead of going round")
    parser.add_argument("--user", help="require digest authentication")
    parser.add_argument("--password", default="")
    parser.add_argument("--certificate", type=Path, help="speak TLS only, with this certificate and its key (PEM)")
    parser.add_argument("--fps", type=float, default=25.0, help="rate of raw files (default 25)")
    parser.add_argument("mounts", nargs="+", metavar="NAME=FILE")
    Gst.init(None)
    try:
        serve(parser.parse_args())
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
