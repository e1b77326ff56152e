"""Postures of upright and seated people: what the body does while it stays where it is, with the small movements of the living.

Does not belong here: gaits (``gait``), what lies or falls (``lying``), the choice and the blending of postures (``posing``).
"""

from __future__ import annotations

import math

from services.simulation.people import gait
from services.simulation.people.body import Body
from services.simulation.people.moment import Moment
from services.simulation.people.rig import Arm, Leg, Rig, standing

_TURN = 2 * math.pi


def stand(now: Moment) -> Rig:
    """The weight shifts from leg to leg, the head looks about; adults may fold their hands."""
    body, rig = now.body, standing(now.body)
    shift = now.glance(11.0)
    rig.y = 0.012 * body.height * shift
    rig.roll, rig.lean = -0.035 * shift, 0.03 * shift
    rig.z -= 0.002 * body.height * (1 + shift * shift)
    rig.bend, rig.head_pitch = 0.015 * now.breath(), 0.04 + 0.05 * now.drift(6.0, 1)
    rig.head_yaw, rig.turn = 0.45 * now.glance(9.0, 2), 0.07 * now.drift(9.0, 2)
    for leg, relaxed in ((rig.left_leg, max(0.0, -shift)), (rig.right_leg, max(0.0, shift))):
        leg.knee_y *= 1 + relaxed
    if now.body.child and body.age_years < 2.2:
        _steady(rig, body)
    elif not body.child and now.quirks[1] > 0.6:
        _fold_hands(rig, body)
    return rig


def walk(now: Moment) -> Rig:
    """Walking, or standing where nothing moves."""
    return gait.walk(now) if now.moving > 0 else stand(now)


def run(now: Moment) -> Rig:
    """Running, or standing where nothing moves."""
    return gait.run(now) if now.moving > 0 else stand(now)


def _steady(rig: Rig, body: Body) -> None:
    """The wide stance and half-raised arms of somebody who has walked for some months."""
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        leg.y = side * 0.075 * body.height
        gait.swing_arm(arm, body, side, 0.1, 0.25, 0.7)


def _fold_hands(rig: Rig, body: Body) -> None:
    for side, arm in zip((1, -1), rig.arms, strict=True):
        arm.u = body.chest_depth_half + 0.035 * body.height + 0.012 * body.height * (side > 0)
        arm.v = -side * (body.shoulder_half - 0.012 * body.height)
        arm.w = -0.72 * body.arm
        arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.55, 0.9 * side, -0.5
        arm.turn = -0.9 * side


def wave(now: Moment) -> Rig:
    """One hand up and to and fro, about twice a second."""
    rig, body = stand(now), now.body
    side, arm = (1, rig.left_arm) if now.quirks[2] > 0.7 else (-1, rig.right_arm)
    beat = math.sin(_TURN * 1.7 * now.for_s)
    arm.u = 0.30 * body.arm
    arm.v = side * (0.42 + 0.16 * beat) * body.arm
    arm.w = 0.52 * body.arm
    arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.1, side * 1.0, -0.8
    arm.turn = 1.2 * side
    rig.head_pitch = -0.12 if body.child else 0.10
    rig.lean = -0.03 * side
    return rig


def reach(now: Moment) -> Rig:
    """An arm up to a shelf, on the balls of the feet; the other hand holds on to it."""
    body, rig = now.body, standing(now.body)
    strain = 0.5 + 0.5 * now.drift(2.6)
    rise = 0.26 + 0.16 * strain
    ball, back = gait.BALL * body.foot, body.ankle
    for leg in rig.legs:
        leg.pitch = rise
        leg.x = ball - ball * math.cos(rise) + back * math.sin(rise)
        leg.z = ball * math.sin(rise) + back * math.cos(rise)
        leg.yaw *= 0.3
    rig.z += rig.left_leg.z - body.ankle - 0.002 * body.height
    rig.x, rig.pitch, rig.bend = 0.035 * body.height, 0.05, -0.04
    rig.head_pitch = -0.45
    high, low = (rig.right_arm, rig.left_arm)
    high.u, high.v, high.w = 0.50 * body.arm, 0.04 * body.arm, (0.74 + 0.08 * strain) * body.arm
    high.elbow_u, high.elbow_v, high.elbow_w = 0.2, -1.0, -0.3
    low.u, low.v, low.w = 0.80 * body.arm, 0.05 * body.arm, 0.05 * body.arm
    low.elbow_u, low.elbow_v, low.elbow_w = -0.1, 0.8, -1.0
    rig.lean = 0.07
    return rig


