"""Any kind of model on a picture, with graphs made by hand: preparation, placing back, nonsense at run time, the trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.analyze.core.decoders import ADAPTERS
from services.analyze.core.findings import Classification, Faces, Kind, Pose
from services.analyze.inference import PictureModel
from services.analyze.preparing import InputPreparer
from services.analyze.registry import ModelEntry, ModelInput
from services.analyze.runtime import session_of
from services.analyze.trial import describe_model, try_model
from services.contracts.errors import Corrupt, Rejected
from tests.harness.onnx_graphs import accepted, blank, entry_for, fixed_model

F = np.float32


@dataclass(frozen=True)
class Loaded:
    entry: ModelEntry
    session: Any


def model_of(entry: ModelEntry, outputs: list[NDArray[Any]]) -> PictureModel:
    return PictureModel(Loaded(entry, session_of(fixed_model(entry, outputs).SerializeToString(), entry.name)))


def wide_picture() -> NDArray[np.uint8]:
    """128 x 32: into 64 x 64 it goes at half its size, 64 x 16."""
    return np.full((32, 128, 3), 200, np.uint8)


@pytest.mark.parametrize(
    ("fit", "box"),
    [
        ("letterbox_top_left", [32, 8, 64, 24]),  # everything doubled
        ("letterbox_centre", [32, 0, 64, 0]),  # 24 rows of padding above: beyond the picture, cut at its border
        ("stretch", [32, 2, 64, 6]),  # x doubled, y halved
    ],
)
def test_boxes_come_back_to_the_pictures_own_pixels(fit: str, box: list[float]) -> None:
    entry = entry_for("yolov8", input={"fit": fit}, classes={"adult": 1})
    output = np.zeros((1, 6, 84), F)
    output[0, :, 3] = (24, 8, 16, 8, 0.0, 0.75)  # 16 4 32 12 of the input
    found = model_of(entry, [output]).detect(wide_picture())
    assert found.boxes.tolist() == [box]
    assert found.scores.tolist() == [0.75] and found.classes.tolist() == [Kind.ADULT]


@pytest.mark.parametrize("form", ["trained", "deployed"])
def test_rtdetr_runs_in_both_forms(form: str) -> None:
    more = {"size_input": "orig_target_sizes"} if form == "deployed" else {}
    entry = entry_for("rtdetr", input={"fit": "stretch", "colour": "rgb", "scale": 1 / 255, **more})
    if form == "trained":
        logits, shares = np.full((1, 5, 2), -9, F), np.zeros((1, 5, 4), F)
        logits[0, 2, 0], shares[0, 2] = np.log(4), (0.5, 0.5, 0.25, 0.5)
        outputs: list[NDArray[Any]] = [logits, shares]
    else:
        outputs = [np.zeros((1, 5), np.int64), np.tile(np.array([24, 16, 40, 48], F), (1, 5, 1)), np.zeros((1, 5), F)]
        outputs[2][0, 2] = 0.8
    found = model_of(entry, outputs).detect(wide_picture())
    assert found.boxes.tolist() == [[48, 8, 80, 24]]
    assert found.scores == pytest.approx([0.8])


def test_points_of_poses_and_faces_come_back_too() -> None:
    pose_entry = entry_for("movenet", input={"fit": "letterbox_centre", "layout": "nhwc", "dtype": "uint8", "pad": 0})
    points = np.tile(np.array([0.5, 0.25, 0.9], F), (1, 1, 17, 1))
    pose = model_of(pose_entry, [points]).run(wide_picture())
    assert isinstance(pose, Pose) and pose.points[0].tolist() == pytest.approx([32, 16, 0.9])
    face_entry = entry_for("yunet")
    outputs = blank(face_entry)
    outputs[0][0, 0] = outputs[3][0, 0] = 0.9
    outputs[9][0, 0] = 0.5
    faces = model_of(face_entry, outputs).run(wide_picture())
    assert isinstance(faces, Faces) and faces.points[0, 0].tolist() == [8, 8], "half a cell of 8, doubled"


def test_a_pose_is_no_detection() -> None:
    entry = entry_for("movenet")
    with pytest.raises(Corrupt, match="detects no objects"):
        model_of(entry, blank(entry)).detect(wide_picture())


@pytest.mark.parametrize("kind", sorted(ADAPTERS))
def test_nonsense_at_run_time_is_said_for_every_kind(kind: str) -> None:
    """The file's weights are sound; what comes out is not (as with a broken accelerator)."""
    entry = entry_for(kind)
    outputs: list[NDArray[Any]] = [np.full_like(output, np.nan) for output in blank(entry)]
    with pytest.raises(Corrupt, match=r"the model gave"):
        model_of(entry, outputs).run(wide_picture())


# -- preparation ------------------------------------------------------------------------------------------------------------


def prepared(picture: NDArray[np.uint8], **fields: Any) -> NDArray[Any]:
    wanted = ModelInput.model_validate({"name": "x", "width": 64, "height": 32, **fields})
    return InputPreparer(wanted).fill(picture)[0]


