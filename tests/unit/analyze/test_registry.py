"""Registry entries: complete, plain about what they are, and none that tells persons apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.analyze.core.decoders import ADAPTERS
from services.analyze.core.findings import Kind
from services.analyze.looking import plan_for
from services.analyze.registry import ModelEntry, load_registry
from services.contracts.errors import Rejected

MINE: dict[str, Any] = {
    "name": "mine", "title": "Mine", "decoder": "yolov8", "input": {"name": "images", "width": 416, "height": 256},
    "class_count": 2, "classes": {"adult": 0, "child": 1}, "licence": "MIT", "source": "here", "sha256": ["a" * 64],
    "assessment": "PIA-9",
}  # fmt: skip


def load(directory: Path, **changes: Any) -> ModelEntry:
    fields = {key: value for key, value in {**MINE, **changes}.items() if value is not None}
    (directory / "registry.yaml").write_text(yaml.safe_dump({"models": [fields]}))
    return load_registry(directory)["mine"]


def test_an_entry_says_which_classes_we_use_and_what_they_are(tmp_path: Path) -> None:
    entry = load(tmp_path)
    assert entry.kinds == {0: Kind.ADULT, 1: Kind.CHILD}
    assert entry.person_classes == (0, 1)
    head = entry.head(score=0.2)
    assert (head.classes, head.score, head.together) == ((0, 1), 0.2, True), "an adult is no second person as a child"


def test_the_older_person_class_is_still_read(tmp_path: Path) -> None:
    entry = load(tmp_path, classes=None, person_class=1)
    assert entry.classes == {"person": 1} and entry.task == "detect"
    with pytest.raises(Rejected, match="only classes"):
        load(tmp_path, person_class=1)


def test_the_task_follows_from_the_decoder(tmp_path: Path) -> None:
    assert load(tmp_path, decoder="movenet", classes=None).task == "pose"
    with pytest.raises(Rejected, match="for task detect, not pose"):
        load(tmp_path, task="pose")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "person-reid-0288"}, {"task": "embed"}, {"decoder": "reid"}, {"decoder": "arcface"},
        {"task": "recognise"}, {"task": "recognize"}, {"classes": {"identity": 0}}, {"name": "face-recognition-sface"},
        {"task": "identify"},
    ],
    ids=str,
)  # fmt: skip
def test_what_would_tell_persons_apart_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="R-25"):
        load(tmp_path, **changes)


def test_faces_are_found_only_to_be_masked(tmp_path: Path) -> None:
    faces = {"decoder": "yunet", "classes": None, "class_count": 1}
    assert load(tmp_path, **faces, use="masking").task == "face"
    for changes in ({**faces}, {**faces, "use": "watching"}, {"use": "masking"}):
        with pytest.raises(Rejected, match="only to be masked"):
            load(tmp_path, **changes)


@pytest.mark.parametrize("field", ["assessment", "licence", "source"])
@pytest.mark.parametrize("text", ["", "  ", "-", "none", "N/A", "TODO", "<id of your impact assessment>", None])
def test_without_assessment_licence_or_source_there_is_no_entry(tmp_path: Path, field: str, text: str | None) -> None:
    with pytest.raises(Rejected, match=field):
        load(tmp_path, **{field: text})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"classes": {"dog": 0}}, "known are adult"),
        ({"classes": {"adult": 0, "child": 0}}, "different numbers"),
        ({"classes": {"person": 2}}, "0 to 1"),
        ({"classes": None}, "names the classes we use"),
        ({"decoder": "movenet"}, "other tasks name none"),
        ({"decoder": "frcnn"}, "decoder"),
        ({"input": {"name": "x", "width": 410, "height": 256}}, "multiples of 32"),
        ({"input": {"name": "x", "width": 4096, "height": 256}}, "width"),
        ({"input": {"name": "x", "width": 416, "height": 256, "std": [1, 0, 1]}}, "std not 0"),
        ({"input": {"name": "x", "width": 416, "height": 256, "mean": [1, float("nan"), 1]}}, "finite"),
        ({"input": {"name": "x", "width": 416, "height": 256, "dtype": "uint8", "scale": 0.5}}, "uint8"),
        ({"input": {"name": "x", "width": 416, "height": 256, "size_input": "s"}}, "no size_input"),
        ({"input": {"name": "x", "width": 416, "height": 256, "uncut": "perhaps"}}, "uncut"),
        ({"input": {"name": "x", "width": 416, "height": 256, "uncut": True, "fit": "stretch"}}, "leave out uncut"),
        (
            {"input": {"name": "x", "width": 416, "height": 256, "uncut": True, "fit": "letterbox_centre"}},
            "leave out uncut",
        ),
        (
            {"input": {"name": "x", "width": 416, "height": 256, "uncut": True}, "decoder": "movenet", "classes": None},
            "leave out uncut",
        ),
        ({"sha256": ["zz"]}, "sha256"),
        ({"sha256": []}, "sha256"),
        ({"url": "http://example.org/x.onnx"}, "url"),
        ({"score": 2}, "score"),
        ({"embedding_size": 256}, "embedding_size"),
    ],
    ids=str,
)
def test_a_wrong_entry_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Rejected, match=says):
        load(tmp_path, **changes)


@pytest.mark.parametrize(
    ("input_", "size"),
    [
        ({}, (416, 256)),
        ({"uncut": True}, (416, 416)),
        ({"fit": "stretch"}, (416, 416)),
        ({"fit": "letterbox_centre"}, (416, 416)),
    ],
    ids=str,
)
def test_an_input_is_cut_to_the_pictures_aspect_only_where_its_entry_allows(
    tmp_path: Path, input_: dict[str, Any], size: tuple[int, int]
) -> None:
    entry = load(tmp_path, input={"name": "x", "width": 416, "height": 416, **input_})
    plan = plan_for(entry, 1280, 720)
    assert (plan.width, plan.height) == size


def test_every_packaged_entry_is_assessed_and_described_in_the_reference() -> None:
    reference = (Path(__file__).parents[3] / "docs" / "reference" / "model-assessments.md").read_text(encoding="utf-8")
    for entry in load_registry().values():
        assert f"`{entry.name}`" in reference and entry.assessment in reference, entry.name


def test_every_kind_of_model_is_one_the_registry_admits() -> None:
    words = set(ModelEntry.model_fields["decoder"].annotation.__args__)  # type: ignore[union-attr]
    assert words == set(ADAPTERS)


def test_the_entry_in_the_administrators_guide_is_a_good_one(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "administrator.md").read_text(encoding="utf-8")
    example = guide.split("An entry looks like this:")[1].split("```yaml\n")[1].split("```")[0]
    (tmp_path / "registry.yaml").write_text(example.replace("64 hexadecimal digits", "a" * 64), encoding="utf-8")
    assert load_registry(tmp_path)["our-detector"].kinds == {0: Kind.ADULT, 1: Kind.CHILD}
