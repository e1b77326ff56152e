"""Composing FILE: what was there stays, what is named is added, secrets never enter it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from services.backbone.settings_file import BOX_FILE, for_data_directory
from services.box import demonstration, installation
from services.box.installation import Ports, Wishes
from services.box.launcher import console_address
from services.contracts.entity import CameraConfig
from services.contracts.errors import Rejected
from services.contracts.settings import Settings
from services.contracts.simulated_stream import SimulatedStream
from services.contracts.source_url import parse_source_url
from services.simulation.live import Place

PORTS = Ports("127.0.0.1:4711")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    installation.prepare_directory(tmp_path / "data")
    return tmp_path / "data"


def compose(data: Path, *cameras: tuple[str, str], config: Path | None = None, listen: str | None = None) -> Settings:
    return installation.compose(Wishes(data, listen, config, cameras), PORTS)


def names(settings: Settings) -> list[str]:
    return [camera.camera_id for camera in settings.cameras]


def test_without_a_camera_there_is_a_simulated_nursery_with_its_sensors(data: Path) -> None:
    settings = compose(data)
    assert names(settings) == list(demonstration.CAMERAS)
    assert len({str(Place.of(stream_of(camera))) for camera in settings.cameras}) == 1  # they show one world
    assert {sensor.kind for sensor in settings.sensors} == {"door", "temperature", "humidity", "button"}
    assert all("simulated" in entity.title for entity in (*settings.cameras, *settings.sensors))


def stream_of(camera: CameraConfig) -> SimulatedStream:
    stream = parse_source_url(camera.url).simulated
    assert stream is not None
    return stream


def test_what_somebody_changed_of_the_simulated_nursery_stays(data: Path) -> None:
    compose(data)
    path = data / BOX_FILE
    path.write_text(path.read_text().replace("name: main-exit", "name: our-door"))
    assert "our-door" in [zone.name for zone in compose(data).cameras[0].zones]


def test_the_drawn_rooms_of_an_earlier_version_make_way(data: Path) -> None:
    old = {"camera_id": "playroom", "url": "sim:playroom?seed=1", "title": "活动室 Playroom (drawn)"}
    door = {"sensor_id": "playroom-door", "kind": "door", "title": "活动室门 Playroom door (drawn)"}
    (data / BOX_FILE).write_text(yaml.safe_dump({"cameras": [old], "sensors": [door]}, allow_unicode=True))
    settings = compose(data)
    assert names(settings) == list(demonstration.CAMERAS)
    assert "playroom-door" not in [sensor.sensor_id for sensor in settings.sensors]


def test_composing_twice_changes_nothing(data: Path) -> None:
    assert compose(data) == compose(data)


def test_every_service_reads_the_same_settings(data: Path) -> None:
    assert compose(data) == for_data_directory(data)


def test_a_named_camera_makes_the_simulated_nursery_leave_and_stays(data: Path) -> None:
    compose(data)
    assert names(compose(data, ("hall", "rtsp://10.0.0.9/main"))) == ["hall"]
    again = compose(data)
    assert names(again) == ["hall"]
    assert not again.sensors


def test_a_named_camera_is_armed_as_a_whole(data: Path) -> None:
    (zone,) = compose(data, ("hall", "rtsp://10.0.0.9/main")).cameras[0].zones
    assert zone.kind == "armed"
    assert zone.armed.armed_at(0)
    assert zone.polygon == [(0, 0), (1, 0), (1, 1), (0, 1)]


def test_a_camera_named_again_is_replaced(data: Path) -> None:
    compose(data, ("hall", "rtsp://10.0.0.9/main"))
    settings = compose(data, ("hall", "rtsp://10.0.0.10/main"))
    assert [camera.url for camera in settings.cameras] == ["rtsp://10.0.0.10/main"]


def test_a_simulated_camera_that_somebody_asked_for_is_theirs(data: Path) -> None:
    assert names(compose(data, ("mine", "sim:playroom?seed=9"))) == ["mine"]
    assert names(compose(data)) == ["mine"]


def test_a_password_goes_into_a_file_of_its_own(data: Path) -> None:
    settings = compose(data, ("hall", "rtsp://admin:hunter2@10.0.0.9/main"))
    (camera,) = settings.cameras
    assert "hunter2" not in (data / BOX_FILE).read_text()
    assert camera.username == "admin"
    assert camera.password_file is not None
    secret = Path(camera.password_file)
    assert secret.read_text() == "hunter2\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_relative_file_is_found_from_anywhere(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (camera,) = compose(data, ("film", "file:a film.mp4?loop=1")).cameras
    assert camera.url == f"file:{tmp_path}/a%20film.mp4?loop=1"


def test_config_is_merged_and_what_it_does_not_say_stays(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump({"institution": {"title": "Sunny"}, "retain": {"segment_s": 20}}))
    settings = compose(data, ("hall", "rtsp://10.0.0.9/main"), config=config)
    assert settings.institution.title == "Sunny"
    assert settings.institution.institution_id == "demo"
    assert settings.retain.segment_s == 20
    assert names(settings) == ["hall"]


def test_a_mistake_in_config_is_told_with_its_place(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("retain:\n  segment_s: never\n")
    with pytest.raises(Rejected, match=r"mine\.yaml.*retain\.segment_s"):
        compose(data, config=config)


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "a: b: c\n"])
def test_config_that_is_no_mapping_is_refused(data: Path, tmp_path: Path, text: str) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(text)
    with pytest.raises(Rejected, match="mine"):
        compose(data, config=config)


def test_a_distributed_backbone_is_refused(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump({"backbone": {
        "mode": "distributed", "kafka": {"bootstrap": "h:1"}, "s3": {"endpoint": "h:2"}, "postgres": {"host": "h"}, "keys": "k",
    }}))  # fmt: skip
    with pytest.raises(Rejected, match="embedded"):
        compose(data, config=config)


def test_a_second_box_on_the_same_directory_is_refused(data: Path) -> None:
    with installation.only_box(data):
        installation.write_state(data, {"pid": 4242, "url": "http://127.0.0.1:8600/"})
        with pytest.raises(Rejected, match="4242"), installation.only_box(data):
            pass
    with installation.only_box(data):
        pass


def test_a_token_is_made_once_and_readable_by_its_owner_only(data: Path) -> None:
    token = data / "tokens" / "readings"
    assert installation.keep_secret(token)
    made = token.read_text()
    assert not installation.keep_secret(token)
    assert token.read_text() == made
    assert len(made.strip()) >= 32
    assert stat.S_IMODE(token.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["hall", "hall:rtsp://x/", "Hall=rtsp://h/", "=rtsp://h/", "hall=http://h/", "hall="])
def test_a_camera_option_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        installation.read_camera_option(text)


def test_a_wrong_camera_option_does_not_show_its_password() -> None:
    with pytest.raises(Rejected) as refused:
        installation.read_camera_option("hall=rtp://admin:hunter2@h/")
    assert "hunter2" not in str(refused.value)


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(Rejected, match="hall"):
        installation.camera_names([("hall", "sim:a"), ("hall", "sim:b")])


def test_beyond_loopback_the_page_asks_for_the_token(data: Path) -> None:
    listen, token = console_address(compose(data, listen="0.0.0.0:8700"), data)
    assert listen == "0.0.0.0:8700"
    assert token == data / "tokens" / "console"
    assert console_address(compose(data, listen="127.0.0.1:8701"), data) == ("127.0.0.1:8701", None)


@pytest.mark.parametrize("listen", ["8600", "localhost", "127.0.0.1:http"])
def test_an_address_without_port_is_refused(data: Path, listen: str) -> None:
    with pytest.raises(Rejected):
        console_address(compose(data, listen=listen), data)
