"""Days that several tests look at: made once."""

from __future__ import annotations

from datetime import date

import pytest

from services.simulation.building import Building, load_building
from services.simulation.day.nursery_day import NurseryDay

MONDAY, SUMMER = date(2026, 11, 23), date(2026, 7, 14)


@pytest.fixture(scope="session")
def building() -> Building:
    return load_building("sunflower")


@pytest.fixture(scope="session")
def calm(building: Building) -> NurseryDay:
    """An ordinary winter day: nothing goes wrong."""
    return NurseryDay(building, 7, MONDAY)


@pytest.fixture(scope="session")
def eventful(building: Building) -> NurseryDay:
    """A day into which every scene is drawn that there is."""
    return NurseryDay(building, 1, MONDAY, rate=20)
