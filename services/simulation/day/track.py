"""One person's motion through a day, as knots in time that are read at any instant.

Belongs here: knots, gaits' kinematics (starting, stopping, turning), reading a track. Does not belong here: where to go and
why (``agenda``), how to get round a table (``floor``).
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.simulation.world import Activity

Floats = NDArray[np.float64]

#: Metres between knots of a walk: fine enough that a rounded corner looks round.
_KNOT_M = 0.25
_ACCELERATION_M_S2 = 1.6
_TURN_RAD_S = 4.0
#: A child is lifted, or set down beside the adult, in this time.
LIFT_S = 0.8


@dataclass(frozen=True, slots=True)
class Spot:
    """Somewhere to be: the point under the body's centre, the way one faces there, and the place's name if it has one."""

    x: float
    y: float
    z: float = 0.0
    heading_rad: float = 0.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Ride:
    """A span in which somebody is carried."""

    from_s: float
    to_s: float
    carrier: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A track read at an instant."""

    x: float
    y: float
    z: float
    heading_rad: float
    stride_m: float
    speed_m_s: float
    activity: Activity
    doing_s: float
    before: Activity
    before_s: float


class Track:
    """Immutable knots. Positions and headings are linear between knots; activities hold until the next one."""

    def __init__(
        self, knots: Sequence[array[float]], act_s: array[float], acts: Sequence[Activity],
        present: Sequence[tuple[float, float]], rides: Sequence[Ride],
    ) -> None:  # fmt: skip
        self.t_s, self.x, self.y, self.z, self.heading, self.stride = knots
        self.act_s, self.acts = act_s, tuple(acts)
        self.present = tuple(present)
        self.rides = tuple(rides)

    def is_present(self, t_s: float) -> bool:
        """Whether the person is in the world at ``t_s`` (half-open spans)."""
        return any(start <= t_s < end for start, end in self.present)

    def at(self, t_s: float) -> Moment:
        """The person at ``t_s``; before the first and after the last knot they stand still there."""
        i = max(0, min(bisect_right(self.t_s, t_s) - 1, len(self.t_s) - 2))
        t0, t1 = self.t_s[i], self.t_s[i + 1]
        span = t1 - t0
        share = min(1.0, max(0.0, (t_s - t0) / span)) if span > 0 else 0.0
        walked = self.stride[i + 1] - self.stride[i]
        a = max(0, bisect_right(self.act_s, t_s) - 1)
        return Moment(
            self.x[i] + (self.x[i + 1] - self.x[i]) * share,
            self.y[i] + (self.y[i + 1] - self.y[i]) * share,
            self.z[i] + (self.z[i + 1] - self.z[i]) * share,
            self.heading[i] + (self.heading[i + 1] - self.heading[i]) * share,
            self.stride[i] + walked * share,
            walked / span if t0 <= t_s < t1 else 0.0,
            self.acts[a], max(0.0, t_s - self.act_s[a]), self.acts[max(0, a - 1)],
            self.act_s[a] - self.act_s[a - 1] if a else 60.0,
        )  # fmt: skip

    def carrier_at(self, t_s: float) -> int | None:
        """Who carries the person at ``t_s``."""
        for ride in self.rides:
            if ride.from_s <= t_s < ride.to_s:
                return ride.carrier
        return None

    @cached_property
    def arrays(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Times and x, y, z of the knots."""
        return tuple(np.frombuffer(part, float) for part in (self.t_s, self.x, self.y, self.z))  # type: ignore[return-value]

    def positions(self, times_s: Floats) -> tuple[Floats, Floats]:
        """x and y at each time; what ``at`` says, for many instants at once."""
        t, x, y, _ = self.arrays
        return np.interp(times_s, t, x), np.interp(times_s, t, y)

    def presence(self, times_s: Floats) -> NDArray[np.bool_]:
        """Whether the person is in the world at each time."""
        here = np.zeros(times_s.shape, bool)
        for start, end in self.present:
            here |= (times_s >= start) & (times_s < end)
        return here

    def activity_spans(self, *activities: Activity) -> list[tuple[float, float]]:
        """Spans in which one of the activities is done, joined where one follows the other, while present."""
        ends = [*self.act_s[1:], self.t_s[-1]]
        spans: list[tuple[float, float]] = []
        for start, end, act in zip(self.act_s, ends, self.acts, strict=True):
            if act not in activities or end <= start:
                continue
            if spans and start - spans[-1][1] < 1e-6:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        return [(start, end) for start, end in spans if self.is_present((start + end) / 2)]


class TrackWriter:
    """Writes a track forwards in time."""

    def __init__(self) -> None:
        self._knots: list[array[float]] = [array("d") for _ in range(6)]
        self._act_s, self._acts = array("d"), list[Activity]()
        self._present: list[tuple[float, float]] = []
        self._appeared_s: float | None = None
        self._rides: list[Ride] = []

    @property
    def now_s(self) -> float:
        return self._knots[0][-1]

    @property
    def x(self) -> float:
        return self._knots[1][-1]

    @property
    def y(self) -> float:
        return self._knots[2][-1]

    @property
    def z(self) -> float:
        return self._knots[3][-1]

    @property
    def heading(self) -> float:
        return self._knots[4][-1]

    @property
    def present(self) -> bool:
        return self._appeared_s is not None

    def appear(self, t_s: float, spot: Spot) -> None:
        """Come into the world at a spot, standing."""
        self._knot(t_s, spot.x, spot.y, spot.z, spot.heading_rad, self._knots[5][-1] if self._knots[5] else 0.0)
        self._appeared_s = t_s
        self.do("stand")

    def vanish(self) -> None:
        """Go out of the world now."""
        if self._appeared_s is not None and self.now_s > self._appeared_s:
            self._present.append((self._appeared_s, self.now_s))
        self._appeared_s = None

    def do(self, activity: Activity) -> None:
        """Begin an activity now."""
        if self._acts and self._act_s[-1] >= self.now_s:
            self._act_s.pop()
            self._acts.pop()
        if not self._acts or self._acts[-1] != activity:
            self._act_s.append(self.now_s)
            self._acts.append(activity)

    def hold(self, until_s: float) -> None:
        """Stay as one is until then."""
        if until_s > self.now_s:
            self._knot(until_s, self.x, self.y, self.z, self.heading, self._knots[5][-1])

    def turn(self, heading_rad: float, until_s: float = math.inf) -> None:
        """Turn on the spot to face a way, as far as the time allows."""
        change = _shorter_turn(heading_rad - self.heading)
        end_s = self.now_s + abs(change) / _TURN_RAD_S
        if end_s - self.now_s < 0.02:
            return
        share = 1.0 if end_s <= until_s else max(0.0, (until_s - self.now_s) / (end_s - self.now_s))
        self._knot(min(end_s, until_s), self.x, self.y, self.z, self.heading + change * share, self._knots[5][-1])

    def walk(self, path: Sequence[tuple[float, float]], speed_m_s: float, activity: Activity, until_s: float) -> bool:
        """Go along a path from where one is; ``False`` if the time was over before its end."""
        points = _densified([(self.x, self.y), *path])
        if len(points) < 2:
            return True
        self.turn(math.atan2(points[1][1] - points[0][1], points[1][0] - points[0][0]), until_s)
        if self.now_s >= until_s:
            return False
        self.do(activity)
        arcs = _arcs(points)
        start_s, stride0, z0 = self.now_s, self._knots[5][-1], self.z
        for index in range(1, len(points)):
            t_s = start_s + _time_at(arcs[index], arcs[-1], speed_m_s)
            ahead = points[min(index + 1, len(points) - 1)]
            behind = points[index - 1]
            facing = math.atan2(ahead[1] - behind[1], ahead[0] - behind[0])
            heading = self.heading + _shorter_turn(facing - self.heading)
            z = z0 * max(0.0, 1.0 - arcs[index] / 0.4)  # steps down from a seat within its first steps
            if t_s > until_s:
                share = (until_s - self.now_s) / (t_s - self.now_s)
                self._towards(until_s, share, (*points[index], z, heading, stride0 + arcs[index]))
                return False
            self._knot(t_s, *points[index], z, heading, stride0 + arcs[index])
        return True

    def settle(self, spot: Spot, until_s: float) -> bool:
        """Take one's place: the last step on to a seat, a cot or a rung, and face its way."""
        step_m = math.hypot(spot.x - self.x, spot.y - self.y)
        change = _shorter_turn(spot.heading_rad - self.heading)
        needs_s = max(step_m / 0.7, abs(spot.z - self.z) / 0.8, abs(change) / _TURN_RAD_S)
        if needs_s < 0.02:
            return True
        goal = (spot.x, spot.y, spot.z, self.heading + change, self._knots[5][-1] + step_m)
        end_s = self.now_s + needs_s
        if end_s > until_s:
            self._towards(until_s, (until_s - self.now_s) / needs_s, goal)
            return False
        self._knot(end_s, *goal)
        return True

    def ride(self, carrier: Track, number: int, until_s: float) -> None:
        """Be carried: lifted within ``LIFT_S``, then wherever the carrier goes."""
        start_s, x0, y0, z0, h0 = self.now_s, self.x, self.y, self.z, self.heading
        self.do("carried")
        self._rides.append(Ride(start_s, until_s, number))
        first = bisect_right(carrier.t_s, start_s)
        last = bisect_right(carrier.t_s, until_s)
        times = {t for t in carrier.t_s[first:last] if start_s < t < until_s}
        times |= {start_s + LIFT_S * step / 4 for step in range(1, 5) if start_s + LIFT_S * step / 4 < until_s}
        for t_s in [*sorted(times), until_s]:
            there = carrier.at(t_s)
            share = min(1.0, (t_s - start_s) / LIFT_S)
            heading = self.heading + _shorter_turn(there.heading_rad - self.heading)
            self._knot(
                t_s, x0 + (there.x - x0) * share, y0 + (there.y - y0) * share, z0 + (there.z - z0) * share,
                heading if share == 1.0 else h0 + _shorter_turn(there.heading_rad - h0) * share, self._knots[5][-1],
            )  # fmt: skip
        self.do("stand")
        self.hold(until_s + LIFT_S)  # whoever is set down finds their feet before they go on

    def finished(self) -> Track:
        """The track as written."""
        if not self._knots[0]:
            self._knot(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
            self.do("stand")
        self.hold(self.now_s + 1.0)
        if self._appeared_s is not None:
            self._present.append((self._appeared_s, self.now_s))
        return Track(self._knots, self._act_s, self._acts, self._present, self._rides)

    def _towards(self, t_s: float, share: float, goal: tuple[float, float, float, float, float]) -> None:
        here = [part[-1] for part in self._knots[1:]]
        if t_s > self.now_s:
            self._knot(t_s, *(a + (b - a) * share for a, b in zip(here, goal, strict=True)))

    def _knot(self, t_s: float, *values: float) -> None:
        for part, value in zip(self._knots, (t_s, *values), strict=True):
            part.append(value)


def walk_seconds(path: Sequence[tuple[float, float]], speed_m_s: float) -> float:
    """How long a walk along a path takes, starting and stopping included."""
    length = sum(math.dist(a, b) for a, b in pairwise(path))
    return _time_at(length, length, speed_m_s) if length > 0 else 0.0


def _densified(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    dense = [points[0]]
    for goal in points[1:]:
        start = dense[-1]
        far = math.dist(start, goal)
        if far < 1e-3:
            continue
        pieces = max(1, math.ceil(far / _KNOT_M))
        dense += [(start[0] + (goal[0] - start[0]) * i / pieces, start[1] + (goal[1] - start[1]) * i / pieces)
                  for i in range(1, pieces + 1)]  # fmt: skip
    return dense


def _arcs(points: Sequence[tuple[float, float]]) -> list[float]:
    arcs = [0.0]
    for a, b in pairwise(points):
        arcs.append(arcs[-1] + math.dist(a, b))
    return arcs


def _time_at(arc_m: float, length_m: float, speed_m_s: float) -> float:
    """When ``arc_m`` of a way is done: even acceleration, even speed, even slowing down."""
    peak = min(speed_m_s, math.sqrt(_ACCELERATION_M_S2 * length_m))
    ramp_s = peak / _ACCELERATION_M_S2
    ramp_m = peak * ramp_s / 2
    if arc_m <= ramp_m:
        return math.sqrt(2 * arc_m / _ACCELERATION_M_S2)
    total_s = 2 * ramp_s + max(0.0, length_m - 2 * ramp_m) / peak
    if arc_m >= length_m - ramp_m:
        return total_s - math.sqrt(2 * max(0.0, length_m - arc_m) / _ACCELERATION_M_S2)
    return ramp_s + (arc_m - ramp_m) / peak


def _shorter_turn(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
