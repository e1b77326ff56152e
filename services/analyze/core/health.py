"""Camera health: is what the camera shows still the place it is meant to show, and can anything be seen in it?

``step(policy, state, glimpse) -> state`` once a second (every other second while ``calm``); ``silence`` when no picture comes.
The reference (layout, edges, sharpness, usual stillness) is learned from the camera itself, apart for colour and for grey
pictures, because infrared light casts other shadows: a day-night switch changes the reference, not the verdict. It follows slow
changes and stands still while anything is wrong. It lives in memory: after a restart it is learned again.

Belongs here: the verdict. Does not belong here: measuring a picture (``health_measures``), saying it (``sight``), judging how
grave it is (rule I-23).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from services.analyze.core.health_measures import (
    Blocks,
    Floats,
    Glimpse,
    Mapped,
    blended,
    blocks_of,
    changed_share,
    likeness,
    lost_share,
    most_moved,
    moved_back,
    shift_of,
)
from services.contracts.status import HealthState
from services.contracts.time import NS_PER_S

Finding = HealthState | None


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """Thresholds, with their reasons in docs/design/analysis.md. Levels are of luma, 0-255.

    A fault is believed when ``confirm_looks`` of the newest ``window_looks`` glimpses show it, and over after ``recover_looks``
    without. ``learn_looks`` glimpses make a reference.
    """

    learn_looks: int = 5
    confirm_looks: int = 4
    window_looks: int = 5
    recover_looks: int = 3
    silent_ns: int = 10 * NS_PER_S
    #: So many glimpses without anything moving, so many of them equal to the one before, from a camera that never repeats itself.
    frozen_looks: int = 20
    frozen_repeats: int = 3
    #: Equal: but for this share of what changes at the quietest times.
    repeat_share: float = 0.02
    history_looks: int = 120
    #: A point of the thumbnail that differs by more has moved; a mean that differs by more is another light.
    moved_level: float = 4.0
    new_light_level: float = 20.0
    dark_level: float = 32.0
    dark_bright_level: float = 56.0
    #: Darkness that leaves less than this of the usual contrast came from a shut lens: a dark room leaves a trace of itself.
    shut_contrast: float = 0.045
    trace_likeness: float = 0.8
    #: So long after a lit picture darkness counts as sudden.
    sudden_ns: int = 4 * NS_PER_S
    lit_level: float = 45.0
    slate_spread: float = 0.5
    #: Edges sharper than this were drawn, or there is light to see by.
    drawn_sharpness: float = 0.5
    #: Of the pixels seen at full resolution; equal but for this share is the same picture.
    same_share: float = 0.002
    #: A camera that shows less change than this in its quietest moments has no noise to miss: frozen cannot be told.
    noise_share: float = 0.05
    least_edges_level: float = 1.0
    covered_blocks: float = 0.7
    covered_likeness: float = 0.6
    blurred_share: float = 0.6
    blurred_likeness: float = 0.6
    #: Edges less alike than this are looked for elsewhere in the picture.
    searched_edges: float = 0.75
    #: A turn by this share of the picture that brings back so much likeness, and so much more than before, is a turn.
    shifted_share: float = 0.015
    shifted_likeness: float = 0.75
    shifted_gain: float = 0.2
    #: Less alike than both of these, it looks somewhere else altogether.
    moved_edges: float = 0.3
    moved_layout: float = 0.6


@dataclass(frozen=True, slots=True)
class Reference(Mapped):
    """How the camera's picture usually is; ``looks`` is how many glimpses made it."""

    maps: Floats
    blocks: Blocks
    sharpness: float
    since_ns: int
    looks: int


#: For colour, for grey pictures, and whether the newest was grey.
_References = tuple[Reference | None, Reference | None, bool]


class Pair(NamedTuple):
    """How a glimpse differs from the one before: share of pixels changed, and whether anything moved in the thumbnail."""

    at_ns: int
    changed: float
    moved: bool


