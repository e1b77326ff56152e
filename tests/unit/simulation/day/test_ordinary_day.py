"""An ordinary day is plausible, the same for the same seed, and nothing in it is an incident."""

from __future__ import annotations

import itertools
import math
from datetime import date

import numpy as np
import pytest

from services.contracts.errors import Rejected
from services.simulation.building import Building
from services.simulation.day.calendar import hours
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.openings import crossings
from services.simulation.day.sky import sun_height_deg
from services.simulation.floor import Floor as ExactFloor
from services.simulation.world import PersonState

FASTEST_M_S = 3.2
ON_THE_FLOOR = ("stand", "walk", "run", "crawl", "play_floor", "squat", "bend", "reach", "wave", "carry", "lie")


def states(day: NurseryDay, every_s: float) -> list[tuple[float, PersonState]]:
    times = np.arange(day.timetable.opens_s, day.timetable.closes_s, every_s)
    return [(float(t_s), one) for t_s in times for one in day.people_at(float(t_s))]


def test_nothing_goes_wrong_on_an_ordinary_day(calm: NurseryDay) -> None:
    assert calm.incidents == ()
    assert calm.happenings == ()


def test_the_same_seed_gives_the_same_day_and_another_one_another(
    building: Building, calm: NurseryDay, eventful: NurseryDay
) -> None:
    times = [hours(at) for at in ("08:11", "09:33", "10:20", "13:00", "16:44")]
    again, other = NurseryDay(building, 7, calm.day), eventful
    assert [again.world(t_s) for t_s in reversed(times)] == [calm.world(t_s) for t_s in reversed(times)]
    assert [other.world(t_s) for t_s in times] != [calm.world(t_s) for t_s in times]


def test_heights_are_those_of_small_children_and_adults(calm: NurseryDay) -> None:
    for person in calm.persons.values():
        low, high = (0.7, 1.2) if person.role == "child" else (1.45, 1.9)
        assert low <= person.height_m <= high, person
    assert 13 <= len(calm.roster.children) <= 20
    assert 4 <= len(calm.roster.adults) <= 7


def test_nobody_jumps_or_runs_faster_than_a_person_can(calm: NurseryDay, eventful: NurseryDay) -> None:
    for day in (calm, eventful):
        for start in range(int(day.timetable.opens_s), int(day.timetable.closes_s), 1237):
            for early, late in itertools.pairwise(start + step * 0.1 for step in range(60)):
                before = {one.person.number: one for one in day.people_at(early)}
                for one in day.people_at(late):
                    if (was := before.get(one.person.number)) is not None:
                        assert math.dist(one.at[:2], was.at[:2]) <= FASTEST_M_S * 0.1 + 1e-6, (one, was)
                        assert abs(one.at[2] - was.at[2]) <= 0.2, (one, was)


def test_knots_keep_natural_speeds_all_day(calm: NurseryDay, eventful: NurseryDay) -> None:
    for day in (calm, eventful):
        for number, track in day.tracks.items():
            t, x, y, _ = track.arrays
            there = np.array([track.is_present(float(a + b) / 2) for a, b in itertools.pairwise(t)])
            speed = np.hypot(np.diff(x), np.diff(y))[there] / np.diff(t)[there]
            assert speed.max() <= 2.6, number


def test_nobody_stands_in_a_wall_or_in_furniture(calm: NurseryDay, eventful: NurseryDay) -> None:
    exact = ExactFloor(calm.building)
    beds = [place.at[:2] for kind in ("seat", "cot") for place in calm.building.places_of(kind)]
    for day in (calm, eventful):
        feet = [one.at[:2] for _, one in states(day, 41.3)
                if one.activity in ON_THE_FLOOR and one.at[2] < 0.15 and day.floor.room_at(*one.at[:2]) >= 0]  # fmt: skip
        # On the last step to a seat and the first one off it, a body is where the seat is.
        feet = [foot for foot in feet if min(math.dist(foot, bed) for bed in beds) > 0.75]
        assert len(feet) > 5000
        free = exact.free(feet, 0.05)
        assert free.all(), [feet[i] for i in np.flatnonzero(~free)[:3]]


def test_whoever_sits_or_sleeps_has_a_seat_or_a_bed(calm: NurseryDay) -> None:
    for _, one in states(calm, 97.0):
        if one.activity in ("sit", "sleep") and one.doing_s > 3.0:
            kind = "seat" if one.activity == "sit" else "cot"
            assert min(math.dist(one.at, place.at) for place in calm.building.places_of(kind)) < 0.02, one


def test_an_adult_is_with_the_children_all_day(calm: NurseryDay) -> None:
    for room in calm.floor.rooms:
        alone = (calm.occupancy.count("child", room) > 0) & (calm.occupancy.count("adult", room) == 0)
        runs = [len(list(run)) for is_alone, run in itertools.groupby(alone.tolist()) if is_alone]
        assert max(runs, default=0) < 40, room


