"""What a camera's health is judged by, measured on one decoded picture: structure, sharpness, light, and sameness.

Belongs here: arithmetic on the luma as it left the decoder. Does not belong here: what the numbers mean (``health``).

The cost must not follow the picture's size, so the full resolution is only seen on 32 of its rows, and the layout on a picture of
96x54. Sharpness needs the full resolution: a lens out of focus by a few pixels looks perfect once scaled down. Layout must not
have it: a thumbnail ignores noise, leaves in the wind and people far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Floats = NDArray[np.float32]
Blocks = tuple[float, ...]

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


class Mapped:
    """Whatever has ``maps`` (2, 54, 96): the layout, and how much it changes from place to place (edges), both in levels. One
    array, so that both are followed in one step."""

    __slots__ = ()
    maps: Floats

    @property
    def small(self) -> Floats:
        return cast(Floats, self.maps[0])

    @property
    def edges(self) -> Floats:
        return cast(Floats, self.maps[1])


@dataclass(frozen=True, slots=True)
class Glimpse(Mapped):
    """One picture in numbers. Levels are of luma, 0-255.

    ``blocks`` (48): the mean strength of edges in blocks, 6 rows of 8; ``rows`` (26, width): rows seen at full resolution, to
    compare with the next glimpse. ``sharpness`` 0..1: how much of what changes over some pixels changes between two neighbours.
    ``edge_share``: of the full-resolution pixels lying on an edge.
    """

    at_ns: int
    maps: Floats
    blocks: Blocks
    rows: Plane
    mean_level: float
    spread_level: float
    sharpness: float
    edge_share: float
    grey: bool

    @property
    def bright_level(self) -> float:
        """Only the brightest twentieth of the picture is brighter. Computed when asked for: only dark pictures are."""
        return float(np.partition(self.small, -_BRIGHTEST, axis=None)[-_BRIGHTEST])


def glimpse_of(at_ns: int, luma: Plane, chroma: tuple[Plane, Plane] | None, *, full_range: bool = False) -> Glimpse:
    """Measure a picture: ``luma`` (height, width), ``chroma`` two planes of any size or ``None`` for a picture without.

    Levels are given as of limited range (black 16, white 235), whatever the camera sends.
    """
    half = cv2.resize(luma, (2 * SMALL_WIDTH, 2 * SMALL_HEIGHT), interpolation=cv2.INTER_LINEAR)
    small = cv2.resize(half, (SMALL_WIDTH, SMALL_HEIGHT), interpolation=cv2.INTER_AREA)
    if full_range:
        small = cv2.convertScaleAbs(small, alpha=219 / 255, beta=16)
    maps = np.empty((2, SMALL_HEIGHT, SMALL_WIDTH), np.float32)
    maps[0] = small
    _edges_into(maps[1], cast(Plane, small))
    rows = _rows_of(luma)
    sharpness, edge_share = _sharpness(rows)
    mean, spread = cv2.meanStdDev(small)
    grey = chroma is None or all(_is_grey(plane) for plane in chroma)
    blocks = blocks_of(maps[1])
    return Glimpse(at_ns, maps, blocks, rows, float(mean[0, 0]), float(spread[0, 0]), sharpness, edge_share, grey)


def _rows_of(luma: Plane) -> Plane:
    """Rows at equal distances, but for those at the top and bottom, where a camera writes its clock."""
    step = max(1, luma.shape[0] // _ROWS)
    rows = luma[step // 2 :: step][:_ROWS]
    return np.ascontiguousarray(rows[_CLOCK_ROWS:-_CLOCK_ROWS] if len(rows) == _ROWS else rows)


def _edges_into(edges: Floats, small: Plane) -> None:
    """Strength of edges: the steps to the right and down over two pixels, smoothed across (Sobel's), in levels."""
    right, down = cv2.spatialGradient(small)
    np.abs(right, out=right)
    np.abs(down, out=down)
    cv2.addWeighted(right, 1 / 8, down, 1 / 8, 0, dst=edges, dtype=cv2.CV_32F)


def blocks_of(edges: Floats) -> Blocks:
    """Means over the blocks of a map of edges."""
    return tuple(cv2.resize(edges, (8, 6), interpolation=cv2.INTER_AREA).ravel().tolist())


def blended(known: Floats, now: Floats, rate: float) -> Floats:
    """Maps that have come nearer to others by a share of the way."""
    flat = cv2.addWeighted(known.reshape(-1, SMALL_WIDTH), 1 - rate, now.reshape(-1, SMALL_WIDTH), rate, 0)
    return cast(Floats, flat.reshape(known.shape))


def changed_share(now: Plane, before: Plane) -> float:
    """Share of the full-resolution pixels that differ between two glimpses (the clock in a frozen picture goes on, but is not
    among them); 1 if the picture's size differs."""
    if now.shape != before.shape:
        return 1.0
    return cv2.countNonZero(cv2.absdiff(now, before)) / now.size


def most_moved(now: Floats, before: Floats) -> float:
    """The greatest change of a point of the thumbnail, likewise without its top and bottom; levels."""
    lines = slice(_CLOCK_LINES, -_CLOCK_LINES)
    return float(cv2.norm(now[lines], before[lines], cv2.NORM_INF))


def likeness(left: Floats, right: Floats) -> float:
    """Correlation of two maps, -1..1, blind to brightness and contrast; 0 when one of them is flat."""
    alike = cv2.compareHist(left, right, cv2.HISTCMP_CORREL)
    return 0.0 if alike > 0.999 and (_is_flat(left) or _is_flat(right)) else alike


def _is_flat(levels: Floats) -> bool:
    return bool(levels.max() - levels.min() < 1e-3)


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
    is_edge = cv2.inRange(far, _EDGE_LEVELS, 255)
    count = cv2.countNonZero(is_edge)
    if count < 16:
        return 0.0, count / far.size
    near = _steepest(cast(Plane, cv2.absdiff(rows[:, 1:], rows[:, :-1])), reach)
    return cv2.mean(near, is_edge)[0] / cv2.mean(far, is_edge)[0], count / far.size


def _steepest(steps: Plane, reach: int) -> Plane:
    """The greatest of ``reach`` neighbours beginning at each, in few passes: each doubles how far it sees."""
    seen = 1
    while seen < reach:
        ahead = min(seen, reach - seen)
        steps, seen = cast(Plane, cv2.max(steps[:, ahead:], steps[:, :-ahead])), seen + ahead
    return steps


def _is_grey(plane: Plane) -> bool:
    points = plane[:: max(1, plane.shape[0] // 24), :: max(1, plane.shape[1] // 32)]
    return cv2.norm(points, _nothing(*points.shape), cv2.NORM_L1) < _GREY_LEVELS * points.size


@lru_cache(maxsize=16)
def _nothing(height: int, width: int) -> Plane:
    """Chroma without colour."""
    return np.full((height, width), 128, np.uint8)


def lost_share(now: Blocks, known: Blocks) -> float:
    """Of the blocks that have edges in the reference, the share in which most of that strength is gone."""
    least = max(0.5, 0.5 * sum(known) / len(known))
    gone = [left < _GONE * usual for left, usual in zip(now, known, strict=True) if usual >= least]
    return sum(gone) / len(gone) if gone else 0.0


def moved_back(now: Floats, reference: Floats, dx: float, dy: float) -> float:
    """Likeness of two maps where they overlap, after one was shifted back by shares of the picture's width and height."""
    right, down = round(dx * SMALL_WIDTH), round(dy * SMALL_HEIGHT)
    if abs(right) > SMALL_WIDTH // 2 or abs(down) > SMALL_HEIGHT // 2:
        return 0.0
    rows = slice(max(0, down), SMALL_HEIGHT + min(0, down)), slice(max(0, -down), SMALL_HEIGHT + min(0, -down))
    columns = slice(max(0, right), SMALL_WIDTH + min(0, right)), slice(max(0, -right), SMALL_WIDTH + min(0, -right))
    here, there = now[rows[0], columns[0]], reference[rows[1], columns[1]]
    return likeness(np.ascontiguousarray(here), np.ascontiguousarray(there))