@dataclass(frozen=True, slots=True)
class Stillness:
    """How still the camera's pictures are: the newest pairs, the shares changed before them, and at what light (``level``)."""

    window: tuple[Pair, ...] = ()
    history: tuple[float, ...] = ()
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """State and verdict: from ``since_ns`` (capture time) on; ``measured`` (name_unit → value) is of the newest look."""

    state: HealthState = "ok"
    since_ns: int = 0
    measured: Mapping[str, float] = field(default_factory=dict)
    colour: Reference | None = None
    grey: Reference | None = None
    in_grey: bool = False
    seen: Glimpse | None = None
    lit_ns: int | None = None
    findings: tuple[tuple[int, Finding], ...] = ()
    learning: tuple[Glimpse, ...] = ()
    stillness: Stillness = Stillness()

    @property
    def references(self) -> _References:
        return self.colour, self.grey, self.in_grey

    @property
    def reference(self) -> Reference | None:
        """The reference of the mode, by day or by night, in which the camera is."""
        own, other = (self.grey, self.colour) if self.in_grey else (self.colour, self.grey)
        return own or other

    @property
    def judged(self) -> bool:
        """Whether a verdict of ``ok`` rests on a reference."""
        return self.reference is not None

    @property
    def calm(self) -> bool:
        """Whether the next look may come later: the place is known, all is well, and something moves, so nothing is frozen."""
        window = self.stillness.window
        if self.state != "ok" or self.learning or not self.judged or not window:
            return False
        return window[-1].moved and all(kind is None for _, kind in self.findings)


def step(policy: HealthPolicy, health: Health, glimpse: Glimpse) -> Health:
    """Judge a glimpse. Glimpses come in order of time; one from the past begins anew (a clock that was set back)."""
    if health.seen is not None and glimpse.at_ns <= health.seen.at_ns:
        health = replace(health, seen=None, findings=(), learning=(), lit_ns=None, stillness=Stillness())
    changed = changed_share(glimpse.rows, health.seen.rows) if health.seen is not None else 1.0
    measured, finding = _find(policy, health, glimpse, changed)
    still = _still(policy, health, glimpse, changed)
    if finding is None and _frozen(policy, health.state, still):
        finding = "frozen"
    findings = (*health.findings[-(policy.window_looks - 1) :], (glimpse.at_ns, finding))
    state, since_ns = _believe(policy, health, still, findings)
    (colour, grey, in_grey), learning, lit_ns = health.references, health.learning, health.lit_ns
    if finding is None:
        if state == "ok":
            (colour, grey, in_grey), learning = _learn(policy, health, glimpse)
        lit_ns = glimpse.at_ns if glimpse.mean_level >= policy.lit_level else lit_ns
    return Health(
        state=state, since_ns=since_ns, measured=measured, colour=colour, grey=grey, in_grey=in_grey, seen=glimpse,
        lit_ns=lit_ns, findings=findings, learning=learning, stillness=still,
    )  # fmt: skip


def silence(policy: HealthPolicy, health: Health, last_ns: int, now_ns: int) -> Health:
    """No picture since ``last_ns``."""
    if now_ns - last_ns < policy.silent_ns or health.state == "lost":
        return health
    return replace(health, state="lost", since_ns=last_ns, measured={"silent_s": (now_ns - last_ns) / NS_PER_S},
                   findings=(), seen=None, learning=())  # fmt: skip


def _find(policy: HealthPolicy, health: Health, now: Glimpse, changed: float) -> tuple[dict[str, float], Finding]:
    """What this glimpse alone looks like."""
    measured = {
        "mean_level": now.mean_level, "spread_level": now.spread_level, "sharpness": now.sharpness,
        "changed_percent": 100 * changed,
    }  # fmt: skip
    if now.spread_level < policy.slate_spread and changed <= policy.same_share:
        return measured, "lost"  # no sensor is that even: somebody's slate, or nothing at all
    if now.mean_level < policy.dark_level and now.bright_level < policy.dark_bright_level:
        if changed <= policy.same_share and now.sharpness >= policy.drawn_sharpness:
            return measured, "lost"  # sharp writing on black that repeats itself to the bit: "stream is offline"
        sudden = health.state == "covered" or _lately_lit(policy, health, now)
        return measured, "covered" if sudden and _shut(policy, health.reference, now) else "dark"
    known = health.reference
    if known is None or sum(known.blocks) < policy.least_edges_level * len(known.blocks):
        return measured, None
    return _compare(policy, health, known, now, changed, measured)


