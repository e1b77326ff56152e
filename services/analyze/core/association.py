"""Which box belongs to which track: how well they fit, and the best pairing. Pure geometry of one frame; no state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def fit(tracks: Floats, boxes: Floats, margin: Floats | None = None) -> tuple[Floats, Floats]:
    """(IoU, worth) of tracks (n, 4) against boxes (m, 4), both (n, m).

    ``margin`` (n,): both boxes of a pair are grown by the track's margin, pixels, on every side before they are compared
    (buffered IoU: Yang et al., "Hard to Track Objects with Irregular Motions and Similar Appearances? Make It Easier by
    Buffering the Matching Space", WACV 2023). ``worth`` is IoU times the overlap of the heights: of two people at different
    distances the heights differ even where the boxes lie over each other (Yang et al., "Hybrid-SORT", AAAI 2024).
    """
    left, right = tracks.T[:, :, None], boxes.T[:, None, :]
    low, high = np.maximum(left[:2], right[:2]), np.minimum(left[2:], right[2:])
    sides, own, other = high - low, left[2:] - left[:2], right[2:] - right[:2]
    if margin is not None:
        both = 2 * margin[:, None]
        sides, own, other = sides + both, own + both, other + both
    np.maximum(sides, 0.0, out=sides)
    shared = sides[0] * sides[1]
    overlap = shared / np.maximum(own[0] * own[1] + other[0] * other[1] - shared, 1e-9)
    return overlap, overlap * sides[1] / np.maximum(own[1] + other[1] - sides[1], 1e-9)


def pair(overlap: Floats, worth: Floats, least: float) -> tuple[Rows, Rows]:
    """(rows, columns): as many pairs with an ``overlap`` of ``least`` as there can be; among those the ones of most ``worth``."""
    possible = overlap >= least
    rows, columns = linear_sum_assignment(np.where(possible, 1.0 + worth, 0.0), maximize=True)
    real = possible[rows, columns]
    return rows[real], columns[real]
