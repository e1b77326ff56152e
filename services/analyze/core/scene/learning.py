"""Where a camera is, learned from the people who walk by: no marks needed, but less certain, and silent until it is sure.

What is used: one and the same person is equally tall wherever they walk (that gives the camera's direction and lens), and adults
are 1.55-1.80 m tall (that gives the scale). Children walk by too, so each track is an adult, a child of 0.7-1.3 m, or neither
(bent, carrying, a shadow), with a probability that follows from the fit.

The danger is a room in which only children walk: seen by a camera that hangs 1.6 times as high, adults would look just like them,
and taking children for adults would silence the rules that watch over them. So the scale is claimed only where the model told
adults from children, or where the camera comes out to hang no higher than cameras in rooms do: taken for adults, children would
make it hang at 3.5 m and more.

Belongs here: collecting observations and the fit. Pure. Does not belong here: what the heights are used for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from services.analyze.core.scene.calibration import PRIOR, PRIOR_SPREAD, Calibration
from services.analyze.core.scene.ground import PARAMETERS, Floats, Noise, lens_of, measure, stand, variants_of

#: Adults' height in shoes: 1.55-1.80 m in 95 %. A child's: 0.7-1.35 m.
ADULT_M, _ADULT_SPREAD = 1.675, 0.038
_CHILD_M, _CHILD_SPREAD = 1.0, 0.16
#: How far the mean of this place's adults may be from everybody's; it scales every metre alike and never averages out.
_PLACE_SPREAD = 0.025
_SHARES = (0.55, 0.40)
_NEITHER_DENSITY = 0.05 / 1.5
#: Within a track: gait, clothes and the detector, as a share of the height; tails are heavy (Student's t, 4 degrees).
_GAIT_SPREAD = 0.035
_EFFECTIVE = 0.5
#: The same few people walk by again and again under new numbers: what they show counts so much less.
_REPEATED = 0.5
_PER_TRACK, _MOST, _LEAST_TRACKS = 6, 150, 10
_LEAST_STEP = 0.02
#: The runner-up must be less likely by e**3 = 20 times.
_CLEARLY = 3.0
_CERTAIN_SHARE = 0.08
#: Claimed up to this camera height (metres); a little higher where both adults and children were clearly seen, with nobody
#: between them.
_HIGHEST_M, _HIGHEST_BOTH_M = 3.0, 3.2
_LEAST_OF_EACH, _LEAST_TOLD = 3, 3
_BETWEEN_M, _MOST_BETWEEN = (1.30, 1.50), 0.1
#: Where the search begins: camera heights (times the usual one), tilts, focal lengths (times the usual one).
_SCALES, _TILTS_DEG, _FOCALS = (0.5, 0.63, 0.8, 1.0, 1.26, 1.6, 2.0), (5, 12, 20, 28, 36, 45), (0.75, 1.0, 1.4)
#: So far away (ln of the height, radians of tilt) other minima are sought.
_OTHER, _OTHER_TILT = 0.25, math.radians(10)


class Observation(NamedTuple):
    """A walking, upright person, whole in the picture: box in picture heights from its middle. ``adult`` if the model told."""

    track_id: int
    box: tuple[float, float, float, float]
    adult: bool | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing can be claimed yet, and why."""

    why: str


def collect(known: tuple[Observation, ...], seen: Observation) -> tuple[Observation, ...]:
    """Take an observation if it says something new; bounded, the oldest go first."""
    mine = [one for one in known if one.track_id == seen.track_id]
    if len(mine) >= _PER_TRACK or any(_near(one.box, seen.box) for one in mine):
        return known
    return (*known, seen)[-_MOST:]


def learn(observations: tuple[Observation, ...]) -> Calibration | Unknown:
    """Fit the camera to what was collected. A few tens of milliseconds."""
    tracks = sorted({one.track_id for one in observations})
    if len(tracks) < _LEAST_TRACKS:
        return Unknown(f"{len(tracks)} of {_LEAST_TRACKS} people have walked by so far")
    try:
        return _fitted(observations, tracks)
    except ValueError:  # of the linear algebra
        return Unknown("the fit found no solution")


