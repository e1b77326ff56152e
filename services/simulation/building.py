"""A building as data: rooms, walls with their doors and windows, furniture, places, zones, sensors and cameras.

Belongs here: the description and what can be wrong with it. Does not belong here: what happens in the building (``day/``),
how it looks (``render/``), where one can walk (``floor.py``). Metres, x east, y north, z up; degrees counter-clockwise from
east. A building is one YAML document (``buildings/*.yaml``, schema in ``docs/reference/building.schema.json``).
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.contracts.errors import NotFound, Rejected
from services.simulation.catalogue import CATALOGUE, FurnitureKind, PlaceKind
from services.simulation.described_file import bytes_of

BUILDINGS = Path(__file__).parent / "buildings"
_MAX_BYTES = 1 << 20

RoomKind = Literal[
    "activity", "nap", "corridor", "entrance", "kitchen", "yard", "office", "toilet", "changing", "nursing"
]
Material = Literal[
    "wood", "tile", "carpet", "linoleum", "paint", "wallpaper", "brick", "grass", "rubber", "paving", "concrete"
]
ZoneKind = Literal["armed", "exit", "bed", "hazard", "window", "kitchen"]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
Metres = Annotated[float, Field(ge=-200, le=200)]
Length = Annotated[float, Field(gt=0, le=200)]
Spot2 = tuple[Metres, Metres]
Spot3 = tuple[Metres, Metres, Metres]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", description="sRGB, e.g. #e8d9c0")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_P = TypeVar("_P", "Room", "Wall", "Opening", "BuildingCamera")


class Title(_Part):
    """A name in both of the product's languages."""

    zh: str = Field(min_length=1, max_length=60)
    en: str = Field(min_length=1, max_length=60)


class Surface(_Part):
    """What a floor or a wall is made of. ``dado`` is the colour of a wall's lower part, up to ``dado_m``."""

    material: Material
    colour: Colour
    second: Colour | None = Field(default=None, description="the other colour of tiles, planks or patterns")
    dado: Colour | None = None
    dado_m: float = Field(default=1.0, ge=0, le=3)


class Room(_Part):
    """A room or, with ``ceiling_m`` null, a piece of ground under the sky. ``lamps`` hang where furniture of kind lamp says."""

    id: Id
    kind: RoomKind
    title: Title
    rectangle: tuple[Metres, Metres, Metres, Metres] | None = Field(default=None, description="x0, y0, x1, y1")
    polygon: tuple[Spot2, ...] | None = Field(default=None, min_length=3, max_length=64)
    ceiling_m: Length | None = 3.0
    floor: Surface
    wall: Surface = Surface(material="paint", colour="#f0ebe0")
    ceiling: Colour = "#f4f2ec"

    @model_validator(mode="after")
    def _one_footprint(self) -> Room:
        if (self.rectangle is None) == (self.polygon is None):
            raise ValueError("give the footprint once: rectangle or polygon")
        if self.rectangle and (self.rectangle[0] >= self.rectangle[2] or self.rectangle[1] >= self.rectangle[3]):
            raise ValueError("a rectangle is x0, y0, x1, y1 with x0 < x1 and y0 < y1")
        if abs(_twice_area(self.footprint)) < 0.5:
            raise ValueError("the footprint encloses no floor")
        return self

    @cached_property
    def footprint(self) -> tuple[Spot2, ...]:
        """Corners, counter-clockwise."""
        if self.rectangle is not None:
            x0, y0, x1, y1 = self.rectangle
            return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        corners = self.polygon or ()
        return corners if _twice_area(corners) > 0 else tuple(reversed(corners))

    def contains(self, x: float, y: float) -> bool:
        return inside(self.footprint, x, y)

    @property
    def outdoors(self) -> bool:
        return self.ceiling_m is None


class Wall(_Part):
    """A straight wall from ``start`` to ``end``; a ``fence`` can be seen through."""

    id: Id
    start: Spot2
    end: Spot2
    kind: Literal["wall", "fence"] = "wall"
    height_m: Length = 3.0
    thickness_m: Length = 0.16
    colour: Colour | None = Field(default=None, description="of the side that belongs to no room, and of a fence")

    @property
    def length_m(self) -> float:
        return math.dist(self.start, self.end)

    def point(self, along_m: float, across_m: float = 0.0) -> Spot2:
        """A point ``along_m`` from the start, ``across_m`` to the left of the way from start to end."""
        dx, dy = self.direction
        return (self.start[0] + dx * along_m - dy * across_m, self.start[1] + dy * along_m + dx * across_m)

    @property
    def direction(self) -> Spot2:
        length = self.length_m
        return ((self.end[0] - self.start[0]) / length, (self.end[1] - self.start[1]) / length)


