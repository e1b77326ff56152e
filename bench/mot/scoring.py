"""HOTA, CLEAR MOT and identity scores of tracks against truth, by the definitions of TrackEval 1.3.0. Pure; no files.

HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021. MOTA: Bernardin and
Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", 2008. IDF1: Ristani et al.,
"Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016. Boxes count as the same from IoU 0.5
(HOTA: the mean over 0.05, 0.10 ... 0.95). All pairs of a sequence are compared at once; only the matching goes frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bench.mot.boxes import Floats, TrackedBoxes

_ALPHAS = np.arange(0.05, 0.99, 0.05)
_SAME_IOU = 0.5
_EPSILON = float(np.finfo(float).eps)
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares of 1 (``mota`` can be negative), then counts of boxes and of switches."""

    hota: float
    det_a: float
    ass_a: float
    loc_a: float
    mota: float
    idf1: float
    recall: float
    precision: float
    switches: int
    false_positives: int
    false_negatives: int


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Every truth box with every track box of the same frame. ``truth``, ``track``: identities, counted from 0.

    ``frames`` says for each frame that has truth or tracks: (truth rows, track rows, pairs) as slices; pairs go row by row.
    """

    truth: Indices
    track: Indices
    iou: Floats
    truth_ids: Indices
    track_ids: Indices
    frames: tuple[tuple[slice, slice, slice], ...]

    @property
    def shape(self) -> tuple[int, int]:
        return _count(self.truth_ids), _count(self.track_ids)

    def matrices(self) -> Iterator[tuple[Indices, Indices, Floats, slice]]:
        """(truth ids, track ids, IoU, pairs) of each frame that has either."""
        for rows, columns, pairs in self.frames:
            truth, track = self.truth_ids[rows], self.track_ids[columns]
            yield truth, track, self.iou[pairs].reshape(len(truth), len(track)), pairs

    def table(self, weights: Floats | None = None, chosen: NDArray[np.bool_] | None = None) -> Floats:
        """Sum of ``weights`` (default: the number) of pairs for each truth identity (row) and track identity (column)."""
        flat = self.truth * self.shape[1] + self.track
        if chosen is not None:
            flat = flat[chosen]
        return np.bincount(flat, weights, minlength=self.shape[0] * self.shape[1]).astype(float).reshape(self.shape)


def score(truth: TrackedBoxes, tracks: TrackedBoxes) -> Scores:
    """All figures of one sequence."""
    pairs = _pair(truth, tracks)
    hota, det_a, ass_a, loc_a = _hota(pairs)
    hits, switches = _clear(pairs)
    missed, false = len(truth) - hits, len(tracks) - hits
    return Scores(
        hota, det_a, ass_a, loc_a,
        mota=(hits - false - switches) / max(1, len(truth)),
        idf1=2 * _identity_hits(pairs) / max(1, len(truth) + len(tracks)),
        recall=hits / max(1, len(truth)), precision=hits / max(1, len(tracks)),
        switches=switches, false_positives=false, false_negatives=missed,
    )  # fmt: skip


def mean(scores: Sequence[Scores]) -> Scores:
    """The plain mean over sequences of the shares; counts are summed."""
    columns = {name.name: [getattr(one, name.name) for one in scores] for name in fields(Scores)}
    whole = ("switches", "false_positives", "false_negatives")
    return Scores(**{name: sum(v) if name in whole else sum(v) / len(v) for name, v in columns.items()})


def _pair(truth: TrackedBoxes, tracks: TrackedBoxes) -> _Pairs:
    numbers = np.union1d(truth.frames, tracks.frames)
    rows = [np.searchsorted(boxes.frames, numbers, side) for boxes in (truth, tracks) for side in ("left", "right")]
    heights, widths = rows[1] - rows[0], rows[3] - rows[2]
    sizes = heights * widths
    ends = np.cumsum(sizes)
    frame_of = np.repeat(np.arange(len(numbers)), sizes)
    within = np.arange(int(sizes.sum())) - (ends - sizes)[frame_of]
    left = rows[0][frame_of] + within // np.maximum(1, widths[frame_of])
    right = rows[2][frame_of] + within % np.maximum(1, widths[frame_of])
    slices = tuple(
        (slice(a, b), slice(c, d), slice(int(end - size), int(end)))
        for a, b, c, d, end, size in zip(*rows, ends, sizes, strict=True)
    )
    truth_ids, track_ids = _from_zero(truth.ids), _from_zero(tracks.ids)
    iou = _iou(truth.corners[left], tracks.corners[right])
    return _Pairs(truth_ids[left], track_ids[right], iou, truth_ids, track_ids, slices)


def _hota(pairs: _Pairs) -> tuple[float, float, float, float]:
    truth_count, track_count = len(pairs.truth_ids), len(pairs.track_ids)
    if not truth_count or not track_count:
        return 0.0, 0.0, 0.0, 1.0
    per_truth, per_track = np.bincount(pairs.truth_ids)[:, None], np.bincount(pairs.track_ids)[None, :]
    potential = pairs.table(_shared_iou(pairs))
    alignment = potential / (per_truth + per_track - potential)
    chosen = [np.zeros(0, np.intp)]
    for truth, track, iou, span in pairs.matrices():
        if iou.size:
            row, column = linear_sum_assignment(alignment[truth[:, None], track[None, :]] * iou, maximize=True)
            chosen.append(span.start + row * len(track) + column)
    matched = np.concatenate(chosen)
    iou = pairs.iou[matched]
    det_a, ass_a, loc_a = (np.zeros(len(_ALPHAS)) for _ in range(3))
    for index, alpha in enumerate(_ALPHAS):
        same = np.zeros(len(pairs.iou), np.bool_)
        same[matched] = iou >= alpha - _EPSILON
        hits, together = int(same.sum()), pairs.table(chosen=same)
        det_a[index] = hits / (truth_count + track_count - hits)
        ass_a[index] = np.sum(together * together / np.maximum(1, per_truth + per_track - together)) / max(1, hits)
        loc_a[index] = max(1e-10, pairs.iou[same].sum()) / max(1e-10, hits)
    hota = np.sqrt(det_a * ass_a)
    return float(hota.mean()), float(det_a.mean()), float(ass_a.mean()), float(loc_a.mean())


def _shared_iou(pairs: _Pairs) -> Floats:
    """Each pair's IoU as a share of all IoU that its two boxes have in the frame."""
    shares = [np.zeros(0)]
    for _, _, iou, _ in pairs.matrices():
        whole = iou.sum(axis=0)[None, :] + iou.sum(axis=1)[:, None] - iou
        shares.append(np.divide(iou, whole, out=np.zeros_like(iou), where=whole > _EPSILON).ravel())
    return np.concatenate(shares)


