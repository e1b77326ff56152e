"""Temperatures and humidity of rooms, fridge and freezer, stepped through the day with a lumped model.

Belongs here: heat balances. A room is air and furniture (one node) coupled to walls (the other): outdoors, windows, people,
heating, cooling, fire. A fridge is one node with a compressor between two switching points. Does not belong here: what a
probe says of it (``sensors``). Constants are plausible, not measured; ``docs/design/simulation.md`` lists them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.simulation.building import Building, Room
from services.simulation.day.calendar import DAY_S, Timetable
from services.simulation.day.occupancy import Occupancy
from services.simulation.day.openings import Leaf
from services.simulation.day.sky import Weather
from services.simulation.day.stage import Effects

STEP_S = 20.0
_SPIN_UP_S = 4 * 3600.0
_AIR_J_M3K = 1206.0
#: Air and what follows it at once (furniture's surfaces): twice the air alone.
_AIR_SHARE = 2.0
_WALL_J_M2K = 2.4e5
_WALL_W_M2K = 8.0
_LOSS_W_M2K = 1.9
_PERSON_W, _CHILD_W = 90.0, 55.0
_PERSON_VAPOUR_KG_S = 1.1e-5
_HEAT_W_K, _HEAT_MOST_W_M2 = 45.0, 110.0
_SET_DAY, _SET_NIGHT, _COOL_ABOVE = 22.0, 16.0, 25.5
_WINDOW_M3_S_M2 = 0.10


@dataclass(frozen=True, slots=True)
class Cold:
    """A fridge or freezer: heat capacity, loss, compressor, switching points, exchange with the room through the open door."""

    joules_k: float
    loss_w_k: float
    compressor_w: float
    off_celsius: float
    on_celsius: float
    open_w_k: float = 25.0


COLD: dict[str, Cold] = {
    "fridge": Cold(12_000.0, 1.5, 120.0, 2.8, 5.0),
    "freezer": Cold(25_000.0, 1.2, 150.0, -20.0, -18.0),
}


class Climate:
    """True temperatures (°C) and humidities (%), linear between steps of ``STEP_S``."""

    def __init__(
        self, building: Building, timetable: Timetable, weather: Weather, occupancy: Occupancy,
        leaves: Mapping[str, Leaf], effects: Effects,
    ) -> None:  # fmt: skip
        self._weather, self._timetable, self._effects, self._leaves = weather, timetable, effects, leaves
        self._steps = int((DAY_S + _SPIN_UP_S) / STEP_S) + 1
        self.celsius: dict[str, list[float]] = {}
        self.percent: dict[str, list[float]] = {}
        self._outdoors = [weather.celsius(self._time(i)) for i in range(self._steps)]
        seconds = np.clip(np.arange(self._steps) * STEP_S - _SPIN_UP_S, 0, DAY_S - 1).astype(int)
        for room in building.rooms:
            if not room.outdoors:
                adults = occupancy.count("adult", room.id)[seconds]
                children = occupancy.count("child", room.id)[seconds]
                self._room(room, building, adults, children)
        for piece in building.furniture:
            if piece.kind in COLD and piece.id:
                self._cold(piece.id, COLD[piece.kind], self.celsius[piece.room])

    def celsius_at(self, where: str, t_s: float) -> float:
        """A room's, fridge's or freezer's temperature."""
        return self._read(self.celsius[where], t_s)

    def percent_at(self, room: str, t_s: float) -> float:
        """A room's relative humidity."""
        return self._read(self.percent[room], t_s)

    def by_second(self, where: str) -> NDArray[np.float64]:
        """Temperature at every whole second of the day."""
        steps = np.arange(self._steps) * STEP_S - _SPIN_UP_S
        celsius: NDArray[np.float64] = np.interp(np.arange(0.0, DAY_S), steps, self.celsius[where])
        return celsius

    def _read(self, series: Sequence[float], t_s: float) -> float:
        place = min(max((t_s + _SPIN_UP_S) / STEP_S, 0.0), len(series) - 1.001)
        low = int(place)
        return series[low] + (series[low + 1] - series[low]) * (place - low)

    def _time(self, step: int) -> float:
        return step * STEP_S - _SPIN_UP_S

    def _room(self, room: Room, building: Building, adults: NDArray[np.int32], children: NDArray[np.int32]) -> None:
        xs, ys = zip(*room.footprint, strict=True)
        area = (max(xs) - min(xs)) * (max(ys) - min(ys))
        volume = area * (room.ceiling_m or 3.0)
        air_j_k, wall_j_k = volume * _AIR_J_M3K * _AIR_SHARE, area * _WALL_J_M2K
        windows = [one for one in building.openings if one.kind == "window" and one.id in self._leaves
                   and any(side is not None and side.id == room.id for side in building.rooms_joined(one))]  # fmt: skip
        heat = [_PERSON_W * a + _CHILD_W * c for a, c in zip(adults.tolist(), children.tolist(), strict=True)]
        vapour = [(a + 0.6 * c) * _PERSON_VAPOUR_KG_S for a, c in zip(adults.tolist(), children.tolist(), strict=True)]
        air = wall = min(26.0, max(_SET_NIGHT + 1.0, self._outdoors[0] + 2.0))
        moist = _saturated(self._outdoors[0]) * self._weather.percent(0.0) / 100.0
        celsius, percent = [], []
        for i, outdoors in enumerate(self._outdoors):
            t_s = self._time(i)
            flow = sum(one.width_m * one.height_m * self._leaves[one.id].at(t_s) * _WINDOW_M3_S_M2 for one in windows)
            loss_w = (area * _LOSS_W_M2K + flow * _AIR_J_M3K) * (air - outdoors)
            watts = heat[i] + self._conditioned(room.id, area, air, t_s) + self._fire_w(room.id, t_s)
            to_wall_w = area * _WALL_W_M2K * (air - wall)
            air += (watts - loss_w - to_wall_w) * STEP_S / air_j_k
            wall += to_wall_w * STEP_S / wall_j_k
            outside = _saturated(outdoors) * self._weather.percent(t_s) / 100.0
            exchange = min(1.0, (volume * 0.6 / 3600.0 + flow) * STEP_S / volume)
            moist += (outside - moist) * exchange + vapour[i] * STEP_S / (volume * 1.2)
            celsius.append(air)
            percent.append(min(99.0, 100.0 * moist / _saturated(air)))
        self.celsius[room.id], self.percent[room.id] = celsius, percent

    def _conditioned(self, room: str, area: float, air: float, t_s: float) -> float:
        """Watts of heating (positive) or cooling; ahead of opening by an hour and a half."""
        suffered = {
            one.kind for one in self._effects.disturbances if one.where == room and one.span[0] <= t_s < one.span[1]
        }
        most_w = area * _HEAT_MOST_W_M2
        if "heating-stuck" in suffered:
            return most_w
        by_day = self._timetable.opens_s - 5400.0 <= t_s < self._timetable.closes_s
        wanted = _SET_DAY if by_day else _SET_NIGHT
        if air < wanted and "heating-off" not in suffered:
            return min(most_w, (wanted - air) * area * _HEAT_W_K)
        if by_day and air > _COOL_ABOVE and "cooling-off" not in suffered:
            return max(-most_w, (_COOL_ABOVE - air) * area * _HEAT_W_K)
        return 0.0

    def _fire_w(self, room: str, t_s: float) -> float:
        return sum(
            one.watts * min(1.0, (t_s - one.span[0]) / one.grows_s)
            for one in self._effects.fires if one.room == room and one.span[0] <= t_s < one.span[1]
        )  # fmt: skip

    def _cold(self, name: str, cold: Cold, room: Sequence[float]) -> None:
        inside, runs, series = (cold.off_celsius + cold.on_celsius) / 2, False, []
        door = self._leaves.get(name)
        broken = [one.span for one in self._effects.disturbances if one.where == name and one.kind == "compressor-off"]
        fine_s = STEP_S / 5
        for i in range(self._steps):
            series.append(inside)
            for part in range(5):
                t_s = self._time(i) + part * fine_s
                runs = inside > cold.on_celsius or (runs and inside > cold.off_celsius)
                works = runs and not any(start <= t_s < end for start, end in broken)
                exchange = cold.loss_w_k + (cold.open_w_k * door.at(t_s) if door else 0.0)
                watts = exchange * (room[i] - inside) - (cold.compressor_w if works else 0.0)
                inside += watts * fine_s / cold.joules_k
        self.celsius[name] = series


def _saturated(celsius: float) -> float:
    """Kilograms of vapour in a kilogram of saturated air (Magnus)."""
    pressure = 611.2 * math.exp(17.62 * celsius / (243.12 + celsius))
    return 0.622 * pressure / (101_325.0 - pressure)