class Opening(_Part):
    """A door, window, gate or mere passage in a wall. ``hinge`` is the end it turns on, seen from the wall's start."""

    id: Id
    kind: Literal["door", "window", "gate", "passage"]
    wall: Id
    at_m: float = Field(ge=0, le=200, description="distance of its middle from the wall's start")
    width_m: Length
    height_m: Length = 2.05
    sill_m: float = Field(default=0.0, ge=0, le=3)
    hinge: Literal["start", "end"] = "start"
    swings: Literal["left", "right"] = Field(default="left", description="to which side of the wall it opens")
    glazed: bool = False
    sensor_id: Id | None = None
    is_exit: bool = Field(default=False, description="it leads out of the institution")
    curtain: Colour | None = None
    colour: Colour = "#d8b48a"


class Furniture(_Part):
    """A piece from the catalogue; ``at`` is the middle of its foot, ``turn_deg`` 0 lets its front look along -y."""

    id: Id | None = None
    kind: FurnitureKind
    room: Id
    at: Spot2 | Spot3
    turn_deg: float = Field(default=0.0, ge=-360, le=360)
    size_m: tuple[Length, Length, Length] | None = None
    colour: Colour | None = None
    climbable: bool | None = None
    sensor_id: Id | None = Field(default=None, description="a fridge's or freezer's probe")

    @property
    def size(self) -> tuple[float, float, float]:
        return self.size_m or CATALOGUE[self.kind].size_m

    @property
    def foot(self) -> Spot3:
        return (self.at[0], self.at[1], self.at[2] if len(self.at) == 3 else max(0.0, CATALOGUE[self.kind].hung_m))

    @property
    def blocks(self) -> bool:
        return CATALOGUE[self.kind].blocks and self.foot[2] < 1.5

    @property
    def can_be_climbed(self) -> bool:
        return CATALOGUE[self.kind].climbable if self.climbable is None else self.climbable

    @cached_property
    def footprint(self) -> tuple[Spot2, ...]:
        """Corners of its foot in metres, counter-clockwise."""
        w, d = self.size[0] / 2, self.size[1] / 2
        return tuple(self.to_world(x, y)[:2] for x, y in ((-w, -d), (w, -d), (w, d), (-w, d)))

    def to_world(self, x: float, y: float, z: float = 0.0) -> Spot3:
        """A point in its own axes, in the building's."""
        cos, sin = math.cos(math.radians(self.turn_deg)), math.sin(math.radians(self.turn_deg))
        foot = self.foot
        return (foot[0] + x * cos - y * sin, foot[1] + x * sin + y * cos, foot[2] + z)


class Place(_Part):
    """A spot where somebody may do something, and which way one looks there."""

    id: Id
    kind: PlaceKind
    room: Id
    at: Spot3
    heading_deg: float = Field(default=0.0, ge=-720, le=720)

    @property
    def heading_rad(self) -> float:
        return math.radians(self.heading_deg)


class FloorZone(_Part):
    """A zone on the floor, in metres; a camera's zone follows from it by projection."""

    id: Id
    kind: ZoneKind
    room: Id
    title: Title
    polygon: tuple[Spot2, ...] = Field(min_length=3, max_length=64)

    def contains(self, x: float, y: float) -> bool:
        return inside(self.polygon, x, y)


class BuildingSensor(_Part):
    """A sensor that hangs in a room; ``of`` names the door, window, fridge or freezer that it belongs to."""

    id: Id
    kind: Literal["door", "temperature", "humidity", "button", "heartbeat", "lock"]
    room: Id
    title: Title
    of: Id | None = None


class BuildingCamera(_Part):
    """A camera as a pinhole with a lens: looks at ``look_at``, or ``pan_deg``/``tilt_deg`` (up is positive)."""

    id: Id
    room: Id
    title: Title
    at: Spot3
    look_at: Spot3 | None = None
    pan_deg: float | None = Field(default=None, ge=-360, le=360)
    tilt_deg: float | None = Field(default=None, ge=-89, le=89)
    roll_deg: float = Field(default=0.0, ge=-45, le=45, description="turns the picture clockwise")
    hfov_deg: float = Field(default=85.0, ge=20, le=125)
    k1: float = Field(
        default=-0.08, ge=-0.4, le=0.4, description="radial distortion, first coefficient (Brown-Conrady)"
    )
    k2: float = Field(default=0.01, ge=-0.2, le=0.2)
    width_px: int = Field(default=640, ge=160, le=1920, multiple_of=2)
    height_px: int = Field(default=360, ge=90, le=1080, multiple_of=2)
    frames_per_s: int = Field(default=10, ge=1, le=30)
    noise: float = Field(default=1.0, ge=0, le=8, description="1 is an ordinary sensor of 2 grey levels by day")
    infrared_at_night: bool = True

    @model_validator(mode="after")
    def _one_direction(self) -> BuildingCamera:
        by_angles = self.pan_deg is not None and self.tilt_deg is not None
        if (self.look_at is not None) == by_angles or (self.pan_deg is None) != (self.tilt_deg is None):
            raise ValueError("say once where it looks: look_at, or pan_deg and tilt_deg")
        if self.look_at is not None and math.dist(self.look_at, self.at) < 0.1:
            raise ValueError("look_at must lie away from the camera itself")
        return self


