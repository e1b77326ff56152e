"""A track's identity never leaves the camera: no contract and no table has a place for one, no record depends on one (R-25)."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel

import services.contracts
from services.analyze.core.detection import Detections
from services.analyze.core.incidents import FrameFacts, Place, RuleFacts, record_of
from services.analyze.core.rules import person_in_zone
from services.analyze.core.rules.commands import Close, Open, Update
from services.analyze.core.rules.person_in_zone import FrameJudged, PersonSeen, Presence, PresenceRule
from services.analyze.core.tracker import Tracker
from services.analyze.core.zones import PictureSize
from services.backbone.catalog_schema import metadata
from services.contracts.cloud_event import encode_event
from services.contracts.entity import Zone
from services.contracts.time import NS_PER_S

#: What a person could be followed by from one record or camera to another.
_FOLLOWS_SOMEBODY = re.compile(
    r"track|embed|descriptor|re_?id(_|$)|person_id|face_id|identity_of|appearance", re.IGNORECASE
)


def models() -> Iterator[type[BaseModel]]:
    for found in pkgutil.iter_modules(services.contracts.__path__):
        module = importlib.import_module(f"services.contracts.{found.name}")
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, BaseModel) and thing.__module__ == module.__name__:
                yield thing


def names_in(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from names_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from names_in(part)


def test_no_contract_has_a_field_to_follow_somebody_by() -> None:
    fields = {
        (model.__name__, name) for model in models() for name in names_in(model.model_json_schema(mode="validation"))
    }
    assert ("Incident", "camera_id") in fields and ("Evidence", "boxes_px") in fields
    assert [field for field in fields if _FOLLOWS_SOMEBODY.search(field[1])] == []


def test_no_table_has_a_column_to_follow_somebody_by() -> None:
    columns = [(table.name, column.name) for table in metadata.tables.values() for column in table.columns]
    assert columns
    assert [column for column in columns if _FOLLOWS_SOMEBODY.search(column[1])] == []


def records(camera_id: str, tracker: Tracker) -> list[bytes]:
    """What is announced of somebody who walks through an armed zone and leaves, as it goes to the log."""
    picture, state, said = PictureSize(640, 360), Presence(), []
    rule = PresenceRule(Zone(name="floor", polygon=[(0, 0), (1, 0), (1, 1), (0, 1)]))
    for number in range(40):
        box = np.array([[10 + 8 * number, 100, 60 + 8 * number, 220]], np.float32)[: number < 20]
        found = Detections(box, np.full(len(box), 0.9, np.float32), np.zeros(len(box), np.int32))
        at_ns = number * NS_PER_S // 5
        persons = tuple(PersonSeen(t.track_id, t.box, t.score, t.confirmed) for t in tracker.update(at_ns, found))
        state, commands = person_in_zone.step(rule, state, FrameJudged(at_ns, picture, persons))
        said += commands
    facts, frame = (
        RuleFacts(person_in_zone.KIND, person_in_zone.RULE, person_in_zone.TITLE),
        FrameFacts("run", 1, picture, "m", "0" * 64),
    )
    place = Place("nursery", camera_id=camera_id, zone="floor")
    told = [record_of(c, facts, place, "/analyze/one", 0, frame) for c in said if isinstance(c, Open | Update | Close)]
    return [encode_event(record) for record in told]


def test_what_is_announced_does_not_depend_on_the_numbers_of_the_tracks() -> None:
    first = records("room", Tracker())
    assert len(first) >= 2
    other = Tracker()
    other._next_id = 7001
    assert records("room", other) == first


def test_each_camera_counts_its_tracks_for_itself() -> None:
    box = Detections(np.array([[0, 0, 10, 20]], np.float32), np.array([0.9], np.float32), np.zeros(1, np.int32))
    assert [tracker.update(0, box)[0].track_id for tracker in (Tracker(), Tracker())] == [1, 1]
