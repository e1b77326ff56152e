"""From states to transforms: which posture, what it comes from, who carries whom; then the skeleton, for all at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from services.simulation.people import gait, lying, postures
from services.simulation.people.body import Body, body_of
from services.simulation.people.moment import Moment, quirks_of, smooth
from services.simulation.people.rig import ARM, LEG, TRUNK, Rig
from services.simulation.people.skeleton import LIMBS, measures, solve
from services.simulation.world import Activity, Person, PersonState

_POSTURES: Mapping[Activity, Callable[[Moment], Rig]] = {
    "stand": postures.stand, "walk": postures.walk, "run": postures.run, "crawl": gait.crawl, "sit": postures.sit,
    "sit_floor": postures.sit_floor, "play_floor": postures.play_floor, "squat": postures.squat, "bend": postures.bend,
    "reach": postures.reach, "lie": lying.lie, "sleep": lying.sleep, "climb": postures.climb, "fall": lying.fall,
    "fallen": lying.fallen, "carry": postures.carry, "carried": postures.carried, "wave": postures.wave,
}  # fmt: skip
_RAISED = frozenset({"sit", "sleep", "lie"})
_FLAT = frozenset({"lie", "sleep", "fallen"})
_LOW = frozenset({"sit_floor", "play_floor", "crawl", "squat"})
#: The way from upright to flat leads over this.
_BETWEEN: Activity = "squat"
#: A cot's height, for who gets up from one: the state that knew it is gone.
_COT_M = 0.25
#: Below this ``at`` of somebody who sits is taken for the floor beside a chair of the right height.
_SEAT_AT_LEAST_M = 0.10
#: Who carries walks from this speed on, and fades to standing below.
_FULL_GAIT_M_S = 0.12
_CARRIER = Person(number=0, name="", role="adult", height_m=1.62)

#: A child is lifted, or set down, in this time; what is in the air has no floor.
_LIFT_S = 0.8
_NO_FLOOR_M = -9.0

#: Columns of a row: the x of whatever is placed in the ground frame (y is the next), heights there, turns about the vertical.
_ON_GROUND = np.array(
    [0, *(TRUNK + LEG * side for side in (0, 1)), *(TRUNK + 2 * LEG + ARM * side + 9 for side in (0, 1))]
)
_YAWS = [3, TRUNK + 6, TRUNK + LEG + 6]
_HEIGHTS = [2, *(TRUNK + LEG * side + 2 for side in (0, 1)), *(TRUNK + 2 * LEG + ARM * side + 11 for side in (0, 1))]
_AWAKE = tuple(name for name in LIMBS if name != "blanket")
_ASLEEP = tuple(name for name in LIMBS if name != "drape")
Row = NDArray[np.float64]


def blend_s(before: Activity, activity: Activity) -> float:
    """How long the change from one activity to another takes."""
    if activity == "fall":
        return 0.10
    if "carried" in (before, activity):
        return _LIFT_S
    if (before in _FLAT) != (activity in _FLAT):
        return 0.4 if before == "fall" else 1.8
    return 0.9 if (before in _LOW) != (activity in _LOW) else 0.6


def transforms(states: Sequence[PersonState], partners: Sequence[PersonState | None]) -> NDArray[np.float32]:
    """World transforms (n, limbs, 4, 4) of n states; ``partners`` are who carries or is carried, where known."""
    if not states:
        return np.zeros((0, len(LIMBS), 4, 4), np.float32)
    rows = np.empty((len(states), TRUNK + 2 * LEG + 2 * ARM))
    bodies, bases = [], np.empty((len(states), 5))
    for index, (state, partner) in enumerate(zip(states, partners, strict=True)):
        rows[index], bases[index] = _row_and_base(state, partner)
        bodies.append(measures(body_of(state.person)))
    return solve(rows, np.array(bodies), bases[:, :3], bases[:, 3], bases[:, 4])


def _row_and_base(
    state: PersonState, partner: PersonState | None
) -> tuple[Row, tuple[float, float, float, float, float]]:
    """The blended rig of a state, and the ground frame it stands in: x, y, z, heading, floor."""
    other = body_of(partner.person) if partner is not None else None
    row = _blended(state, other)
    if state.activity != "carried":
        return row, (*state.at, state.heading_rad, floor_m(state))
    if partner is None:
        row[:3] += (0.0, 0.0, body_of(_CARRIER).hip)
        return row, (*state.at, state.heading_rad, _NO_FLOOR_M)
    row[:3] += _blended(partner, body_of(state.person))[:3]
    return _lifted(row, state, partner), (*partner.at, partner.heading_rad, _NO_FLOOR_M)


def _lifted(row: Row, state: PersonState, partner: PersonState) -> Row:
    """On the way from the own place to the carrier's hip; both as the carrier's ground frame sees them."""
    if state.doing_s >= _LIFT_S or state.before == "carried":
        return row
    start = _row(state, state.before, state.before_s + state.doing_s, None)
    cos, sin = math.cos(partner.heading_rad), math.sin(partner.heading_rad)
    dx, dy, dz = (mine - theirs for mine, theirs in zip(state.at, partner.at, strict=True))
    turn = math.remainder(state.heading_rad - partner.heading_rad, 2 * math.pi)
    x, y = start[_ON_GROUND], start[_ON_GROUND + 1]
    start[_ON_GROUND] = math.cos(turn) * x - math.sin(turn) * y + cos * dx + sin * dy
    start[_ON_GROUND + 1] = math.sin(turn) * x + math.cos(turn) * y - sin * dx + cos * dy
    start[_HEIGHTS] += dz
    start[_YAWS] += turn
    return start + (row - start) * smooth(state.doing_s / _LIFT_S)


def floor_m(state: PersonState) -> float:
    """What limbs must not sink into, above ``at``: a seat and a cot have the floor around them."""
    settled = state.activity in _FLAT and state.doing_s >= blend_s(state.before, state.activity)
    return 0.0 if settled or state.activity not in {*_RAISED, "climb"} else -state.at[2]


def _blended(state: PersonState, other: Body | None) -> Row:
    row = _row(state, state.activity, state.doing_s, other)
    before, lasts = state.before, blend_s(state.before, state.activity)
    if state.doing_s >= lasts or before == state.activity or state.activity == "carried":
        return row
    share = smooth(state.doing_s / lasts)
    start = _row(state, before, state.before_s + state.doing_s, other)
    start[_HEIGHTS] += _step_up(state, before)
    if before == "carried":
        start[:3] += (0.0, 0.0, body_of(_CARRIER).hip)
    if (before in _FLAT) == (state.activity in _FLAT) or "fall" in (before, state.activity):
        return start + (row - start) * share
    between = _row(state, _BETWEEN, state.doing_s, other)
    between[_HEIGHTS] += 0.5 * _step_up(state, before)
    mixed: Row = start * (1 - share) ** 2 + between * (2 * share * (1 - share)) + row * share**2
    return mixed


def _step_up(state: PersonState, before: Activity) -> float:
    """By how much the support of the activity before lay above ``at``, where that can be known."""
    if state.activity in _RAISED and before not in _RAISED and before != "climb":
        return -state.at[2]
    return _COT_M if before == "sleep" and state.activity not in _RAISED else 0.0


def _row(state: PersonState, activity: Activity, for_s: float, other: Body | None) -> Row:
    person, height_m = state.person, state.at[2]
    body = body_of(person)
    floor_m, up_m = 0.0, 0.0
    if activity == "sit":
        raised = state.activity in _RAISED and height_m > _SEAT_AT_LEAST_M
        floor_m, up_m = (-height_m, 0.0) if raised else (0.0, 0.92 * (body.shin + body.ankle) - body.seat * 0.3)
    elif activity == "climb":
        floor_m, up_m = -height_m, height_m
    moving = 1.0
    if activity == state.activity == "carry":
        moving = smooth(state.speed_m_s / _FULL_GAIT_M_S)
    now = Moment(body, for_s, state.stride_m, moving, floor_m, quirks_of(person), other or body_of(_CARRIER), up_m)
    row = np.array(_POSTURES[activity](now).row())
    if 0.0 < moving < 1.0:
        still = Moment(body, for_s, state.stride_m, 0.0, floor_m, now.quirks, now.other, up_m)
        row = row * moving + np.array(_POSTURES[activity](still).row()) * (1 - moving)
    return row


def shown(activity: Activity) -> tuple[str, ...]:
    """The limbs that a renderer draws: over who sleeps a blanket, about everybody else what hangs from the hips."""
    return _ASLEEP if activity == "sleep" else _AWAKE