class Building(_Part):
    """An institution's house and yard. References and geometry are checked when it is read; see :func:`load_building`."""

    id: Id
    title: Title
    north_deg: float = Field(
        default=0.0, ge=-360, le=360, description="how far true north lies counter-clockwise of +y"
    )
    facade: Colour = "#efe2c8"
    rooms: tuple[Room, ...] = Field(min_length=1, max_length=60)
    walls: tuple[Wall, ...] = Field(default=(), max_length=300)
    openings: tuple[Opening, ...] = Field(default=(), max_length=300)
    furniture: tuple[Furniture, ...] = Field(default=(), max_length=1500)
    places: tuple[Place, ...] = Field(
        default=(), max_length=1500, description="beside those that furniture brings along"
    )
    zones: tuple[FloorZone, ...] = Field(default=(), max_length=200)
    sensors: tuple[BuildingSensor, ...] = Field(default=(), max_length=300)
    cameras: tuple[BuildingCamera, ...] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _consistent(self) -> Building:
        from services.simulation.building_checks import mistakes

        if found := mistakes(self):
            raise ValueError("; ".join(found[:8]))
        return self

    @cached_property
    def every_place(self) -> tuple[Place, ...]:
        """The stated places and those of chairs, cots, sofas, benches: ``seat-3``, ``cot-12`` in the file's order."""
        found, counts = list(self.places), dict[str, int]()
        for piece in self.furniture:
            for spot in CATALOGUE[piece.kind].spots:
                counts[spot.kind] = number = counts.get(spot.kind, 0) + 1
                at, heading = piece.to_world(*spot.offset_m), piece.turn_deg + spot.heading_deg
                found.append(
                    Place(id=f"{spot.kind}-{number}", kind=spot.kind, room=piece.room, at=at, heading_deg=heading)
                )
        return tuple(found)

    def places_of(self, kind: PlaceKind, room: str | None = None) -> tuple[Place, ...]:
        return tuple(place for place in self.every_place if place.kind == kind and room in (None, place.room))

    def room(self, room_id: str) -> Room:
        return _named(self.rooms, room_id, "room")

    def wall(self, wall_id: str) -> Wall:
        return _named(self.walls, wall_id, "wall")

    def opening(self, opening_id: str) -> Opening:
        return _named(self.openings, opening_id, "opening")

    def camera(self, camera_id: str) -> BuildingCamera:
        return _named(self.cameras, camera_id, "camera")

    def room_at(self, x: float, y: float) -> Room | None:
        return next((room for room in self.rooms if room.contains(x, y)), None)

    def opening_point(self, opening: Opening, across_m: float = 0.0) -> Spot2:
        """Where an opening is; ``across_m`` to the left of its wall's direction."""
        return self.wall(opening.wall).point(opening.at_m, across_m)

    def rooms_joined(self, opening: Opening) -> tuple[Room | None, Room | None]:
        """The rooms to the left and to the right of an opening's wall; None is the world outside."""
        left, right = self.opening_point(opening, 0.3), self.opening_point(opening, -0.3)
        return self.room_at(*left), self.room_at(*right)


def load_building(name_or_path: str | Path) -> Building:
    """A building that comes with the package by its name (``sunflower``), or any YAML file.

    ``NotFound``: there is no such file. ``Rejected``: the document is no building; the message names each faulty key.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = BUILDINGS / f"{name_or_path}.yaml"
    known, hint = f"; known ones: {', '.join(building_names())}", "a building's description is a few kilobytes"
    return read_building(bytes_of(path, _MAX_BYTES, "building", hint, known), path.name)


def read_building(document: bytes | str, name: str = "building") -> Building:
    """A building from YAML text; ``Rejected`` as :func:`load_building`."""
    try:
        root: Any = yaml.safe_load(document)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"{name} is not YAML: {error}") from error
    if not isinstance(root, dict):
        raise Rejected(f"{name} must be a mapping with the keys id, title, rooms, cameras, …")
    try:
        return Building.model_validate(root)
    except ValidationError as error:
        raise Rejected(f"{name}: " + "\n  ".join(_told(error))) from error


def building_names() -> list[str]:
    """Buildings that come with the package."""
    return sorted(path.stem for path in BUILDINGS.glob("*.yaml"))


def building_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a building's YAML, as published in docs/reference."""
    schema = Building.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "kanhu-building", **schema}


def inside(polygon: tuple[Spot2, ...], x: float, y: float) -> bool:
    """Whether a point lies in a polygon (even-odd rule)."""
    hit = False
    for (ax, ay), (bx, by) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            hit = not hit
    return hit


def _twice_area(corners: tuple[Spot2, ...]) -> float:
    around = zip(corners, (*corners[1:], corners[0]), strict=True)
    return sum(ax * by - bx * ay for (ax, ay), (bx, by) in around)


def _named(parts: tuple[_P, ...], wanted: str, what: str) -> _P:
    for part in parts:
        if part.id == wanted:
            return part
    known = ", ".join(part.id for part in parts[:40])
    raise NotFound(f"the building has no {what} {wanted!r}; it has {known}")


def _told(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False)[:12]:
        where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in fault["loc"]).lstrip(".")
        lines.append(f"{where or 'the building'}: {fault['msg'].removeprefix('Value error, ')}")
    return lines
