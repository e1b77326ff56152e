"""What a camera's health is judged by, measured on one decoded picture: structure, sharpness, light, and sameness.

Belongs here: arithmetic on the luma as it left the decoder. Does not belong here: what the numbers mean (``health``).

The cost must not follow the picture's size, so the full resolution is only seen on 32 of its rows, and the layout on a picture of
96x54. Sharpness needs the full resolution: a lens out of focus by a few pixels looks perfect once scaled down. Layout must not
have it: a thumbnail ignores noise, leaves in the wind and people far away.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Floats = NDArray[np.float32]

SMALL_WIDTH, SMALL_HEIGHT = 96, 54
#: Rows seen at full resolution.
_ROWS = 32
#: At the top and at the bottom, in rows and in lines of the thumbnail: a tenth of the picture.
_CLOCK_ROWS, _CLOCK_LINES = 3, 5
#: An edge of fewer levels than this may be noise.
_EDGE_LEVELS = 12
#: A block keeps its edges down to this share of their usual strength.
_GONE = 0.35
#: The brightest twentieth of the thumbnail: a lamp, a clock written into the picture.
_BRIGHTEST = SMALL_WIDTH * SMALL_HEIGHT // 20
#: A picture whose chroma strays from grey by less than this on average was made by an infrared night mode.
_GREY_LEVELS = 2.0


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One picture in numbers. Levels are of luma, 0-255.

    ``small`` (54, 96): the layout; ``edges`` (54, 96): how much it changes from place to place, levels; ``rows`` (32, width): the
    rows seen at full resolution, to compare with the next glimpse. ``sharpness`` 0..1: how much of what changes over some pixels
    changes between two neighbours. ``edge_share``: of the full-resolution pixels lying on an edge.
    """

    at_ns: int
    small: Floats
    edges: Floats
    rows: Plane
    mean_level: float
    bright_level: float
    spread_level: float
    sharpness: float
    edge_share: float
    grey: bool


