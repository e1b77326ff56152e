"""Records of ``config.v1``: an entity whole under its key; a record without value withdraws it.

Belongs here: keys and values. Does not belong here: the entities (``entity.py``), and what is done with a record that
cannot be read.
"""

from __future__ import annotations

import json

from pydantic import ValidationError

from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.errors import Corrupt

Entity = CameraConfig | SensorConfig


def config_key(entity: Entity) -> str:
    """The key of an entity's record on ``config.v1``."""
    return f"camera/{entity.camera_id}" if isinstance(entity, CameraConfig) else f"sensor/{entity.sensor_id}"


def encode_entity(entity: Entity) -> bytes:
    """The value of an entity's record: the whole entity as UTF-8 JSON. A password that was not sealed before goes in clear."""
    document = entity.model_dump(mode="json", exclude_none=True)
    if isinstance(entity, CameraConfig) and entity.password is not None:
        document["password"] = entity.password.get_secret_value()
    return json.dumps(document, ensure_ascii=False, sort_keys=True).encode()


def decode_entity(key: str, value: bytes) -> Entity:
    """Read a record of ``config.v1``; ``Corrupt`` says what is wrong, without the value."""
    kind = key.partition("/")[0]
    if kind not in ("camera", "sensor"):
        raise Corrupt(f"key {key[:80]!r} names no entity; expected camera/ID or sensor/ID")
    try:
        entity: Entity = (CameraConfig if kind == "camera" else SensorConfig).model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise Corrupt(f"{key[:80]} is not valid at {where}: {first['msg']}") from None  # the cause carries the input
    if config_key(entity) != key:
        raise Corrupt(f"the record of {key[:80]!r} speaks of {config_key(entity)!r}; key and id must agree")
    return entity
