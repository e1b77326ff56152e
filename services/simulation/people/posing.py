"""From states to transforms: which posture, what it comes from, who carries whom; then the skeleton, for all at once."""

from __future__ import annotations

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

_HEIGHTS = [2, *(TRUNK + LEG * side + 2 for side in (0, 1)), *(TRUNK + 2 * LEG + ARM * side + 11 for side in (0, 1))]
_AWAKE = tuple(name for name in LIMBS if name != "blanket")
_ASLEEP = tuple(name for name in LIMBS if name != "drape")
Row = NDArray[np.float64]


def blend_s(before: Activity, activity: Activity) -> float:
    """How long the change from one activity to another takes."""
    if activity == "fall":
        return 0.10
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
        other = body_of(_CARRIER)
        return row, (state.at[0], state.at[1], _floor_of(state.at[2], other) + other.hip, state.heading_rad, -9.0)
    hips = _blended(partner, body_of(state.person))
    row[0] += hips[0]
    row[1] += hips[1]
    row[2] += hips[2]
    return row, (*partner.at, partner.heading_rad, -9.0)


def floor_m(state: PersonState) -> float:
    """What limbs must not sink into, above ``at``: a seat and a cot have the floor around them."""
    settled = state.activity in _FLAT and state.doing_s >= blend_s(state.before, state.activity)
    return 0.0 if settled or state.activity not in {*_RAISED, "climb"} else -state.at[2]


def _floor_of(height_m: float, carrier: Body) -> float:
    """``at`` of who is carried without a known carrier is the ground, or already the arm's height."""
    return height_m if height_m < 0.5 * carrier.hip else height_m - carrier.hip


def _blended(state: PersonState, other: Body | None) -> Row:
    row = _row(state, state.activity, state.doing_s, other)
    before, lasts = state.before, blend_s(state.before, state.activity)
    if state.doing_s >= lasts or before == state.activity or "carried" in (before, state.activity):
        return row
    share = smooth(state.doing_s / lasts)
    start = _row(state, before, state.before_s + state.doing_s, other)
    start[_HEIGHTS] += _step_up(state, before)
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
