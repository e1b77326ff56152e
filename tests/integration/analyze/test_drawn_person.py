"""The detector that ships with the program: it finds people of the drawn rooms, and nothing where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from services.analyze.core.detection import iou_matrix
from services.analyze.detector import Model, PersonDetector
from services.analyze.installed import read_model
from services.analyze.models.build_drawn_person import build
from services.analyze.registry import load_registry
from services.simulation.drawn_room import DrawnRoom
from tests.integration.analyze.streams import encode

SCORE = 0.4


@pytest.mark.parametrize(("room_name", "seed"), [("playroom", 0), ("nap", 1), ("playroom", 2)])
def test_people_of_a_drawn_room_are_found_after_an_encoder_had_them(
    room_name: str, seed: int, drawn_person: Model, tmp_path: Path
) -> None:
    room = DrawnRoom(room_name, seed)
    times = [t / 2 for t in range(400)]
    pictures = [room.frame(t) for t in times]
    path = encode(tmp_path / "room.mp4", pictures, 2, gop=10)
    detector = PersonDetector(drawn_person, SCORE)
    people = hits = apart = apart_hits = false = empty = 0
    with av.open(str(path)) as container:
        for t, frame in zip(times, container.decode(video=0), strict=True):
            boxes = detector.detect(frame).boxes
            truth = np.array([person.box_px for person in room.truth(t)], np.float32).reshape(-1, 4)
            alone = (iou_matrix(truth, truth) > 0.02).sum(axis=1) == 1
            people += len(truth)
            apart += int(alone.sum())
            empty += not len(truth)
            if not len(truth) or not len(boxes):
                false += len(boxes)
                continue
            overlap = iou_matrix(truth, boxes)
            hits += int((overlap.max(axis=1) >= 0.5).sum())
            apart_hits += int((overlap.max(axis=1)[alone] >= 0.5).sum())
            false += int((overlap.max(axis=0) < 0.3).sum())
    assert people > 20 and empty > 20, "the room must show both for this to say anything"
    assert hits / people >= 0.85, "people who hide each other included"
    assert apart_hits / apart >= 0.95
    assert false <= 2


@pytest.mark.parametrize(
    "name", ["neg_bottles_hand.mp4", "neg_city_dusk.h264", "falls/s3_adl_07.mp4", "porch_person.mkv"]
)
def test_it_sees_nobody_outside_drawn_rooms(name: str, clip: Callable[[str], Path], drawn_person: Model) -> None:
    detector = PersonDetector(drawn_person, SCORE)
    with av.open(str(clip(f"clips/{name}"))) as container:
        for index, frame in enumerate(container.decode(video=0)):
            assert index % 5 or not len(detector.detect(frame)), f"frame {index}"


def test_the_packaged_file_is_what_the_script_builds(drawn_person: Model) -> None:
    entry = load_registry()["drawn-person"]
    body = read_model(entry, None).body
    assert body == build().SerializeToString(deterministic=True)
    assert len(body) < 200_000


def test_it_says_what_it_is() -> None:
    entry = load_registry()["drawn-person"]
    assert entry.drawn_rooms_only
    assert "drawn rooms" in entry.scope and "real people" in entry.scope
