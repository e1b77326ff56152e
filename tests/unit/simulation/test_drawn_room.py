"""Drawn rooms: the same name and seed give the same room; the truth says where the orange is, and nothing else is orange."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.simulation.drawn_room import FRAMES_PER_S, DrawnRoom
from services.simulation.floor_plan import ROOMS


def orange(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels with the hue and saturation of the figures' clothes."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    return (hsv[..., 0] >= 6) & (hsv[..., 0] <= 17) & (hsv[..., 1] > 150) & (hsv[..., 2] > 90)


@pytest.fixture(params=ROOMS)
def room(request: pytest.FixtureRequest) -> DrawnRoom:
    return DrawnRoom(str(request.param), seed=3)


def test_same_room_and_seed_same_pictures(room: DrawnRoom) -> None:
    twin = DrawnRoom(room.room, seed=3)
    for t_s in (0.0, 7.3, 12.1, 93.7):
        assert np.array_equal(room.frame(t_s), twin.frame(t_s))
        assert room.truth(t_s) == twin.truth(t_s)


def test_a_frame_may_be_drawn_on_without_spoiling_the_next(room: DrawnRoom) -> None:
    first = room.frame(1.0)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(room.frame(1.0), kept)


def test_another_seed_is_another_timetable() -> None:
    assert DrawnRoom("playroom", 1).presence(0, 200) != DrawnRoom("playroom", 2).presence(0, 200)


def test_pictures_are_rgb_of_the_promised_size(room: DrawnRoom) -> None:
    picture = room.frame(0.0)
    assert picture.shape == (360, 640, 3)
    assert picture.dtype == np.uint8


def test_nothing_in_an_empty_room_is_orange(room: DrawnRoom) -> None:
    empty = [t_s for t_s in np.arange(0.0, 60.0, 0.7) if not room.truth(t_s)]
    assert len(empty) > 10
    assert max(int(orange(room.frame(t_s)).sum()) for t_s in empty) == 0


def test_the_boxes_hold_all_the_orange_and_are_tight(room: DrawnRoom) -> None:
    seen = 0
    for t_s in np.arange(0.0, 160.0, 0.9):
        people = room.truth(t_s)
        if len(people) != 1:
            continue
        seen += 1
        x1, y1, x2, y2 = people[0].box_px
        rows, columns = np.nonzero(orange(room.frame(t_s)))
        assert rows.size > 500
        assert columns.min() >= x1 - 2
        assert columns.max() <= x2 + 2
        assert rows.min() >= y1
        assert rows.max() <= y2 + 2
        assert (rows.max() - rows.min()) > 0.7 * (y2 - y1)
    assert seen > 10


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ROOMS)
def test_somebody_enters_the_armed_zone_soon_and_again(name: str, seed: int) -> None:
    spans = DrawnRoom(name, seed).presence(0.0, 300.0)
    assert 14.0 < spans[0][0] < 40.0
    assert len(spans) >= 3
    assert sum(end - start for start, end in spans) < 200.0


def test_presence_agrees_with_the_truth_of_single_frames(room: DrawnRoom) -> None:
    spans = room.presence(0.0, 60.0)
    for index in range(60 * FRAMES_PER_S):
        t_s = index / FRAMES_PER_S
        within = any(start - 1e-6 <= t_s < end - 1e-6 for start, end in spans)
        assert within == any(person.in_armed_zone for person in room.truth(t_s)), t_s


def test_the_door_is_open_whenever_somebody_passes_it(room: DrawnRoom) -> None:
    openings = room.door_openings(0.0, 400.0)
    present = [bool(room.truth(index / 10)) for index in range(4000)]
    changes = [index / 10 for index in range(1, 4000) if present[index] != present[index - 1]]
    assert len(changes) >= 8
    assert all(any(start <= change <= end for start, end in openings) for change in changes)


def test_the_door_is_forgotten_open_now_and_then(room: DrawnRoom) -> None:
    lengths = [end - start for start, end in room.door_openings(0.0, 700.0)]
    assert 1 <= sum(length > 25 for length in lengths) <= 4
    assert min(lengths) < 5


def test_the_moving_door_is_seen(room: DrawnRoom) -> None:
    opened = room.door_openings(0.0, 60.0)[0][0]
    before, after = room.frame(opened - 0.1), room.frame(opened + 0.7)
    assert np.abs(before[30:150, 470:570].astype(int) - after[30:150, 470:570]).mean() > 5


def test_readings_tell_every_change_once_and_the_state_at_a_steady_beat(room: DrawnRoom) -> None:
    whole = room.readings(0.0, 300.0)
    pieces = [one for start in range(0, 300, 5) for one in room.readings(start, start + 5)]
    assert pieces == whole
    assert sum(one.kind == "temperature" for one in whole) == 30
    assert all(18.0 < one.value < 28.0 for one in whole if one.kind == "temperature")
    opened = [one.t_s for one in whole if one.kind == "door" and one.value == 1.0]
    assert {start for start, _ in room.door_openings(0.0, 300.0)} <= set(opened)


def test_any_name_is_a_room() -> None:
    assert DrawnRoom("room-7").frame(0.0).shape == (360, 640, 3)
    assert not np.array_equal(DrawnRoom("nap-2").frame(0.0), DrawnRoom("room-7").frame(0.0))
