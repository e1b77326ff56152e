"""Surgery on the models themselves: boxes stay where they were, and a model whose boxes would move is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from services.analyze import parity, runtime
from services.analyze.detector import PersonDetector, activate
from services.analyze.installed import InstalledModel, install, read_model
from services.analyze.looking import PublishedLooker, SurgicalLooker, plan_for
from services.analyze.model_file import digest_of
from services.analyze.parity import MOST_DIFFERENCE, compare, examine, operate_within
from services.analyze.parity_pictures import pictures
from services.analyze.registry import ModelEntry, load_registry
from services.analyze.surgery import stem
from services.analyze.surgery.folding import Convolution
from services.analyze.surgery.operation import operate
from services.analyze.trial import Trial
from services.box.command import main
from services.contracts.errors import Corrupt

SIDE = 64
FILES = {
    "yolox-nano-416": "models/det_yolox_nano_416.onnx",
    "light-person-192": "models/det_light_person_192.onnx",
    "nanodet-m-416": "models/det_nanodet_m_416.onnx",
    "fastestdet-352": "models/det_fastestdet_352.onnx",
}


def body_of(name: str, clip: Callable[[str], Path]) -> bytes:
    entry = load_registry()[name]
    return read_model(entry, None).body if entry.packaged else clip(FILES[name]).read_bytes()


def real_frames(clip: Callable[[str], Path], *numbers: int) -> list[np.ndarray]:
    with av.open(str(clip("clips/room_people_12fps.mp4"))) as container:
        frames = zip(range(max(numbers) + 1), container.decode(video=0), strict=False)
        return [frame.to_ndarray(format="bgr24") for number, frame in frames if number in numbers]


@pytest.mark.parametrize("name", [*FILES, "drawn-person"])
def test_boxes_stay_where_they_were_for_every_aspect(name: str, clip: Callable[[str], Path]) -> None:
    verdict = examine(load_registry()[name], body_of(name, clip))
    assert verdict.unrecognised is None
    assert [found.pictures for found in verdict.parities] == list(parity.ASPECTS)
    assert sum(found.boxes for found in verdict.parities) >= 20, "nothing was found to compare"
    for found in verdict.parities:
        assert found.complaint is None and found.lost == found.anew == 0
        assert found.mean_iou > 0.98 and found.mean_score_change < 0.02
        assert found.difference is not None and found.difference < MOST_DIFFERENCE


def test_boxes_of_the_nursery_stay_where_they_were(clip: Callable[[str], Path]) -> None:
    """Its input has the aspect of its cameras: there nothing is cut, and other aspects need only be within the limits."""
    verdict = examine(load_registry()["nursery-people"], body_of("nursery-people", clip))
    assert verdict.unrecognised is None
    found = {each.pictures: each for each in verdict.parities}
    assert [each.complaint for each in found.values()] == [None] * len(parity.ASPECTS)
    wide = found["16:9"]
    assert wide.boxes >= 4 and wide.lost == 0 and wide.mean_iou >= 0.97


#: Frames of room_people with people in them. In 60 and 180 a score of light-person moves by 0.14 and 0.22 when its input is cut.
PEOPLED = (60, 180, 204, 216, 360)


@pytest.mark.parametrize("name", FILES)
def test_what_is_cut_without_being_asked_holds_on_real_frames(name: str, clip: Callable[[str], Path]) -> None:
    """The installer's drawn pictures cannot show everything: what an entry lets be cut must hold on filmed people, too."""
    entry, body = load_registry()[name], body_of(name, clip)
    frames = real_frames(clip, *PEOPLED)
    operated = operate(body, plan_for(entry, frames[0].shape[1], frames[0].shape[0]))
    found = compare(entry, runtime.session_of(body, name), operated, frames, "room_people")
    assert found.boxes >= 4, "nothing was found to compare"
    assert found.complaint is None and found.lost == 0


