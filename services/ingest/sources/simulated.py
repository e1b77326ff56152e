"""Drawn rooms as cameras. The only place of the agent that knows ``services.simulation``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from services.ingest.sources.connection import SourceFailed, SourcePacket, StreamFormat


class SimulatedConnection:
    """A drawn room, encoded as a camera would."""

    def __init__(self, room: str, seed: int, *, now_ns: Callable[[], int], stop: threading.Event) -> None:
        raise SourceFailed("unusable", "drawn rooms are not built in yet")

    @property
    def format(self) -> StreamFormat:
        raise NotImplementedError

    def packets(self) -> Iterator[SourcePacket]:
        raise NotImplementedError

    def close(self) -> None: ...