def glimpse_of(at_ns: int, luma: Plane, chroma: tuple[Plane, Plane] | None, *, full_range: bool = False) -> Glimpse:
    """Measure a picture: ``luma`` (height, width), ``chroma`` two planes of any size or ``None`` for a picture without.

    Levels are given as of limited range (black 16, white 235), whatever the camera sends.
    """
    height = luma.shape[0]
    half = cv2.resize(luma, (2 * SMALL_WIDTH, 2 * SMALL_HEIGHT), interpolation=cv2.INTER_LINEAR)
    small = cv2.resize(half, (SMALL_WIDTH, SMALL_HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
    if full_range:
        small = small * np.float32(219 / 255) + np.float32(16)
    step = max(1, height // _ROWS)
    rows = np.ascontiguousarray(luma[step // 2 :: step][:_ROWS])
    sharpness, edge_share = _sharpness(rows[_CLOCK_ROWS:-_CLOCK_ROWS] if len(rows) == _ROWS else rows)
    mean, spread = cv2.meanStdDev(small)
    bright = float(np.partition(small, small.size - _BRIGHTEST, axis=None)[small.size - _BRIGHTEST])
    return Glimpse(
        at_ns, small, edges_of(small), rows, float(mean[0, 0]), bright, float(spread[0, 0]), sharpness, edge_share,
        chroma is None or _is_grey(chroma),
    )  # fmt: skip


def edges_of(small: Floats) -> Floats:
    """Strength of edges: the steps to the right and down, smoothed so that a shake by a pixel of the thumbnail is none."""
    smooth = cv2.GaussianBlur(small, (3, 3), 0)
    strength = np.zeros_like(small)
    strength[:, 1:] += np.abs(smooth[:, 1:] - smooth[:, :-1])
    strength[1:, :] += np.abs(smooth[1:, :] - smooth[:-1, :])
    return np.asarray(strength, np.float32)


def changed_share(now: Plane, before: Plane) -> float:
    """Share of the full-resolution pixels that differ between two glimpses, but for the picture's top and bottom, where a camera
    writes its clock also over a frozen picture; 1 if the picture's size differs."""
    if now.shape != before.shape:
        return 1.0
    rows = slice(_CLOCK_ROWS, -_CLOCK_ROWS) if len(now) == _ROWS else slice(None)
    return float(np.count_nonzero(cv2.absdiff(now[rows], before[rows]))) / now[rows].size


def most_moved(now: Floats, before: Floats) -> float:
    """The greatest change of a point of the thumbnail, likewise without its top and bottom; levels."""
    lines = slice(_CLOCK_LINES, -_CLOCK_LINES)
    return float(cv2.norm(now[lines], before[lines], cv2.NORM_INF))


def likeness(left: Floats, right: Floats) -> float:
    """Correlation of two maps, -1..1, blind to brightness and contrast; 0 when one of them is flat."""
    a, b = left - left.mean(), right - right.mean()
    scale = float(np.sqrt(float(np.vdot(a, a)) * float(np.vdot(b, b))))
    return float(np.vdot(a, b)) / scale if scale > 1e-6 else 0.0


def shift_of(now: Floats, reference: Floats) -> tuple[float, float]:
    """How far the layout moved, as shares of the picture's width and height (phase correlation)."""
    (dx, dy), _ = cv2.phaseCorrelate(reference, now)
    return dx / SMALL_WIDTH, dy / SMALL_HEIGHT


def _sharpness(rows: Plane) -> tuple[float, float]:
    """Along rows: of the steps that are edges over a few pixels, how much happens between two neighbours."""
    reach = max(4, rows.shape[1] // 128)
    if rows.shape[1] <= 2 * reach:
        return 0.0, 0.0
    far = cv2.absdiff(rows[:, reach:], rows[:, :-reach])
    is_edge = far >= _EDGE_LEVELS
    count = int(np.count_nonzero(is_edge))
    if count < 16:
        return 0.0, count / far.size
    near = cv2.absdiff(rows[:, 1:], rows[:, :-1])
    steepest = cv2.dilate(near, np.ones((1, reach), np.uint8), anchor=(0, 0))[:, : far.shape[1]]
    mask = is_edge.view(np.uint8)
    return cv2.mean(steepest, mask)[0] / cv2.mean(far, mask)[0], count / far.size


def _is_grey(chroma: tuple[Plane, Plane]) -> bool:
    step_rows, step_columns = max(1, chroma[0].shape[0] // 24), max(1, chroma[0].shape[1] // 32)
    strays = [np.abs(plane[::step_rows, ::step_columns].astype(np.int16) - 128).mean() for plane in chroma]
    return bool(max(strays) < _GREY_LEVELS)


def lost_share(now: Floats, known: Floats) -> float:
    """Of the blocks (6x8 of them) that have edges in the reference, the share in which most of that strength is gone."""
    usual, left = _blocks(known), _blocks(now)
    meant = usual >= max(0.5, 0.5 * float(usual.mean()))
    if not meant.any():
        return 0.0
    return float(np.mean(left[meant] < _GONE * usual[meant]))


def moved_back(now: Floats, reference: Floats, dx: float, dy: float) -> float:
    """Likeness of two maps where they overlap, after one was shifted back by shares of the picture's width and height."""
    right, down = round(dx * SMALL_WIDTH), round(dy * SMALL_HEIGHT)
    if abs(right) > SMALL_WIDTH // 2 or abs(down) > SMALL_HEIGHT // 2:
        return 0.0
    rows = slice(max(0, down), SMALL_HEIGHT + min(0, down)), slice(max(0, -down), SMALL_HEIGHT + min(0, -down))
    columns = slice(max(0, right), SMALL_WIDTH + min(0, right)), slice(max(0, -right), SMALL_WIDTH + min(0, -right))
    return likeness(now[rows[0], columns[0]], reference[rows[1], columns[1]])


def _blocks(edges: Floats) -> Floats:
    return np.asarray(cv2.resize(edges, (8, 6), interpolation=cv2.INTER_AREA), np.float32)
