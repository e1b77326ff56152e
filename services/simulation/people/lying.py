"""What lies, sleeps or falls. Who lies heads from the feet to the head; ``at`` is under the middle of the body."""

from __future__ import annotations

import math
from functools import lru_cache

from services.simulation.people.body import Body
from services.simulation.people.moment import Moment, smooth
from services.simulation.people.rig import Arm, Leg, Rig, standing

_GRAVITY_M_S2 = 9.81
#: The lean at which balance is lost and the speed it is lost with, in radians and radians per natural time of the pendulum.
_FALL_LEAN, _FALL_SPEED = 0.07, 0.20
_FALL_STEP = 0.02
#: A fall ends here: the body is on the floor.
_FALLEN = math.pi / 2


def lie(now: Moment) -> Rig:
    """Awake on the floor: on the back with drawn-up knees, or on the belly over a book; a leg kicks now and then."""
    body = now.body
    if body.child and now.quirks[1] > 0.5:
        return _on_belly(now)
    rig = _supine(body)
    rig.head_yaw = 0.6 * now.glance(6.0, 1)
    for side, leg in zip((1, -1), rig.legs, strict=True):
        drawn = 0.75 + 0.10 * now.drift(4.0, side + 1)
        _leg_along(leg, body, side, drawn)
    _arm_along(rig.left_arm, body, 1, -0.45, 0.45)
    rest = 0.15 * now.drift(5.0, 2)
    rig.right_arm = _replace_arm(rig.right_arm, body, -1, rest)
    rig.arms = (rig.left_arm, rig.right_arm)
    return rig


def _replace_arm(arm: Arm, body: Body, side: int, lift: float) -> Arm:
    """A hand on the belly."""
    arm.u, arm.v, arm.w = (
        body.chest_depth_half + 0.012 * body.height,
        -side * 0.55 * body.shoulder_half,
        -0.66 * body.arm,
    )
    arm.u += 0.02 * body.height * max(0.0, lift)
    arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.45, 1.0 * side, -0.3
    arm.turn = -1.0 * side
    return arm


def _supine(body: Body) -> Rig:
    rig = standing(body)
    rig.x, rig.z = body.hip - 0.5 * body.height, body.lying
    rig.pitch, rig.twist = math.pi / 2, math.pi
    # A small child's head is deeper than its chest: the trunk rises to it.
    rig.bend = max(0.02, (1.04 * body.head_depth_half - body.lying) / (0.33 * body.height))
    rig.head_pitch = 0.10 - rig.bend
    return rig


def _on_belly(now: Moment) -> Rig:
    body, rig = now.body, standing(now.body)
    rig.x, rig.z = body.hip - 0.5 * body.height, body.lying
    rig.pitch, rig.bend = math.pi / 2, -0.42
    rig.head_pitch, rig.head_yaw = -0.62 + 0.15 * now.drift(5.0), 0.3 * now.glance(6.0, 1)
    trunk = body.waist_up + body.chest_up + body.shoulder_up
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        kick = 0.5 + 0.5 * now.drift(2.6, side + 1)
        _leg_kicked_up(leg, body, side, 1.5 * kick)
        arm.ground = 1.0
        arm.x = rig.x + 0.98 * trunk + 0.50 * body.forearm
        arm.y, arm.z = side * 0.55 * body.shoulder_half, 0.030 * body.height
        arm.elbow_u, arm.elbow_v, arm.elbow_w = 0.6, 0.8 * side, -0.7
        arm.turn = 0.0
    return rig


def _leg_kicked_up(leg: Leg, body: Body, side: int, angle: float) -> None:
    """The thigh on the floor, the shin up behind by ``angle``."""
    leg.own, leg.loose, leg.flex = 1.0, 1.0, 0.7
    leg.u = -0.98 * body.shin * math.sin(angle)
    leg.v = side * 0.02 * body.height
    leg.w = -0.985 * body.thigh - 0.985 * body.shin * math.cos(angle)
    leg.knee_x, leg.knee_y, leg.knee_z = 1.0, 0.1 * side, -0.5


