"""How fast somebody moves over the floor: a constant-velocity filter per axis on measured floor points. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from services.analyze.core.scene.facts import Metres
from services.contracts.time import NS_PER_S

#: Power density of people's changes of speed, m²/s³: from standing to walking within a second.
_DRIVE = 1.0
_FIRST_SPEED_M_S = 1.2
#: Looked away longer than this, the way between is not known.
_LONGEST_S = 3.0


class Axis(NamedTuple):
    """Place and speed along one axis, with their variances and covariance."""

    place: float
    speed: float
    var_place: float
    covariance: float
    var_speed: float


class Walk(NamedTuple):
    at_ns: int
    right: Axis
    ahead: Axis


def walk(before: Walk | None, at_ns: int, right_m: float, ahead_m: float, sigma_m: tuple[float, float]) -> Walk:
    """Take a floor point; ``sigma_m`` of its own noise along both axes (what the calibration is off by moves along)."""
    if before is None or not 0 < at_ns - before.at_ns <= _LONGEST_S * NS_PER_S:
        return Walk(at_ns, _begin(right_m, sigma_m[0]), _begin(ahead_m, sigma_m[1]))
    dt_s = (at_ns - before.at_ns) / NS_PER_S
    return Walk(at_ns, _next(before.right, dt_s, right_m, sigma_m[0]), _next(before.ahead, dt_s, ahead_m, sigma_m[1]))


def speed_of(way: Walk, shared_share: float) -> Metres:
    """Speed over the floor; ``shared_share`` is the calibration's uncertainty of lengths there."""
    x, y = way.right.speed, way.ahead.speed
    speed = math.hypot(x, y)
    if speed > 1e-6:
        own = (x * x * way.right.var_speed + y * y * way.ahead.var_speed) / speed**2
    else:
        own = max(way.right.var_speed, way.ahead.var_speed)
    return Metres(speed, math.hypot(math.sqrt(max(own, 0.0)), shared_share * speed))


def _begin(place_m: float, sigma_m: float) -> Axis:
    return Axis(place_m, 0.0, sigma_m**2, 0.0, _FIRST_SPEED_M_S**2)


def _next(axis: Axis, dt_s: float, measured_m: float, sigma_m: float) -> Axis:
    place = axis.place + axis.speed * dt_s
    var_place = axis.var_place + 2 * dt_s * axis.covariance + dt_s**2 * axis.var_speed + _DRIVE * dt_s**3 / 3
    covariance = axis.covariance + dt_s * axis.var_speed + _DRIVE * dt_s**2 / 2
    var_speed = axis.var_speed + _DRIVE * dt_s
    total = var_place + sigma_m**2
    surprise = measured_m - place
    gain_place, gain_speed = var_place / total, covariance / total
    return Axis(
        place + gain_place * surprise, axis.speed + gain_speed * surprise,
        (1 - gain_place) * var_place, (1 - gain_place) * covariance, var_speed - gain_speed * covariance,
    )  # fmt: skip