def _clear(pairs: _Pairs) -> tuple[int, int]:
    """(hits, identity switches). Who was matched in the frame before stays matched if the boxes still agree."""
    ever = np.full(pairs.shape[0], -1, np.intp)
    before = ever.copy()
    hits = switches = 0
    for truth, track, iou, _ in pairs.matrices():
        if not iou.size:
            continue
        worth = np.where(iou < _SAME_IOU - _EPSILON, 0.0, 1000.0 * (track[None, :] == before[truth][:, None]) + iou)
        row, column = linear_sum_assignment(worth, maximize=True)
        real = worth[row, column] > _EPSILON
        who, matched = truth[row[real]], track[column[real]]
        switches += int(np.count_nonzero((ever[who] >= 0) & (ever[who] != matched)))
        hits += len(who)
        ever[who] = matched
        before[:] = -1
        before[who] = matched
    return hits, switches


def _identity_hits(pairs: _Pairs) -> int:
    """Boxes right under the one pairing of identities that makes most boxes right.

    TrackEval minimises false boxes over a square matrix with a dummy for each identity; since a pair of identities that never
    agree costs what two dummies cost, that is the plain assignment that maximises agreement.
    """
    together = pairs.table(chosen=pairs.iou >= _SAME_IOU)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return int(together[rows, columns].sum())


def _iou(left: Floats, right: Floats) -> Floats:
    sides = np.minimum(left[:, 2:], right[:, 2:]) - np.maximum(left[:, :2], right[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (left, right)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, _EPSILON))


def _from_zero(ids: NDArray[np.int64]) -> Indices:
    return np.unique(ids, return_inverse=True)[1].astype(np.intp)


def _count(ids: Indices) -> int:
    return int(ids.max()) + 1 if len(ids) else 0
