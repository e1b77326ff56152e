"""What an institution may declare, and what the law forbids it to declare."""

import pytest
from pydantic import ValidationError

from services.contracts.entity import CameraConfig, Zone
from services.contracts.policy import RetentionPolicy
from services.contracts.schedule import ArmedSchedule, WeeklyHours
from services.contracts.settings import Settings
from services.contracts.time import parse_rfc3339


def test_a_camera_needs_a_name_and_a_url() -> None:
    camera = CameraConfig(camera_id="door", url="rtsp://cam/a")
    assert camera.transport == "tcp"
    assert camera.analyse


@pytest.mark.parametrize("room_kind", ["toilet", "changing", "nursing"])
def test_a_camera_in_a_banned_room_is_refused_with_the_article(room_kind: str) -> None:
    with pytest.raises(ValidationError, match="article 8"):
        CameraConfig(camera_id="door", url="rtsp://cam/a", room_kind=room_kind)  # type: ignore[arg-type]


def test_a_password_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="once"):
        CameraConfig(camera_id="door", url="rtsp://cam/a", password="x", password_env="Y")  # type: ignore[arg-type]


def test_a_password_does_not_print() -> None:
    camera = CameraConfig(camera_id="door", url="rtsp://cam/a", password="geheim")  # type: ignore[arg-type]
    assert "geheim" not in repr(camera)
    assert "geheim" not in camera.model_dump_json()


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        CameraConfig(camera_id="door", url="rtsp://cam/a", colour="red")  # type: ignore[call-arg]


@pytest.mark.parametrize("polygon", [[], [(0, 0), (1, 1)], [(0, 0), (1.5, 0), (1, 1)]])
def test_a_zone_needs_three_corners_inside_the_picture(polygon: list[tuple[float, float]]) -> None:
    with pytest.raises(ValidationError):
        Zone(name="z", polygon=polygon)


@pytest.mark.parametrize(("floor", "ceiling"), [(89, 97), (0, 1), (90, 90), (120, 97)])
def test_an_unlawful_retention_policy_is_refused(floor: int, ceiling: int) -> None:
    with pytest.raises(ValidationError, match=r"law asks|must be greater"):
        RetentionPolicy(floor_days=floor, ceiling_days=ceiling)


@pytest.mark.parametrize(
    ("local", "armed"),
    [
        ("2026-11-23T19:29:00+08:00", False),  # Monday
        ("2026-11-23T19:30:00+08:00", True),
        ("2026-11-24T06:59:00+08:00", True),  # Monday's night reaches into Tuesday
        ("2026-11-24T07:00:00+08:00", False),
        ("2026-11-24T20:00:00+08:00", False),  # Tuesday evening is not listed
    ],
)
def test_night_hours_reach_into_the_next_day(local: str, armed: bool) -> None:
    night = ArmedSchedule(mode="hours", hours=[WeeklyHours(days=["mon"], start="19:30", end="07:00")])
    assert night.armed_at(parse_rfc3339(local)) is armed


def test_always_and_never() -> None:
    assert ArmedSchedule(mode="always").armed_at(0)
    assert not ArmedSchedule(mode="never").armed_at(0)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="time zone"):
        ArmedSchedule(time_zone="Middle/Earth")


def test_settings_need_only_a_backbone() -> None:
    settings = Settings.model_validate({"backbone": {"mode": "embedded", "data": "d"}})
    assert settings.retain.policy.floor_days == 90
    assert settings.console.listen.startswith("127.0.0.1:")


def test_an_authority_is_named_only_for_a_camera_whose_certificate_can_be_seen() -> None:
    with pytest.raises(ValidationError, match=r"ca_file is for a camera at rtsps"):
        CameraConfig(camera_id="gate", url="rtsp://c/1", ca_file="ca.pem")
    both = CameraConfig(camera_id="gate", url="rtsp://c/1", detect_url="RTSPS://c/2", ca_file="ca.pem")
    assert both.ca_file == "ca.pem"
