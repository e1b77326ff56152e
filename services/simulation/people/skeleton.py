"""The skeleton: rigs of many bodies at once to the place and turn of every limb.

Forward kinematics for the trunk, two-bone inverse kinematics for arms and legs, all persons in one go: a dozen people cost
hardly more than one. Pure arithmetic on arrays; knows no activity and no mesh.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.simulation.people.body import Body
from services.simulation.people.rig import ARM, LEG, TRUNK

Floats = NDArray[np.float64]

#: A limb's frame has its origin at the joint nearest to the trunk; upright, x is ahead, y to the left, z up.
LIMBS = (
    "pelvis", "waist", "chest", "head",
    "thigh_l", "thigh_r", "upper_arm_l", "upper_arm_r", "shin_l", "shin_r", "forearm_l", "forearm_r",
    "foot_l", "foot_r", "hand_l", "hand_r", "drape", "blanket",
)  # fmt: skip
INDEX = {name: index for index, name in enumerate(LIMBS)}
_PELVIS, _WAIST, _CHEST, _HEAD, _THIGH, _UPPER_ARM, _SHIN, _FOREARM, _FOOT, _HAND, _DRAPE, _BLANKET = (
    0, 1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 17,
)  # fmt: skip

#: How far a leg or an arm may stretch: a joint that is quite straight has no direction to bend to.
_REACH = 0.9985
#: How high above the floor wrists, and knees and elbows stay, in statures: the thickness of what is around them.
_WRIST = 0.026
_CLEARANCE = np.array([0.038, 0.038, 0.027, 0.027])
_LEGS_AND_ARMS = np.array([1.0, 1.0, -1.0, -1.0])[:, None]


def measures(body: Body) -> list[float]:
    """What the solver needs of a body, as a row."""
    return [
        body.hip_half, body.thigh, body.shin, body.waist_up, body.chest_up, body.shoulder_up, body.shoulder_half,
        body.head_up, body.upper_arm, body.forearm, body.height, 0.9 * body.hand,
    ]  # fmt: skip


def solve(rows: Floats, bodies: Floats, at: Floats, heading: Floats, floors: Floats) -> NDArray[np.float32]:
    """World transforms (n, limbs, 4, 4) of n bodies.

    ``rows`` (n, rig.WIDTH) of ``Rig.row``, ``bodies`` (n, 12) of ``measures``, ``at`` (n, 3) metres, ``heading`` (n,) radians.
    ``floors`` (n,) metres above ``at``: neither knees nor elbows nor hands go below. A leg that stands on the ground and is too
    short for where the hips are pulls the hips down.
    """
    count = len(rows)
    legs = rows[:, TRUNK : TRUNK + 2 * LEG].reshape(count, 2, LEG)
    arms = rows[:, TRUNK + 2 * LEG :].reshape(count, 2, ARM)
    joints = _joint_turns(rows, legs, arms)
    pelvis = joints[:, 0] @ joints[:, 4]
    waist, chest = pelvis @ joints[:, 1], pelvis @ joints[:, 2]
    turns = np.empty((count, len(LIMBS), 3, 3))
    places = np.empty((count, len(LIMBS), 3))
    turns[:, _PELVIS], turns[:, _WAIST], turns[:, _CHEST], turns[:, _HEAD] = pelvis, waist, chest, chest @ joints[:, 3]
    hips = rows[:, None, :3] + _sideways(pelvis, bodies[:, 0])
    leg_targets, drop = _ankles(legs, hips, pelvis, bodies)
    hips[:, :, 2] -= drop[:, None]
    places[:, _PELVIS] = 0.5 * (hips[:, 0] + hips[:, 1])
    places[:, _WAIST] = places[:, _PELVIS] + pelvis[:, :, 2] * bodies[:, 3, None]
    places[:, _CHEST] = places[:, _WAIST] + waist[:, :, 2] * bodies[:, 4, None]
    places[:, _HEAD] = places[:, _CHEST] + chest[:, :, 2] * bodies[:, 7, None]
    shoulders = (places[:, _CHEST] + chest[:, :, 2] * bodies[:, 5, None])[:, None] + _sideways(chest, bodies[:, 6])
    targets = np.concatenate((leg_targets, _wrists(arms, shoulders, chest, bodies, floors)), axis=1)
    poles = np.concatenate(
        (legs[:, :, 3:6] @ pelvis.transpose(0, 2, 1), arms[:, :, 3:6] @ chest.transpose(0, 2, 1)), axis=1
    )
    _stretch(turns, places, np.concatenate((hips, shoulders), axis=1), targets, poles, bodies, floors)
    _ends(turns, joints, legs)
    _lay_hands(turns, places, bodies, floors)
    _cloth(turns, places, pelvis)
    return _in_world(turns, places, at, heading)


def _joint_turns(rows: Floats, legs: Floats, arms: Floats) -> Floats:
    """Pelvis, waist (half the bend), chest, head, twist, feet, loose feet, hands: (n, 11, 3, 3)."""
    angles = np.zeros((len(rows), 11, 3))
    angles[:, 0] = rows[:, 3:6]
    angles[:, 1] = 0.5 * rows[:, 7:10]
    angles[:, 2] = rows[:, 7:10]
    angles[:, 3] = rows[:, 10:13]
    angles[:, 4, 0] = rows[:, 6]
    angles[:, 5:7, :2] = legs[:, :, 6:8]
    angles[:, 7:9, 1] = legs[:, :, 9]
    angles[:, 9:11, 0] = arms[:, :, 7]
    angles[:, 9:11, 1] = -arms[:, :, 6]
    cos, sin = np.cos(angles), np.sin(angles)
    (cy, cp, cr), (sy, sp, sr) = (cos[..., 0], cos[..., 1], cos[..., 2]), (sin[..., 0], sin[..., 1], sin[..., 2])
    turns = np.empty((*angles.shape, 3))
    turns[..., 0, 0], turns[..., 0, 1], turns[..., 0, 2] = cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr
    turns[..., 1, 0], turns[..., 1, 1], turns[..., 1, 2] = sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr
    turns[..., 2, 0], turns[..., 2, 1], turns[..., 2, 2] = -sp, cp * sr, cp * cr
    return turns


def _sideways(turn: Floats, half: Floats) -> Floats:
    """The offsets (n, 2, 3) of the left and the right joint from the middle."""
    out = turn[:, :, 1] * half[:, None]
    return np.stack((out, -out), axis=1)


def _ankles(legs: Floats, hips: Floats, pelvis: Floats, bodies: Floats) -> tuple[Floats, Floats]:
    """Where the ankles shall be, and by how much the hips must come down for them."""
    own = legs[:, :, 10:11]
    hanging = hips + legs[:, :, 11:14] @ pelvis.transpose(0, 2, 1)
    targets = legs[:, :, :3] * (1 - own) + hanging * own
    reach = _REACH * (bodies[:, 1] + bodies[:, 2])
    aside = targets[:, :, :2] - hips[:, :, :2]
    rise = np.sqrt(np.maximum(reach[:, None] ** 2 - (aside * aside).sum(axis=2), 0.0))
    excess = (hips[:, :, 2] - targets[:, :, 2] - rise) * (1 - own[:, :, 0])
    drop = np.maximum(excess.max(axis=1), 0.0)
    targets[:, :, 2] -= drop[:, None] * own[:, :, 0]
    return targets, drop


def _wrists(arms: Floats, shoulders: Floats, chest: Floats, bodies: Floats, floors: Floats) -> Floats:
    ground = arms[:, :, 8:9]
    wrists = (shoulders + arms[:, :, :3] @ chest.transpose(0, 2, 1)) * (1 - ground) + arms[:, :, 9:12] * ground
    wrists[:, :, 2] = np.maximum(wrists[:, :, 2], (floors + _WRIST * bodies[:, 10])[:, None])
    return wrists


def _stretch(
    turns: Floats, places: Floats, start: Floats, targets: Floats, poles: Floats, bodies: Floats, floors: Floats
) -> None:
    """Two bones from hip to ankle and from shoulder to wrist, all four at once; the bend lies towards knee and elbow."""
    way = targets - start
    first, second = bodies[:, [1, 1, 8, 8]], bodies[:, [2, 2, 9, 9]]
    far = np.sqrt((way * way).sum(axis=2)) + 1e-9
    straight = way / far[..., None]
    far = np.clip(far, 0.45 * first, _REACH * (first + second))
    along = (first * first + far * far - second * second) / (2 * far)
    across = np.sqrt(np.maximum(first * first - along * along, 0.0))
    bend = _unit(poles - straight * (poles * straight).sum(axis=2, keepdims=True))
    least = floors[:, None] + _CLEARANCE * bodies[:, 10, None] - start[:, :, 2] - along * straight[..., 2]
    bend = _lifted(bend, straight, least / (across + 1e-9))
    middle = straight * along[..., None] + bend * across[..., None]
    end = straight * far[..., None]
    # A knee's bend is ahead of the leg, an elbow's behind the arm: the hinge points to the left in both.
    hinge = _cross(bend, straight) * _LEGS_AND_ARMS
    upper, lower = -middle / first[..., None], (middle - end) / second[..., None]
    for at, axis, origin in ((_THIGH, upper, start), (_SHIN, lower, start + middle)):
        turns[:, at : at + 4, :, 2] = axis
        turns[:, at : at + 4, :, 1] = hinge
        turns[:, at : at + 4, :, 0] = _cross(hinge, axis)
        places[:, at : at + 4] = origin
    places[:, _FOOT : _HAND + 2] = start + end


def _lifted(bend: Floats, straight: Floats, least: Floats) -> Floats:
    """Bends turned about their limbs until their height is at least ``least``, or as far up as that goes."""
    low = bend[..., 2] < least
    if not low.any():
        return bend
    up = -straight * straight[..., 2:3]
    up[..., 2] += 1.0
    steep = np.sqrt((up * up).sum(axis=2, keepdims=True)) + 1e-9
    up /= steep
    cos = np.clip(least[..., None] / steep, -1.0, 1.0)
    aside = _unit(bend - up * (bend * up).sum(axis=2, keepdims=True))
    lifted: Floats = np.where(low[..., None], up * cos + aside * np.sqrt(1 - cos * cos), bend)
    return lifted


def _lay_hands(turns: Floats, places: Floats, bodies: Floats, floors: Floats) -> None:
    """Hands whose fingers would go into the floor are laid on it."""
    hands = turns[:, _HAND : _HAND + 2]
    room = places[:, _HAND : _HAND + 2, 2] - (floors + 0.010 * bodies[:, 10])[:, None]
    steep = np.clip(room / bodies[:, 11, None], 0.0, 1.0)
    low = hands[:, :, 2, 2] > steep
    if not low.any():
        return
    axis = hands[..., 2].copy()
    level = np.sqrt((axis[..., :2] ** 2).sum(axis=2)) + 1e-9
    axis[..., :2] *= (np.sqrt(1 - steep * steep) / level)[..., None]
    axis[..., 2] = steep
    left = _unit(hands[..., 1] - axis * (hands[..., 1] * axis).sum(axis=2, keepdims=True))
    laid = np.stack((_cross(left, axis), left, axis), axis=-1)
    turns[:, _HAND : _HAND + 2] = np.where(low[..., None, None], laid, hands)


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / (np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True)) + 1e-9)
    return unit


def _cross(first: Floats, second: Floats) -> Floats:
    """The cross product along the last axis; numpy's own costs four times as much on arrays this small."""
    out = np.empty_like(first)
    x1, y1, z1 = first[..., 0], first[..., 1], first[..., 2]
    x2, y2, z2 = second[..., 0], second[..., 1], second[..., 2]
    out[..., 0], out[..., 1], out[..., 2] = y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2
    return out


