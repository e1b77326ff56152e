"""``kanhu models``: list, install offline, verify; good files, bad files, and what is said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.analyze.installed import install, read_model
from services.analyze.registry import ModelEntry, load_registry
from services.box.command import main
from services.contracts.errors import Corrupt, NotFound, Transient
from tests.harness.onnx_graphs import blank, entry_for, fixed_model
from tests.integration.analyze.streams import SHARED

OFFICIAL = "models/det_yolox_nano_416.onnx"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def kanhu(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, Any]], str]:
    status = main(["models", *map(str, arguments)])
    output = capsys.readouterr()
    return status, [json.loads(line) for line in output.out.splitlines() if line.startswith("{")], output.err


def test_listing_needs_no_installation(capsys: pytest.CaptureFixture[str]) -> None:
    status, rows, _ = kanhu(capsys, "list", "--json")
    assert status == 0
    named = {row["name"]: row for row in rows}
    assert named["yolox-nano-416"]["state"] == "absent"
    assert named["yolox-nano-416"]["licence"] == "Apache-2.0"
    assert named["yolox-nano-416"]["url"].startswith("https://github.com/Megvii-BaseDetection/YOLOX/releases/")
    assert named["drawn-person"]["state"] == "sound"


def test_a_model_is_installed_from_a_file_and_verified(
    data: Path, clip: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    source = clip(OFFICIAL)
    status, rows, _ = kanhu(capsys, "install", "yolox-nano-416", "--data", data, "--from", source, "--json")
    assert status == 0 and rows[0]["state"] == "installed"
    assert_parity_is_told(rows[0])
    receipt = json.loads((data / "models" / "yolox-nano-416.json").read_text())
    assert receipt["licence"] == "Apache-2.0" and receipt["assessment"] and receipt["sha256"] == rows[0]["sha256"]
    assert (data / "models" / "yolox-nano-416.onnx").read_bytes() == source.read_bytes()
    assert kanhu(capsys, "verify", "--data", data, "--json")[0] == 0
    again = kanhu(capsys, "install", "yolox-nano-416", "--data", data, "--from", source, "--as-published")
    assert again[0] == 0, "again is harmless"


def assert_parity_is_told(row: dict[str, Any]) -> None:
    """Fitted to four aspects of picture, with boxes to compare in each, and none of them lost."""
    surgery = row["surgery"]
    assert surgery["done"] and surgery["unrecognised"] is None
    assert [parity["pictures"] for parity in surgery["parity"]] == ["16:9", "4:3", "1:1", "9:16"]
    for parity in surgery["parity"]:
        assert parity["boxes"] > 0 and parity["lost"] == parity["anew"] == 0
        assert 0.9 < parity["least_iou"] <= parity["mean_iou"] <= 1 and parity["most_score_change"] < 0.1
    assert row["run_ms"] > 0


def test_the_packaged_model_installs_without_a_file_and_it_is_said_what_was_measured(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "install", "drawn-person", "--data", str(data)]) == 0
    assert (data / "models" / "drawn-person.onnx").is_file()
    said = capsys.readouterr().out
    entry = load_registry()["drawn-person"]
    for fact in (entry.licence, entry.sha256[0], entry.assessment, str(data / "models" / "drawn-person.onnx")):
        assert fact in said
    assert re.search(r"a trial run took [\d.]+ ms a picture", said)
    assert "fitted to the cameras: first convolution" in said
    measured = re.findall(r"boxes stay where they were: (\S+) at \S+: (\d+)/(\d+) boxes, IoU ([\d.]+)", said)
    assert [aspect for aspect, *_ in measured] == ["16:9", "4:3", "1:1", "9:16"], said
    assert all(0 < int(kept) == int(boxes) and float(iou) > 0.9 for _, kept, boxes, iou in measured), measured


def test_a_model_that_rots_is_found(
    data: Path, clip: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    entry = load_registry()["yolox-nano-416"]
    install(entry, data / "models", source=clip(OFFICIAL), now="now", as_published=True)
    path = data / "models" / "yolox-nano-416.onnx"
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    status, rows, _ = kanhu(capsys, "verify", "yolox-nano-416", "--data", data, "--json")
    assert status == 1 and rows[0]["state"] == "broken" and "SHA-256" in rows[0]["problem"]
    with pytest.raises(Corrupt):
        read_model(load_registry()["yolox-nano-416"], data / "models")


def test_an_absent_model_is_a_finding_when_asked_for(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, rows, _ = kanhu(capsys, "verify", "yolox-nano-416", "--data", data, "--json")
    assert status == 1 and rows[0]["state"] == "absent"
    with pytest.raises(NotFound, match="kanhu models install yolox-nano-416"):
        read_model(load_registry()["yolox-nano-416"], data / "models")


@pytest.mark.parametrize("kind", ["empty", "html", "truncated", "other"])
def test_a_bad_file_is_refused_and_what_was_installed_stays(
    kind: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = read_model(load_registry()["drawn-person"], None).body
    bodies = {"empty": b"", "html": b"<html>502</html>", "truncated": sound[: len(sound) // 2], "other": sound}
    (tmp_path / "bad.onnx").write_bytes(bodies[kind])
    (data / "models").mkdir()
    (data / "models" / "yolox-nano-416.onnx").write_bytes(b"what was there")
    status, _, error = kanhu(capsys, "install", "yolox-nano-416", "--data", data, "--from", tmp_path / "bad.onnx")
    assert status == 1
    assert "yolox-nano-416" in error and "expected" in error
    assert (data / "models" / "yolox-nano-416.onnx").read_bytes() == b"what was there"
    assert sorted(path.name for path in (data / "models").iterdir()) == ["yolox-nano-416.onnx"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["install", "nothing-such", "--data", "DATA"], "known are"),
        (["install", "yolox-nano-416", "--data", "DATA", "--from", "DATA/none.onnx"], "there is no file"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], says: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, error = kanhu(capsys, *[argument.replace("DATA", str(data)) for argument in arguments])
    assert status == 2 and says in error


def test_without_a_place_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["models", "install", "yolox-nano-416"])
    assert exit_.value.code == 2


def test_a_download_is_verified_like_a_file(data: Path) -> None:
    source = SHARED / OFFICIAL
    entry = load_registry()["yolox-nano-416"]
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return source.read_bytes() if source.exists() else b""

    if source.exists():
        assert install(entry, data / "models", source=None, now="now", fetch=fetch).sha256 == entry.sha256[0]
    else:
        with pytest.raises(Corrupt):
            install(entry, data / "models", source=None, now="now", fetch=fetch)
    assert asked == [entry.url]


def test_a_download_that_fails_says_what_to_do(data: Path) -> None:
    def fetch(_url: str) -> bytes:
        raise OSError("network is unreachable")

    with pytest.raises(Transient, match="--from FILE"):
        install(load_registry()["yolox-nano-416"], data / "models", source=None, now="now", fetch=fetch)


def test_an_unknown_file_is_told_the_entry_it_needs_and_with_it_installs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = entry_for("yolov8")
    (tmp_path / "own.onnx").write_bytes(fixed_model(toy, blank(toy)).SerializeToString())
    order = ["install", "own", "--data", data, "--from", tmp_path / "own.onnx", "--json"]
    status, _, error = kanhu(capsys, *order)
    assert status == 2 and "needs only an entry" in error and "decoder: yolov8" in error
    template = error[error.index("models:") :]
    (data / "models").mkdir()
    own = data / "models" / "registry.yaml"
    own.write_text(template)
    status, _, error = kanhu(capsys, *order)
    assert status == 2 and "says nothing; write what it is" in error, "placeholders are no answers"
    for placeholder, answer in (
        ("<what it is>", "Ours"), ("<its licence>", "MIT"), ("<where it comes from>", "us"),
        ("<id of your impact assessment>", "PIA-7"),
    ):  # fmt: skip
        template = template.replace(placeholder, answer)
    own.write_text(template)
    status, rows, error = kanhu(capsys, *order)
    assert (status, error) == (0, "")
    assert rows[0]["assessment"] == "PIA-7" and rows[0]["run_ms"] > 0 and rows[0]["task"] == "detect"


def test_an_unknown_file_that_is_no_model_is_called_what_it_is(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    status, _, error = kanhu(capsys, "install", "own", "--data", data, "--from", tmp_path / "own.onnx")
    assert status == 1 and "Git LFS pointer" in error


def test_a_file_whose_trial_fails_is_not_installed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_body: bytes, entry: ModelEntry) -> None:
        raise Corrupt(f"{entry.name}: the trial run ended by signal 11")

    monkeypatch.setattr("services.analyze.commands.try_model", crash)
    status, _, error = kanhu(capsys, "install", "drawn-person", "--data", data)
    assert status == 1 and "signal 11" in error
    assert not (data / "models" / "drawn-person.onnx").exists()
