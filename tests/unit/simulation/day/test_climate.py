"""Temperatures and humidities answer to windows, doors and people the way that heat and vapour do."""

from __future__ import annotations

import math
from datetime import date
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from services.simulation.building import Building
from services.simulation.day.calendar import DAY_S, Timetable, hours, timetable_of
from services.simulation.day.climate import Climate
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.occupancy import Occupancy
from services.simulation.day.openings import Leaf
from services.simulation.day.sky import Weather
from services.simulation.day.stage import Effects

WINTER = date(2026, 1, 14)
ROOM = "room-a"
FROM_S, TO_S = hours("10:00"), hours("11:00")


class Company:
    """Whoever is in ``ROOM`` from ten to eleven; stands in for the occupancy of a day."""

    def __init__(self, adults: int = 0, children: int = 0) -> None:
        self._counts = {"adult": adults, "child": children}

    def count(self, role: str, room: str) -> NDArray[np.int32]:
        seconds = np.arange(int(DAY_S))
        there = (seconds >= FROM_S) & (seconds < TO_S) & (room == ROOM)
        return np.where(there, self._counts[role], 0).astype(np.int32)


@pytest.fixture(scope="module")
def small(building: Building) -> Building:
    """One room and the kitchen: what is measured here, at a quarter of the reckoning."""
    rooms = tuple(room for room in building.rooms if room.id in (ROOM, "kitchen"))
    return building.model_copy(update={"rooms": rooms})


def climate_of(
    small: Building, opened: dict[str, tuple[float, float]] | None = None, company: Company | None = None
) -> Climate:
    """A winter's day of full care with openings held open for spans of time."""
    timetable: Timetable = timetable_of(WINTER, "full-day", 1)
    leaves = {one.id: Leaf([]) for one in (*small.openings, *small.furniture) if one.id is not None}
    leaves |= {name: Leaf([(*span, 1.0)]) for name, span in (opened or {}).items()}
    occupancy = cast(Occupancy, company or Company())
    return Climate(small, timetable, Weather(WINTER, 1), occupancy, leaves, Effects())


@pytest.fixture(scope="module")
def shut(small: Building) -> Climate:
    return climate_of(small)


@pytest.fixture(scope="module")
def opened(building: Building) -> dict[str, tuple[float, float]]:
    """The room's windows for half an hour, the fridge for ten minutes."""
    windows = [one.id for one in building.openings if one.kind == "window"
               and any(side is not None and side.id == ROOM for side in building.rooms_joined(one))]  # fmt: skip
    assert windows
    return {name: (FROM_S, FROM_S + 1800.0) for name in windows} | {"fridge": (FROM_S, FROM_S + 600.0)}


@pytest.fixture(scope="module")
def aired(small: Building, opened: dict[str, tuple[float, float]]) -> Climate:
    return climate_of(small, opened)


@pytest.fixture(scope="module")
def crowded(small: Building) -> Climate:
    return climate_of(small, company=Company(adults=4, children=20))


def vapour(celsius: float, percent: float) -> float:
    """Pressure of water vapour, Pa; Tetens' formula, which is not the model's own."""
    return 610.78 * math.exp(17.27 * celsius / (celsius + 237.3)) * percent / 100.0


def vapour_in(climate: Climate, t_s: float) -> float:
    return vapour(climate.celsius_at(ROOM, t_s), climate.percent_at(ROOM, t_s))


def test_an_opened_window_cools_a_heated_room_and_a_shut_one_lets_it_warm_again(shut: Climate, aired: Climate) -> None:
    before, open_, after = (FROM_S - 10.0, FROM_S + 1790.0, FROM_S + 3600.0)
    assert shut.celsius_at(ROOM, before) == pytest.approx(21.5, abs=1.5), "heated"
    assert aired.celsius_at(ROOM, before) == shut.celsius_at(ROOM, before)
    assert aired.celsius_at(ROOM, open_) < shut.celsius_at(ROOM, open_) - 3.0
    assert aired.celsius_at(ROOM, open_) > Weather(WINTER, 1).celsius(open_), "never colder than outdoors"
    assert aired.celsius_at(ROOM, after) > aired.celsius_at(ROOM, open_) + 1.0
    # It falls fastest at first.
    fall = [aired.celsius_at(ROOM, FROM_S + s) - aired.celsius_at(ROOM, FROM_S + s + 300.0) for s in (0.0, 900.0)]
    assert fall[0] > fall[1]


