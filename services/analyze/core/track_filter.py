"""Where an object is and how fast it moves: a Kalman filter of one track. Knows nothing of identities.

Four coordinates (centre x, centre y, width, height) move independently at constant speed, driven by white acceleration (the
continuous model: any frame rate, any gap). Spread is kept relative to the object's height, so near and far people are treated
alike, and once for x and y, once for width and height: both coordinates of such a pair are always measured alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.analyze.core.zones import Box

_LEAST_SIDE_PX = 1.0


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Tuning, in box heights and seconds. A pair is for the place (x, y) and for the size (width, height)."""

    #: Standard deviation of a measurement with a score of 0.75, heights.
    measured: tuple[float, float] = (0.06, 0.07)
    #: Variance of a measurement against that, as ``doubt * (1 - score)``: an unsure box moves its track less
    #: (NSA Kalman: Du et al., "GIAOTracker", ICCV Workshops 2021; also StrongSORT, 2022).
    doubt: float = 4.0
    least_doubt: float = 0.1
    #: Standard deviation of the unknown first speed, heights a second.
    first_speed: tuple[float, float] = (0.8, 0.4)
    #: Acceleration, heights a second squared, for a second.
    acceleration: tuple[float, float] = (0.5, 0.25)

    def noise(self, score: float) -> tuple[float, float]:
        """Variance of a measurement with this score, heights squared."""
        doubt = max(self.doubt * (1 - score), self.least_doubt)
        place, size = self.measured
        return doubt * place * place, doubt * size * size


@dataclass(slots=True)
class _Pair:
    """Two coordinates in pixels with their speeds, and the spread of either: variance of the position, its covariance with the
    speed, the speed's variance."""

    first: float
    second: float
    variance: float
    speed_variance: float
    covariance: float = 0.0
    first_speed: float = 0.0
    second_speed: float = 0.0

    def predict(self, dt_s: float, acceleration: float) -> None:
        self.first += dt_s * self.first_speed
        self.second += dt_s * self.second_speed
        drive = acceleration * acceleration * dt_s
        self.variance += dt_s * (2 * self.covariance + dt_s * (self.speed_variance + drive / 3))
        self.covariance += dt_s * (self.speed_variance + drive / 2)
        self.speed_variance += drive

    def correct(self, first: float, second: float, noise: float) -> None:
        total = self.variance + noise
        gain, speed_gain = self.variance / total, self.covariance / total
        first, second = first - self.first, second - self.second
        self.first += gain * first
        self.second += gain * second
        self.first_speed += speed_gain * first
        self.second_speed += speed_gain * second
        self.speed_variance -= speed_gain * self.covariance
        self.covariance *= 1 - gain
        self.variance *= 1 - gain


class TrackFilter:
    """The motion of one track, begun with the one box that is known of it."""

    __slots__ = ("_place", "_settings", "_size")

    def __init__(self, settings: MotionSettings, box: Box, score: float) -> None:
        (x, y, width, height), (place, size) = _centred(box), settings.noise(score)
        self._settings = settings
        self._place = _Pair(x, y, place, settings.first_speed[0] ** 2)
        self._size = _Pair(width, height, size, settings.first_speed[1] ** 2)

    def predict(self, dt_s: float) -> None:
        """Move on by ``dt_s``."""
        size, (place_drive, size_drive) = self._size, self._settings.acceleration
        self._place.predict(dt_s, place_drive)
        size.predict(dt_s, size_drive)
        size.first, size.second = max(size.first, _LEAST_SIDE_PX), max(size.second, _LEAST_SIDE_PX)

    def correct(self, box: Box, score: float) -> None:
        """Take in a box."""
        (x, y, width, height), (place, size) = _centred(box), self._settings.noise(score)
        self._place.correct(x, y, place)
        self._size.correct(width, height, size)

    def corners(self) -> Box:
        """Where the box is thought to be."""
        place, half_width, half_height = self._place, self._size.first / 2, self._size.second / 2
        x, y = place.first, place.second
        return x - half_width, y - half_height, x + half_width, y + half_height

    def velocity_px_s(self) -> tuple[float, float]:
        """Of the centre, to the right and down."""
        return self._place.first_speed, self._place.second_speed

    def uncertainty_px(self) -> float:
        """Standard deviation of the place."""
        return math.sqrt(self._place.variance) * self._size.second


def _centred(box: Box) -> Box:
    """Corners as centre x, centre y, width, height."""
    x1, y1, x2, y2 = box
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