def bend(now: Moment) -> Rig:
    """From the hips and with soft knees down to a child before one (or, for a child, to something on the floor)."""
    body, rig = now.body, standing(now.body)
    height = body.height
    rig.z = body.hip - 0.055 * height
    rig.x = -0.085 * height
    rig.pitch, rig.bend = 0.62 + 0.03 * now.drift(5.0), 0.52
    rig.head_pitch, rig.head_yaw = -0.45 + 0.10 * now.drift(4.0, 1), 0.12 * now.drift(5.0, 2)
    hand_z = 0.30 * height
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        leg.x, leg.y = (0.01 + 0.035 * side) * height, side * (body.hip_half + 0.025 * height)
        arm.ground = 1.0
        arm.x = (0.30 + 0.012 * now.drift(2.2, side + 1)) * height
        arm.y = side * (0.075 + 0.015 * now.drift(2.8, side + 2)) * height
        arm.z = hand_z + 0.02 * height * now.drift(2.0, side + 1)
        arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.6, 0.7 * side, 0.0
    return rig


def squat(now: Moment) -> Rig:
    """Deep and on flat feet, as small children do; adults with raised heels. Hands are busy before the feet."""
    body, rig = now.body, standing(now.body)
    height = body.height
    rig.z = body.ankle + 0.30 * body.leg + (0.0 if body.child else 0.02 * height)
    rig.x = -0.085 * height
    rig.pitch, rig.bend = 0.42, 0.42 + 0.02 * now.breath()
    rig.head_pitch, rig.head_yaw = -0.20 + 0.15 * now.drift(4.0, 1), 0.25 * now.glance(5.0, 2)
    heel = 0.0 if body.child else 0.42
    ball = gait.BALL * body.foot
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        leg.y, leg.yaw, leg.pitch = side * (body.hip_half + 0.05 * height), 0.40 * side, heel
        leg.x = ball - ball * math.cos(heel) + body.ankle * math.sin(heel)
        leg.z = ball * math.sin(heel) + body.ankle * math.cos(heel)
        leg.knee_x, leg.knee_y, leg.knee_z = 1.0, 0.55 * side, 0.5
        _busy_hand(arm, now, side, 0.24 * height, 0.07 * height)
    return rig


def _busy_hand(arm: Arm, now: Moment, side: int, ahead: float, aside: float) -> None:
    """A hand that moves a toy about on the floor (or what is as high as it)."""
    height, own = now.body.height, side + 1
    arm.ground = 1.0
    arm.x = ahead + 0.035 * height * now.drift(1.9, own)
    arm.y = side * aside + 0.04 * height * now.drift(2.3, own + 1)
    arm.z = now.floor_m + (0.045 + 0.03 * max(0.0, now.drift(1.4, own + 2))) * height
    arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.5, 0.8 * side, -0.2
    arm.flex = 0.2


def sit(now: Moment) -> Rig:
    """On a chair: soles on the floor if it is in reach, hanging otherwise; children's hands are on the table before them."""
    body, rig = now.body, standing(now.body)
    height = body.height
    seat = now.up_m
    rig.z, rig.x = seat + body.seat, -0.02 * height
    rig.pitch, rig.bend = 0.02 + 0.04 * now.drift(9.0), 0.10 + 0.012 * now.breath()
    rig.head_pitch, rig.head_yaw = 0.06 + 0.10 * now.drift(5.0, 1), 0.40 * now.glance(7.0, 2)
    rig.turn = 0.08 * now.glance(7.0, 2)
    sole = now.floor_m if rig.z - now.floor_m < 1.30 * body.shin + body.ankle else rig.z - body.shin - 1.3 * body.ankle
    kick = 0.05 * height * now.drift(1.7, 1) if sole > now.floor_m else 0.0
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        leg.x = rig.x + 1.02 * body.thigh + side * kick + 0.03 * height * (now.quirks[0] - 0.3)
        leg.y, leg.z = side * (body.hip_half + 0.012 * height), sole + body.ankle
        leg.knee_x, leg.knee_z = 1.0, 0.6
        leg.pitch = 0.25 if sole > now.floor_m else 0.0
        if body.child:
            _hand_on_table(arm, now, side)
        else:
            _hand_on_lap(arm, body, side)
    return rig