def _fitted(observations: tuple[Observation, ...], tracks: list[int]) -> Calibration | Unknown:
    fit = _Fit(observations, tracks)
    minima = sorted((fit.descend(start) for start in fit.starts()), key=lambda found: found[0])
    cost, best = minima[0]
    rivals = [camera for other, camera in minima[1:] if other - cost < _CLEARLY]
    if any(fit.disagree(best, rival) > _CERTAIN_SHARE for rival in rivals):
        return Unknown("what was seen fits cameras that hang quite differently; people must walk elsewhere too")
    doubt = fit.doubt(best)
    if doubt is not None:
        return Unknown(doubt)
    covariance = fit.covariance(best)
    if covariance is None:
        return Unknown("people walk along one line only; the fit leaves the camera open")
    boxes = np.array([one.box for one in observations])
    found = measure(variants_of(best), covariance, boxes, Noise(0.0, 0.0))
    uncertain = float(np.nanquantile(found.shared[:, 2] / np.maximum(found.at.height_m, 0.3), 0.9))
    if not uncertain <= _CERTAIN_SHARE:
        return Unknown(f"heights would be uncertain by {100 * uncertain:.0f} % ({100 * _CERTAIN_SHARE:.0f} % at most)")
    assumed = f"adults are {ADULT_M:.2f} m tall in the mean; {len(tracks)} people who walked by; flat floor"
    return Calibration("people", best, covariance, assumed, len(tracks))