def test_a_model_whose_entry_does_not_say_uncut_is_found_out_by_real_pictures(
    tmp_path: Path, clip: Callable[[str], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``kanhu models install --pictures`` with a folder of a picture and something that is none, then with a file."""
    name = "light-person-192"
    entry, source = cut_entry(name), clip(FILES[name])
    models, given = tmp_path / "data" / "models", tmp_path / "given"
    models.mkdir(parents=True)
    given.mkdir()
    (models / "registry.yaml").write_text(yaml.safe_dump({"models": [entry.model_dump(mode="json", exclude={"task"})]}))
    harmless, telling = real_frames(clip, 36, 180)
    for file, picture in ((tmp_path / "one.png", harmless), (given / "two.png", telling)):
        assert cv2.imwrite(str(file), picture)
    (given / "notes.txt").write_text("no picture")
    command = ["models", "install", name, "--data", str(tmp_path / "data"), "--from", str(source), "--json"]
    for pictures_at, size in ((given, (192, 192)), (tmp_path / "one.png", (192, 128))):
        assert main([*command, "--pictures", str(pictures_at)]) == 0
        measured = json.loads(capsys.readouterr().out.splitlines()[-1])["surgery"]
        last = measured["parity"][-1]
        assert (last["pictures"], last["width"], last["height"]) == ("1 given, 768x432", *size) and last["boxes"] >= 1
        assert ([192, 128] in measured["kept_whole"]) == (size == (192, 192))
        assert json.loads((models / f"{name}.json").read_text())["surgery"]["kept_whole"] == measured["kept_whole"]
        monkeypatch.setattr(
            "services.analyze.commands.try_model", lambda _body, _entry: Trial(run_ms=1.0)
        )  # once is enough
    assert main([*command, "--pictures", str(given / "notes.txt")]) == 2
    assert "no picture and no video" in capsys.readouterr().err


def cut_entry(name: str) -> ModelEntry:
    """An entry as it would be if nobody had seen that cutting its input moves scores."""
    entry = load_registry()[name]
    return entry.model_copy(update={"input": entry.input.model_copy(update={"uncut": False})})


def test_boxes_stay_where_they_were_on_a_real_clip(clip: Callable[[str], Path]) -> None:
    name = "yolox-nano-416"
    entry, body = load_registry()[name], body_of(name, clip)
    with av.open(str(clip("clips/room_people_12fps.mp4"))) as container:
        frames = [
            f.to_ndarray(format="bgr24") for n, f in enumerate(container.decode(video=0)) if n % 18 == 0 and n < 420
        ]
    operated, found = operate_within(entry, body, runtime.session_of(body, name), (768, 432), frames, "room_people")
    assert (operated.width, operated.height) == (416, 256)
    assert found.boxes >= 10 and found.complaint is None and found.mean_iou > 0.98


def test_each_aspect_has_its_own_input_and_every_frame_goes_through_it(
    clip: Callable[[str], Path],
) -> None:
    entry = load_registry()["yolox-nano-416"]
    model = activate(InstalledModel(entry, entry.sha256[0], body_of(entry.name, clip), packaged=False))
    sizes = {(640, 360): (416, 256), (640, 480): (416, 320), (360, 640): (256, 416)}
    for size, wanted in sizes.items():
        variant = model.variant(*size)
        assert variant.operated is not None and (variant.operated.width, variant.operated.height) == wanted
        shown = next(pictures(*size, 1))
        frame = av.VideoFrame.from_ndarray(shown, format="bgr24").reformat(format="yuv420p")
        found = PersonDetector(model, 0.5).detect(frame)
        assert len(found) >= 1 and found.boxes.max() <= max(size)
    assert model.variant(640, 360) is model.variant(1920, 1080), "one session for one aspect"


def test_a_wrong_kernel_cannot_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the wrong: chroma shifted by one row."""
    right = stem.halve

    def wrong(convolution: Convolution, height: int, width: int) -> Convolution | None:
        small = right(convolution, height, width)
        return Convolution(np.roll(small.kernel, 1, axis=2), small.stride, small.pads) if small is not None else None

    entry, body = toy(gain=0.05)
    published = runtime.session_of(body, entry.name)
    assert parity.exactness(entry, body, published) < MOST_DIFFERENCE
    monkeypatch.setattr(stem, "halve", wrong)
    assert parity.exactness(entry, body, published) > MOST_DIFFERENCE
    with pytest.raises(Corrupt, match=r"moves its boxes .*outputs differ by"):
        examine(entry, body)


# -- models made for it -----------------------------------------------------------------------------------------------


def toy(*, gain: float, recognised: bool = True) -> tuple[ModelEntry, bytes]:
    """A detector of YOLOX's form: scores are the sigmoid of ``gain`` times differences of neighbouring pixels.

    A high gain makes it chaotic: rounding of the colour conversion alone moves its boxes.
    """
    rng = np.random.default_rng(8)
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, f"w{len(constants)}"))
        return constants[-1].name

    source = "images" if recognised else "scaled"
    if not recognised:
        nodes.append(helper.make_node("Mul", ["images", constant(np.float32([1]))], ["scaled"]))
    parts = []
    kernel = rng.normal(size=(8, 3, 4, 4))
    kernel -= kernel.mean(axis=(1, 2, 3), keepdims=True)
    weights = constant((kernel * gain).astype(np.float32))
    nodes.append(helper.make_node("Conv", [source, weights], ["f0"], strides=[4, 4], kernel_shape=[4, 4]))
    for level, stride in enumerate((8, 16, 32)):
        pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
        nodes.append(helper.make_node("MaxPool", [f"f{level}"], [f"f{level + 1}"], **pool))
        head = constant(rng.normal(scale=0.3, size=(6, 8, 1, 1)).astype(np.float32))
        nodes.append(helper.make_node("Conv", [f"f{level + 1}", head], [f"h{level}"]))
        sizes = constant(np.array([4, 2], np.int64))
        nodes.append(helper.make_node("Split", [f"h{level}", sizes], [f"b{level}", f"s{level}"], axis=1))
        nodes.append(helper.make_node("Tanh", [f"b{level}"], [f"bt{level}"]))
        nodes.append(helper.make_node("Sigmoid", [f"s{level}"], [f"st{level}"]))
        nodes.append(helper.make_node("Concat", [f"bt{level}", f"st{level}"], [f"c{level}"], axis=1))
        shape = constant(np.array([1, 6, (SIDE // stride) ** 2], np.int64))
        nodes.append(helper.make_node("Reshape", [f"c{level}", shape], [f"r{level}"]))
        parts.append(f"r{level}")
    nodes.append(helper.make_node("Concat", parts, ["joined"], axis=2))
    nodes.append(helper.make_node("Transpose", ["joined"], ["output"], perm=[0, 2, 1]))
    rows = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
    graph = helper.make_graph(
        nodes, "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, rows, 6])],
        constants,
    )  # fmt: skip
    body = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
    return ModelEntry.model_validate(facts_of(body)), body


def facts_of(body: bytes) -> dict[str, Any]:
    return {
        "name": "toy", "title": "toy", "decoder": "yolox", "input": {"name": "images", "width": SIDE, "height": SIDE},
        "class_count": 1, "classes": {"person": 0}, "licence": "Apache-2.0", "source": "this test", "sha256": [digest_of(body)],
        "assessment": "PIA-2026-01",
    }  # fmt: skip


def test_a_model_whose_boxes_would_move_is_refused_and_nothing_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, body = toy(gain=40.0)
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    (tmp_path / "toy.onnx").write_bytes(body)
    (models / "registry.yaml").write_text(yaml.safe_dump({"models": [facts_of(body)]}))
    command = ["models", "install", "toy", "--data", str(tmp_path / "data"), "--from", str(tmp_path / "toy.onnx")]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "surgery moves its boxes" in said and "--as-published" in said
    assert sorted(path.name for path in models.iterdir()) == ["registry.yaml"]

    entry = load_registry(models)["toy"]
    install(entry, models, source=tmp_path / "toy.onnx", now="now", as_published=True)
    assert json.loads((models / "toy.json").read_text())["as_published"] is True
    looker = activate(read_model(entry, models)).looker(640, 360, 0.5)
    assert isinstance(looker, PublishedLooker)


def test_a_model_that_slipped_in_is_used_as_published() -> None:
    """Activation measures for itself: a file may have been put in place by hand."""
    entry, body = toy(gain=40.0)
    model = activate(InstalledModel(entry, digest_of(body), body, packaged=False))
    assert isinstance(model.looker(640, 360, 0.5), PublishedLooker)


def test_a_model_that_surgery_does_not_know_works_all_the_same(tmp_path: Path) -> None:
    entry, body = toy(gain=0.05, recognised=False)
    source = tmp_path / "toy.onnx"
    source.write_bytes(body)
    installed = install(entry, tmp_path / "models", source=source, now="now")
    assert installed.verdict is not None and "convolution was expected" in str(installed.verdict.unrecognised)
    receipt = json.loads((tmp_path / "models" / "toy.json").read_text())
    assert receipt["surgery"]["unrecognised"] and receipt["surgery"]["parity"] == []
    looker = activate(installed).looker(640, 360, 0.1)
    assert isinstance(looker, PublishedLooker)
    looker.find(parity.planes_of_bgr(next(pictures(640, 360, 1))))


def test_a_size_that_boxes_were_found_to_move_at_is_not_cut_to_again(clip: Callable[[str], Path]) -> None:
    name = "light-person-192"
    entry, body = cut_entry(name), body_of(name, clip)
    whole = frozenset({(192, 128)})
    model = activate(InstalledModel(entry, entry.sha256[0], body, packaged=False, kept_whole=whole))
    looker = model.looker(640, 360, 0.5)
    assert isinstance(looker, SurgicalLooker)
    operated = model.variant(640, 360).operated
    assert operated is not None and (operated.width, operated.height) == (192, 192)


def test_parity_tells_lost_boxes_from_moved_ones(clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    name = "light-person-192"
    entry, body = load_registry()[name], body_of(name, clip)
    published = runtime.session_of(body, name)
    shown = list(pictures(480, 480, 2))
    operated, sound = operate_within(entry, body, published, (480, 480), shown, "drawn")
    assert sound.complaint is None and sound.boxes >= 2
    monkeypatch.setattr(parity, "_find", _blinded(parity._find, parity.planes_of_bgr(np.zeros_like(shown[0]))))
    lost = compare(entry, published, operated, shown, "blind")
    assert lost.lost == sound.boxes and lost.complaint is not None and "were lost" in lost.complaint


def _blinded(find: Any, dark: Any) -> Any:
    """The model after surgery sees darkness, the published one what there is."""
    return lambda looker, planes: find(looker, dark if isinstance(looker, SurgicalLooker) else planes)
