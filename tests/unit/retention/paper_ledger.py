"""A ledger on paper: performs the core's commands on plain lists, so that crashes and replays can be played without I/O.

It keeps what is durable (segments, gaps, runs, extent) apart from what a recorder remembers, exactly as the shell does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from services.contracts.media_record import ChunkFacts, Gap, MediaRecord, RunFacts, RunStart
from services.media import chain
from services.retention.core import coverage
from services.retention.core.accounting import accounting
from services.retention.core.commands import (
    AppendChunk,
    Arrived,
    BeginRun,
    Command,
    DeclareGap,
    EndRun,
    Event,
    LoseFootage,
    PresumeGap,
    Quarantine,
    RefuseTail,
    Restored,
    Resume,
    Seal,
)
from services.retention.core.coverage import Change, GapRow, Known
from services.retention.core.sealing import step, unknown_run
from services.retention.core.stream_state import StreamState, held_offset

SEGMENT_NS = 10_000_000_000


@dataclass(frozen=True)
class PaperSegment:
    run_id: str
    first_seq: int
    last_seq: int
    start_ns: int
    end_ns: int
    body: bytes
    signed: bool
    last_link: bytes
    init: bytes
    run: RunFacts
    offset: int


@dataclass
class PaperLedger:
    """What survives a crash."""

    segments: dict[tuple[str, int], PaperSegment] = field(default_factory=dict)
    gaps: dict[int, GapRow] = field(default_factory=dict)
    runs: dict[str, int | None] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    from_ns: int | None = None
    until_ns: int | None = None
    quarantined: list[tuple[int, str]] = field(default_factory=list)

    def known(self, instant_ns: int, live: Iterable[tuple[int, int]], offset: int | None = None) -> Known:
        spans = [(each.start_ns, each.end_ns) for each in self.segments.values()] + list(live)
        later = [each for each in self.segments.values() if each.start_ns >= instant_ns]
        return Known(
            self.from_ns,
            self.until_ns,
            max((end for start, end in spans if start < instant_ns), default=None),
            offset is not None and any(each.offset > offset for each in later),
            tuple(gap for gap in self.gaps.values() if gap.end_ns is None or gap.start_ns <= instant_ns),
        )

    def apply(self, change: Change) -> None:
        for start in change.removes:
            del self.gaps[start]
        for put in change.puts:
            self.gaps[put.start_ns] = put
        self.from_ns = self.from_ns if change.from_ns is None else change.from_ns
        self.until_ns = self.until_ns if change.until_ns is None else change.until_ns

    def spans(self) -> list[tuple[int, int, str]]:
        """Segments and gaps in time order; an open gap ends where it begins."""
        rows = [(each.start_ns, each.end_ns, "segment") for each in self.segments.values()]
        rows += [(gap.start_ns, gap.end_ns or gap.start_ns, gap.cause) for gap in self.gaps.values()]
        return sorted(rows)

    def chunk_seqs(self, run_id: str) -> list[int]:
        found: list[int] = []
        for each in sorted((s for s in self.segments.values() if s.run_id == run_id), key=lambda s: s.first_seq):
            found += range(each.first_seq, each.last_seq + 1)
        return found


class Crash(Exception):
    """The recorder was killed."""


class PaperRecorder:
    """One process's memory over a ledger. ``trusted`` are the keys that are enrolled."""

    def __init__(
        self, ledger: PaperLedger, trusted: dict[str, bytes], *, between: Callable[[], None] = lambda: None
    ) -> None:
        self.ledger = ledger
        self.state = StreamState()
        self.done_until: int | None = None
        self._trusted = trusted
        self._between = between
        self._scratch: dict[tuple[str, int], list[bytes]] = {}

    def take(self, offset: int, record: MediaRecord) -> list[Command]:
        key_id = None if isinstance(record, Gap) else record.run.key_id
        arrived = Arrived(record, offset, self._trusted.get(key_id) if key_id else None)
        run_id = unknown_run(self.state, arrived)
        if run_id is not None:
            self.event(self._restored(run_id), offset)
        commands = self.event(arrived, offset)
        self.done_until = offset + 1
        return commands

    def event(self, event: Event, offset: int = -1) -> list[Command]:
        state, commands = step(self.state, event, SEGMENT_NS)
        for command in commands:
            self._between()
            self._perform(command, state, offset)
        self._between()
        self.state = state
        return commands

    @property
    def committable(self) -> int | None:
        held = held_offset(self.state)
        return held if held is not None and self.done_until is not None and held < self.done_until else self.done_until

    def _restored(self, run_id: str) -> Restored:
        mine = sorted((s for s in self.ledger.segments.values() if s.run_id == run_id), key=lambda s: s.first_seq)
        presumed = any(gap.presumed and gap.end_ns is None for gap in self.ledger.gaps.values())
        if run_id not in self.ledger.runs:
            return Restored(run_id, presumed_gap=presumed)
        ended = self.ledger.runs[run_id] is not None
        if not mine:
            return Restored(run_id, begun=True, ended=ended, presumed_gap=presumed)
        last = mine[-1]
        holes, expected = [], 0
        for each in mine:
            if each.first_seq > expected:
                holes.append((expected, each.first_seq - 1))
            expected = each.last_seq + 1
        return Restored(
            run_id,
            last.run,
            begun=True,
            ended=ended,
            init=last.init,
            next_seq=last.last_seq + 1,
            link=last.last_link,
            next_start_ns=last.end_ns,
            lost=tuple(holes),
            presumed_gap=presumed,
        )

    def _live(self, state: StreamState) -> list[tuple[int, int]]:
        held = [run.segment.chunks for run in state.runs.values() if run.segment is not None]
        return [(chunks[0].facts.start_ns, chunks[-1].facts.end_ns) for chunks in held]

    def _perform(self, command: Command, state: StreamState, offset: int) -> None:
        ledger = self.ledger
        live = self._live(state)
        match command:
            case AppendChunk(run_id, first_seq, seq, init, value):
                if seq == first_seq:
                    self._scratch[run_id, first_seq] = [init]
                self._scratch[run_id, first_seq].append(value)
            case RefuseTail(run, first_seq, keep, held, reason):
                pieces = self._scratch[run.run_id, first_seq]
                assert len(pieces) - 1 == keep + len(held)
                del pieces[1 + keep :]
                ledger.quarantined += [(chunk.offset, reason) for chunk in held]
            case Quarantine(reason):
                ledger.quarantined.append((offset, reason))
            case Seal():
                self._seal(command)
            case BeginRun(start) if not self._begin(start):
                return
            case EndRun(end, end_ns, elsewhere) if not self._end(end.run.run_id, end_ns) or elsewhere:
                return
            case BeginRun() | EndRun() | LoseFootage() | Resume() | DeclareGap() | PresumeGap():
                instant_ns, decide = accounting(command)
                position = offset if isinstance(command, DeclareGap) else None
                ledger.apply(decide(ledger.known(instant_ns, live, position)))

    def _begin(self, start: RunStart) -> bool:
        ledger = self.ledger
        if start.run.run_id in ledger.runs:
            return False
        for run_id, agent in ledger.agents.items():
            if agent == start.run.agent_id and ledger.runs[run_id] is None:
                ledger.runs[run_id] = start.start_ns
        ledger.runs[start.run.run_id] = None
        ledger.agents[start.run.run_id] = start.run.agent_id
        return True

    def _end(self, run_id: str, end_ns: int) -> bool:
        fresh = self.ledger.runs[run_id] is None
        self.ledger.runs[run_id] = end_ns if fresh else self.ledger.runs[run_id]
        return fresh

    def _seal(self, command: Seal) -> None:
        ledger = self.ledger
        key = (command.run.run_id, command.first_seq)
        facts: list[ChunkFacts] = [chunk.facts for chunk in command.chunks]
        pieces = self._scratch.pop(key)
        assert len(pieces) == 1 + len(facts)
        assert pieces[0] == command.init
        for said, value in zip(facts, pieces[1:], strict=True):
            assert chain.digest(value) == said.digest
        sealed = PaperSegment(
            command.run.run_id, command.first_seq, command.last_seq, command.start_ns, command.end_ns, b"".join(pieces),
            command.signed, command.last_link, command.init, command.run, command.chunks[-1].offset,
        )  # fmt: skip
        old = ledger.segments.get(key)
        assert old is None or old == sealed, "the same segment was cut in two ways"
        ledger.segments[key] = sealed
        known = ledger.known(command.start_ns, [])
        ledger.apply(coverage.footage_stored(known, command.start_ns, command.end_ns))


def record_all(
    records: Iterable[MediaRecord], trusted: dict[str, bytes], ledger: PaperLedger | None = None
) -> PaperRecorder:
    """Feed records at offsets 0, 1, 2, … to a fresh recorder."""
    recorder = PaperRecorder(ledger or PaperLedger(), trusted)
    for offset, record in enumerate(records):
        recorder.take(offset, record)
    return recorder


def assert_covered(ledger: PaperLedger) -> None:
    """I5 on paper: from the first instant to the last known one, no hole."""
    assert ledger.from_ns is not None
    assert ledger.until_ns is not None
    reached = ledger.from_ns
    for start, end, what in ledger.spans():
        assert end >= start, f"a negative {what}"
        if start > ledger.until_ns:
            break  # behind footage that is in an open segment
        assert start <= reached, f"a hole of {start - reached} ns before a {what} at {start}"
        reached = max(reached, end)
    assert reached >= ledger.until_ns
