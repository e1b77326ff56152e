"""Every model of the registry on real pictures, through its adapter, against the values that came with the test material.

Golden values: the material's INDEX (recall and precision of each detector on TUD-Campus, shares of frames called fire), Google's
reference points of a squatting man, OpenCV's own reading of YuNet. TUD is seen here as a re-encoded video and was seen there as
single JPEGs: 0.03 is allowed for that.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.analyze.core.detection import Detections, iou_matrix
from services.analyze.core.findings import Classification, Faces, Kind, Pose
from services.analyze.inference import PictureModel
from services.analyze.model_file import check_model
from services.analyze.registry import ModelEntry, load_registry
from services.analyze.runtime import session_of
from tests.integration.analyze.streams import SHARED

FILES = {
    "yolox-nano-416": "det_yolox_nano_416", "light-person-192": "det_light_person_192",
    "nanodet-m-416": "det_nanodet_m_416", "fastestdet-352": "det_fastestdet_352",
    "movenet-lightning-192": "pose_movenet_lightning_int8", "fire-shufflenetv2-224": "fire_shufflenetv2_onfire",
    "yunet-2023mar-640": "face_yunet_2023mar_640", "yunet-n-960": "face_yunet_n_dynamic",
    "ultralight-rfb-320": "face_ultralight_rfb320",
}  # fmt: skip
FACES = ["yunet-2023mar-640", "yunet-n-960", "ultralight-rfb-320"]
TUD = "mot/TUD-Campus"

Clip = Callable[[str], Path]


@dataclass(frozen=True)
class Loaded:
    entry: ModelEntry
    session: Any


@cache
def loaded(name: str) -> Loaded:
    """The official file, checked as an installation checks it."""
    path = SHARED / "models" / f"{FILES[name]}.onnx"
    if not path.exists():
        pytest.skip("needs ../shared/data/models")
    entry, body = load_registry()[name], path.read_bytes()
    check_model(body, entry)
    return Loaded(entry, session_of(body, name))


def every(path: Path, step: int) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from (frame for index, frame in enumerate(container.decode(video=0)) if index % step == 0)


# -- detectors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "score", "recall", "precision"),
    [
        ("yolox-nano-416", 0.30, 0.783, 0.626),
        ("light-person-192", 0.30, 0.763, 0.951),
        ("nanodet-m-416", 0.35, 0.719, 0.507),
        ("fastestdet-352", 0.50, 0.777, 0.560),
    ],
)
def test_a_detector_finds_what_it_is_known_to_find(
    name: str, score: float, recall: float, precision: float, clip: Clip
) -> None:
    model = PictureModel(loaded(name), score)
    truth = read_truth(clip(f"{TUD}/gt.txt"))
    matched = found = wanted = 0
    for number, frame in enumerate(every(clip(f"{TUD}/video_25fps.mp4"), 1), start=1):
        detections, real = model.detect(frame), truth[number]
        assert set(detections.classes.tolist()) <= {Kind.PERSON}
        matched += matches(detections, real)
        found, wanted = found + len(detections), wanted + len(real)
    assert matched / wanted == pytest.approx(recall, abs=0.03)
    assert matched / found == pytest.approx(precision, abs=0.03)


def read_truth(path: Path) -> dict[int, NDArray[np.float32]]:
    boxes: dict[int, list[list[float]]] = {}
    for row in csv.reader(path.read_text().splitlines()):
        x, y, width, height = map(float, row[2:6])
        boxes.setdefault(int(row[0]), []).append([x, y, x + width, y + height])
    return {number: np.array(rows, np.float32) for number, rows in boxes.items()}


def matches(found: Detections, real: NDArray[np.float32]) -> int:
    """How many of the real boxes are found at IoU 0.5; best score first, each once."""
    overlaps = iou_matrix(found.boxes, real)
    taken: set[int] = set()
    for row in overlaps:
        free = [(value, index) for index, value in enumerate(row) if index not in taken and value >= 0.5]
        if free:
            taken.add(max(free)[1])
    return len(taken)


@pytest.mark.parametrize("name", ["yolox-nano-416", "light-person-192", "nanodet-m-416"])
def test_an_empty_porch_shows_nobody(name: str, clip: Clip) -> None:
    """FastestDet is known for false boxes and has one here, at 0.5."""
    picture = cv2.imread(str(clip("clips/porch_stills/background.jpg")))
    assert len(PictureModel(loaded(name), 0.5).detect(picture)) == 0


# -- pose -----------------------------------------------------------------------------------------------------------------


def test_movenet_finds_the_reference_points_of_a_squatting_man(clip: Clip) -> None:
    picture = cv2.imread(str(clip("models/src/squat.bmp")))
    rows = list(csv.DictReader(clip("models/src/movenet_reference_squat.csv").read_text().splitlines()))
    reference = np.array([[float(row["keypoint_x"]), float(row["keypoint_y"])] for row in rows])
    pose = PictureModel(loaded("movenet-lightning-192")).run(picture)
    assert isinstance(pose, Pose)
    height, width = picture.shape[:2]
    error = np.abs(pose.points[:, :2] / [width, height] - reference)
    assert error.max() <= 0.045 and error.mean() <= 0.012, "known of this file: 0.038 and 0.008"


def test_an_empty_porch_has_no_sure_pose(clip: Clip) -> None:
    empty = PictureModel(loaded("movenet-lightning-192")).run(
        cv2.imread(str(clip("clips/porch_stills/background.jpg")))
    )
    man = PictureModel(loaded("movenet-lightning-192")).run(cv2.imread(str(clip("models/src/squat.bmp"))))
    assert isinstance(empty, Pose) and isinstance(man, Pose)
    assert empty.score < 0.3 < man.score


# -- fire -----------------------------------------------------------------------------------------------------------------


FALLS = (
    "s2_adl_23", "s2_fall_12", "s2_fall_13", "s3_adl_07", "s3_adl_18", "s3_adl_19", "s3_fall_16", "s3_fall_19", "s3_fall_20",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("clips/fire_dollhouse.mp4", 1.0), ("clips/room_people_12fps.mp4", 0.0), ("clips/neg_bottles_hand.mp4", 0.0),
        ("clips/neg_city_dusk.h264", 0.0), ("clips/porch_person.mkv", 0.0),
        *((f"clips/falls/{fall}.mp4", 0.0) for fall in FALLS),
    ],
)  # fmt: skip
def test_fire_is_called_where_it_burns_and_nowhere_else(name: str, share: float, clip: Clip) -> None:
    """One frame in ten, as the INDEX's shares were taken."""
    model = PictureModel(loaded("fire-shufflenetv2-224"))
    found = [model.run(frame) for frame in every(clip(name), 10)]
    called = [isinstance(each, Classification) and each.probability >= model.model.entry.score for each in found]
    assert len(called) >= 5 and sum(called) / len(called) == share


