"""The life of one stream of a camera: connecting, streaming, waiting to retry; and what is declared about it.

``step(state, event) -> (state, commands)``. The shell opens connections, keeps time and performs commands in order.

Theory of operation. An *outage* is any time without a run. ``since`` is its cause: what the next run or gap says of the
time before it. It begins as what the agent's own state file tells (an agent that died left a run open). The first failure
declares a gap with its own cause, which then holds for the whole outage; a run's end declares what follows it in the same
way. An outage ends when a run begins. One outage is one gap, whatever else fails in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from services.contracts.media_record import GapCause

FailureKind = Literal["unreachable", "absent", "lost", "stalled", "ended", "credentials", "unsupported", "unusable"]
Phase = Literal["new", "connecting", "streaming", "waiting", "ended", "withdrawn"]

#: Cause of the time that follows each failure. What answers but does not stream is the camera's fault.
CAUSE_OF: dict[FailureKind, GapCause] = {
    "unreachable": "network",
    "absent": "camera",
    "lost": "camera",
    "stalled": "camera",
    "ended": "camera",
    "credentials": "camera",
    "unsupported": "camera",
    "unusable": "camera",
}
#: Failures that no quick retry mends: a person has to do something. Cameras lock accounts after too many tries.
REFUSALS: frozenset[FailureKind] = frozenset({"credentials", "unsupported", "unusable"})

_FIRST_DELAY_S = 0.25
_QUICK_DELAY_S = 0.9  # while an outage is young a camera's return is noticed within a second
_QUICK_FOR_NS = 120 * 1_000_000_000
_SLOW_DELAY_S = 5.0
_REFUSED_DELAY_S = 30.0
_GOOD_RUN_NS = 10 * 1_000_000_000  # a connection that lasted this long forgives earlier failures


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a connection attempt or a connection ended. ``detail`` bears no secret."""

    kind: FailureKind
    detail: str

    @property
    def cause(self) -> GapCause:
        return CAUSE_OF[self.kind]


@dataclass(frozen=True, slots=True)
class LifeCycle:
    """State of one stream. ``lossless`` streams declare gaps; others only report their status."""

    lossless: bool = True
    phase: Phase = "new"
    since: GapCause | None = None
    failures: int = 0
    outage_from_ns: int | None = None
    streaming_from_ns: int | None = None
    gap_declared: bool = False


# --- what happens


@dataclass(frozen=True, slots=True)
class Begun:
    """The stream is wanted. ``since`` is what the state file says of the time before this process."""

    now_ns: int
    since: GapCause | None = None


@dataclass(frozen=True, slots=True)
class RunBegan:
    now_ns: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run ended; the connection may live on (overload, a jump of timestamps)."""

    now_ns: int
    cause: GapCause
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The connection attempt, or the connection, is over. ``jitter`` is a random number in [0, 1)."""

    now_ns: int
    failure: Failure
    jitter: float


@dataclass(frozen=True, slots=True)
class NoRoom:
    """The source is open, but neither log nor spool has room, so no run begins."""

    now_ns: int
    detail: str


@dataclass(frozen=True, slots=True)
class RetryDue:
    now_ns: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The stream is no longer wanted: removed, changed or the agent stops."""

    now_ns: int
    detail: str


LifeEvent = Begun | RunBegan | RunEnded | Failed | NoRoom | RetryDue | Withdrawn

# --- what is to be done


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the source; its first run says ``since``."""

    since: GapCause | None


@dataclass(frozen=True, slots=True)
class RetryAfter:
    delay_s: float


@dataclass(frozen=True, slots=True)
class DeclareGap:
    start_ns: int
    cause: GapCause
    detail: str
    since: GapCause | None


@dataclass(frozen=True, slots=True)
class Say:
    """Report the state of the stream."""

    state: Literal["connecting", "streaming", "offline", "refused"]
    detail: str = ""
    cause: GapCause | None = None


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the source; a run that is open ends as ``maintenance``."""

    detail: str


Command = Connect | RetryAfter | DeclareGap | Say | Disconnect


def step(state: LifeCycle, event: LifeEvent) -> tuple[LifeCycle, tuple[Command, ...]]:
    """Advance one stream's life. Events that arrive after ``Withdrawn`` change nothing."""
    if state.phase == "withdrawn":
        return state, ()
    match event:
        case Begun():
            begun = replace(state, phase="connecting", since=event.since, outage_from_ns=event.now_ns)
            return begun, (Say("connecting"), Connect(event.since))
        case RunBegan():
            return _run_began(state, event)
        case RunEnded():
            ended = replace(
                state, phase="connecting", since=event.cause, outage_from_ns=event.now_ns, gap_declared=True
            )
            return ended, (Say("offline", event.detail, event.cause),)
        case NoRoom():
            declared, commands = _declared(state, event.now_ns, "overload", event.detail)
            return declared, (Say("offline", event.detail, "overload"), *commands)
        case Failed():
            return _failed(state, event)
        case RetryDue():
            if state.phase != "waiting":
                return state, ()
            return replace(state, phase="connecting"), (Connect(state.since),)
        case Withdrawn():
            return replace(state, phase="withdrawn"), (Disconnect(event.detail),)


def _run_began(state: LifeCycle, event: RunBegan) -> tuple[LifeCycle, tuple[Command, ...]]:
    streaming = replace(
        state, phase="streaming", since=None, outage_from_ns=None, streaming_from_ns=event.now_ns, gap_declared=True
    )
    return streaming, (Say("streaming"),)


def _declared(state: LifeCycle, now_ns: int, cause: GapCause, detail: str) -> tuple[LifeCycle, tuple[DeclareGap, ...]]:
    """Declare the outage unless that was done; its first cause stays."""
    if state.gap_declared:
        return state, ()
    gap = DeclareGap(now_ns, cause, detail, state.since)
    return replace(state, since=cause, gap_declared=True), (gap,) if state.lossless else ()


def _failed(state: LifeCycle, event: Failed) -> tuple[LifeCycle, tuple[Command, ...]]:
    failure = event.failure
    lasted = state.streaming_from_ns is not None and event.now_ns - state.streaming_from_ns >= _GOOD_RUN_NS
    failures = 1 if lasted else state.failures + 1
    outage_from_ns = event.now_ns if state.outage_from_ns is None else state.outage_from_ns
    declared, gaps = _declared(state, event.now_ns, failure.cause, failure.detail)
    said = Say("refused" if failure.kind in REFUSALS else "offline", failure.detail, failure.cause)
    failed = replace(
        declared, phase="waiting", failures=failures, outage_from_ns=outage_from_ns, streaming_from_ns=None
    )
    if failure.kind == "ended":
        return replace(failed, phase="ended"), (said, *gaps)
    delay_s = _delay_s(failure.kind, failures, event.now_ns - outage_from_ns, event.jitter)
    return failed, (said, *gaps, RetryAfter(delay_s))


def _delay_s(kind: FailureKind, failures: int, outage_ns: int, jitter: float) -> float:
    """Doubling from a quarter of a second; between half and all of it, so that cameras of one switch do not retry at once."""
    if kind in REFUSALS:
        full = _REFUSED_DELAY_S
    else:
        ceiling = _QUICK_DELAY_S if outage_ns < _QUICK_FOR_NS else _SLOW_DELAY_S
        full = min(ceiling, _FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))
    return full * (0.5 + 0.5 * jitter)
