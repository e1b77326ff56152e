"""Gaits: walking, running and crawling as functions of the way gone, so that what stands on the ground stays where it is.

The length of a cycle belongs to the body and not to the speed: a phase that depended on the speed would leap whenever the speed
changes. Who goes faster therefore steps quicker. Figures and sources: ``docs/design/simulation.md``, "People".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.simulation.people.body import Body
from services.simulation.people.moment import Moment, smooth
from services.simulation.people.rig import Arm, Leg, Rig, standing

_TURN = 2 * math.pi
#: Where a shoe rolls over its front, ahead of the ankle, in lengths of the foot: it is rigid, so nearly at its tip.
BALL = 0.72


@dataclass(frozen=True, slots=True)
class Stepping:
    """What tells one gait from another. Lengths are fractions of stature, angles radians."""

    cycle: float
    duty: float
    width: float
    lift: float
    strike: float
    push: float
    bob: float
    drop: float
    lean: float
    sway: float
    twist: float
    swing: float
    elbow: float
    guard: float


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _maturity(body: Body) -> float:
    """0 at the first steps, 1 where walking is grown up: at four years (Sutherland 1980, 1997)."""
    return min(1.0, max(0.0, (body.age_years - 1.0) / 3.0))


def walking(body: Body) -> Stepping:
    """Toddlers walk on a wide base, on flat feet, with short quick steps and with raised arms."""
    grown = _maturity(body)
    return Stepping(
        cycle=2 * _between(0.29, 0.375, grown), duty=_between(0.66, 0.62, grown), width=_between(0.085, 0.034, grown),
        lift=_between(0.050, 0.030, grown), strike=_between(0.04, 0.34, grown), push=_between(0.45, 0.80, grown),
        bob=_between(0.004, 0.012, grown), drop=_between(0.020, 0.014, grown), lean=_between(0.05, 0.03, grown),
        sway=_between(0.026, 0.013, grown), twist=_between(0.14, 0.09, grown), swing=_between(0.12, 0.42, grown),
        elbow=_between(1.15, 0.30, grown), guard=_between(0.65, 0.10, grown),
    )  # fmt: skip


def running(body: Body) -> Stepping:
    """Steps with a flight between them, bent elbows, a trunk that leans ahead."""
    grown = _maturity(body)
    return Stepping(
        cycle=2 * _between(0.42, 0.62, grown), duty=_between(0.44, 0.36, grown), width=_between(0.06, 0.022, grown),
        lift=_between(0.085, 0.120, grown), strike=0.0, push=_between(0.60, 0.85, grown),
        bob=-0.018, drop=_between(0.035, 0.045, grown), lean=_between(0.12, 0.17, grown),
        sway=0.010, twist=0.16, swing=_between(0.45, 0.75, grown), elbow=_between(1.35, 1.55, grown),
        guard=_between(0.40, 0.12, grown),
    )  # fmt: skip


def crawl_cycle_m(body: Body) -> float:
    """The way of one cycle of hands and knees."""
    return 0.34 * body.height


def cycle_m(body: Body, activity: str) -> float:
    """The way of two steps, metres."""
    if activity == "crawl":
        return crawl_cycle_m(body)
    return (running(body) if activity == "run" else walking(body)).cycle * body.height


def walk(now: Moment) -> Rig:
    """Walking."""
    return stepping(now, walking(now.body))


def run(now: Moment) -> Rig:
    """Running."""
    return stepping(now, running(now.body))


def stepping(now: Moment, gait: Stepping) -> Rig:
    """The body in the middle of its steps: the left foot strikes at phase 0, the right one at 0.5."""
    body, rig = now.body, standing(now.body)
    height, cycle = body.height, gait.cycle * body.height
    phase = now.stride_m / cycle % 1.0
    for side, leg, shift in ((1, rig.left_leg, 0.0), (-1, rig.right_leg, 0.5)):
        _step(leg, body, gait, (phase + shift) % 1.0)
        leg.y = side * gait.width * height
        leg.yaw = side * (0.20 - 0.10 * _maturity(body))
    middle = _TURN * (phase - 0.5 * gait.duty)
    rig.z += height * (gait.bob * math.cos(2 * middle) - gait.drop)
    rig.y = gait.sway * height * math.cos(middle)
    rig.x = 0.008 * height * math.sin(2 * middle)
    rig.roll = -0.05 * math.cos(middle - 0.3)
    rig.yaw = -gait.twist * 0.5 * math.cos(_TURN * phase)
    rig.pitch, rig.bend = 0.6 * gait.lean, 0.4 * gait.lean
    rig.turn = gait.twist * 1.3 * math.cos(_TURN * phase)
    rig.lean = 0.04 * math.cos(middle - 0.3)
    rig.head_pitch = -0.8 * gait.lean + 0.02 * math.sin(2 * middle) + 0.03
    rig.head_yaw = -gait.twist * 0.6 * math.cos(_TURN * phase) + 0.18 * now.glance(5.0, 1)
    for side, arm in ((1, rig.left_arm), (-1, rig.right_arm)):
        swing = -side * gait.swing * math.cos(_TURN * (phase - 0.04))
        bent = gait.elbow * (1 + 0.35 * math.sin(swing / max(gait.swing, 1e-6) * 1.2) * (gait.swing > 0.3))
        swing_arm(arm, body, side, swing + 0.08, gait.guard, bent)
    return rig


def _step(leg: Leg, body: Body, gait: Stepping, phase: float) -> None:
    """One foot: it rolls over heel, sole and ball while it stands, and swings past the other one."""
    if phase < gait.duty:
        leg.x, leg.z, leg.pitch = _stance(body, gait, phase / gait.duty)
        return
    share = (phase - gait.duty) / (1 - gait.duty)
    x0, z0, pitch0 = _stance(body, gait, 1.0)
    x1, z1, pitch1 = _stance(body, gait, 0.0)
    # It leaves and meets the ground with the ground's speed.
    slope = -gait.cycle * body.height * (1 - gait.duty)
    s2, s3 = share * share, share**3
    leg.x = (2 * s3 - 3 * s2 + 1) * x0 + (s3 - 2 * s2 + share) * slope + (3 * s2 - 2 * s3) * x1 + (s3 - s2) * slope
    leg.pitch = pitch0 * (1 - share) ** 2.2 + pitch1 * s2
    leg.z = z0 + (z1 - z0) * smooth(1.3 * share) + gait.lift * body.height * math.sin(math.pi * share) ** 1.5
    leg.z = max(leg.z, ankle_over_floor(body, leg.pitch) + 0.006 * body.height * math.sin(math.pi * share))
    leg.knee_y *= 0.5


def _stance(body: Body, gait: Stepping, share: float) -> tuple[float, float, float]:
    """Ankle x, z and the foot's pitch at a share of the stance."""
    way = gait.duty * gait.cycle * body.height
    flat = 0.52 * way - 0.10 * body.foot - way * share
    heel, ball = 0.24 * body.foot, BALL * body.foot
    if share < 0.14:
        pitch = -gait.strike * (1 - share / 0.14)
        cos, sin = math.cos(pitch), math.sin(pitch)
        return flat - heel + heel * cos + body.ankle * sin, -heel * sin + body.ankle * cos, pitch
    if share > 0.52:
        pitch = gait.push * ((share - 0.52) / 0.48) ** 1.8
        cos, sin = math.cos(pitch), math.sin(pitch)
        return flat + ball - ball * cos + body.ankle * sin, ball * sin + body.ankle * cos, pitch
    return flat, body.ankle, 0.0