def _lately_lit(policy: HealthPolicy, health: Health, now: Glimpse) -> bool:
    """Whether it was light just before the darkness began."""
    began_ns = next((at for at, finding in health.findings if finding in ("dark", "covered")), now.at_ns)
    return health.lit_ns is not None and began_ns - health.lit_ns <= policy.sudden_ns


def _shut(policy: HealthPolicy, known: Reference | None, now: Glimpse) -> bool:
    """Whether a dark picture shows nothing of the place any more."""
    if known is None:
        return True
    unlit = now.small < policy.dark_bright_level  # a clock written into the picture is no trace of the place
    left, usual = now.small[unlit], known.small[unlit]
    if likeness(left, usual) < policy.trace_likeness:
        return True
    return float(left.std()) < policy.shut_contrast * float(usual.std())


def _compare(
    policy: HealthPolicy, health: Health, known: Reference, now: Glimpse, changed: float, measured: dict[str, float]
) -> tuple[dict[str, float], Finding]:
    alike, layout = likeness(now.edges, known.edges), likeness(now.small, known.small)
    gone = lost_share(now.blocks, known.blocks)
    measured |= {"edges_alike": alike, "layout_alike": layout, "edges_lost_percent": 100 * gone}
    if gone >= policy.covered_blocks and layout < policy.covered_likeness:
        return measured, "lost" if _is_slate(policy, health, changed) else "covered"
    blurred = known.sharpness > 0 and now.sharpness < policy.blurred_share * known.sharpness
    if blurred and layout >= policy.blurred_likeness:
        return measured, "defocused"
    if alike >= policy.searched_edges or _new_light(health, now):
        return measured, None
    dx, dy = shift_of(now.edges, known.edges)
    found = moved_back(now.edges, known.edges, dx, dy)
    measured |= {"shift_right_percent": 100 * dx, "shift_down_percent": 100 * dy, "shifted_alike": found}
    turned = max(abs(dx), abs(dy)) >= policy.shifted_share
    turned = turned and found >= max(policy.shifted_likeness, alike + policy.shifted_gain)
    elsewhere = alike < policy.moved_edges and layout < policy.moved_layout
    if not (turned or elsewhere):
        return measured, None
    return measured, "lost" if _is_slate(policy, health, changed) else "moved"


def _is_slate(policy: HealthPolicy, health: Health, changed: float) -> bool:
    """Whether another picture never changes, as none does that was seen by a lens: a slate in place of the camera."""
    still = health.stillness
    usual = (*still.history, *(pair.changed for pair in still.window[: -policy.window_looks]))
    return changed <= policy.same_share and _noisy(policy, usual)


def _new_light(health: Health, now: Glimpse) -> bool:
    """Whether the camera is in a mode that has no reference yet: its first night, its first day."""
    return (health.grey if now.grey else health.colour) is None


def _still(policy: HealthPolicy, health: Health, now: Glimpse, changed: float) -> Stillness:
    """Enter how this picture differs from the one before. Another light has another noise: the history begins anew."""
    was, before = health.stillness, health.seen
    if before is None:
        return was
    if was.level is None or now.grey != before.grey or abs(now.mean_level - was.level) > policy.new_light_level:
        return Stillness(level=now.mean_level)
    moved = most_moved(now.small, before.small) > policy.moved_level
    window = (*was.window, Pair(now.at_ns, changed, moved))
    history = was.history
    while len(window) > policy.frozen_looks:
        if health.state != "frozen":
            history = (*history[-(policy.history_looks - 1) :], window[0].changed)
        window = window[1:]
    return Stillness(window, history, was.level)