def test_colour_numbers_and_layout_are_as_the_entry_says() -> None:
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:] = (10, 20, 30)  # blue, green, red
    plain = prepared(picture)
    assert plain.shape == (1, 3, 32, 64) and plain.dtype == np.float32
    assert plain[0, :, 5, 5].tolist() == [10, 20, 30]
    assert prepared(picture, colour="rgb")[0, :, 5, 5].tolist() == [30, 20, 10]
    raw = prepared(picture, colour="rgb", layout="nhwc", dtype="uint8")
    assert raw.shape == (1, 32, 64, 3) and raw.dtype == np.uint8 and raw[0, 5, 5].tolist() == [30, 20, 10]
    scaled = prepared(picture, colour="rgb", scale=0.1, mean=(1, 2, 3), std=(2, 4, 8))
    assert scaled[0, :, 5, 5] == pytest.approx([(3 - 1) / 2, (2 - 2) / 4, (1 - 3) / 8])


def test_padding_is_a_pixel_value_and_goes_through_the_same_numbers() -> None:
    picture = np.full((32, 32, 3), 255, np.uint8)
    centred = prepared(picture, fit="letterbox_centre", pad=51, scale=1 / 255)
    assert centred[0, 0, 7, [0, 15, 16, 47, 48, 63]] == pytest.approx([0.2, 0.2, 1, 1, 0.2, 0.2])


def test_a_picture_of_another_size_leaves_nothing_of_the_one_before() -> None:
    preparer = InputPreparer(ModelInput(name="x", width=64, height=64))
    preparer.fill(np.full((64, 64, 3), 255, np.uint8))
    tensor, _ = preparer.fill(np.zeros((16, 64, 3), np.uint8))
    assert (tensor[0, :, 16:] == 114).all() and (tensor[0, :, :16] == 0).all()


def test_a_decoded_frame_is_a_picture() -> None:
    picture = np.full((64, 64, 3), 90, np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
    preparer = InputPreparer(ModelInput(name="x", width=64, height=64))
    assert np.abs(preparer.fill(frame)[0] - 90).max() <= 4


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 4), (0, 64, 3)])
def test_what_is_no_colour_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(Rejected, match="height, width, 3"):
        InputPreparer(ModelInput(name="x", width=64, height=64)).fill(np.zeros(shape, np.uint8))


# -- the trial ----------------------------------------------------------------------------------------------------------------


def test_a_sound_model_passes_its_trial() -> None:
    entry = entry_for("fire")
    assert 0 < try_model(*accepted(fixed_model(entry, blank(entry)), entry)).run_ms < 10_000


def hungry() -> onnx.ModelProto:
    """Asks, while it runs, for as many numbers as the picture is bright, times ten thousand million: the file does not tell."""
    entry = entry_for("fire")
    model = fixed_model(entry, [np.zeros((1, 1), F)])
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([10**10], np.int64), "many"),
            numpy_helper.from_array(np.array([1], np.int64), "line"),
        ]
    )
    brightest = [
        helper.make_node("ReduceMax", ["images"], ["brightest"], keepdims=0),
        helper.make_node("Cast", ["brightest"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "line"], ["lined"]),
        helper.make_node("Mul", ["lined", "many"], ["size"]),
        helper.make_node("Expand", ["nothing", "size"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["least"], axes=[0], keepdims=1),
        helper.make_node("Add", ["output0_fixed", "least"], ["output0"]),
    ]
    kept = [node for node in model.graph.node if node.output[0] != "output0"]
    del model.graph.node[:]
    model.graph.node.extend([*kept, *brightest])
    return model


def test_a_model_that_asks_for_all_memory_while_it_runs_is_refused() -> None:
    body, entry = accepted(hungry(), entry_for("fire"))
    with pytest.raises(Corrupt, match=r"toy: (the model fails on a picture|the trial run ended by)|needs more than"):
        try_model(body, entry)


def test_a_trial_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.analyze.trial._TIMEOUT_S", 0.05)
    entry = entry_for("fire")
    with pytest.raises(Corrupt, match="did not end within"):
        try_model(*accepted(fixed_model(entry, blank(entry)), entry))


def test_a_trial_that_crashes_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.analyze.trial.sys.executable", "/bin/false")
    with pytest.raises(Corrupt, match="ended by status 1: the file makes the program crash"):
        describe_model(b"x", "toy")


def test_weights_that_overflow_only_when_run_are_found_by_the_trial() -> None:
    """Every weight is a finite number; what comes out of them is not."""
    entry = entry_for("yolov8")
    model = fixed_model(entry, blank(entry))
    next(t for t in model.graph.initializer if t.name == "nothing").raw_data = np.float32(3e38).tobytes()
    with pytest.raises(Corrupt, match=r"toy: output 0 holds numbers that are not finite|the model gave"):
        try_model(*accepted(model, entry))


def test_a_classifier_says_how_probable_it_is() -> None:
    entry = entry_for("fire", invert=True)
    found = model_of(entry, [np.array([[-2.0]], F)]).run(wide_picture())
    assert isinstance(found, Classification) and found.probability == pytest.approx(1 / (1 + np.exp(-2.0)))