def test_an_opened_window_dries_a_full_room_toward_what_outdoors_holds(
    small: Building, opened: dict[str, tuple[float, float]], crowded: Climate
) -> None:
    weather, open_ = Weather(WINTER, 1), FROM_S + 1790.0
    both = climate_of(small, opened, Company(adults=4, children=20))
    outdoors = vapour(weather.celsius(open_), weather.percent(open_))
    assert outdoors < vapour_in(both, open_) < outdoors * 1.15
    assert vapour_in(both, open_) - outdoors < (vapour_in(crowded, open_) - outdoors) / 3.0


def test_a_full_room_grows_damp_by_what_people_breathe(shut: Climate, crowded: Climate, building: Building) -> None:
    assert vapour_in(crowded, FROM_S - 60.0) == vapour_in(shut, FROM_S - 60.0)
    gained = [vapour_in(crowded, FROM_S + s) - vapour_in(shut, FROM_S + s) for s in (600.0, 1800.0, 3500.0)]
    assert 0.0 < gained[0] < gained[1] < gained[2]
    # By hand: 4 adults at 40 g an hour and 20 children at 24 g make 0.64 kg; the room keeps some three quarters of it in an
    # hour of 0.6 changes of air. 1 kg of vapour in V cubic metres at 295 K is 461.5 * 295 / V Pa.
    xs, ys = zip(*building.room(ROOM).footprint, strict=True)
    volume = (max(xs) - min(xs)) * (max(ys) - min(ys)) * (building.room(ROOM).ceiling_m or 3.0)
    assert gained[2] == pytest.approx(0.64 * 0.75 * 461.5 * 295.0 / volume, rel=0.25)
    assert crowded.percent_at(ROOM, TO_S - 60.0) > shut.percent_at(ROOM, TO_S - 60.0) + 5.0
    assert vapour_in(crowded, TO_S + 3.0 * 3600.0) - vapour_in(shut, TO_S + 3.0 * 3600.0) < gained[2] / 3.0


def test_humidities_are_those_of_rooms(shut: Climate, aired: Climate, crowded: Climate, eventful: NurseryDay) -> None:
    for climate in (shut, aired, crowded):
        assert 5.0 < min(climate.percent[ROOM]) <= max(climate.percent[ROOM]) <= 99.0
    for one in eventful.sensor_readings(hours("09:00"), hours("11:00")):
        if one.kind == "humidity":
            assert isinstance(one.value, float)
            assert one.value == round(one.value)
            assert one.value == pytest.approx(eventful.climate.percent_at(one.room_id, one.t_s), abs=4.0)


def test_an_opened_fridge_warms_and_is_cold_again_soon(shut: Climate, aired: Climate) -> None:
    start, end = FROM_S, FROM_S + 600.0
    still = [shut.celsius_at("fridge", FROM_S + s) for s in range(-3600, 7200, 60)]
    assert 2.0 < min(still) <= max(still) < 5.6
    assert aired.celsius_at("fridge", start - 5.0) == shut.celsius_at("fridge", start - 5.0)
    warm = aired.celsius_at("fridge", end)
    assert warm > max(still) + 3.0
    assert aired.celsius_at("fridge", start + 300.0) < warm
    assert warm < aired.celsius_at("kitchen", end), "never warmer than the kitchen"
    later = [aired.celsius_at("fridge", end + s) for s in (0.0, 600.0, 1200.0)]
    assert later[0] > later[1] > later[2]
    assert aired.celsius_at("fridge", end + 3600.0) < 5.6
    assert 0 <= aired.celsius_at("freezer", end) + 19.0 < 3.0, "its own door was shut"
