"""I-10: a door held open. S3 after ``open_s``, S2 after ``serious_s``, over when it closes.

A contact speaks only when it changes, so the rule asks to be woken: it fires on time without another reading. Outside the
hours in which it is active the rule looks again once a minute; a door still open when they begin is raised then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.analyze.core.rules.commands import Close, Command, Grounds, Open, Update, WakeAt
from services.contracts.entity import DoorRule
from services.contracts.incident import Severity
from services.contracts.time import NS_PER_S

KIND = "I-10"
RULE = "door-held-open"
TITLE = "Door held open 门长时间未关"
_LOOK_AGAIN_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class DoorRead:
    """A reading of the contact. Readings may repeat, and may arrive late."""

    observed_ns: int
    open: bool


@dataclass(frozen=True, slots=True)
class Woken:
    """The instant asked for has come."""

    now_ns: int


DoorInput = DoorRead | Woken


@dataclass(frozen=True, slots=True)
class Door:
    """State: since when it stands open, the newest reading, and how grave the open incident is."""

    open_since_ns: int | None = None
    read_ns: int = -1
    raised: Severity | None = None


def resume(onset_ns: int, severity: Severity) -> Door:
    """The state of a door whose incident was open when the service stopped."""
    return Door(open_since_ns=onset_ns, read_ns=onset_ns, raised=severity)


def step(rule: DoorRule, state: Door, seen: DoorInput) -> tuple[Door, list[Command]]:
    """Judge a reading or a wake-up."""
    if isinstance(seen, Woken):
        return _judge(rule, state, seen.now_ns)
    if seen.observed_ns <= state.read_ns:
        return state, []
    state = replace(state, read_ns=seen.observed_ns)
    if not seen.open:
        closing = [_close(state, seen.observed_ns)] if state.raised is not None else []
        return Door(read_ns=seen.observed_ns), list(closing)
    if state.open_since_ns is None:
        state = replace(state, open_since_ns=seen.observed_ns)
    return _judge(rule, state, seen.observed_ns)


def _judge(rule: DoorRule, state: Door, now_ns: int) -> tuple[Door, list[Command]]:
    """Raise or worsen what is due at ``now_ns``; ask to be woken for what is not."""
    since_ns = state.open_since_ns
    if since_ns is None or state.raised == "S2":
        return state, []
    due: Severity | None = None
    if now_ns >= since_ns + _ns(rule.serious_s):
        due = "S2"
    elif now_ns >= since_ns + _ns(rule.open_s):
        due = "S3"
    commands: list[Command] = []
    if due is not None and due != state.raised and rule.active.armed_at(now_ns):
        grounds = _grounds(since_ns, now_ns)
        commands.append(Open(since_ns, due, grounds) if state.raised is None else Update(since_ns, due, grounds))
        state = replace(state, raised=due)
    return state, commands + _wake(rule, state, since_ns, now_ns)


def _wake(rule: DoorRule, state: Door, since_ns: int, now_ns: int) -> list[Command]:
    if state.raised == "S2":
        return []
    steps = [_ns(rule.serious_s)] if state.raised == "S3" else [_ns(rule.open_s), _ns(rule.serious_s)]
    ahead = [since_ns + wait for wait in steps if since_ns + wait > now_ns]
    return [WakeAt(min([*ahead, now_ns + _LOOK_AGAIN_NS]) if _overdue(rule, state, since_ns, now_ns) else min(ahead))]


def _overdue(rule: DoorRule, state: Door, since_ns: int, now_ns: int) -> bool:
    wait_s = rule.serious_s if state.raised == "S3" else rule.open_s
    return now_ns >= since_ns + _ns(wait_s)


def _close(state: Door, end_ns: int) -> Close:
    assert state.open_since_ns is not None and state.raised is not None
    return Close(state.open_since_ns, end_ns, state.raised, _grounds(state.open_since_ns, end_ns))


def _grounds(since_ns: int, now_ns: int) -> Grounds:
    return Grounds(now_ns, measured={"open_s": round((now_ns - since_ns) / NS_PER_S, 3)})


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
