"""The form: what is wrong is told by field, and a password is never repeated."""

from __future__ import annotations

import pytest

from services.console.core.enrolment import CameraForm, EnrolmentRefused, camera_from


def form(**fields: object) -> CameraForm:
    return CameraForm.model_validate({"camera_id": "door", "url": "rtsp://10.0.0.9/main", **fields})


def test_a_camera_is_armed_as_a_whole_unless_told_otherwise() -> None:
    assert [zone.kind for zone in camera_from(form()).zones] == ["armed"]
    assert camera_from(form(armed=False)).zones == []


def test_credentials_in_the_url_are_taken_out_of_it() -> None:
    camera = camera_from(form(url="rtsp://admin:s%40cret@10.0.0.9:554/main?x=1"))
    assert camera.url == "rtsp://10.0.0.9:554/main?x=1"
    assert camera.username == "admin"
    assert camera.password is not None
    assert camera.password.get_secret_value() == "s@cret"


def test_typed_credentials_stand_over_those_of_the_url() -> None:
    camera = camera_from(form(url="rtsp://a:b@10.0.0.9/", username="operator", password="typed"))
    assert camera.username == "operator"
    assert camera.password is not None
    assert camera.password.get_secret_value() == "typed"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "http://10.0.0.9/"}, "url"),
        ({"url": "rtsp://"}, "url"),
        ({"url": "file:"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"camera_id": "Haustür"}, "camera_id"),
        ({"camera_id": "-x"}, "camera_id"),
        ({"room_kind": "toilet"}, "room_kind"),
        ({"room_kind": "castle"}, "room_kind"),
    ],
)
def test_a_fault_is_told_at_its_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(EnrolmentRefused) as refused:
        camera_from(form(**fields))
    assert [name for name, _ in refused.value.faults] == [field]


@pytest.mark.parametrize(
    "url", ["http://admin:hunter2@10.0.0.9/", "rtsp://admin:hunter2@10.0.0.9:99999/", "rtp://u:hunter2@h"]
)
def test_a_password_is_never_repeated(url: str) -> None:
    with pytest.raises(EnrolmentRefused) as refused:
        camera_from(form(url=url, password="hunter3"))
    assert "hunter" not in str(refused.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(EnrolmentRefused) as refused:
        camera_from(form(camera_id="Gate 1", url="http://10.0.0.9/", room_kind="castle"))
    assert sorted(name for name, _ in refused.value.faults) == ["camera_id", "room_kind", "url"]