def _leg_along(leg: Leg, body: Body, side: int, drawn: float) -> None:
    """A leg of who lies on the back: straight along the floor (``drawn`` 0) or with the knee up (1) and the sole down."""
    far = body.leg * (0.997 - 0.38 * drawn)
    floor = -body.lying + (0.24 * body.foot * (1 - drawn) + body.ankle * drawn) + 0.002 * body.height
    leg.own, leg.u, leg.v, leg.w = 1.0, floor, side * 0.035 * body.height, -math.sqrt(max(far**2 - floor**2, 0.0))
    leg.knee_x, leg.knee_y, leg.knee_z = 1.0, 0.18 * side, 0.0
    leg.loose, leg.flex = 1.0, 0.7
    if drawn > 0.5:
        # The sole lies flat: the shin leans by what is left of the triangle of thigh and shin.
        leg.flex = math.pi / 2 - math.acos(far / body.leg) - (body.lying - body.ankle) / far


def _arm_along(arm: Arm, body: Body, side: int, along: float, aside: float) -> None:
    """An arm of who lies on the back, on the floor: ``along`` -1 at the hip, +1 above the head."""
    far = 0.93 * body.arm
    arm.u = -body.lying + 0.040 * body.height
    arm.v = side * far * math.sqrt(max(0.0, 1 - along * along)) * (0.6 + 0.4 * aside)
    arm.w = far * along
    arm.elbow_u, arm.elbow_v, arm.elbow_w = -0.15, 0.3 * side, 1.0 if along > 0 else -1.0
    arm.turn = 1.2 * side


def sleeps_on_side(quirks: tuple[float, float, float]) -> bool:
    """Whether somebody sleeps on a side and not on the back."""
    return quirks[0] >= 0.45


def side_faced(quirks: tuple[float, float, float]) -> int:
    """Which way a side sleeper looks: +1 to the left of the heading, -1 to the right."""
    return 1 if quirks[0] > 0.7 else -1


def sleep(now: Moment) -> Rig:
    """On the back or on a side, as the person is used to; only breath moves."""
    body = now.body
    if not sleeps_on_side(now.quirks):
        rig = _supine(body)
        rig.head_yaw = 0.9 * (now.quirks[1] - 0.5)
        rig.bend += 0.006 * now.breath()
        for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
            _leg_along(leg, body, side, 0.0)
            _arm_along(arm, body, side, (0.55 if body.child and now.quirks[2] > 0.4 else -0.75), -0.3)
        return rig
    return _on_side(now, side_faced(now.quirks))


def _on_side(now: Moment, facing: int) -> Rig:
    """Knees drawn up, hands before the face; ``facing`` is the side (+1 left of the heading) that the face looks to."""
    body, rig = now.body, standing(now.body)
    rig.x, rig.y, rig.z = (
        body.hip - 0.5 * body.height + 0.03 * body.height,
        -0.05 * body.height * facing,
        1.0 * body.hips_half,
    )
    rig.pitch, rig.twist = math.pi / 2, facing * math.pi / 2
    rig.bend, rig.head_pitch = 0.22 + 0.012 * now.breath(), 0.12
    # Shoulders are wider than hips: the trunk rises to them.
    rig.lean = -0.20 * facing
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        upper = side == facing
        drawn = 0.62 if upper else 0.48
        leg.own, leg.loose, leg.flex = 1.0, 1.0, 0.35
        leg.u, leg.w = 0.42 * drawn * body.leg, -body.leg * (0.98 - 0.42 * drawn)
        leg.v = -side * (0.30 * body.hip_half if upper else -0.1 * body.hip_half)
        leg.knee_x, leg.knee_y, leg.knee_z = 1.0, 0.0, 0.3
        arm.u, arm.w = 0.60 * body.arm, (0.02 if upper else 0.12) * body.arm
        arm.v = -side * 0.75 * body.shoulder_half if upper else 0.1 * side * body.shoulder_half
        arm.elbow_u, arm.elbow_v, arm.elbow_w = 0.35, -0.1 * side, -1.0
    return rig


@lru_cache(maxsize=1)
def _pendulum() -> tuple[float, ...]:
    """The lean of a toppling pendulum at every ``_FALL_STEP`` of its natural time, until it lies."""
    lean, speed, table = _FALL_LEAN, _FALL_SPEED, []
    while lean < _FALLEN:
        table.append(lean)
        speed += math.sin(lean) * _FALL_STEP
        lean += speed * _FALL_STEP
    return (*table, _FALLEN)


