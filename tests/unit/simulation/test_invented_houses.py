"""Houses, furniture and company that nobody planned (``bench/nursery_detector``): they obey the rules of a house all the same."""

import math
from collections import Counter

import numpy as np
import pytest

from bench.nursery_detector.company import moment_of, peopled
from bench.nursery_detector.furnished import furnished
from bench.nursery_detector.invented import invented_building
from services.simulation.building import Building, BuildingCamera, Furniture
from services.simulation.floor import Floor
from services.simulation.render.camera_model import camera_model
from services.simulation.world import World

_SEEDS = range(3)
_CAMERAS = 6
_ON_FURNITURE = ("sit", "sleep", "climb")


def _house(seed: int) -> Building:
    return invented_building(np.random.default_rng([seed, 3]), _CAMERAS)


@pytest.fixture(scope="module", params=_SEEDS)
def house(request: pytest.FixtureRequest) -> Building:
    return _house(request.param)


@pytest.fixture(scope="module")
def worlds(house: Building) -> list[tuple[BuildingCamera, World]]:
    chance, floor = np.random.default_rng(5), Floor(house)
    return [
        (camera, peopled(house, camera, moment_of(house, camera.room, chance), floor, chance))
        for camera in house.cameras
        for _ in range(2)
    ]


def test_the_same_seed_builds_the_same_house_and_another_another() -> None:
    assert _house(1) == _house(1)
    assert len({_house(seed).model_dump_json() for seed in _SEEDS}) == len(_SEEDS)


def test_what_is_built_can_be_written_down_and_read_as_a_building(house: Building) -> None:
    assert Building.model_validate(house.model_dump(mode="json")) == house
    assert {"activity", "corridor", "entrance", "kitchen", "yard"} <= {room.kind for room in house.rooms}
    assert len(house.cameras) == _CAMERAS