def test_every_child_comes_naps_or_rests_and_goes(calm: NurseryDay) -> None:
    noon, night = calm.whereabouts(hours("13:15")), calm.whereabouts(hours("20:00"))
    numbers = {child.person.number for child in calm.roster.children}
    assert numbers <= {number for room in noon.values() for number in room}
    assert sum(one.activity == "sleep" for one in calm.people_at(hours("13:15"))) >= 10
    assert night == {}
    assert calm.whereabouts(hours("03:00")) == {}


def test_somebody_looks_at_the_cots_every_quarter_of_an_hour(calm: NurseryDay) -> None:
    assert len(calm.plan.rounds_s) >= 7
    assert max(b - a for a, b in itertools.pairwise(calm.plan.rounds_s)) <= 900.0
    for at_s in calm.plan.rounds_s:
        numbers = calm.zones_at(at_s + 12.0)["beds"]
        assert any(one.person.role == "adult" and one.person.number in numbers and one.activity == "bend"
                   for one in calm.people_at(at_s + 12.0))  # fmt: skip


def test_the_door_is_open_whenever_somebody_passes_it(calm: NurseryDay) -> None:
    passed = 0
    for portal in calm.floor.portals:
        if portal.opening.kind == "passage":
            continue
        for track in calm.tracks.values():
            for at_s, _ in crossings(portal, track):
                passed += 1
                assert calm.world(at_s).openings[portal.opening.id] > 0.9, (portal.opening.id, at_s)
    assert passed > 200
    assert all(share == 0.0 for share in calm.world(hours("02:00")).openings.values())


def test_a_carried_child_is_where_its_carrier_is(calm: NurseryDay, eventful: NurseryDay) -> None:
    rides = [
        (day, number, ride) for day in (calm, eventful) for number, track in day.tracks.items() for ride in track.rides
    ]
    assert len(rides) >= 2
    for day, number, ride in rides:
        for t_s in np.linspace(ride.from_s + 1.0, ride.to_s - 0.1, 7):
            there = {one.person.number: one for one in day.people_at(float(t_s))}
            child, carrier = there[number], there[ride.carrier]
            assert (child.activity, child.carried_by, carrier.carries) == ("carried", ride.carrier, number)
            assert math.dist(child.at[:2], carrier.at[:2]) < 1e-6


def test_scanning_by_second_says_what_single_worlds_say(eventful: NurseryDay) -> None:
    for t_s in range(int(hours("07:40")), int(hours("17:00")), 611):
        rooms = eventful.whereabouts(float(t_s))
        for room in eventful.floor.rooms:
            counted = {number for number, where in eventful.occupancy.rooms_of.items()
                       if where[t_s] == eventful.floor.room_index(room)}  # fmt: skip
            assert counted == set(rooms.get(room, ())), (t_s, room)


def test_half_day_and_hourly_care_end_at_noon_and_a_closed_day_is_empty(building: Building) -> None:
    half = NurseryDay(building, 3, date(2026, 11, 24), "half-day")
    few = NurseryDay(building, 3, date(2026, 11, 24), "hourly")
    closed = NurseryDay(building, 3, date(2026, 11, 24), "closed")
    assert len(half.people_at(hours("10:20"))) > 15
    assert half.people_at(hours("13:30")) == () == closed.people_at(hours("10:20"))
    assert 4 <= sum(one.person.role == "child" for one in few.people_at(hours("10:30"))) <= 8
    assert half.incidents == () == few.incidents
    assert closed.timetable.is_armed(hours("10:20"))


def test_light_follows_the_sun_and_the_nap(calm: NurseryDay) -> None:
    noon, nap, night = (calm.world(hours(at)) for at in ("11:50", "13:30", "23:00"))
    assert noon.daylight > 0.6 > night.daylight == 0.0
    assert noon.lights["nap"] == 1.0 > nap.lights["nap"] == 0.0 == night.lights["room-a"]
    assert nap.curtains["window-nap1"] == 1.0 > noon.curtains["window-nap1"] == 0.0
    assert sun_height_deg(date(2026, 6, 21), hours("11:54")) == pytest.approx(90 - 31.2 + 23.44, abs=0.3)
    assert sun_height_deg(date(2026, 12, 21), hours("11:54")) == pytest.approx(90 - 31.2 - 23.44, abs=0.3)


def test_a_negative_seed_or_a_wild_rate_is_refused(building: Building) -> None:
    for seed, rate in ((-1, 0.0), (1, -1.0), (1, 1e6), (1, math.nan)):
        with pytest.raises(Rejected, match="rate"):
            NurseryDay(building, seed, date(2026, 11, 23), rate=rate)
