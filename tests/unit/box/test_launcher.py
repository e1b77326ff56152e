"""What the terminal says of who watches: that a detector knows only simulated rooms, and that none for real pictures is there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from services.box import installation
from services.box.installation import Ports, Wishes
from services.box.launcher import tell_who_watches
from services.box.terminal import Terminal

KNOWS_ONLY = "its detector knows only simulated rooms"
NONE_INSTALLED = "none for real pictures is installed: cameras are recorded, not watched"


def said(data: Path, *cameras: tuple[str, str]) -> str:
    installation.prepare_directory(data)
    settings = installation.compose(Wishes(data, cameras=cameras), Ports("127.0.0.1:4711"))
    stream = io.StringIO()
    tell_who_watches(settings, data, Terminal(stream))
    return stream.getvalue()


def test_that_the_detector_knows_only_simulated_rooms_is_said_where_there_is_no_other_camera(tmp_path: Path) -> None:
    assert KNOWS_ONLY in said(tmp_path / "demonstration")
    assert KNOWS_ONLY in said(tmp_path / "asked-for", ("nap", "sim:nap"))


@pytest.mark.parametrize(
    "cameras", [(("gate", "rtsp://10.0.0.9/main"),), (("gate", "rtsp://10.0.0.9/main"), ("nap", "sim:nap"))]
)
def test_a_real_camera_that_nobody_watches_is_told(tmp_path: Path, cameras: tuple[tuple[str, str], ...]) -> None:
    text = said(tmp_path / "data", *cameras)
    assert NONE_INSTALLED in text
    assert f"kanhu models install NAME --data {tmp_path / 'data'}" in text
    assert KNOWS_ONLY not in text


def test_with_a_detector_for_real_pictures_there_is_nothing_to_say(tmp_path: Path) -> None:
    data = tmp_path / "data"
    installation.prepare_directory(data)
    (data / "models").mkdir(exist_ok=True)
    (data / "models" / "yolox-nano.onnx").write_bytes(b"any")
    assert said(data, ("gate", "rtsp://10.0.0.9/main")) == ""
