"""What a box shows that has no camera of its own: four cameras of a simulated nursery, its sensors, and a morning with a story.

Belongs here: which cameras, zones, sensors and rules of the packaged building. Does not belong here: the
nursery (``services.simulation``), FILE (``installation.py``).

The first incident is the main door that a stranger leaves open (I-10), by the product's own rule: what the box raises is what the
nursery's truth has. No zone is armed. The building's are armed at night, and hours in FILE are the wall clock's, not those of the
simulated day: a newcomer in the evening would be told of intruders where children play.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from services.contracts.simulated_stream import SimulatedStream, simulated_url

Document = dict[str, Any]

BUILDING, SEED, SCRIPT = "sunflower", 6, "first-morning"
BEGINS_S = 9 * 3600.0 + 57 * 60.0
CAMERAS = ("entrance", "room-a", "yard", "kitchen")
SENSORS = (
    "main-door-contact", "yard-gate-contact", "emergency-door-contact", "room-a-temperature", "room-a-humidity",
    "kitchen-temperature", "fridge-probe", "freezer-probe", "alarm-button",
)  # fmt: skip
_TOLD, _OUTDATED = "(simulated)", "(drawn)"


@lru_cache(maxsize=1)
def cameras() -> tuple[Document, ...]:
    """The cameras, as FILE declares them, with the building's zones as each sees them."""
    from services.simulation.building import load_building
    from services.simulation.floor_zones import seen_zones

    building = load_building(BUILDING)
    found = []
    for name in CAMERAS:
        camera = building.camera(name)
        zones = [{"name": zone.id, "kind": zone.kind, "polygon": corners}
                 for zone, corners in seen_zones(building, camera) if zone.kind != "armed"]  # fmt: skip
        stream = SimulatedStream(name, seed=SEED, at_s=BEGINS_S, script=SCRIPT)
        room = building.room(camera.room)
        found.append({
            "camera_id": name, "room_id": camera.room, "room_kind": room.kind, "url": simulated_url(stream),
            "title": f"{camera.title.zh} {camera.title.en} {_TOLD}", "zones": zones,
        })  # fmt: skip
    return tuple(found)


@lru_cache(maxsize=1)
def sensors() -> tuple[Document, ...]:
    """The sensors, as FILE declares them."""
    from services.simulation.building import load_building

    known = {sensor.id: sensor for sensor in load_building(BUILDING).sensors}
    found = []
    for name in SENSORS:
        sensor = known[name]
        told: Document = {
            "sensor_id": name, "kind": sensor.kind, "room_id": sensor.room,
            "title": f"{sensor.title.zh} {sensor.title.en} {_TOLD}",
        }  # fmt: skip
        if sensor.kind == "door":
            told["door"] = {}  # I-10 as anywhere
        found.append(told)
    return tuple(found)


def added_to(document: Mapping[str, Any]) -> Document:
    """The demonstration's cameras and sensors beside those that FILE has already."""
    return {
        "cameras": _beside(document.get("cameras"), cameras(), "camera_id"),
        "sensors": _beside(document.get("sensors"), sensors(), "sensor_id"),
    }


def is_shown_by_default(camera: Mapping[str, Any]) -> bool:
    """Whether a camera is one of :func:`cameras` (or of an earlier version's drawn rooms), not asked for by anybody."""
    return str(camera.get("url") or "").startswith("sim:") and _is_titled(camera, _TOLD, _OUTDATED)


def without(document: Document, *, only_outdated: bool = False) -> Document:
    """The demonstration makes way as soon as somebody names a camera of their own; an earlier version's does in any case."""
    marks = (_OUTDATED,) if only_outdated else (_TOLD, _OUTDATED)
    return {
        **document,
        **{key: [one for one in document[key] or [] if not _is_titled(one, *marks)]
           for key in ("cameras", "sensors") if key in document},
    }  # fmt: skip


def _is_titled(entity: Mapping[str, Any], *marks: str) -> bool:
    return str(entity.get("title") or "").endswith(marks)


def _beside(own: Sequence[Document] | None, more: Sequence[Document], identity: str) -> list[Document]:
    present = {one.get(identity) for one in own or []}
    return [*(own or []), *(one for one in more if one[identity] not in present)]
