"""Entities as records of config.v1, and FILE overlaid by them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backbone.entities import merge
from services.backbone.entity_cache import EntityCache
from services.contracts.entity import CameraConfig, DoorRule, SensorConfig, Zone
from services.contracts.entity_record import Entity, config_key, decode_entity, encode_entity
from services.contracts.errors import Corrupt
from services.contracts.settings import EmbeddedBackbone, Settings

CAMERA = CameraConfig.model_validate(
    {"camera_id": "door", "url": "rtsp://cam/1", "username": "u", "password": "geheim", "title": "门",
     "zones": [Zone(name="gate", polygon=[(0, 0), (1, 0), (1, 1)]).model_dump()]}
)  # fmt: skip
SENSOR = SensorConfig(sensor_id="door-1", kind="door", door=DoorRule())


@pytest.mark.parametrize("entity", [CAMERA, SENSOR])
def test_an_entity_comes_back_whole(entity: Entity) -> None:
    again = decode_entity(config_key(entity), encode_entity(entity))
    assert again == entity
    if isinstance(again, CameraConfig):
        assert again.password is not None and again.password.get_secret_value() == "geheim"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("camera/door", b""),
        ("camera/door", b"{"),
        ("camera/door", b"[]"),
        ("camera/door", b'{"camera_id": "door"}'),
        ("camera/door", b'{"camera_id": "door", "url": "rtsp://u:geheim@cam:x/1"}'),
        ("camera/door", b'{"camera_id": "door", "url": "rtsp://cam/1", "password": ["geheim"]}'),
        ("camera/door", b'{"camera_id": "door", "url": "rtsp://cam/1", "room_kind": "toilet"}'),
        ("camera/other", encode_entity(CAMERA)),
        ("sensor/door", encode_entity(CAMERA)),
        ("rule/door", b"{}"),
        ("door", b"{}"),
        ("", b"{}"),
    ],
)
def test_a_bad_record_is_corrupt_and_quotes_no_secret(key: str, value: bytes) -> None:
    with pytest.raises(Corrupt) as caught:
        decode_entity(key, value)
    assert "geheim" not in str(caught.value)


@given(st.text(max_size=50), st.binary(max_size=200))
def test_any_record_is_an_entity_or_corrupt(key: str, value: bytes) -> None:
    with contextlib.suppress(Corrupt):
        assert config_key(decode_entity(key, value)) == key


def test_a_record_stands_over_the_file() -> None:
    backbone = EmbeddedBackbone(data="/data")
    other = CameraConfig(camera_id="nap", url="sim:nap")
    settings = Settings(backbone=backbone, cameras=[CAMERA, other], sensors=[SENSOR])
    moved = CAMERA.model_copy(update={"url": "rtsp://cam/2"})
    added = SensorConfig(sensor_id="t-1", kind="temperature")
    view = merge(settings, {"camera/door": moved, "sensor/t-1": added})
    assert dict(view.cameras) == {"door": moved, "nap": other}
    assert dict(view.sensors) == {"door-1": SENSOR, "t-1": added}
    assert merge(settings, {}) == merge(settings, {})


def test_an_agent_remembers_entities_for_its_owner_only(tmp_path: Path) -> None:
    cache = EntityCache(tmp_path / "agent" / "entities.json")
    assert cache.load() == {}
    known = {"camera/door": CAMERA, "sensor/door-1": SENSOR}
    cache.save(known)
    assert cache.load() == known
    assert (tmp_path / "agent" / "entities.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "agent" / "entities.json").write_bytes(b"{")
    assert cache.load() == {}
