"""Which box belongs to which track: how well they fit, and the best pairing. Pure geometry of one frame; no state.

Plain numbers and not arrays: there are a few boxes in a picture, and an array of five rows costs what its calls cost.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from services.analyze.core.zones import Box

#: A track and a box that may belong together, by their places in the lists, and how much that is worth: 0..1.
_Fit = tuple[int, int, float]


def match(
    tracks: Sequence[Box],
    boxes: Sequence[Box],
    rows: Sequence[int],
    columns: Sequence[int],
    least: float,
    margins: Sequence[float] | None = None,
) -> dict[int, int]:
    """Track → box, among the ``rows`` of tracks and the ``columns`` of boxes: as many pairs with an IoU of ``least`` (above 0)
    as there can be; of those choices the one of most worth.

    ``margins`` of the ``rows``: both boxes of a pair are grown by them, pixels, on every side before they are compared
    (buffered IoU: Yang et al., "Hard to Track Objects with Irregular Motions and Similar Appearances? Make It Easier by
    Buffering the Matching Space", WACV 2023). Worth is IoU times the overlap of the heights: of two people at different
    distances the heights differ even where the boxes lie over each other (Yang et al., "Hybrid-SORT", AAAI 2024).
    """
    if not rows or not columns:
        return {}
    found: list[_Fit] = []
    by_left = sorted([(boxes[column], column) for column in columns])
    widest = max([box[2] - box[0] for box, _ in by_left])
    for place, row in enumerate(rows):
        both = 2 * margins[place] if margins is not None else 0.0
        x1, y1, x2, y2 = track = tracks[row]
        begin, end = bisect_left(by_left, ((x1 - widest - both,),)), bisect_right(by_left, ((x2 + both,),))
        for box, column in by_left[begin:end]:
            if box[1] < y2 + both and y1 < box[3] + both and x1 < box[2] + both:
                overlap, worth = _compare(track, box, both)
                if overlap >= least:
                    found.append((row, column, worth))
    return _best(found)


def _compare(track: Box, box: Box, both: float) -> tuple[float, float]:
    """(IoU, worth) of boxes that overlap; ``both``: how much longer every side is taken to be."""
    x1, y1, x2, y2 = track
    left, top, right, bottom = box
    wide = (x2 if x2 < right else right) - (x1 if x1 > left else left) + both
    high = (y2 if y2 < bottom else bottom) - (y1 if y1 > top else top) + both
    shared, tall, other_tall = wide * high, y2 - y1 + both, bottom - top + both
    overlap = shared / max((x2 - x1 + both) * tall + (right - left + both) * other_tall - shared, 1e-9)
    return overlap, overlap * high / max(tall + other_tall - high, 1e-9)


def _best(found: Sequence[_Fit]) -> dict[int, int]:
    """The choice among what fits. In most frames there is none."""
    rows, columns = sorted({row for row, _, _ in found}), sorted({column for _, column, _ in found})
    if len(rows) == len(columns) == len(found):
        return {row: column for row, column, _ in found}
    worth = np.zeros((len(rows), len(columns)))
    for row, column, own in found:
        worth[bisect_left(rows, row), bisect_left(columns, column)] = 1.0 + own
    chosen = linear_sum_assignment(worth, maximize=True)
    return {rows[i]: columns[j] for i, j in zip(*map(np.ndarray.tolist, chosen), strict=True) if worth[i, j]}
