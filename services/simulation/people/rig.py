"""The rig: the few numbers that a posture sets and the skeleton solves. Blending two postures is blending two rigs.

Metres and radians in the *ground frame* of a state: origin at ``at``, x ahead, y to the left, z up. A
joint turns by yaw (to the left), then pitch (forward), then roll (left side up), each about its own axes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.simulation.people.body import Body

#: Columns of a row: the trunk, then legs left and right, then arms left and right.
TRUNK, LEG, ARM = 13, 14, 12
WIDTH = TRUNK + 2 * LEG + 2 * ARM


@dataclass(slots=True)
class Leg:
    """Where an ankle is.

    ``x y z`` in the ground frame; ``own`` 0..1 mixes in the point ``u v w`` of the pelvis' frame, relative to the hip.
    ``knee_*`` is the direction that the knee points to, in the pelvis' frame. ``yaw`` and ``pitch`` turn the foot in the ground
    frame (pitch: toes down); ``loose`` 0..1 mixes in a foot that hangs at ``flex`` from its shin instead.
    """

    x: float
    y: float
    z: float
    knee_x: float = 1.0
    knee_y: float = 0.0
    knee_z: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    loose: float = 0.0
    flex: float = 0.0
    own: float = 0.0
    u: float = 0.0
    v: float = 0.0
    w: float = 0.0


@dataclass(slots=True)
class Arm:
    """Where a wrist is.

    ``u v w`` relative to the shoulder in the chest's frame; ``ground`` 0..1 mixes in ``x y z`` of the ground frame.
    ``elbow_*`` is the direction that the elbow points to, in the chest's frame. ``flex`` bends the hand to the palm, ``turn``
    turns it about the forearm.
    """

    u: float
    v: float
    w: float
    elbow_u: float = -1.0
    elbow_v: float = 0.0
    elbow_w: float = 0.0
    flex: float = 0.0
    turn: float = 0.0
    ground: float = 0.0
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


@dataclass(slots=True)
class Rig:
    """A whole body. ``x y z`` is the middle of the hip joints; ``twist`` turns the pelvis about its own long axis."""

    x: float
    y: float
    z: float
    left_leg: Leg
    right_leg: Leg
    left_arm: Arm
    right_arm: Arm
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    twist: float = 0.0
    bend: float = 0.0
    lean: float = 0.0
    turn: float = 0.0
    head_pitch: float = 0.0
    head_roll: float = 0.0
    head_yaw: float = 0.0
    legs: tuple[Leg, Leg] = field(init=False)
    arms: tuple[Arm, Arm] = field(init=False)

    def __post_init__(self) -> None:
        self.legs = (self.left_leg, self.right_leg)
        self.arms = (self.left_arm, self.right_arm)

    def row(self) -> list[float]:
        """The rig as ``WIDTH`` numbers."""
        numbers = [
            self.x, self.y, self.z, self.yaw, self.pitch, self.roll, self.twist, self.turn, self.bend, self.lean,
            self.head_yaw, self.head_pitch, self.head_roll,
        ]  # fmt: skip
        for leg in self.legs:
            numbers += (
                leg.x, leg.y, leg.z, leg.knee_x, leg.knee_y, leg.knee_z, leg.yaw, leg.pitch, leg.loose, leg.flex,
                leg.own, leg.u, leg.v, leg.w,
            )  # fmt: skip
        for arm in self.arms:
            numbers += (
                arm.u, arm.v, arm.w, arm.elbow_u, arm.elbow_v, arm.elbow_w, arm.flex, arm.turn, arm.ground,
                arm.x, arm.y, arm.z,
            )  # fmt: skip
        return numbers


def standing(body: Body) -> Rig:
    """Upright, feet flat and a little apart, arms hanging: what every upright posture starts from."""
    stance = 1.05 * body.hip_half
    legs = [Leg(0.0, side * stance, body.ankle, knee_y=0.12 * side, yaw=0.12 * side) for side in (1, -1)]
    arms = [hanging(body, side) for side in (1, -1)]
    return Rig(0.0, 0.0, body.hip, legs[0], legs[1], arms[0], arms[1])


def hanging(body: Body, side: int, away: float = 0.035) -> Arm:
    """An arm at rest: a little away from the body and bent by a few degrees, the palm to the thigh."""
    out = (0.10 + 0.25 * body.child) * body.upper_arm + away * body.height
    return Arm(
        0.09 * body.arm, side * out, -0.955 * body.arm, elbow_u=-1.0, elbow_v=0.35 * side, flex=0.15, turn=0.2 * side
    )
