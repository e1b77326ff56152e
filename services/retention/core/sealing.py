"""The step machine of one stream: media records in, in the order of the log; commands out. Rules R1-R9, no clock, no I/O.

R1  A chunk is known by (run, seq): what is in the ledger or in the open segment already changes nothing.
R2  A run must be opened by its run-start (or by a segment in the ledger), and its key must be enrolled; else quarantine (I7).
R3  Bytes must have the digest that the chunk claims; a chunk that has not is refused and its place stays open for a good copy.
R4  Order per key is kept by the log, so a jump forward in ``seq`` is loss: what is there is sealed, the span becomes a gap.
R5  Each chunk names the link before it. Where the chain breaks, chunks not yet covered by a signature are refused.
R6  A GOP's last chunk is signed. A GOP that goes on into the next without a valid signature is refused. Only the tail of a
    run (its agent died) is kept unsigned, and its segment says so.
R7  A segment is cut at the first sync chunk at or after ``segment_ns`` from its start, at the end of a run, and at loss: always
    the same cut from the same records, whoever seals it and however often it is replayed.
R8  A run ends with its run-end, or with the first chunk of another run of the same agent (a run-start alone may be an old
    one that the spool repeats).
R9  An offset is held while its chunk is in no ledger row; a run-start while no segment holds its init segment (I2).

Does not belong here: gap bounds (``coverage.py``), files, rows.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from services.contracts.errors import Corrupt
from services.contracts.media_record import Chunk, ChunkFacts, Gap, RunEnd, RunFacts, RunStart
from services.media import chain
from services.media.cmaf_reader import parse_chunk, parse_init
from services.retention.core.commands import (
    AppendChunk,
    Arrived,
    BeginRun,
    Command,
    DeclareGap,
    EndRun,
    Event,
    HeldChunk,
    Idle,
    Ignored,
    LoseFootage,
    PresumeGap,
    Quarantine,
    RefuseTail,
    Restored,
    Resume,
    Seal,
    Silent,
)  # fmt: skip
from services.retention.core.stream_state import Hole, OpenSegment, RunState, StreamState

#: Runs remembered per stream; one that is forgotten is restored from the ledger when it speaks again.
REMEMBERED_RUNS = 8
#: A GOP without end is cut all the same at this many segment lengths.
LONGEST_GOP_SEGMENTS = 10


Step = tuple[StreamState, list[Command]]
RunStep = tuple[RunState, list[Command]]


def unknown_run(state: StreamState, event: Arrived) -> str | None:
    """The run that must be ``Restored`` before this record is stepped, if any."""
    if isinstance(event.record, Gap):
        return None
    run_id = event.record.run.run_id
    return None if run_id in state.runs else run_id


def step(state: StreamState, event: Event, segment_ns: int) -> Step:
    """Apply one event; the commands are to be performed in order before the next event is stepped."""
    match event:
        case Restored():
            return _restored(state, event), []
        case Silent():
            return _silent(state)
        case Idle():
            return _idle(state)
        case Arrived(record=Gap() as gap):
            return state, [DeclareGap(gap)]
        case Arrived(record=RunStart() as start):
            return _run_start(state, start, event)
        case Arrived(record=RunEnd() as end):
            return _run_end(state, end, event)
        case Arrived(record=Chunk() as chunk):
            return _chunk(state, chunk, event, segment_ns)
    raise AssertionError(f"not an event of this machine: {event!r}")


# --- Runs ------------------------------------------------------------------------------------------------------------


def _restored(state: StreamState, known: Restored) -> StreamState:
    genesis = b"" if known.run is None else chain.genesis(known.run, chain.digest(known.init))
    run = RunState(
        known.run_id, known.run, known.init, genesis, begun=known.begun, ended=known.ended, next_seq=known.next_seq,
        link=known.link, next_start_ns=known.next_start_ns, lost=known.lost,
    )  # fmt: skip
    runs = dict(state.runs)
    for old in tuple(runs.values()):
        if len(runs) >= REMEMBERED_RUNS and old.segment is None and old.held_start is None:
            del runs[old.run_id]
    runs[run.run_id] = run
    last_end_ns = known.next_start_ns if state.last_end_ns is None else state.last_end_ns
    silent = state.silent or known.presumed_gap
    return replace(state, runs=MappingProxyType(runs), silent=silent, last_end_ns=last_end_ns)


def _run_start(state: StreamState, start: RunStart, event: Arrived) -> Step:
    run = state.runs[start.run.run_id]
    if run.ended or (run.init and run.init == start.init):
        return state, [Ignored("run-start again")]
    if event.public_key is None:
        return state, [Quarantine(_not_enrolled(start.run))]
    if run.init:
        return state, [Quarantine("a second, different run-start of one run")]
    try:
        parse_init(start.init)
        genesis = chain.genesis(start.run, chain.digest(start.init))
    except Corrupt as error:
        return state, [Quarantine(f"the run-start cannot be read: {error}")]
    opened = replace(
        run, run=start.run, init=start.init, genesis=genesis, start=start, held_start=event.offset, link=genesis,
        next_start_ns=start.start_ns,
    )  # fmt: skip
    return _with_run(state, opened), []


def _supersede(state: StreamState, new: RunFacts) -> Step:
    """R8: earlier runs of the same agent are over, as far as they came."""
    commands: list[Command] = []
    for old in state.runs.values():
        if old.run is None or old.run.agent_id != new.agent_id or old.run_id == new.run_id:
            continue
        if not old.ended or old.segment is not None:
            sealed, seals = _seal(old)
            commands += seals
            state = _with_run(state, replace(sealed, ended=True, held_start=None))
    return state, commands


def _run_end(state: StreamState, end: RunEnd, event: Arrived) -> Step:
    run = state.runs[end.run.run_id]
    if run.ended:
        return state, [Ignored("run-end again")]
    if event.public_key is None:
        return state, [Quarantine(_not_enrolled(end.run))]
    run, commands = _seal(run)
    covered = any(other.begun and not other.ended for other in state.runs.values() if other.run_id != run.run_id)
    state = _with_run(state, replace(run, ended=True, held_start=None, hole=None))
    if not run.begun:
        start_ns = end.end_ns if run.next_start_ns is None else run.next_start_ns
        since = run.start.since if run.start is not None else None
        gap = Gap(end.run.camera_id, end.run.stream, end.run.agent_id, start_ns, None, end.cause, end.detail, since)
        return state, [*commands, DeclareGap(gap)]
    end_ns = end.end_ns if run.next_start_ns is None else run.next_start_ns
    if end.chunks > run.next_seq and end.end_ns > end_ns:
        end_ns = end.end_ns
        run = _with_hole(run, end.chunks, "never arrived")
    if run.hole is not None:
        commands += _lost(run.hole, end_ns, end.chunks)
    return replace(state, silent=False), [*commands, EndRun(end, end_ns, covered)]


def _silent(state: StreamState) -> Step:
    live = any(run.begun and not run.ended for run in state.runs.values())
    if state.silent or not live or state.last_end_ns is None:
        return state, []
    return replace(state, silent=True), [PresumeGap(state.last_end_ns)]


def _idle(state: StreamState) -> Step:
    commands: list[Command] = []
    for run in state.runs.values():
        sealed, seals = _seal(run)
        commands += seals
        state = _with_run(state, sealed)
    return state, commands


# --- Chunks ----------------------------------------------------------------------------------------------------------


def _chunk(state: StreamState, chunk: Chunk, event: Arrived, segment_ns: int) -> Step:
    run = state.runs[chunk.run.run_id]
    refusal = _refusal(run, chunk, event.public_key)
    if refusal is not None:
        return state, [refusal]
    run, commands = _break_before(run, chunk.facts)
    run, cuts = _cut_before(run, chunk.facts, segment_ns)
    run, verdict = _verify_signature(run, chunk.facts, event.public_key)
    commands += cuts + verdict
    if verdict:
        return _with_run(state, run), commands
    if not run.begun:
        state, seals = _supersede(state, chunk.run)
        commands += seals
    run, taken = _take(run, chunk, event.offset, resumed=state.silent)
    state = replace(_with_run(state, run), silent=False, last_end_ns=chunk.facts.end_ns)
    return state, commands + taken


def _refusal(run: RunState, chunk: Chunk, public_key: bytes | None) -> Command | None:
    """R1-R3: what is no new, authentic chunk of this run is ignored or quarantined; it leaves no other trace."""
    facts = chunk.facts
    if public_key is None:
        return Quarantine(_not_enrolled(chunk.run))
    if run.run is None or not run.init:
        return Quarantine("a chunk of a run that was never opened here")
    if run.run != chunk.run:
        return Quarantine("a chunk that contradicts its run's facts")
    good = chain.digest(chunk.value) == facts.digest
    if facts.seq < run.next_seq:
        return _seen_before(run, facts, good)
    if not good:
        return Quarantine(f"the bytes of chunk {facts.seq} have another digest than it claims")
    if (misfit := _misfit(chunk)) is not None:
        return Quarantine(misfit)
    if facts.seq == 0 and facts.prev_link != run.link:
        return Quarantine("the first chunk does not continue its run's genesis link")
    return None


def _misfit(chunk: Chunk) -> str | None:
    """Why the media of a chunk cannot stand in its place, if so: a player and a verifier must be able to read it there."""
    try:
        media = parse_chunk(chunk.value)
    except Corrupt as error:
        return f"chunk {chunk.facts.seq} is no CMAF chunk: {error}"
    if media.run_id is not None and (media.run_id, media.seq) != (chunk.run.run_id, chunk.facts.seq % (1 << 32)):
        return f"the media of chunk {chunk.facts.seq} say that they are chunk {media.seq} of run {media.run_id}"
    return None


def _seen_before(run: RunState, facts: ChunkFacts, good: bool) -> Command:
    if any(first <= facts.seq <= last for first, last in run.lost):
        return Quarantine(f"chunk {facts.seq} arrived after its place had been declared lost")
    held = run.segment.chunks if run.segment is not None else ()
    twin = next((chunk.facts for chunk in held if chunk.facts.seq == facts.seq), None)
    if not good or (twin is not None and twin.digest != facts.digest):
        return Quarantine(f"a second, different chunk {facts.seq}")
    return Ignored("chunk again")


def _break_before(run: RunState, facts: ChunkFacts) -> RunStep:
    """R4-R6: does this chunk continue what is held? If not, seal or refuse that, and leave a hole."""
    if facts.seq > run.next_seq:
        sealed, commands = _seal(run)
        return _with_hole(sealed, facts.seq, "never arrived"), commands
    if run.link is not None and facts.prev_link != run.link:
        return _refuse_unsigned(run, f"chunk {facts.seq} does not continue the chain before it")
    if facts.sync and run.segment is not None and run.segment.signed < len(run.segment.chunks):
        return _refuse_unsigned(run, f"the GOP before chunk {facts.seq} bears no signature")
    if run.next_start_ns is not None and facts.start_ns != run.next_start_ns and run.hole is None:
        sealed, commands = _seal(run)  # a segment's chunks adjoin; where the clock went back nothing is missing
        jumps = Hole(run.next_start_ns, facts.seq, "the run's timeline jumps")
        return replace(sealed, hole=jumps if facts.start_ns > run.next_start_ns else None), commands
    return run, []


def _cut_before(run: RunState, facts: ChunkFacts, segment_ns: int) -> RunStep:
    """R7."""
    if run.segment is None:
        return run, []
    span_ns = facts.start_ns - run.segment.chunks[0].facts.start_ns
    if (facts.sync and span_ns >= segment_ns) or span_ns >= LONGEST_GOP_SEGMENTS * segment_ns:
        return _seal(run)
    return run, []


def _verify_signature(run: RunState, facts: ChunkFacts, public_key: bytes | None) -> RunStep:
    """R6: with a bad signature the chunks it should cover are refused, and this one with them."""
    if facts.signature is None or public_key is None or run.run is None:
        return run, []
    if chain.chunk_is_signed_by(public_key, run.run, run.genesis, facts):
        return run, []
    reason = f"the signature of chunk {facts.seq} is not valid"
    kept, commands = _refuse_unsigned(run, reason)
    kept = _with_hole(replace(kept, next_seq=facts.seq), facts.seq + 1, reason)
    return replace(kept, next_seq=facts.seq + 1, next_start_ns=facts.end_ns, link=None), [*commands, Quarantine(reason)]


def _take(run: RunState, chunk: Chunk, offset: int, *, resumed: bool) -> RunStep:
    facts = chunk.facts
    commands: list[Command] = []
    if not run.begun:
        assert run.start is not None, "a run that was never begun was opened by its run-start"
        commands.append(BeginRun(run.start))
    elif resumed:
        commands.append(Resume(facts.start_ns))
    if run.hole is not None:
        commands += _lost(run.hole, facts.start_ns, facts.seq)
    segment = run.segment or OpenSegment(facts.prev_link, ())
    held = (*segment.chunks, HeldChunk(facts, len(chunk.value), offset))
    commands.append(AppendChunk(run.run_id, held[0].facts.seq, facts.seq, run.init, chunk.value))
    signed = len(held) if facts.signature is not None else segment.signed
    return replace(
        run, begun=True, hole=None, next_seq=facts.seq + 1, next_start_ns=facts.end_ns,
        link=chain.link_of(facts), segment=replace(segment, chunks=held, signed=signed),
    ), commands  # fmt: skip


def _seal(run: RunState) -> RunStep:
    if run.segment is None or run.run is None:
        return run, []
    held = run.segment
    last = held.chunks[-1].facts
    command = Seal(
        run.run, run.init, held.chunks, held.prev_link, chain.link_of(last),
        signed=held.signed == len(held.chunks),
    )  # fmt: skip
    return replace(run, segment=None, held_start=None), [command]


def _refuse_unsigned(run: RunState, reason: str) -> RunStep:
    """Refuse the held chunks that no signature covers, seal the others, and start the chain anew behind a hole."""
    if run.segment is None or run.run is None:
        return _with_hole(replace(run, link=None), run.next_seq, reason), []
    segment = run.segment
    refused = segment.chunks[segment.signed :]
    commands: list[Command] = []
    if refused:
        first_seq = segment.chunks[0].facts.seq
        commands.append(RefuseTail(run.run, first_seq, segment.signed, refused, reason))
    kept = segment.chunks[: segment.signed]
    run, seals = _seal(replace(run, segment=replace(segment, chunks=kept) if kept else None))
    if refused:
        first = refused[0].facts
        run = replace(run, hole=Hole(first.start_ns, first.seq, reason), lost=_lose(run, first.seq, run.next_seq))
    return replace(run, link=None), commands + seals


def _with_hole(run: RunState, next_kept_seq: int, why: str) -> RunState:
    """Mark ``[run.next_seq, next_kept_seq)`` as missing; an older hole that nothing closed grows."""
    lost = _lose(run, run.next_seq, next_kept_seq)
    if run.hole is not None or run.next_start_ns is None:
        return replace(run, link=None, lost=lost)
    return replace(run, link=None, lost=lost, hole=Hole(run.next_start_ns, run.next_seq, why))


def _lose(run: RunState, first: int, end: int) -> tuple[tuple[int, int], ...]:
    return (*run.lost, (first, end - 1)) if end > first else run.lost


def _lost(hole: Hole, until_ns: int, until_seq: int) -> list[Command]:
    if until_ns <= hole.from_ns:
        return []
    if until_seq <= hole.first_seq:
        return [LoseFootage(hole.from_ns, until_ns, hole.why)]
    which = f"chunks {hole.first_seq}..{until_seq - 1}"
    detail = f"{which} never arrived" if hole.why == "never arrived" else f"{which} refused: {hole.why}"
    return [LoseFootage(hole.from_ns, until_ns, detail)]


def _not_enrolled(run: RunFacts) -> str:
    return f"key {run.key_id} of agent {run.agent_id} is not enrolled, or was revoked"


def _with_run(state: StreamState, run: RunState) -> StreamState:
    return replace(state, runs=MappingProxyType({**state.runs, run.run_id: run}))
