"""What an agent last read from ``config.v1``, on its own disk: it must record after a restart while the log is away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from services.backbone.durable_file import replace_file
from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.entity_record import encode_entity
from services.contracts.errors import KanhuError

_KEYED = TypeAdapter(dict[str, CameraConfig | SensorConfig])

logger = structlog.get_logger(__name__)


class EntityCache:
    """One JSON file, readable by its owner only (passwords not sealed would be in it). Blocking; call it in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, CameraConfig | SensorConfig]:
        """What was saved last; nothing if there is no file or it is damaged (which is logged)."""
        try:
            return _KEYED.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            kind = type(error).__name__
            logger.error("remembered entities cannot be read; starting without them", path=str(self._path), kind=kind)
            return {}

    def save(self, entities: Mapping[str, CameraConfig | SensorConfig]) -> None:
        """Replace the file durably; a failure is logged, since the memory is a convenience and the log holds the truth."""
        document = {key: json.loads(encode_entity(entity)) for key, entity in entities.items()}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(document, ensure_ascii=False).encode(), mode=0o600)
        except (OSError, KanhuError) as error:
            logger.error("entities cannot be remembered", path=str(self._path), error=str(error))