def _ends(turns: Floats, joints: Floats, legs: Floats) -> None:
    loose = legs[:, :, 8, None, None]
    feet = joints[:, 5:7] * (1 - loose) + (turns[:, _SHIN : _SHIN + 2] @ joints[:, 7:9]) * loose
    turns[:, _FOOT : _FOOT + 2] = _square(feet)
    turns[:, _HAND : _HAND + 2] = turns[:, _FOREARM : _FOREARM + 2] @ joints[:, 9:11]


def _square(turns: Floats) -> Floats:
    """Nearly rotations made rotations: x kept, z set upright on it, y what remains."""
    x = _unit(turns[..., 0])
    z = _unit(turns[..., 2] - x * (turns[..., 2] * x).sum(axis=-1, keepdims=True))
    return np.stack((x, _cross(z, x), z), axis=-1)


def _cloth(turns: Floats, places: Floats, pelvis: Floats) -> None:
    """Skirt and apron hang from the pelvis and follow the thighs; a blanket lies where its body lies."""
    fall = _unit(turns[:, _THIGH, :, 2] + turns[:, _THIGH + 1, :, 2] + 0.5 * pelvis[:, :, 2])
    left = _unit(pelvis[:, :, 1] - fall * (pelvis[:, :, 1] * fall).sum(axis=1, keepdims=True))
    turns[:, _DRAPE] = np.stack((_cross(left, fall), left, fall), axis=-1)
    places[:, _DRAPE] = places[:, _PELVIS]
    turns[:, _BLANKET] = np.eye(3)
    places[:, _BLANKET] = 0.0


def _in_world(turns: Floats, places: Floats, at: Floats, heading: Floats) -> NDArray[np.float32]:
    cos, sin = np.cos(heading), np.sin(heading)
    face = np.zeros((len(heading), 1, 3, 3))
    face[:, 0, 0, 0], face[:, 0, 0, 1], face[:, 0, 1, 0], face[:, 0, 1, 1], face[:, 0, 2, 2] = cos, -sin, sin, cos, 1.0
    world = np.zeros((*places.shape[:2], 4, 4), np.float32)
    world[..., :3, :3] = face @ turns
    world[..., :3, 3] = (face @ places[..., None])[..., 0] + at[:, None]
    world[..., 3, 3] = 1.0
    return world
