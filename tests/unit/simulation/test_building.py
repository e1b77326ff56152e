"""A building's YAML: what is read from it, and how plainly it is refused."""

import math

import numpy as np
import pytest
import yaml

from docs.build import REFERENCE, pages
from services.contracts.errors import NotFound, Rejected
from services.simulation.building import BUILDINGS, Building, building_names, load_building, read_building
from services.simulation.catalogue import CATALOGUE
from services.simulation.floor import Floor


@pytest.fixture(scope="module")
def sunflower() -> Building:
    return load_building("sunflower")


def _document() -> dict:
    return {
        "id": "hut",
        "title": {"zh": "小屋", "en": "Hut"},
        "rooms": [{
            "id": "only", "kind": "activity", "title": {"zh": "屋", "en": "Room"}, "rectangle": [0, 0, 4, 3],
            "floor": {"material": "wood", "colour": "#c0a070"},
        }],
        "walls": [{"id": "south", "start": [0, 0], "end": [4, 0]}],
        "openings": [{"id": "door", "kind": "door", "wall": "south", "at_m": 2, "width_m": 1}],
        "cameras": [{
            "id": "cam", "room": "only", "title": {"zh": "机", "en": "Cam"}, "at": [0.2, 0.2, 2.6], "look_at": [2, 2, 0],
        }],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sunflower", "magnolia"])
def test_a_building_that_comes_along_has_what_a_nursery_needs(name: str) -> None:
    building = load_building(name)
    kinds = {room.kind for room in building.rooms}
    assert {"activity", "nap", "corridor", "entrance", "kitchen", "yard"} <= kinds
    assert {"fridge", "freezer"} <= {piece.kind for piece in building.furniture}
    assert any(opening.is_exit and opening.sensor_id for opening in building.openings)
    filmed = {camera.room for camera in building.cameras}
    assert {room.id for room in building.rooms if room.kind != "office"} <= filmed
    assert len(building.places_of("cot")) >= 5
    assert len(building.places_of("seat")) >= 6


@pytest.mark.parametrize("name", ["sunflower", "magnolia"])
def test_one_can_stand_at_every_stated_place(name: str) -> None:
    building = load_building(name)
    at = np.array([place.at[:2] for place in building.places])
    free = Floor(building).free(at, 0.15)
    assert [place.id for place, stands in zip(building.places, free, strict=True) if not stands] == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["rooms", 0, "kind"], "dungeon", "rooms[0].kind"),
        (["rooms", 0, "rectangle"], [4, 0, 0, 3], "x0 < x1"),
        (["rooms", 0, "polygon"], [[0, 0], [1, 0], [1, 1]], "rectangle or polygon"),
        (["openings", 0, "wall"], "east", "no wall 'east'"),
        (["openings", 0, "at_m"], 3.8, "reaches beyond wall 'south'"),
        (["openings", 0, "sensor_id"], "ghost", "no sensor 'ghost'"),
        (["cameras", 0, "hfov_deg"], 300, "cameras[0].hfov_deg"),
        (["cameras", 0, "at"], [9, 9, 2], "hangs outside its room"),
        (["cameras", 0, "pan_deg"], 10, "look_at, or pan_deg and tilt_deg"),
        (["cameras", 0, "fog"], 1, "cameras[0].fog"),
        (["rooms", 0, "kind"], "toilet", "no camera may stand in a toilet"),
        (["furniture"], [{"kind": "throne", "room": "only", "at": [1, 1]}], "furniture[0].kind"),
        (["furniture"], [{"kind": "table", "room": "only", "at": [9, 1]}], "reaches out of room 'only'"),
        (["cameras", 0, "at"], [math.nan, 0.2, 2.6], "cameras[0].at[0]"),
    ],
)
def test_a_faulty_document_is_refused_with_the_place_of_the_fault(path: list, value: object, told: str) -> None:
    document = _document()
    assert read_building(yaml.safe_dump(document)).id == "hut"
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(Rejected, match=told.replace("[", r"\[").replace("]", r"\]")):
        read_building(yaml.safe_dump(document), "hut.yaml")


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "\x00"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        read_building(text)


def test_an_unknown_building_is_told_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="magnolia, sunflower"):
        load_building("atlantis")
    assert building_names() == sorted(path.stem for path in BUILDINGS.glob("*.yaml"))


def test_a_piece_turned_a_quarter_has_its_footprint_turned(sunflower: Building) -> None:
    shelf = next(piece for piece in sunflower.furniture if piece.kind == "shelf" and piece.turn_deg == 90)
    xs, ys = np.array(shelf.footprint).T
    assert np.ptp(xs) == pytest.approx(CATALOGUE["shelf"].size_m[1])
    assert np.ptp(ys) == pytest.approx(CATALOGUE["shelf"].size_m[0])


def test_a_child_sits_at_a_table_with_the_face_to_it(sunflower: Building) -> None:
    table = next(piece for piece in sunflower.furniture if piece.kind == "table")
    seats = [place for place in sunflower.places_of("seat", "room-a") if math.dist(place.at[:2], table.foot[:2]) < 0.8]
    assert len(seats) == 4
    for seat in seats:
        way = np.subtract(table.foot[:2], seat.at[:2])
        assert way @ (math.cos(seat.heading_rad), math.sin(seat.heading_rad)) > 0.8 * np.hypot(*way)


def test_walls_and_furniture_stop_and_doors_let_pass(sunflower: Building) -> None:
    floor = Floor(sunflower)
    assert floor.is_free(6.6, 6.4, 0.3)  # in the doorway of the Sunflower class
    assert not floor.is_free(6.6, 6.4, 0.3, shut={"door-a"})
    assert not floor.is_free(4.0, 6.4, 0.1)  # in the wall
    assert not floor.is_free(1.75, 4.55)  # on a table
    assert not floor.is_free(-5.0, 3.0)  # outside
    assert floor.is_free(5.35, 2.75, 0.2)  # on the rug


def test_the_published_schema_is_that_of_the_code() -> None:
    assert (REFERENCE / "building.schema.json").read_text() == pages()["building.schema.json"]