def test_no_room_lies_in_another(house: Building) -> None:
    for index, room in enumerate(house.rooms):
        for other in house.rooms[:index]:
            (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = _bounds(room.footprint), _bounds(other.footprint)
            across, along = min(ax1, bx1) - max(ax0, bx0), min(ay1, by1) - max(ay0, by0)
            assert min(across, along) < 1e-9, (room.id, other.id)


def test_every_opening_lies_within_its_wall_and_beside_the_others(house: Building) -> None:
    walls = {wall.id: wall for wall in house.walls}
    for opening in house.openings:
        assert opening.width_m / 2 <= opening.at_m <= walls[opening.wall].length_m - opening.width_m / 2, opening.id
        assert opening.sill_m + opening.height_m <= walls[opening.wall].height_m
    windows = [one for one in house.openings if one.kind == "window"]
    for window in windows:
        others = (one for one in house.openings if one.wall == window.wall and one is not window)
        assert all(abs(window.at_m - one.at_m) > (window.width_m + one.width_m) / 2 for one in others), window.id


def test_every_piece_stands_within_its_walls(house: Building) -> None:
    for piece in house.furniture:
        x0, y0, x1, y1 = _bounds(house.room(piece.room).footprint)
        half_x, half_y = _reach(piece)
        x, y = piece.foot[:2]
        assert x0 <= x - half_x + 1e-6 and x + half_x - 1e-6 <= x1, (piece.kind, piece.room)
        assert y0 <= y - half_y + 1e-6 and y + half_y - 1e-6 <= y1, (piece.kind, piece.room)


def test_one_can_go_in_by_every_door(house: Building) -> None:
    walls = {wall.id: wall for wall in house.walls}
    for opening in house.openings:
        if opening.kind != "window":
            wall = walls[opening.wall]
            share = opening.at_m / wall.length_m
            spot = [a + (b - a) * share for a, b in zip(wall.start, wall.end, strict=True)]
            assert Floor(house).furniture_distance([spot])[0] > 0.3, opening.id


def test_every_camera_hangs_in_its_room_and_sees_most_of_its_floor(house: Building) -> None:
    for camera in house.cameras:
        room = house.room(camera.room)
        assert room.contains(*camera.at[:2]) and 1.8 < camera.at[2] < (room.ceiling_m or 3.5)
        x0, y0, x1, y1 = _bounds(room.footprint)
        spots = [(x, y, 0.0) for x in np.linspace(x0 + 0.2, x1 - 0.2, 9) for y in np.linspace(y0 + 0.2, y1 - 0.2, 9)]
        pixels, depths = camera_model(camera).project(spots)
        with np.errstate(invalid="ignore"):
            inside = (pixels > 0).all(1) & (pixels < (camera.width_px, camera.height_px)).all(1) & (depths > 0)
        assert inside.mean() > 0.4, camera.id


def test_a_room_of_the_same_seed_is_furnished_alike() -> None:
    room = {"id": "r", "kind": "activity", "rectangle": (0.0, 0.0, 6.0, 5.0), "ceiling_m": 2.8}
    first, again = (furnished(room, [(3.0, 0.0)], [], np.random.default_rng(4)) for _ in range(2))
    assert first == again
    assert len(first) > 5
    assert first != furnished(room, [(3.0, 0.0)], [], np.random.default_rng(5))


def test_plants_and_chairs_stand_close_to_some_cameras_and_most_of_what_grows_is_as_it_grew() -> None:
    """A network that never saw them from there takes them for people."""
    near: Counter[str] = Counter()
    plants = []
    for seed in range(12):
        house = _house(seed)
        plants += [piece for piece in house.furniture if piece.kind == "plant"]
        for camera in house.cameras:
            model = camera_model(camera)
            for piece in house.furniture:
                middle = (*piece.foot[:2], piece.size[2] / 2)
                pixel, depth = (part[0] for part in model.project([middle]))
                if 0 < depth < 3.0 and (pixel > 0).all() and (pixel < (camera.width_px, camera.height_px)).all():
                    near[piece.kind] += piece.room == camera.room

    assert near["plant"] >= 8 and near["chair"] >= 8
    assert 0.6 < np.mean([piece.colour is None for piece in plants]) < 0.9
    assert max(piece.size[2] for piece in plants) > 1.4


def test_company_is_the_same_for_the_same_seed(house: Building) -> None:
    def gathered() -> World:
        chance, camera = np.random.default_rng(9), house.cameras[0]
        return peopled(house, camera, moment_of(house, camera.room, chance), Floor(house), chance)

    assert gathered() == gathered()


def test_people_are_in_the_cameras_room_and_not_in_furniture(
    house: Building, worlds: list[tuple[BuildingCamera, World]]
) -> None:
    floor = Floor(house)
    assert sum(len(world.persons) for _, world in worlds) > 40
    for camera, world in worlds:
        for state in world.persons:
            assert house.room(camera.room).contains(*state.at[:2]), (camera.id, state.activity)
            if state.activity not in _ON_FURNITURE:
                assert floor.is_free(*state.at[:2], 0.19), (camera.id, state.activity)


def test_nobody_stands_in_anybody_but_who_is_carried(worlds: list[tuple[BuildingCamera, World]]) -> None:
    for _, world in worlds:
        alone = [state for state in world.persons if state.carried_by is None]
        for index, state in enumerate(alone):
            assert all(math.dist(state.at[:2], other.at[:2]) > 0.2 for other in alone[:index])
        numbers = {state.person.number for state in world.persons}
        assert len(numbers) == len(world.persons)
        assert {state.carried_by for state in world.persons if state.carried_by} <= numbers


def test_some_pictures_show_nobody_and_some_a_crowd() -> None:
    house = _house(0)
    chance, floor, camera = np.random.default_rng(2), Floor(house), house.cameras[0]
    counts = []
    for _ in range(25):
        world = peopled(house, camera, moment_of(house, camera.room, chance), floor, chance)
        counts.append(len(world.persons))
    assert 0 in counts
    assert max(counts) >= 8


def _bounds(footprint: tuple[tuple[float, float], ...]) -> tuple[float, float, float, float]:
    xs, ys = zip(*footprint, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _reach(piece: Furniture) -> tuple[float, float]:
    turn = math.radians(piece.turn_deg)
    along, across = abs(math.cos(turn)), abs(math.sin(turn))
    wide, deep, _ = piece.size
    return (wide * along + deep * across) / 2, (wide * across + deep * along) / 2
