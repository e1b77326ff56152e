"""A fixed camera over a flat floor: picture to metres and back, with what is not known of the camera carried along.

The camera is a pinhole with one coefficient of radial distortion, its axis through the middle of the picture and square pixels.
The floor's axes begin under the camera: X to its right, Y ahead of it, Z up. Points of the picture are in **picture heights from
its middle**, x right and y down, so that the same calibration holds for the recorded and the analysed stream.

A camera is parameters (…, 5): ln(height in metres), tilt down and roll in radians, ln(focal length in picture heights), k1 (of
the radius in focal lengths). Everything broadcasts, so that derivatives are one call with cameras a little aside.

Belongs here: projection and its inverse, and their uncertainty. Does not belong here: how the parameters were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PARAMETERS = 5
#: A point this little below the horizon (radians) is as good as infinitely far; nearer to the lens nothing is seen.
_LEAST_DEPRESSION, _LEAST_DEPTH_M = 0.02, 0.05
_UNDISTORT_ROUNDS, _LEAN_ROUNDS = 2, 2
#: Towards -4/27 the rays of a barrel turn back: what is seen there has no place.
_MOST_BEND = -0.13
#: Numeric derivatives: by each parameter, then by the box's middle, top and bottom.
_STEP, _SIDES = 1e-4, 3
_ASIDE = np.zeros((1 + PARAMETERS + _SIDES, _SIDES, 1))
_ASIDE[np.arange(_SIDES) + 1 + PARAMETERS, np.arange(_SIDES)] = _STEP
_SIDE_SHARES = np.array([[0.5], [1.0], [1.0]])


class Upright(NamedTuple):
    """Upright bodies: where they stand and how tall they are, metres; nan where the picture does not say."""

    right_m: Floats
    ahead_m: Floats
    height_m: Floats


@dataclass(frozen=True, slots=True)
class Noise:
    """How far a box's sides are off: ``picture`` (share of the picture's height) and ``box`` (share of the box's height),
    standard deviations, independent of each other."""

    picture: float = 0.003
    box: float = 0.02

    def of(self, box_heights: Floats) -> Floats:
        return np.hypot(self.picture, self.box * box_heights)


@dataclass(frozen=True, slots=True)
class Measured:
    """One upright body per row; standard uncertainties of the boxes' noise (``own``) and of the calibration (``shared``: the
    same error for everything at that place, so it does not average out). ``spread`` (n, 3, 3) is the own covariance of
    right, ahead and height."""

    at: Upright
    own: Floats
    shared: Floats
    spread: Floats

    @property
    def standard(self) -> Floats:
        """(n, 3): combined standard uncertainty of right, ahead and height, metres."""
        return np.asarray(np.hypot(self.own, self.shared))


class Lens(NamedTuple):
    """Parameters made ready for arithmetic; each (…, 1) where several are compared."""

    height: Floats
    sin_tilt: Floats
    cos_tilt: Floats
    sin_roll: Floats
    cos_roll: Floats
    focal: Floats
    k1: Floats


def lens_of(parameters: Floats) -> Lens:
    height, tilt, roll, focal, k1 = (parameters[..., index] for index in range(PARAMETERS))
    return Lens(np.exp(height), np.sin(tilt), np.cos(tilt), np.sin(roll), np.cos(roll), np.exp(focal), k1)


def project(lens: Lens, right_m: Floats, ahead_m: Floats, up_m: Floats) -> tuple[Floats, Floats]:
    """A point of the room into the picture: (x, y). nan behind the camera."""
    below = lens.height - up_m
    depth = ahead_m * lens.cos_tilt + below * lens.sin_tilt
    depth = np.where(depth > _LEAST_DEPTH_M, depth, np.nan)
    a, b = right_m / depth, (below * lens.cos_tilt - ahead_m * lens.sin_tilt) / depth
    bent = lens.focal * (1 + lens.k1 * (a * a + b * b))
    a, b = a * bent, b * bent
    return a * lens.cos_roll - b * lens.sin_roll, a * lens.sin_roll + b * lens.cos_roll


def floor_point(lens: Lens, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """A point of the picture on the floor: (right, ahead) in metres; nan at or above the horizon."""
    return _on_floor(lens, *_ideal(lens, x, y))


def height_above(lens: Lens, ahead_m: Floats, head_x: Floats, head_y: Floats) -> Floats:
    """How high a point of the picture is if it stands over a floor point ``ahead_m`` before the camera; metres."""
    return _height(lens, ahead_m, _ideal(lens, head_x, head_y)[1])


def stand(lens: Lens, middle_x: Floats, top_y: Floats, bottom_y: Floats) -> Upright:
    """Boxes around upright bodies → where they stand and how tall they are.

    Away from the middle of the picture upright bodies lean outwards, on lines to the point straight below the camera; the box's
    middle is half way between foot and head. Foot and head are sought on such a line. The order of axes: foot and head, cameras,
    boxes.
    """
    middle, bottom, top, _ = np.broadcast_arrays(middle_x, bottom_y, top_y, lens.height)
    x, y = _straight(lens, middle, np.stack([bottom, top]))
    both_x = x[0] + x[1]
    for _ in range(_LEAN_ROUNDS):
        b = y * lens.cos_roll - x * lens.sin_roll
        to_below = lens.cos_tilt - b * lens.sin_tilt  # of the point straight below, times sin(tilt)
        share = to_below[1] / to_below[0]
        foot_a = (both_x + (b[0] + b[1]) * lens.sin_roll) / ((1 + share) * lens.cos_roll)
        a = np.stack([foot_a, share * foot_a])
        x = a * lens.cos_roll - b * lens.sin_roll
    b = y * lens.cos_roll - x * lens.sin_roll
    right, ahead = _on_floor(lens, a[0], b[0])
    return Upright(right, ahead, _height(lens, ahead, b[1]))


def variants_of(parameters: Floats) -> Lens:
    """The camera (row 0), the camera with each parameter a step aside, and the camera again for each side of a box."""
    aside = np.tile(parameters, (1 + PARAMETERS + _SIDES, 1))
    aside[np.arange(PARAMETERS) + 1, np.arange(PARAMETERS)] += _STEP
    return lens_of(aside[:, None, :])


def measure(variants: Lens, covariance: Floats, boxes: Floats, noise: Noise) -> Measured:
    """Stand boxes (n, 4: left, top, right, bottom in picture heights from its middle) on the floor, with uncertainty."""
    middle, top, bottom = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1], boxes[:, 3]
    found = stand(variants, middle + _ASIDE[:, 0], top + _ASIDE[:, 1], bottom + _ASIDE[:, 2])
    values = np.stack(found, axis=-1)  # (1 + 5 + 3, n, 3)
    slopes = (values[1:] - values[0]) / _STEP
    by_camera, by_box = slopes[:PARAMETERS], slopes[PARAMETERS:]
    shared = (np.tensordot(covariance, by_camera, 1) * by_camera).sum(axis=0)
    variance = noise.of(bottom - top) ** 2
    # The middle is the mean of two sides, each with that noise.
    weighted = by_box * (_SIDE_SHARES * variance)[:, :, None]
    spread = np.matmul(weighted.transpose(1, 2, 0), by_box.transpose(1, 0, 2))
    own = np.sqrt(np.maximum(np.diagonal(spread, axis1=1, axis2=2), 0))
    return Measured(Upright(*values[0].T), own, np.sqrt(np.maximum(shared, 0)), spread)


def _on_floor(lens: Lens, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """A ray's slopes → where it meets the floor."""
    down = lens.sin_tilt + b * lens.cos_tilt
    away = lens.height / np.where(down > _LEAST_DEPRESSION, down, np.nan)
    return away * a, away * (lens.cos_tilt - b * lens.sin_tilt)


def _height(lens: Lens, ahead_m: Floats, b: Floats) -> Floats:
    """How high a ray is over what lies ``ahead_m`` before the camera."""
    steep = lens.cos_tilt - b * lens.sin_tilt
    return np.asarray(
        lens.height - ahead_m * (lens.sin_tilt + b * lens.cos_tilt) / np.where(np.abs(steep) > 1e-6, steep, np.nan)
    )


def _ideal(lens: Lens, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Undo distortion, focal length and roll: slopes right and down of the ray, against the camera's axis."""
    x, y = _straight(lens, x, y)
    return x * lens.cos_roll + y * lens.sin_roll, y * lens.cos_roll - x * lens.sin_roll


def _straight(lens: Lens, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Undo distortion and focal length."""
    x, y = x / lens.focal, y / lens.focal
    bend = lens.k1 * (x * x + y * y)
    bend = np.where(bend > _MOST_BEND, bend, np.nan)
    straight = 1 - bend + 3 * bend * bend
    for _ in range(_UNDISTORT_ROUNDS):  # Newton's, on s + bend * s**3 = 1
        triple = bend * straight * straight
        straight = (1 + 2 * triple * straight) / (1 + 3 * triple)
    return x * straight, y * straight