# -- faces ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FACES)
def test_faces_are_found_in_pictures_of_faces_only(name: str, clip: Clip) -> None:
    """The boxes were drawn by hand around the two faces."""
    for picture, face in (
        ("clips/porch_stills/person.jpg", (270, 305, 420, 495)),
        ("models/src/squat.bmp", (252, 167, 303, 236)),
    ):
        faces = PictureModel(loaded(name)).run(cv2.imread(str(clip(picture))))
        assert isinstance(faces, Faces)
        sure = faces.found.boxes[faces.found.scores >= 0.6]
        assert len(sure) == 1 and iou_matrix(sure, np.array([face], np.float32))[0, 0] > 0.7
        for x, y in faces.points[0]:
            assert face[0] < x < face[2] and face[1] < y < face[3]
    empty = PictureModel(loaded(name)).run(cv2.imread(str(clip("clips/porch_stills/background.jpg"))))
    assert isinstance(empty, Faces) and len(empty) == 0


def test_opencvs_own_reading_of_yunet_agrees(clip: Clip) -> None:
    path = clip("models/face_yunet_2023mar_640.onnx")
    picture = cv2.imread(str(clip("clips/porch_stills/person.jpg")))
    small = cv2.copyMakeBorder(cv2.resize(picture, (640, 360)), 0, 280, 0, 0, cv2.BORDER_CONSTANT)
    theirs = cv2.FaceDetectorYN.create(str(path), "", (640, 640), 0.6, 0.3).detect(small)[1]
    ours = PictureModel(loaded("yunet-2023mar-640"), 0.6).run(picture)
    assert isinstance(ours, Faces) and len(ours) == len(theirs) == 1
    assert ours.found.scores[0] == pytest.approx(theirs[0][14], abs=0.01)
    left, top, width, height = theirs[0][:4] * 2
    assert ours.found.boxes[0] == pytest.approx([left, top, left + width, top + height], abs=2)
    assert ours.points[0].ravel() == pytest.approx(theirs[0][4:14] * 2, abs=2)


def test_vectors_of_persons_are_refused_as_any_model() -> None:
    """R-25: the material's re-identification networks fit no entry, even one that accepts their digest."""
    from services.analyze.model_file import digest_of
    from services.contracts.errors import Corrupt

    paths = sorted((SHARED / "models").glob("reid_*.onnx"))
    if not paths:
        pytest.skip("needs ../shared/data/models")
    for path in paths:
        body = path.read_bytes()
        for entry in load_registry().values():
            with pytest.raises(Corrupt, match=r"model takes|model gives"):
                check_model(body, entry.model_copy(update={"sha256": [digest_of(body)]}))
