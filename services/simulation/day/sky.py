"""The sun's height and what it makes of daylight and outdoor temperature at about 31° north.

Belongs here: astronomy to the degree, weather to the plausible. Does not belong here: rooms (``climate``), lamps.
"""

from __future__ import annotations

import math
import random
from datetime import date

LATITUDE_DEG = 31.2
#: Shanghai's solar noon lies a few minutes before twelve by the clock of 120° east.
_NOON_S = 11.9 * 3600.0


def sun_height_deg(day: date, t_s: float) -> float:
    """The sun's height above the horizon."""
    declination = math.radians(-23.44 * math.cos(2 * math.pi * (day.timetuple().tm_yday + 10) / 365.25))
    hour_angle = 2 * math.pi * (t_s - _NOON_S) / 86_400.0
    latitude = math.radians(LATITUDE_DEG)
    sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
        hour_angle
    )
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def daylight(height_deg: float) -> float:
    """0 at the end of dusk (6° below the horizon), 1 from 20° upwards; smooth between."""
    share = min(1.0, max(0.0, (height_deg + 6.0) / 26.0))
    return share * share * (3.0 - 2.0 * share)


def dawn_s(day: date) -> float:
    """When the night ends: the first minute in which the sun sends any light at all."""
    return next((60.0 * minute for minute in range(720) if daylight(sun_height_deg(day, 60.0 * minute)) > 0.0), _NOON_S)


class Weather:
    """Outdoor temperature and humidity of one day: the month's usual ones, a day's mood, a daily wave."""

    #: Monthly means of Shanghai, °C and % (rounded climate normals), January first.
    _CELSIUS = (5.0, 6.6, 10.6, 16.0, 21.2, 24.8, 29.0, 28.6, 24.8, 19.6, 13.8, 7.2)
    _PERCENT = (71, 72, 71, 70, 70, 79, 77, 77, 75, 71, 72, 69)

    def __init__(self, day: date, seed: int) -> None:
        chance = random.Random(f"weather/{day}/{seed}")  # noqa: S311  a drawing, not a secret
        place = day.month - 1 + (day.day - 15) / 30.0
        low = math.floor(place)
        share = place - low
        self._mean = self._CELSIUS[low % 12] * (1 - share) + self._CELSIUS[(low + 1) % 12] * share
        self._mean += chance.gauss(0.0, 1.6)
        self._swing = chance.uniform(2.6, 4.6)
        self._percent = self._PERCENT[day.month - 1] + chance.gauss(0.0, 6.0)
        self._cloud = chance.uniform(0.0, 0.35)
        self._phase = chance.uniform(0.0, 6.28)

    def celsius(self, t_s: float) -> float:
        """Coldest about five, warmest about two in the afternoon."""
        return self._mean - self._swing * math.cos(2 * math.pi * (t_s - 2.0 * 3600.0) / 86_400.0)

    def percent(self, t_s: float) -> float:
        """Relative humidity: falls as the day warms."""
        return min(98.0, max(25.0, self._percent - 3.0 * (self.celsius(t_s) - self._mean)))

    def cloud(self, t_s: float) -> float:
        """The share of daylight that clouds take now: slow, 0 to about 0.35."""
        wave = 0.5 + 0.3 * math.sin(t_s / 1700.0 + self._phase) + 0.2 * math.sin(t_s / 610.0 + 2 * self._phase)
        return self._cloud * wave