class _Fit:
    """The negative log posterior of a camera, for several cameras at once."""

    def __init__(self, observations: tuple[Observation, ...], tracks: list[int]) -> None:
        boxes = np.array([one.box for one in observations])
        self._middle, self._top, self._bottom = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1], boxes[:, 3]
        row = {track: index for index, track in enumerate(tracks)}
        belongs = np.array([row[one.track_id] for one in observations])
        order = np.argsort(belongs, kind="stable")
        self._middle, self._top, self._bottom = self._middle[order], self._top[order], self._bottom[order]
        self._belongs = belongs[order]
        self._begins = np.flatnonzero(np.diff(self._belongs, prepend=-1))
        self._count = np.bincount(self._belongs).astype(np.float64)
        self._spread = np.hypot(_GAIT_SPREAD, 0.004 / np.maximum(self._bottom - self._top, 1e-3))
        votes = np.zeros(len(tracks))
        for one in observations:
            votes[row[one.track_id]] += 0 if one.adult is None else (1 if one.adult else -1)
        self._told_adults = int((votes > 0).sum())
        self._shares = np.where(
            votes[:, None] == 0, _SHARES, np.where(votes[:, None] > 0, (0.94, 0.01), (0.01, 0.94))
        )  # fmt: skip

    def costs(self, cameras: Floats) -> Floats:
        """(k, 5) → (k,)."""
        tall = stand(lens_of(cameras[:, None, :]), self._middle, self._top, self._bottom).height_m
        heights, mean = self._heights(tall)
        within = (heights - mean[:, self._belongs]) / self._spread
        cost = _EFFECTIVE * 2.5 * np.log1p(within**2 / 4).sum(axis=1)
        likely = np.full(mean.shape, _NEITHER_DENSITY)
        own = 0.05 / np.sqrt(np.minimum(self._count, 4))
        for share, middle, spread in zip(
            self._shares.T, (ADULT_M, _CHILD_M), (_ADULT_SPREAD, _CHILD_SPREAD), strict=True
        ):
            scale = np.hypot(spread, own)
            away = (mean - math.log(middle)) / scale
            likely = likely + share * np.exp(-0.5 * away**2) / (scale * math.sqrt(2 * math.pi))
        cost = _REPEATED * (cost - np.log(likely).sum(axis=1))
        return np.asarray(cost + 0.5 * (((cameras - PRIOR) / PRIOR_SPREAD) ** 2).sum(axis=1))

    def doubt(self, camera: Floats) -> str | None:
        """Why those taken for adults may be children; ``None`` if they are not."""
        if self._told_adults >= _LEAST_TOLD:
            return None
        tall = stand(lens_of(camera), self._middle, self._top, self._bottom).height_m
        heights = np.exp(self._heights(tall)[1])
        low, high = _BETWEEN_M
        adults, children = int((heights > high).sum()), int((heights < low).sum())
        both = min(adults, children) >= _LEAST_OF_EACH
        both = both and float(((heights >= low) & (heights <= high)).mean()) <= _MOST_BETWEEN
        hangs_m = math.exp(camera[0])
        if hangs_m <= (_HIGHEST_BOTH_M if both else _HIGHEST_M):
            return None
        return f"it would hang at {hangs_m:.1f} m; those who walk by may all be children: mark heights in its picture"

    def disagree(self, one: Floats, other: Floats) -> float:
        """By what share two cameras differ on how tall the people are, for the worst tenth of what was seen."""
        first, second = (
            self._heights(stand(lens_of(camera), self._middle, self._top, self._bottom).height_m)[0]
            for camera in (one, other)
        )
        return float(np.quantile(np.abs(first - second), 0.9))

    def _heights(self, tall_m: Floats) -> tuple[Floats, Floats]:
        """Logarithms of heights (…, n) and their means by track (…, tracks)."""
        heights = np.log(np.clip(np.nan_to_num(tall_m, nan=0.02), 0.02, 50.0))
        return heights, np.add.reduceat(heights, self._begins, axis=-1) / self._count

    def starts(self) -> list[Floats]:
        """Of a coarse grid the best, and the best of its corners: hung higher and lower, looking further down and less so."""
        grid = np.array([
            PRIOR + np.array([math.log(scale), math.radians(tilt) - PRIOR[1], 0.0, math.log(focal), 0.0])
            for scale in _SCALES for tilt in _TILTS_DEG for focal in _FOCALS
        ])  # fmt: skip
        costs = self.costs(grid)
        best = grid[costs.argmin()]
        height, tilt = grid[:, 0] - best[0], grid[:, 1] - best[1]
        sides = (height > _OTHER, height < -_OTHER, tilt > _OTHER_TILT, tilt < -_OTHER_TILT)
        return [best, *(grid[side][costs[side].argmin()] for side in sides if side.any())]

    def descend(self, begin: Floats) -> tuple[float, Floats]:
        bounds = list(zip(PRIOR - 4 * PRIOR_SPREAD, PRIOR + 4 * PRIOR_SPREAD, strict=True))
        found = minimize(
            self._cost_and_slope, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}
        )
        return float(found.fun), np.asarray(found.x)

    def covariance(self, camera: Floats) -> Floats | None:
        """Of the posterior (Laplace), with what no number of people tells: how tall the adults of this place are."""
        step = 2e-3
        curvature = np.stack([
            (self._slope(camera + step * unit) - self._slope(camera - step * unit)) / (2 * step) for unit in np.eye(PARAMETERS)
        ])  # fmt: skip
        curvature = (curvature + curvature.T) / 2
        if np.linalg.eigvalsh(curvature).min() <= 0:
            return None
        covariance = np.linalg.inv(curvature)
        covariance[0, 0] += _PLACE_SPREAD**2
        return np.asarray(covariance)

    def _slope(self, camera: Floats) -> Floats:
        step = 1e-4 * np.eye(PARAMETERS)
        costs = self.costs(np.concatenate([camera + step, camera - step]))
        return np.asarray((costs[:PARAMETERS] - costs[PARAMETERS:]) / 2e-4)

    def _cost_and_slope(self, camera: Floats) -> tuple[float, Floats]:
        return float(self.costs(camera[None, :])[0]), self._slope(camera)


def _near(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return max(abs(one[3] - other[3]), abs(one[0] + one[2] - other[0] - other[2]) / 2) < _LEAST_STEP
