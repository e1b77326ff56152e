"""What the sealing core reads and what it tells the shell to do. Plain values; nothing here acts.

Belongs here: the vocabulary between ``sealing.py`` and the shell. Does not belong here: how a command is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.contracts.media_record import ChunkFacts, Gap, MediaRecord, RunEnd, RunFacts, RunStart

# --- Events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record that could be read. ``public_key`` is the raw key that its run names, ``None`` if nobody enrolled it."""

    record: MediaRecord
    offset: int
    public_key: bytes | None


@dataclass(frozen=True, slots=True)
class Restored:
    """What the ledger knows of a run that this process does not remember. ``begun`` false: nothing.

    ``init`` is empty while no segment of it is stored. ``lost`` are sequence ranges ``[first, last]`` between its segments.
    """

    run_id: str
    run: RunFacts | None = None
    begun: bool = False
    ended: bool = False
    init: bytes = b""
    next_seq: int = 0
    link: bytes | None = None
    next_start_ns: int | None = None
    lost: tuple[tuple[int, int], ...] = ()
    presumed_gap: bool = False


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing of this stream has arrived for the time after which a gap is presumed."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing of this stream has arrived for so long that what is held must be sealed before the log forgets it."""


Event = Arrived | Restored | Silent | Idle

# --- Commands --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BeginRun:
    """The first chunk of a run was accepted: write its row, close whatever gap lies before it."""

    start: RunStart


@dataclass(frozen=True, slots=True)
class AppendChunk:
    """Put a chunk's bytes at the end of its segment's scratch file; a new one begins with ``init``."""

    run_id: str
    first_seq: int
    seq: int
    init: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class RefuseTail:
    """Take the chunks from ``keep`` on out of a scratch file and quarantine each; ``held`` are theirs, in order."""

    run: RunFacts
    first_seq: int
    keep: int
    held: tuple[HeldChunk, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class HeldChunk:
    """A chunk in a scratch file and the offset at which the log holds it."""

    facts: ChunkFacts
    size_bytes: int
    offset: int


@dataclass(frozen=True, slots=True)
class Seal:
    """Store a segment, then write its ledger row. ``signed``: a verified signature covers its last chunk."""

    run: RunFacts
    init: bytes
    chunks: tuple[HeldChunk, ...]
    prev_link: bytes
    last_link: bytes
    signed: bool

    @property
    def first_seq(self) -> int:
        return self.chunks[0].facts.seq

    @property
    def last_seq(self) -> int:
        return self.chunks[-1].facts.seq

    @property
    def start_ns(self) -> int:
        return self.chunks[0].facts.start_ns

    @property
    def end_ns(self) -> int:
        return self.chunks[-1].facts.end_ns


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Send the record at hand to the dead letters: it must not become evidence (I7)."""

    reason: str


@dataclass(frozen=True, slots=True)
class LoseFootage:
    """Samples of a run between two instants are missing for good."""

    start_ns: int
    end_ns: int
    detail: str


@dataclass(frozen=True, slots=True)
class EndRun:
    """Close a run's row; open a gap at ``end_ns`` unless another run of the stream still covers it."""

    end: RunEnd
    end_ns: int
    covered_elsewhere: bool


@dataclass(frozen=True, slots=True)
class DeclareGap:
    """An agent's gap outside any run."""

    gap: Gap


@dataclass(frozen=True, slots=True)
class PresumeGap:
    """Show silence since ``since_ns`` as a presumed gap."""

    since_ns: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Footage of a run that was thought silent goes on at ``start_ns``."""

    start_ns: int


@dataclass(frozen=True, slots=True)
class Ignored:
    """A record that changes nothing: it was here before."""

    why: str


Command = (
    BeginRun
    | AppendChunk
    | RefuseTail
    | Seal
    | Quarantine
    | LoseFootage
    | EndRun
    | DeclareGap
    | PresumeGap
    | Resume
    | Ignored
)