def _noisy(policy: HealthPolicy, changes: Sequence[float]) -> bool:
    """Whether this camera's pictures are known never to repeat themselves."""
    repeats = sum(changed <= policy.same_share for changed in changes)
    return len(changes) >= policy.learn_looks and repeats <= 1 and _lowest_tenth(changes) >= policy.noise_share


def _lowest_tenth(changes: Sequence[float]) -> float:
    """The tenth percentile, between its two neighbours where it falls between them."""
    ordered, at = sorted(changes), 0.1 * (len(changes) - 1)
    below = int(at)
    return ordered[below] + (at - below) * (ordered[min(below + 1, len(ordered) - 1)] - ordered[below])


def _frozen(policy: HealthPolicy, state: HealthState, still: Stillness) -> bool:
    """Whether pictures repeat themselves that never did.

    An encoder goes on refining a picture that stands still and makes it anew at every key frame, so a frozen camera's decoded
    pictures do differ; but nothing in them moves, and now and then two are the same to the bit. Noise never is.
    """
    if len(still.window) < policy.frozen_looks and state != "frozen":
        return False
    if any(pair.moved for pair in still.window) or not _noisy(policy, still.history):
        return False
    least = max(policy.same_share, policy.repeat_share * _lowest_tenth(still.history))
    repeats = sum(pair.changed <= least for pair in still.window)
    return repeats >= (1 if state == "frozen" else policy.frozen_repeats)


def _believe(
    policy: HealthPolicy, health: Health, still: Stillness, findings: Sequence[tuple[int, Finding]]
) -> tuple[HealthState, int]:
    """From findings to the verdict, and since when: a few glimpses must agree that something is wrong, and a few that it is
    over."""
    state, (at_ns, finding) = health.state, findings[-1]
    wrong = [(at, kind) for at, kind in findings if kind is not None]
    if finding == "frozen" and state != "frozen":
        return "frozen", still.window[0].at_ns
    if len(wrong) >= policy.confirm_looks:
        kind = Counter(kind for _, kind in wrong).most_common(1)[0][0]
        if kind != state:
            return kind, wrong[0][0] if state == "ok" else next(at for at, one in wrong if one == kind)
    elif state != "ok" and len(findings) >= policy.recover_looks:
        newest = findings[-policy.recover_looks :]
        if all(kind is None for _, kind in newest):
            return "ok", newest[0][0]
    return state, health.since_ns or at_ns


def _learn(policy: HealthPolicy, health: Health, now: Glimpse) -> tuple[_References, tuple[Glimpse, ...]]:
    """Take a glimpse in which nothing is wrong into the reference of its mode; also what is being learned then."""
    known = health.grey if now.grey else health.colour
    learning: tuple[Glimpse, ...] = ()
    if known is not None:
        known = _followed(known, now)
    else:
        learning = (*(seen for seen in health.learning if seen.grey == now.grey), now)
        if len(learning) < policy.learn_looks:
            return health.references, learning
        known, learning = _made(learning), ()
    return (health.colour, known, True) if now.grey else (known, health.grey, False), learning


def _made(seen: Sequence[Glimpse]) -> Reference:
    maps = np.median([one.maps for one in seen], axis=0).astype(np.float32)
    return Reference(
        maps, blocks_of(maps[1]), float(np.median([one.sharpness for one in seen])), seen[0].at_ns, len(seen)
    )


def _followed(known: Reference, now: Glimpse) -> Reference:
    """The reference a look later: quick at first, then over minutes, so that who stands about is not learned as furniture.

    Sharpness rises within minutes and falls within hours: a lens that loses its focus slowly must not take its reference along.
    """
    rate = max(1 / 300, 1 / (known.looks + 1))
    sharpness = known.sharpness
    if now.edge_share > 0.005:
        sharper = now.sharpness > sharpness
        sharpness += (max(rate, 1 / 60) if sharper else min(rate, 1 / 3600)) * (now.sharpness - sharpness)
    blocks = tuple(was + rate * (new - was) for was, new in zip(known.blocks, now.blocks, strict=True))
    return Reference(blended(known.maps, now.maps, rate), blocks, sharpness, known.since_ns, known.looks + 1)
