"""One turn of one camera in a worker thread: a few chunks through its engine, each with what became of it and what it cost.

Belongs here: what runs in the thread. Does not belong here: whose turn it is (``workroom``), telling the outcome
(``camera_worker``). Never raises for what a camera sent.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from services.analyze.core.sampling import GopThinner, Pace
from services.analyze.core.shedding import CostMeter
from services.analyze.core.watched import Fates
from services.analyze.decoding import frames_in
from services.analyze.engine import CameraEngine, Judgement
from services.backbone import metrics
from services.contracts.errors import Corrupt, KanhuError
from services.contracts.media_record import Chunk, RunStart
from services.contracts.status import SkipCause
from services.contracts.time import NS_PER_S

_log = structlog.get_logger(__name__)

#: Defects whose trace was logged. A trace at every chunk would itself be an overload.
_TRACED: set[str] = set()
_MOST_TRACES = 20
#: A turn begins no further chunk after this long, so that the other cameras need not wait for it.
LONGEST_NS = NS_PER_S // 20


@dataclass(frozen=True, slots=True)
class Turn:
    """``chunks`` are of one run, which ``started`` opens. ``pace`` is wished for; it is taken up where that is possible."""

    engine: CameraEngine
    started: RunStart
    chunks: Sequence[Chunk]
    pace: Pace
    thinner: GopThinner
    meter: CostMeter


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chunk. ``cause`` ``None``: it was watched."""

    chunk: Chunk
    pace: Pace
    cause: SkipCause | None
    fates: Fates
    view: str
    judgements: list[Judgement]


def do_turn(turn: Turn) -> list[Outcome]:
    """The chunks of the turn in order: the first, and as many more as there is time for."""
    until_ns = time.perf_counter_ns() + LONGEST_NS
    outcomes = [_do_chunk(turn, turn.chunks[0])]
    for chunk in turn.chunks[1:]:
        if time.perf_counter_ns() > until_ns:
            break
        outcomes.append(_do_chunk(turn, chunk))
    return outcomes


def _do_chunk(turn: Turn, chunk: Chunk) -> Outcome:
    engine = turn.engine
    before, looked_ns, begun_ns = engine.fates.copy(), engine.looked_ns, time.perf_counter_ns()
    _take_up_pace(turn, chunk)
    cause: SkipCause | None
    try:
        judgements = engine.start(turn.started)
        if turn.thinner.wants(engine.pace, sync=chunk.facts.sync):
            judgements += engine.chunk(chunk)
        else:
            judgements += engine.leave_out(chunk)
        cause = engine.cause
    except Corrupt:  # the init segment cannot be read
        judgements, cause = [], "undecodable"
    except Exception as error:
        judgements, cause = [], "defect"
        _report(error, chunk)
    fates = engine.fates.since(before)
    if cause in ("defect", "undecodable") and not fates.frames:
        engine.fates.skip(cause, frames_in(chunk))
        fates = engine.fates.since(before)
    looked_ns = engine.looked_ns - looked_ns
    _measure(turn, chunk, cause, fates.looked, time.perf_counter_ns() - begun_ns - looked_ns, looked_ns)
    return Outcome(chunk, engine.pace, cause, fates, engine.view, judgements)


def _take_up_pace(turn: Turn, chunk: Chunk) -> None:
    """Less can be done at once. More only where a GOP begins: one of which a part was left out cannot be decoded."""
    if chunk.facts.sync or turn.engine.pace.mode == "frames" or turn.pace.mode == "keyframes":
        turn.engine.keep_pace(turn.pace)


def _measure(turn: Turn, chunk: Chunk, cause: SkipCause | None, looks: int, decoded_ns: int, looked_ns: int) -> None:
    meter = turn.meter
    if chunk.facts.sync:
        meter.synced(chunk.facts.start_ns)
    if cause is not None:
        return
    meter.looked(looks, looked_ns / NS_PER_S)
    if turn.engine.pace.mode == "keyframes":
        meter.keyframe(decoded_ns / NS_PER_S)
    else:
        meter.decoded(chunk.facts.duration_ns / NS_PER_S, decoded_ns / NS_PER_S)


def _report(error: Exception, chunk: Chunk) -> None:
    if isinstance(error, KanhuError):
        _log.error("camera cannot be analysed now", camera=chunk.run.camera_id, error=str(error))
        return
    metrics.ANALYSIS_DEFECTS.inc()
    kind = f"{type(error).__name__}: {error}"[:200]
    trace = error if kind not in _TRACED and len(_TRACED) < _MOST_TRACES else None
    if trace is not None:
        _TRACED.add(kind)
    _log.error("analysis of a chunk failed; this is a defect", camera=chunk.run.camera_id, why=kind, exc_info=trace)
