"""Where objects are and how fast they move: one Kalman filter for all tracks of a camera at once. Knows nothing of identities.

Four coordinates (centre x, centre y, width, height) move independently at constant speed, driven by white acceleration (the
continuous model: any frame rate, any gap). Spread is kept relative to the object's height, so near and far people are treated
alike, and once for x and y, once for width and height: both coordinates of such a pair are always measured alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

#: (centre x, centre y, width, height) times this is (x1, y1, x2, y2), and back.
_CORNERS_OF = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [-0.5, 0.0, 0.5, 0.0], [0.0, -0.5, 0.0, 0.5]])
_CENTRE_OF = np.linalg.inv(_CORNERS_OF)
_LEAST_SIDE_PX = 1.0


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Tuning, in box heights and seconds. A pair is for the place (x, y) and for the size (width, height)."""

    #: Standard deviation of a measurement with a score of 0.75, heights.
    measured: tuple[float, float] = (0.05, 0.07)
    #: Variance of a measurement against that, as ``doubt * (1 - score)``: an unsure box moves its track less
    #: (NSA Kalman: Du et al., "GIAOTracker", ICCV Workshops 2021; also StrongSORT, 2022).
    doubt: float = 4.0
    least_doubt: float = 0.1
    #: Standard deviation of the unknown first speed, heights a second.
    first_speed: tuple[float, float] = (1.0, 0.5)
    #: Acceleration, heights a second squared, for a second.
    acceleration: tuple[float, float] = (0.5, 0.25)


@dataclass(slots=True)
class TrackFilter:
    """State of n tracks. ``mean`` (n, 2, 4): the coordinates in pixels, their speeds in pixels a second.

    ``spread`` (n, 2, 3): for place and size the variance of the position, its covariance with the speed, the speed's variance.
    """

    settings: MotionSettings
    mean: Floats
    spread: Floats

    @classmethod
    def empty(cls, settings: MotionSettings) -> TrackFilter:
        return cls(settings, np.zeros((0, 2, 4)), np.zeros((0, 2, 3)))

    def predict(self, dt_s: float) -> None:
        """Move on by ``dt_s``."""
        self.mean[:, 0] += dt_s * self.mean[:, 1]
        sides = self.mean[:, 0, 2:]
        np.maximum(sides, _LEAST_SIDE_PX, out=sides)
        step, drive = _passing(dt_s, self.settings.acceleration)
        self.spread = self.spread @ step + drive

    def correct(self, rows: Rows, measured: Floats, scores: Floats) -> None:
        """Take in boxes (m, 4) as centre and size, for the tracks ``rows``."""
        before = self.spread[rows]
        gain = before[:, :, :2] / (before[:, :, 0] + self._noise(scores))[:, :, None]
        mean = self.mean[rows]
        surprise = (measured - mean[:, 0]).reshape(-1, 1, 2, 2)
        self.mean[rows] = mean + (gain.transpose(0, 2, 1)[..., None] * surprise).reshape(-1, 2, 4)
        before[:, :, 2] -= gain[:, :, 1] * before[:, :, 1]
        before[:, :, :2] *= 1 - gain[:, :, :1]
        self.spread[rows] = before

    def begin(self, measured: Floats, scores: Floats) -> None:
        """Add tracks of which one box each is known."""
        mean = np.zeros((len(measured), 2, 4))
        mean[:, 0] = measured
        spread = np.zeros((len(measured), 2, 3))
        spread[:, :, 0] = self._noise(scores)
        spread[:, :, 2] = np.square(self.settings.first_speed)
        self.mean = np.concatenate([self.mean, mean])
        self.spread = np.concatenate([self.spread, spread])

    def keep(self, which: NDArray[np.bool_]) -> None:
        self.mean, self.spread = self.mean[which], self.spread[which]

    def corners(self) -> Floats:
        """Where the boxes are thought to be: (n, 4) x1, y1, x2, y2."""
        return np.asarray(self.mean[:, 0] @ _CORNERS_OF)

    def told(self, rows: Rows) -> tuple[Floats, Floats]:
        """(corners, speed of the centre in pixels a second) of the tracks ``rows``: (m, 4), (m, 2)."""
        mean = self.mean[rows]
        return np.asarray(mean[:, 0] @ _CORNERS_OF), mean[:, 1, :2]

    def uncertainty_px(self, rows: Rows) -> Floats:
        """Standard deviation of the place of the tracks ``rows``, pixels."""
        return np.asarray(np.sqrt(self.spread[rows, 0, 0]) * self.mean[rows, 0, 3])

    def _noise(self, scores: Floats) -> Floats:
        """Variance of measurements with these scores, heights squared: (m, 2)."""
        doubt = np.maximum(self.settings.doubt * (1 - scores), self.settings.least_doubt)
        return np.asarray(doubt[:, None] * np.square(self.settings.measured))


@lru_cache(maxsize=256)
def _passing(dt_s: float, acceleration: tuple[float, float]) -> tuple[Floats, Floats]:
    """What ``dt_s`` makes of a spread: (3, 3) that multiplies it, (2, 3) that is added."""
    step = np.array([[1.0, 0.0, 0.0], [2 * dt_s, 1.0, 0.0], [dt_s * dt_s, dt_s, 1.0]])
    place, size = acceleration
    return step, np.array([[place * place], [size * size]]) * np.array([dt_s**3 / 3, dt_s**2 / 2, dt_s])


def to_centre(corners: Floats) -> Floats:
    """(n, 4) corners as centre x, centre y, width, height."""
    return np.asarray(corners @ _CENTRE_OF)