def ankle_over_floor(body: Body, pitch: float) -> float:
    """The least height of an ankle whose foot is pitched, heel and toes above the floor."""
    cos, sin = math.cos(pitch), math.sin(pitch)
    return body.ankle * cos + max(0.76 * body.foot * sin, -0.24 * body.foot * sin, 0.0)


def swing_arm(arm: Arm, body: Body, side: int, swing: float, guard: float, elbow: float) -> None:
    """Upper arm ``swing`` ahead and ``guard`` aside of hanging, elbow bent by ``elbow``."""
    wide = guard + 0.10 + 0.05 * body.child
    cos, sin = math.cos(wide), math.sin(wide)
    ahead, fore = swing, swing + elbow
    arm.u = body.upper_arm * math.sin(ahead) * cos + body.forearm * math.sin(fore) * cos
    arm.w = -body.upper_arm * math.cos(ahead) * cos - body.forearm * math.cos(fore) * cos
    arm.v = side * (body.upper_arm * sin + body.forearm * sin * (0.5 + 0.5 * math.cos(elbow)))
    arm.elbow_u, arm.elbow_v, arm.elbow_w = -math.cos(ahead), side * (0.35 + 0.8 * sin), -math.sin(max(ahead, 0.0))


def crawl(now: Moment) -> Rig:
    """On hands and knees, a hand and the other side's knee together."""
    body, height = now.body, now.body.height
    cycle = crawl_cycle_m(body)
    phase = now.stride_m / cycle % 1.0
    rig = standing(body)
    paddles = [_paddle((phase + shift) % 1.0, cycle) for shift in (0.0, 0.5)]
    knee = 0.036 * height
    # One knee stands at a time; the hips ride on its thigh.
    planted = paddles[0][0] if paddles[0][1] == 0.0 else paddles[1][0]
    rig.z = knee + math.sqrt(body.thigh**2 - planted**2) * 0.998
    rig.x = -0.5 * (body.waist_up + body.chest_up + body.shoulder_up)
    trunk = body.waist_up + body.chest_up + body.shoulder_up
    tilt = math.asin(max(-0.5, min(0.5, (0.95 * body.arm + 0.03 * height - rig.z) / trunk)))
    rig.pitch, rig.bend = math.pi / 2 - tilt - 0.12, 0.12
    rig.head_pitch = -0.95 + 0.10 * now.drift(3.0)
    rig.head_yaw = 0.25 * now.glance(4.0, 1)
    rig.yaw = 0.04 * math.sin(_TURN * phase)
    for side, leg, (ahead, lifted) in zip((1, -1), rig.legs, paddles, strict=True):
        leg.x, leg.y, leg.z = (
            rig.x + ahead - 0.985 * body.shin,
            side * 1.1 * body.hip_half,
            0.042 * height + 0.012 * height * lifted,
        )
        leg.knee_y, leg.yaw, leg.pitch = 0.08 * side, 0.0, 2.75
    for side, arm, (ahead, lifted) in zip((1, -1), rig.arms, paddles[::-1], strict=True):
        arm.ground = 1.0
        arm.x = rig.x + trunk * math.cos(tilt) + ahead + 0.02 * height
        arm.y = side * (body.shoulder_half + 0.02 * height)
        arm.z = 0.034 * height + lifted * 0.06 * height
        arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.2, 0.7 * side, -1.0
        arm.flex = -1.35 + 0.6 * lifted
    return rig


def _paddle(phase: float, cycle: float) -> tuple[float, float]:
    """How far ahead of its middle a hand or a knee is, and 0..1 how lifted; it stands for half of the cycle."""
    way = 0.5 * cycle
    if phase < 0.5:
        return way * (0.5 - 2 * phase), 0.0
    share = 2 * phase - 1
    s2, s3 = share * share, share**3
    ahead = 0.5 * way * (6 * s2 - 4 * s3 - 1) - way * (2 * s3 - 3 * s2 + share)
    return ahead, math.sin(math.pi * share)
