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

_DRAW_S = 6.0
#: A car's headlights at night are a glimmer of daylight.
_HEADLIGHT = 0.10


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

    def daylight_at(self, t_s: float) -> float:
        """0 night, 1 full day; clouds and a passing car's headlights included."""
        bright = daylight(sun_height_deg(self._day, t_s % DAY_S)) * (1.0 - self._weather.cloud(t_s))
        for (start, end), factor in self._effects.sky_factors:
            if start < t_s < end:
                edge = min(1.0, (t_s - start) / 15.0, (end - t_s) / 15.0)
                bright *= 1.0 - (1.0 - factor) * edge
        for start, end in self._effects.headlights:
            if start < t_s < end:
                bright = max(bright, _HEADLIGHT * math.sin(math.pi * (t_s - start) / (end - start)) ** 2)
        return bright

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
