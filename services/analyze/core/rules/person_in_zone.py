"""I-12: a person in an armed zone. One incident per presence: from the first sight to the last, however many people come.

A presence is believed once one confirmed track stood in the zone in ``confirm_hits`` frames within ``confirm_ns`` (a flicker
of the detector does not last that long), and over when nobody was seen in it for ``absence_ns`` (a blink of the detector is
no absence). Sure boxes begin a presence; unsure ones, which the tracker only gives to tracks it knows, may prolong it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from services.analyze.core.rules.commands import Close, Command, Grounds, Open
from services.analyze.core.zones import Box, PictureSize, Point, contains, foot_point
from services.contracts.entity import Zone
from services.contracts.incident import Severity
from services.contracts.time import NS_PER_S

KIND = "I-12"
RULE = "person-in-armed-zone"
TITLE = "Person in an armed zone 布防区域有人"
SEVERITY: Severity = "S1"
#: After a restart frames are replayed at most this far; a frame longer before the known end is on a clock that was set back.
_REPLAY_NS = 300 * NS_PER_S


class PersonSeen(NamedTuple):
    """A tracked person in the judged frame."""

    track_id: int
    box_px: Box
    score: float
    confirmed: bool


class FrameJudged(NamedTuple):
    """A frame was analysed; ``persons`` may be empty."""

    frame_ns: int
    picture: PictureSize
    persons: tuple[PersonSeen, ...]


@dataclass(frozen=True, slots=True)
class PresenceRule:
    """The rule for one zone. ``sure_score`` is the detector's threshold for beginning a presence."""

    zone: Zone
    sure_score: float = 0.4
    confirm_hits: int = 3
    confirm_ns: int = NS_PER_S
    absence_ns: int = 2 * NS_PER_S


class Presence(NamedTuple):
    """State: recent sure hits by track, and the presence that is open, if any."""

    hits: Mapping[int, tuple[int, ...]] = MappingProxyType({})
    onset_ns: int | None = None
    last_ns: int = 0
    last_boxes: tuple[Box, ...] = ()
    best_score: float = 0.0
    most_persons: int = 0
    judged_ns: int = -1


def resume(onset_ns: int, last_ns: int) -> Presence:
    """The state of a presence that was open when the service stopped, last known to go on at ``last_ns``."""
    return Presence(onset_ns=onset_ns, last_ns=last_ns, judged_ns=last_ns)


def resume_closed(end_ns: int) -> Presence:
    """The state after a presence that had been closed before the service stopped: frames up to it are not judged again."""
    return Presence(judged_ns=end_ns)


def finish(state: Presence) -> tuple[Presence, list[Command]]:
    """No more frames will come for now: the camera fell silent or left, or the zone is gone."""
    return Presence(), [_close(state)] if state.onset_ns is not None else []


def step(rule: PresenceRule, state: Presence, seen: FrameJudged) -> tuple[Presence, list[Command]]:
    """Judge a frame."""
    if 0 <= state.judged_ns - seen.frame_ns < _REPLAY_NS:
        return state, []
    if state.judged_ns != -1:
        state = state._replace(judged_ns=-1)
    if not seen.persons and not state.hits and state.onset_ns is None:
        return state, []  # nobody, as nearly always: the hour need not be known
    armed = rule.zone.armed.armed_at(seen.frame_ns)
    inside = _inside(rule, seen) if armed else ()
    commands: list[Command] = []
    # A step back in time is a new run on a corrected clock: what follows is not the continuation of what was.
    if state.onset_ns is not None and (not armed or abs(seen.frame_ns - state.last_ns) > rule.absence_ns):
        commands.append(_close(state))
        state = Presence()
    if state.onset_ns is not None:
        return _prolong(state, seen.frame_ns, inside), commands
    state = state._replace(hits=_recent_hits(rule, state, seen.frame_ns, inside))
    opened = _open(rule, state, seen.frame_ns, inside)
    if opened is not None:
        return opened[0], [*commands, opened[1]]
    return state, commands


def _inside(rule: PresenceRule, seen: FrameJudged) -> tuple[PersonSeen, ...]:
    polygon: list[Point] = list(rule.zone.polygon)
    feet = ((person, foot_point(person.box_px, seen.picture)) for person in seen.persons)
    return tuple(person for person, foot in feet if foot is not None and contains(polygon, foot))


def _recent_hits(
    rule: PresenceRule, state: Presence, frame_ns: int, inside: tuple[PersonSeen, ...]
) -> dict[int, tuple[int, ...]]:
    since = frame_ns - rule.confirm_ns
    hits = {track: tuple(at for at in times if at >= since) for track, times in state.hits.items()}
    for person in inside:
        if person.score >= rule.sure_score:
            hits[person.track_id] = (*hits.get(person.track_id, ()), frame_ns)
    return {track: times for track, times in hits.items() if times}


def _open(
    rule: PresenceRule, state: Presence, frame_ns: int, inside: tuple[PersonSeen, ...]
) -> tuple[Presence, Open] | None:
    believed = [
        state.hits[person.track_id][0]
        for person in inside
        if person.confirmed and len(state.hits.get(person.track_id, ())) >= rule.confirm_hits
    ]
    if not believed:
        return None
    fresh = _prolong(state._replace(hits={}, onset_ns=min(believed), last_ns=frame_ns), frame_ns, inside)
    return fresh, Open(min(believed), SEVERITY, _grounds(fresh))


def _prolong(state: Presence, frame_ns: int, inside: tuple[PersonSeen, ...]) -> Presence:
    if not inside:
        return state
    return state._replace(
        last_ns=max(state.last_ns, frame_ns),
        last_boxes=tuple(person.box_px for person in inside),
        best_score=max(state.best_score, *(person.score for person in inside)),
        most_persons=max(state.most_persons, len(inside)),
    )


def _close(state: Presence) -> Close:
    assert state.onset_ns is not None
    return Close(state.onset_ns, state.last_ns, SEVERITY, _grounds(state))


def _grounds(state: Presence) -> Grounds:
    assert state.onset_ns is not None
    measured = {"dwell_s": round((state.last_ns - state.onset_ns) / NS_PER_S, 3)}
    if state.most_persons:  # a resumed presence that nobody was seen in again has measured nothing more
        measured |= {"score": round(state.best_score, 4), "persons": float(state.most_persons)}
    return Grounds(state.last_ns, state.last_boxes, measured)