def _natural_time_s(body: Body) -> float:
    """Of a rod that topples about its foot: sqrt(2 L / 3 g)."""
    return math.sqrt(2 * body.height / (3 * _GRAVITY_M_S2))


def fall_duration_s(body: Body) -> float:
    """From the loss of balance until the body is on the floor: 0.87 s for 1.65 m, 0.64 s for 0.9 m."""
    return (len(_pendulum()) - 1) * _FALL_STEP * _natural_time_s(body)


def fall_lean(body: Body, for_s: float) -> float:
    """How far the body has toppled, 0..pi/2."""
    table = _pendulum()
    steps = max(0.0, for_s) / (_natural_time_s(body) * _FALL_STEP)
    whole = int(steps)
    if whole >= len(table) - 1:
        return _FALLEN
    lean = table[whole] + (table[whole + 1] - table[whole]) * (steps - whole)
    # From quite upright: whoever stands does not stand at the lean that the table begins with.
    return lean - _FALL_LEAN * (1 - whole / (len(table) - 1))


def fall(now: Moment) -> Rig:
    """Toppling over the feet, with buckling knees and hands that go to the floor first."""
    return _toppled(now, fall_lean(now.body, now.for_s))


def fallen(now: Moment) -> Rig:
    """As the fall has left the body; it breathes."""
    rig = _toppled(now, _FALLEN)
    rig.bend += 0.008 * now.breath()
    return rig


def _toppled(now: Moment, lean: float) -> Rig:
    """Children mostly fall ahead, on hands and knees; adults ahead or to a side."""
    body, rig = now.body, standing(now.body)
    height, share = body.height, lean / _FALLEN
    down = smooth(share)
    rig.x = 0.16 * height * math.sin(lean)
    rig.pitch = lean
    sideways = 0.0 if body.child and now.quirks[2] < 0.7 else (1.0 if now.quirks[1] > 0.5 else -1.0)
    rig.twist, rig.lean = sideways * 1.0 * down, -0.16 * sideways * down
    floor = body.lying + 0.85 * (body.hips_half - body.lying) * abs(sideways) * down
    rig.z = max(floor, body.hip * math.cos(lean) * (1 - 0.35 * math.sin(2 * lean)))
    rig.bend = 0.30 * math.sin(2 * lean) + 0.10 * abs(sideways) * down
    rig.head_pitch = -0.55 * math.sin(lean) * (1 - 0.75 * down)
    rig.head_yaw = (1.0 - 0.9 * abs(sideways)) * down * (1 if now.quirks[0] > 0.5 else -1)
    for side, leg, arm in zip((1, -1), rig.legs, rig.arms, strict=True):
        _fallen_leg(leg, body, side, lean, down, sideways)
        _fallen_arm(arm, body, side, down, sideways)
    return rig


def _fallen_leg(leg: Leg, body: Body, side: int, lean: float, down: float, sideways: float) -> None:
    far = 0.16 * body.height - 0.93 * body.leg
    leg.x = far * math.sin(lean) * (0.92 + 0.10 * side)
    leg.y *= 1.0 + 0.9 * down
    heel_off = 1.45 * smooth(1.4 * down)
    leg.pitch = heel_off
    leg.z = max(body.ankle * (1 - 0.25 * down), 0.60 * body.foot * math.sin(heel_off) * (1 - 0.45 * down))
    leg.loose, leg.flex = down, 1.0 - 0.3 * abs(sideways)
    leg.knee_y += 0.5 * side * down


def _fallen_arm(arm: Arm, body: Body, side: int, down: float, sideways: float) -> None:
    """From wherever they hang to before the shoulders, and at last beside the head."""
    reach = smooth(1.8 * down)
    ahead = math.sin(math.pi * min(1.0, 0.25 + 0.75 * down))
    arm.u += (0.42 * body.arm * ahead + (-0.02 * body.height) * down - arm.u) * reach
    arm.v += (side * 0.36 * body.arm - arm.v) * reach
    arm.w += ((0.30 + 0.12 * side) * body.arm - arm.w) * reach
    arm.elbow_u += (-0.5 * (1 - down) - arm.elbow_u) * reach
    arm.elbow_v += (1.0 * side - arm.elbow_v) * reach
    arm.elbow_w += (-0.4 - arm.elbow_w) * reach
