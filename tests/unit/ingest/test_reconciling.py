"""What changes when the wanted cameras change."""

from __future__ import annotations

from typing import Any

from services.contracts.entity import CameraConfig, Zone
from services.ingest.core.reconciling import Changes, StreamPlan, changes, ours, plans_of


def camera(name: str = "a", **more: Any) -> CameraConfig:
    return CameraConfig(camera_id=name, url="rtsp://h/1", **more)


def test_one_stream_is_recorded_and_analysed() -> None:
    assert plans_of(camera()) == (StreamPlan("record", "rtsp://h/1", True, True),)


def test_a_second_stream_is_analysed_instead() -> None:
    plans = plans_of(camera(detect_url="rtsp://h/2"))
    assert plans == (StreamPlan("record", "rtsp://h/1", True, False), StreamPlan("detect", "rtsp://h/2", False, True))


def test_a_camera_that_is_not_analysed_feeds_no_analysis() -> None:
    assert plans_of(camera(analyse=False, detect_url="rtsp://h/2")) == (
        StreamPlan("record", "rtsp://h/1", True, False),
    )


def test_cameras_of_other_agents_are_left_alone() -> None:
    known = {"a": camera("a"), "b": camera("b", agent_id="me"), "c": camera("c", agent_id="other")}
    assert set(ours(known, "me")) == {"a", "b"}


def test_only_what_changed_is_touched() -> None:
    running = {"a": camera("a"), "b": camera("b"), "c": camera("c")}
    wanted = {"b": camera("b"), "c": camera("c", transport="udp"), "d": camera("d")}
    assert changes(running, wanted) == Changes(add=("d",), restart=("c",), remove=("a",))


def test_another_password_restarts_the_camera() -> None:
    before = camera(username="u", password="one")
    assert changes({"a": before}, {"a": camera(username="u", password="two")}).restart == ("a",)
    assert changes({"a": before}, {"a": camera(username="u", password="one")}).restart == ()


def test_zones_and_titles_do_not_disturb_recording() -> None:
    zone = Zone(name="door", polygon=[(0, 0), (1, 0), (1, 1)])
    assert changes({"a": camera()}, {"a": camera(title="Nap room", zones=[zone])}) == Changes((), (), ())
