"""What is remembered of a stream between records, and which offset that holds back.

Belongs here: the state of ``sealing.py``. Does not belong here: how it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from services.contracts.media_record import RunFacts, RunStart
from services.retention.core.commands import HeldChunk


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """Chunks in a scratch file. ``signed`` of them, from the front, are covered by a verified signature."""

    prev_link: bytes
    chunks: tuple[HeldChunk, ...]
    signed: int = 0


@dataclass(frozen=True, slots=True)
class Hole:
    """Samples from ``from_ns`` on are missing; the next chunk that is kept tells where it ends."""

    from_ns: int
    first_seq: int
    why: str


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as far as it was read. ``run`` ``None``: nothing is known that would make its chunks readable (R2)."""

    run_id: str
    run: RunFacts | None = None
    init: bytes = b""
    genesis: bytes = b""
    start: RunStart | None = None
    begun: bool = False
    ended: bool = False
    held_start: int | None = None
    next_seq: int = 0
    link: bytes | None = None
    next_start_ns: int | None = None
    hole: Hole | None = None
    lost: tuple[tuple[int, int], ...] = ()
    segment: OpenSegment | None = None


@dataclass(frozen=True, slots=True)
class StreamState:
    """All that is remembered of one stream of one camera."""

    runs: Mapping[str, RunState] = field(default_factory=lambda: MappingProxyType({}))
    silent: bool = False
    last_end_ns: int | None = None


def held_offset(state: StreamState) -> int | None:
    """The lowest offset whose effect is not durable yet (R9); ``None`` when everything stepped so far is."""
    held = [run.held_start for run in state.runs.values() if run.held_start is not None]
    held += [run.segment.chunks[0].offset for run in state.runs.values() if run.segment is not None]
    return min(held, default=None)
