"""Which source a camera's URL means, and with which credentials it is opened. Blocks; called from reader threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.contracts.entity import CameraConfig
from services.contracts.source_url import parse_source_url
from services.ingest.sources.connection import SourceConnection
from services.ingest.sources.credentials import credentials_of


@dataclass(frozen=True, slots=True)
class OpeningTerms:
    """What every kind of source is opened with. ``knock_first``: the last attempt failed, so look before ringing."""

    stall_s: float
    now_ns: Callable[[], int]
    stop: threading.Event
    knock_first: bool = False


def open_source(camera: CameraConfig, url: str, terms: OpeningTerms) -> SourceConnection:
    """Open a stream of a camera; ``SourceFailed`` says why it cannot be. Imports are lazy: PyAV takes its time."""
    address = parse_source_url(url)
    match address.scheme:
        case "rtsp" | "rtsps":
            from services.ingest.sources import rtsp

            if terms.knock_first:
                rtsp.knock(address)
            return rtsp.RtspConnection(
                address, credentials_of(camera, address), transport=camera.transport, ca_file=camera.ca_file,
                stall_s=terms.stall_s, now_ns=terms.now_ns, stop=terms.stop,
            )  # fmt: skip
        case "file":
            from services.ingest.sources.file import FileConnection

            return FileConnection(Path(address.path), loop=address.loop, now_ns=terms.now_ns, stop=terms.stop)
        case "sim":
            from services.ingest.sources.simulated import SimulatedConnection

            assert address.simulated is not None
            return SimulatedConnection(address.simulated, now_ns=terms.now_ns, stop=terms.stop)
