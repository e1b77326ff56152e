"""``kanhu models``: list, install offline, verify; good files, bad files, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.analyze.installed import install, read_model
from services.analyze.registry import load_registry
from services.box.command import main
from services.contracts.errors import Corrupt, NotFound, Transient
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
    receipt = json.loads((data / "models" / "yolox-nano-416.json").read_text())
    assert receipt["licence"] == "Apache-2.0" and receipt["assessment"] and receipt["sha256"] == rows[0]["sha256"]
    assert (data / "models" / "yolox-nano-416.onnx").read_bytes() == source.read_bytes()
    assert kanhu(capsys, "verify", "--data", data, "--json")[0] == 0
    assert kanhu(capsys, "install", "yolox-nano-416", "--data", data, "--from", source)[0] == 0, "again is harmless"


def test_a_model_that_rots_is_found(
    data: Path, clip: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    kanhu(capsys, "install", "yolox-nano-416", "--data", data, "--from", clip(OFFICIAL))
    path = data / "models" / "yolox-nano-416.onnx"
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    status, rows, _ = kanhu(capsys, "verify", "yolox-nano-416", "--data", data, "--json")
    assert status == 1 and rows[0]["state"] == "broken" and "SHA-256" in rows[0]["problem"]
    with pytest.raises(Corrupt):
        read_model(load_registry()["yolox-nano-416"], data / "models")


def test_the_packaged_model_installs_without_a_file(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kanhu(capsys, "install", "drawn-person", "--data", data)[0] == 0
    assert (data / "models" / "drawn-person.onnx").is_file()


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