def _hand_on_table(arm: Arm, now: Moment, side: int) -> None:
    body = now.body
    arm.u = (0.66 + 0.06 * now.drift(2.7, side + 1)) * body.arm
    arm.v = -side * (0.10 + 0.10 * now.drift(3.1, side + 2)) * body.arm
    arm.w = (-0.55 + 0.05 * now.drift(2.1, side + 3)) * body.arm
    arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.5, 0.7 * side, -0.6
    arm.turn = -0.9 * side


def _hand_on_lap(arm: Arm, body: Body, side: int) -> None:
    arm.u, arm.v, arm.w = 0.62 * body.arm, -0.10 * side * body.arm, -0.72 * body.arm
    arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.8, 0.6 * side, -0.2
    arm.turn = -0.9 * side


def sit_floor(now: Moment) -> Rig:
    """Children sit with their legs before them in a V, adults cross-legged."""
    body, rig = now.body, standing(now.body)
    height = body.height
    rig.z = body.seat
    rig.pitch, rig.bend = -0.06, 0.22 + 0.015 * now.breath() + 0.04 * now.drift(8.0)
    rig.head_pitch, rig.head_yaw = 0.05 + 0.12 * now.drift(5.0, 1), 0.45 * now.glance(7.0, 2)
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        if body.child:
            _leg_ahead(leg, body, side, 0.32 + 0.1 * now.quirks[1])
        else:
            _leg_crossed(leg, body, side)
        arm.ground = 1.0
        arm.x, arm.y, arm.z = 0.55 * body.thigh, side * 0.62 * body.hip_half, rig.z + 0.075 * height
        arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.5, 0.8 * side, -0.4
        arm.turn = -0.8 * side
    return rig


def _leg_ahead(leg: Leg, body: Body, side: int, spread: float) -> None:
    far = 0.955 * body.leg
    leg.x, leg.y = far * math.cos(spread), side * (body.hip_half + far * math.sin(spread))
    leg.z = 0.26 * body.foot
    leg.knee_x, leg.knee_y, leg.knee_z = 1.0, 0.15 * side, 1.2
    leg.yaw, leg.pitch = side * (spread + 0.25), -1.30


def _leg_crossed(leg: Leg, body: Body, side: int) -> None:
    leg.x, leg.y = 0.15 * body.height, -side * 0.045 * body.height
    leg.z = 0.043 * body.height + 0.012 * body.height * (side > 0)
    leg.knee_x, leg.knee_y, leg.knee_z = 0.75, 1.0 * side, 0.10
    leg.yaw, leg.pitch, leg.loose, leg.flex = 0.0, 0.0, 1.0, 0.5


def play_floor(now: Moment) -> Rig:
    """On the floor over toys: legs in a V, or on the heels; hands busy, the head follows them."""
    body = now.body
    rig = _on_heels(now) if now.quirks[2] > 0.5 or not body.child else sit_floor(now)
    rig.bend += 0.30 + 0.10 * now.drift(6.0, 1)
    rig.turn = 0.15 * now.drift(4.5, 2)
    rig.head_pitch, rig.head_yaw = 0.20 + 0.12 * now.drift(5.5, 1), 0.25 * now.glance(4.5, 2)
    for side, arm in zip((1, -1), rig.arms, strict=True):
        _busy_hand(arm, now, side, 0.26 * body.height, 0.055 * body.height)
    return rig


def _on_heels(now: Moment) -> Rig:
    body, rig = now.body, standing(now.body)
    rig.z = body.seat + 0.075 * body.height
    rig.x = -0.05 * body.height
    rig.pitch, rig.bend = 0.18, 0.15 + 0.015 * now.breath()
    # The thighs slope down to knees on the floor, and the shins lie back from there.
    knee = 0.040 * body.height
    knee_x = rig.x + math.sqrt(body.thigh**2 - (rig.z - knee) ** 2)
    for side, leg in zip((1, -1), rig.legs, strict=True):
        leg.x, leg.y, leg.z = knee_x - 0.99 * body.shin, side * (body.hip_half + 0.012 * body.height), knee
        leg.knee_x, leg.knee_y, leg.knee_z = 1.0, 0.12 * side, -0.3
        leg.pitch, leg.yaw = 2.80, 0.15 * side
    return rig


