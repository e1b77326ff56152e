"""Daylight, lamps and curtains of a day.

Belongs here: when it is light and what is switched or drawn. Does not belong here: how light falls (``render/``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

from services.simulation.building import Building
from services.simulation.day.calendar import DAY_S, Timetable
from services.simulation.day.sky import Weather, daylight, sun_height_deg
from services.simulation.day.stage import Effects
from services.simulation.world import Headlights

_DRAW_S = 6.0
#: A car drives by so far beyond house and yard, from so far before to so far behind them; its lamps hang so high.
_STREET_M, _BEYOND_M, _LAMP_M = 4.0, 10.0, 0.9
_DIM_S = 0.6
Way = tuple[tuple[float, float], tuple[float, float]]


class Lighting:
    """What ``World`` says of light, at any instant."""

    def __init__(self, building: Building, day: date, timetable: Timetable, weather: Weather, effects: Effects) -> None:
        self._day, self._timetable, self._weather, self._effects = day, timetable, weather, effects
        self._rooms = [room.id for room in building.rooms if not room.outdoors]
        self._nap_rooms = {room.id for room in building.rooms if room.kind == "nap"}
        self._curtains = {
            one.id: any(side is not None and side.kind == "nap" for side in building.rooms_joined(one))
            for one in building.openings if one.kind == "window" and one.curtain is not None
        }  # fmt: skip
        self._night_sight = {
            room: frozenset(one.id for one in building.cameras if one.room == room and one.infrared_at_night)
            for room in self._rooms
        }
        self._street = street_past(building) if effects.headlights else None

    def daylight_at(self, t_s: float) -> float:
        """0 night, 1 full day; clouds included."""
        bright = daylight(sun_height_deg(self._day, t_s % DAY_S)) * (1.0 - self._weather.cloud(t_s))
        for (start, end), factor in self._effects.sky_factors:
            if start < t_s < end:
                edge = min(1.0, (t_s - start) / 15.0, (end - t_s) / 15.0)
                bright *= 1.0 - (1.0 - factor) * edge
        return bright

    def headlights_at(self, t_s: float) -> tuple[Headlights, ...]:
        """The lamps of cars that drive by now."""
        if self._street is None:
            return ()
        (x0, y0), (x1, y1) = self._street
        found = []
        for start, end in self._effects.headlights:
            if start < t_s < end:
                share = (t_s - start) / (end - start)
                at = (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, _LAMP_M)
                found.append(Headlights(at, min(1.0, (t_s - start) / _DIM_S, (end - t_s) / _DIM_S)))
        return tuple(found)

    def night_sight_at(self, t_s: float) -> frozenset[str]:
        """Cameras whose day-night switch hangs on their room's lamps, while a scene has put those out."""
        dark = [room for room, (start, end), level in self._effects.lamps if level == 0.0 and start <= t_s < end]
        return frozenset(camera for room in dark for camera in self._night_sight[room])

    def lamps_at(self, t_s: float) -> Mapping[str, float]:
        """Lamps burn while somebody ought to be in; the nap room's are out while the children sleep."""
        lit = not self._timetable.is_armed(t_s)
        nap = self._timetable.phase("nap")
        asleep = nap is not None and nap.start_s + 240.0 <= t_s < nap.end_s - 240.0
        lamps = {room: 0.0 if not lit or (asleep and room in self._nap_rooms) else 1.0 for room in self._rooms}
        return lamps | {room: level for room, (start, end), level in self._effects.lamps if start <= t_s < end}

    def curtains_at(self, t_s: float) -> Mapping[str, float]:
        """How far each curtain is drawn: the nap room's at nap, all of them a little at night, moving in a draught."""
        nap = self._timetable.phase("nap")
        drawn = {}
        for name, is_nap in self._curtains.items():
            share = 0.0
            if is_nap and nap is not None:
                share = min(1.0, max(0.0, (t_s - nap.start_s) / _DRAW_S), max(0.0, (nap.end_s - 240.0 - t_s) / _DRAW_S))
            for window, (start, end) in self._effects.curtain_waves:
                if window == name and start < t_s < end:
                    edge = min(1.0, (t_s - start) / 3.0, (end - t_s) / 3.0)
                    share = max(
                        share,
                        edge * (0.25 + 0.12 * math.sin(1.9 * (t_s - start)) + 0.06 * math.sin(5.3 * (t_s - start))),
                    )
            drawn[name] = min(1.0, max(0.0, share))
        return drawn


def street_past(building: Building) -> Way | None:
    """The way of a car past the side of the house that has the most window; ``None`` where no window looks outside."""
    glass = dict.fromkeys(((0, -1), (0, 1), (-1, 0), (1, 0)), 0.0)
    for one in building.openings:
        if one.kind != "window":
            continue
        left, right = building.rooms_joined(one)
        inside = [side is not None and not side.outdoors for side in (left, right)]
        if inside[0] != inside[1]:
            dx, dy = building.wall(one.wall).direction
            out = (dy, -dx) if inside[0] else (-dy, dx)
            side = max(glass, key=lambda way: way[0] * out[0] + way[1] * out[1])
            glass[side] += one.width_m * one.height_m
    if not any(glass.values()):
        return None
    xs, ys = zip(*(corner for room in building.rooms for corner in room.footprint), strict=True)
    east, north = max(glass, key=lambda way: glass[way])
    if north:
        y = max(ys) + _STREET_M if north > 0 else min(ys) - _STREET_M
        return ((min(xs) - _BEYOND_M, y), (max(xs) + _BEYOND_M, y))
    x = max(xs) + _STREET_M if east > 0 else min(xs) - _STREET_M
    return ((x, min(ys) - _BEYOND_M), (x, max(ys) + _BEYOND_M))
