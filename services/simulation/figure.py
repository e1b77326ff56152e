"""A walking figure: flat-shaded, jointed at hip, knee, shoulder and elbow, dressed in the one orange nothing else wears.

The detector that ships with the box (``drawn-person``) knows people by that orange; keep it out of every room.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.simulation.canvas import Colour, Picture, colour, shade
from services.simulation.perspective import HEIGHT_PX, WIDTH_PX, Pixel

CLOTHES = colour("#F26A1B")
_SHOES = colour("#3B4252")
_HAIR = (colour("#3A302C"), colour("#5A4A42"), colour("#23262E"))
_SKIN = (colour("#EBCBB0"), colour("#D9B596"), colour("#C79F84"))
_SHIFT = 4
_SWING = 0.52


@dataclass(frozen=True, slots=True)
class Pose:
    """Who stands where: the foot point and the height in pixels, the way faced (-1..1) and the phase of the stride."""

    foot: Pixel
    height_px: float
    facing: float
    stride: float
    walking: bool
    kind: int
    child: bool


def draw(picture: Picture, pose: Pose) -> None:
    """Draw the figure into ``picture`` in place."""
    _shadow(picture, pose)
    joints = _Joints(pose)
    hair, skin = _HAIR[pose.kind % len(_HAIR)], _SKIN[pose.kind % len(_SKIN)]
    far, near = shade(CLOTHES, 0.84), CLOTHES
    limb, arm = 0.088 * pose.height_px, 0.066 * pose.height_px
    _limb(picture, joints.far_leg, far, limb)
    _shoe(picture, joints.far_leg[-1], pose)
    _limb(picture, joints.far_arm, shade(far, 0.96), arm)
    _dot(picture, joints.far_arm[-1], 0.03 * pose.height_px, shade(skin, 0.9))
    _limb(picture, joints.near_leg, shade(near, 0.94), limb)
    _shoe(picture, joints.near_leg[-1], pose)
    _dot(picture, joints.neck, 0.034 * pose.height_px, shade(skin, 0.88))
    _fill(picture, joints.torso, near)
    _limb(picture, joints.near_arm, shade(near, 0.9), arm)
    _dot(picture, joints.near_arm[-1], 0.031 * pose.height_px, skin)
    _head(picture, joints.head, joints.head_px, pose.facing, hair, skin)


def box_px(pose: Pose) -> tuple[float, float, float, float]:
    """The figure's bounding box x1, y1, x2, y2 in pixels, cut at the picture's edge; without the shadow."""
    joints, height = _Joints(pose), pose.height_px
    limb, arm = 0.044 * height, 0.033 * height
    spread = [(x, limb) for x, _ in (*joints.far_leg, *joints.near_leg)]
    spread += [(x, arm) for x, _ in (*joints.far_arm, *joints.near_arm)] + [(joints.head[0], joints.head_px)]
    spread += [(x, 0.0) for x, _ in joints.torso]
    left, right = min(x - reach for x, reach in spread), max(x + reach for x, reach in spread)
    top = joints.head[1] - 1.06 * joints.head_px
    bottom = max(joints.far_leg[-1][1], joints.near_leg[-1][1]) + 0.03 * height
    return max(0.0, left), max(0.0, top), min(float(WIDTH_PX), right), min(float(HEIGHT_PX), bottom)


class _Joints:
    """Where the joints are, in pixels, for a pose."""

    def __init__(self, pose: Pose) -> None:
        x, y = pose.foot
        height = pose.height_px
        swing = _SWING * math.sin(2 * math.pi * pose.stride) if pose.walking else 0.0
        # Walking across shows the stride; walking towards the camera hides most of it.
        across = math.copysign(0.35 + 0.65 * min(1.0, abs(pose.facing)), pose.facing or 1.0)
        bob = 0.012 * height * abs(math.cos(2 * math.pi * pose.stride)) if pose.walking else 0.0
        hip_y, shoulder_y = y - 0.47 * height - bob, y - 0.79 * height - bob
        half, lean = 0.105 * height, 0.012 * height * across * pose.walking
        self.head_px = (0.105 if pose.child else 0.084) * height
        self.head = (x + 2 * lean, y - height + self.head_px)
        self.neck = (x + 1.5 * lean, shoulder_y - 0.02 * height)
        stance = 0.045 * height
        self.near_leg = _leg((x + stance, hip_y), swing, across, height, pose.walking)
        self.far_leg = _leg((x - stance, hip_y), -swing, across, height, pose.walking)
        self.near_arm = _arm((x + lean + half * 0.86, shoulder_y + 0.03 * height), -swing, across, height)
        self.far_arm = _arm((x + lean - half * 0.86, shoulder_y + 0.03 * height), swing, across, height)
        self.torso = _torso(x, lean, half, shoulder_y, hip_y, height)


def _leg(hip: Pixel, swing: float, across: float, height: float, walking: bool) -> list[Pixel]:
    lift = max(0.0, -swing) * 0.9 if walking else 0.0
    knee = (hip[0] + math.sin(swing) * across * 0.23 * height, hip[1] + math.cos(swing) * 0.23 * height)
    shin = swing - lift
    ankle = (knee[0] + math.sin(shin) * across * 0.21 * height, knee[1] + math.cos(shin) * 0.21 * height)
    return [hip, knee, ankle]


def _arm(shoulder: Pixel, swing: float, across: float, height: float) -> list[Pixel]:
    outward = 0.02 * height * (1 if swing >= 0 else -1)
    upper, lower = swing * 0.8, swing * 0.8 + 0.3 * abs(swing)
    elbow = (
        shoulder[0] + math.sin(upper) * across * 0.17 * height + outward * 0.3,
        shoulder[1] + math.cos(upper) * 0.17 * height,
    )
    hand = (elbow[0] + math.sin(lower) * across * 0.15 * height, elbow[1] + math.cos(lower) * 0.15 * height)
    return [shoulder, elbow, hand]


def _torso(x: float, lean: float, half: float, shoulder_y: float, hip_y: float, height: float) -> list[Pixel]:
    waist_y, top = shoulder_y + 0.2 * height, x + lean
    right = [
        (top + half * 0.45, shoulder_y - 0.022 * height), (top + half * 0.95, shoulder_y + 0.012 * height),
        (top + half * 1.02, shoulder_y + 0.07 * height), (x + half * 0.82, waist_y),
        (x + half * 0.92, hip_y + 0.02 * height), (x + half * 0.8, hip_y + 0.06 * height),
    ]  # fmt: skip
    left = [(2 * (top if index < 3 else x) - px, py) for index, (px, py) in enumerate(right)]
    return right + left[::-1]


def _head(picture: Picture, centre: Pixel, radius: float, facing: float, hair: Colour, skin: Colour) -> None:
    x, y = centre
    _dot(picture, centre, radius, hair)
    turn = max(-1.0, min(1.0, facing)) * 0.26 * radius
    _dot(picture, (x + turn, y + 0.2 * radius), 0.82 * radius, skin)
    _dot(picture, (x - 0.35 * turn, y - 0.52 * radius), 0.56 * radius, hair)


def _shoe(picture: Picture, ankle: Pixel, pose: Pose) -> None:
    toe = 0.03 * pose.height_px * max(-1.0, min(1.0, pose.facing))
    size = 0.034 * pose.height_px
    _limb(
        picture,
        [(ankle[0] - toe * 0.3, ankle[1] + size * 0.2), (ankle[0] + toe, ankle[1] + size * 0.4)],
        _SHOES,
        2 * size,
    )


def _shadow(picture: Picture, pose: Pose) -> None:
    """A soft pool under the feet: three flat ellipses mixed in, over a small patch of the picture only."""
    x, y = round(pose.foot[0]), round(pose.foot[1])
    reach, flat = round(0.27 * pose.height_px), max(2, round(0.06 * pose.height_px))
    x0, x1 = max(0, x - reach - 1), min(WIDTH_PX, x + reach + 2)
    y0, y1 = max(0, y - flat - 1), min(HEIGHT_PX, y + flat + 2)
    if x0 >= x1 or y0 >= y1:
        return
    patch = picture[y0:y1, x0:x1]
    for part in (1.0, 0.88, 0.76, 0.64, 0.5):
        dark = patch.copy()
        cv2.ellipse(
            dark,
            (x - x0, y - y0),
            (round(reach * part), max(1, round(flat * part))),
            0,
            0,
            360,
            (52, 44, 40),
            -1,
            cv2.LINE_AA,
        )
        cv2.addWeighted(dark, 0.08, patch, 0.92, 0.0, dst=patch)


def _limb(picture: Picture, points: Sequence[Pixel], fill: Colour, width_px: float) -> None:
    cv2.polylines(picture, [_fixed(points)], False, fill, max(1, round(width_px)), cv2.LINE_AA, _SHIFT)


def _dot(picture: Picture, centre: Pixel, radius_px: float, fill: Colour) -> None:
    x, y = round(centre[0] * 16), round(centre[1] * 16)
    cv2.circle(picture, (x, y), max(1, round(radius_px * 16)), fill, -1, cv2.LINE_AA, _SHIFT)


def _fill(picture: Picture, points: Sequence[Pixel], fill: Colour) -> None:
    cv2.fillPoly(picture, [_fixed(points)], fill, cv2.LINE_AA, _SHIFT)


def _fixed(points: Sequence[Pixel]) -> NDArray[np.int32]:
    return np.rint(np.asarray(points, np.float64) * (1 << _SHIFT)).astype(np.int32)