def climb(now: Moment) -> Rig:
    """Up a shelf or a fence, a hand and the other side's foot together; the height of ``at`` drives it."""
    body, rig = now.body, standing(now.body)
    height = body.height
    rung = 0.20 * height
    phase = now.up_m / (2 * rung) % 1.0
    rig.z, rig.x = 0.80 * body.hip, -0.06 * height
    rig.pitch, rig.bend, rig.head_pitch = 0.10, 0.08, -0.30 + 0.1 * now.drift(3.0)
    rig.roll = 0.07 * math.cos(_TURN * phase)
    rig.y = 0.02 * height * math.cos(_TURN * phase)
    for side, leg, shift in ((1, rig.left_leg, 0.0), (-1, rig.right_leg, 0.5)):
        up, out = _rung((phase + shift) % 1.0)
        leg.z = body.ankle + max(now.floor_m, rung * (up - 0.4))
        leg.x, leg.y = (0.09 - 0.05 * out) * height, side * (body.hip_half + 0.03 * height)
        leg.knee_y, leg.yaw = 0.5 * side, 0.25 * side
    for side, arm, shift in ((1, rig.left_arm, 0.5), (-1, rig.right_arm, 0.0)):
        up, out = _rung((phase + shift) % 1.0)
        arm.ground, arm.x = 1.0, (0.21 - 0.05 * out) * height
        arm.y = side * (body.shoulder_half + 0.02 * height)
        arm.z = body.hip + 0.20 * height + rung * (up - 0.7)
        arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.4, 0.8 * side, -0.9
        arm.flex = 0.5
    return rig


def _rung(phase: float) -> tuple[float, float]:
    """The height of a foot in rungs above the lower one, in the frame that climbs along; and how far it is off the rung."""
    if phase < 0.70:
        return 1.4 - 2.0 * phase, 0.0
    share = (phase - 0.70) / 0.30
    return 1.4 * (share * share * (3 - 2 * share)), math.sin(math.pi * share)


def carry(now: Moment) -> Rig:
    """A child on the left hip: the arm under it, the other hand at its back, the body leans away a little."""
    body, rig = now.body, walk(now)
    height = body.height
    rig.lean -= 0.05
    rig.pitch -= 0.03
    rig.head_yaw = 0.25 + 0.3 * now.glance(6.0, 2)
    left, right = rig.left_arm, rig.right_arm
    left.u, left.v, left.w = 0.155 * height, 0.02 * height, -0.195 * height
    left.elbow_u, left.elbow_v, left.elbow_w = -0.6, 1.0, -0.5
    left.turn = -1.2
    right.u, right.v, right.w = 0.165 * height, 0.125 * height, -0.125 * height
    right.elbow_u, right.elbow_v, right.elbow_w = -0.2, -0.8, -0.9
    right.turn = 1.0
    return rig


def carried(now: Moment) -> Rig:
    """On somebody's left hip, astride, turned to the one who carries; the ground frame is that one's, at its hips."""
    body, other = now.body, now.other
    assert other is not None, "posing gives who is carried a body to be carried by"
    rig = standing(body)
    rig.x = 0.25 * other.hips_half
    rig.y = other.hips_half + 0.28 * body.hips_half
    rig.z = other.waist_up + 0.35 * other.chest_up
    rig.yaw, rig.pitch, rig.bend = -1.15, 0.05, 0.08 + 0.02 * now.breath()
    rig.head_pitch, rig.head_yaw = 0.02 + 0.1 * now.drift(4.0), 0.45 * now.glance(6.0, 1)
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        leg.own, leg.loose, leg.flex = 1.0, 1.0, 0.35
        leg.u, leg.v, leg.w = 0.62 * body.thigh, side * 0.62 * body.thigh, -0.92 * body.shin
        leg.knee_x, leg.knee_y, leg.knee_z = 1.0, 0.9 * side, 0.4
        arm.u, arm.v, arm.w = 0.62 * body.arm, -0.05 * side * body.arm, -0.10 * body.arm
        arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.2, 0.8 * side, -0.9
    return rig
