"""The AsyncAPI 3.0 document of all topics, generated from the types so that it cannot differ from them.

``python -m services.contracts.asyncapi`` prints it; ``docs/reference/asyncapi.json`` is its published copy, held equal by a test.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from services.contracts import incident, recording, sensor, status, topics
from services.contracts.cloud_event import CONTENT_TYPE, CloudEvent, Payload
from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.media_record import GAP_CAUSES

VERSION = "1.0.0"

_EVENTS: dict[str, dict[str, type[Payload]]] = {
    topics.SENSOR.name: sensor.PAYLOADS,
    topics.STATUS.name: status.PAYLOADS,
    topics.INCIDENT.name: incident.PAYLOADS,
    topics.RECORDING.name: recording.PAYLOADS,
}
_ENTITIES: dict[str, type[Payload]] = {"camera": CameraConfig, "sensor": SensorConfig}

_HEX = {"digest": 32, "prev": 32, "sig": 64}
_RUN = ("camera", "stream", "run", "agent", "key", "codec", "width", "height", "timescale")
_CLOCK = ("offset-ns", "uncertainty-ns")
#: kind -> (required headers, optional headers, what the value is)
_MEDIA: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "run-start": (
        (*_RUN, "start-ns", *_CLOCK),
        ("since", "detail", "camera-offset-ns"),
        "init segment: ftyp and moov (ISO/IEC 14496-12)",
    ),
    "chunk": (
        (*_RUN, "seq", "start-ns", "duration-ns", "sync", "digest", "prev", *_CLOCK),
        ("camera-offset-ns", "sig"),
        "one CMAF chunk: moof and mdat (ISO/IEC 23000-19)",
    ),
    "run-end": ((*_RUN, "chunks", "end-ns", "cause"), ("detail",), "empty"),
    "gap": (("camera", "stream", "agent", "start-ns", "cause"), ("end-ns", "since", "detail"), "empty"),
}


def document() -> dict[str, Any]:
    """The whole document as plain dictionaries, in a stable order."""
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    for topic in topics.ALL:
        names = _topic_messages(topic, messages, schemas)
        channels[topic.name] = {
            "address": topic.name,
            "description": topic.description,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            "bindings": {"kafka": {"topic": topic.name, "partitions": topic.partitions}},
            "x-key": topic.key,
            "x-lossless": topic.lossless,
            "x-compacted": topic.compacted,
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Kanhu", "version": VERSION, "license": {"name": "Apache-2.0"}, "description": __doc__},
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "components": {"messages": messages, "schemas": schemas},
    }


def _topic_messages(topic: topics.Topic, messages: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    if topic.name in (topics.VIDEO_RECORD.name, topics.VIDEO_DETECT.name):
        return [_media_message(kind, messages) for kind in _MEDIA]
    if topic.name in _EVENTS:
        return [_event_message(kind, model, messages, schemas) for kind, model in _EVENTS[topic.name].items()]
    if topic.name == topics.CONFIG.name:
        return [_entity_message(kind, model, messages, schemas) for kind, model in _ENTITIES.items()]
    if topic.name == topics.DEAD_LETTER.name:
        messages["dead-letter"] = {
            "contentType": "application/octet-stream",
            "summary": "a record that could not be read, byte for byte",
            "headers": _object({"origin": {"type": "string"}, "reason": {"type": "string"}}, ["origin", "reason"]),
        }
        return ["dead-letter"]
    return []


def _media_message(kind: str, messages: dict[str, Any]) -> str:
    required, optional, value = _MEDIA[kind]
    properties: dict[str, Any] = {"kind": {"const": kind}}
    properties |= {name: _header_schema(name) for name in (*required, *optional)}
    messages[f"media.{kind}"] = {
        "contentType": "video/mp4",
        "summary": f"value: {value}",
        "headers": _object(properties, ["kind", *required]),
    }
    return f"media.{kind}"


def _event_message(kind: str, model: type[Payload], messages: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = CloudEvent[model].model_json_schema(ref_template="#/components/schemas/{model}")  # type: ignore[valid-type]
    schemas.update(schema.pop("$defs", {}))
    schema["properties"]["type"] = {"const": kind}
    messages[kind] = {"contentType": CONTENT_TYPE, "summary": _first_line(model), "payload": schema}
    return kind


def _entity_message(kind: str, model: type[Payload], messages: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    messages[f"config.{kind}"] = {
        "contentType": "application/json",
        "summary": f"key {kind}/ID; no value removes it",
        "payload": schema,
    }
    return f"config.{kind}"


def _header_schema(name: str) -> dict[str, Any]:
    if name in _HEX:
        return {"type": "string", "pattern": f"^[0-9a-f]{{{_HEX[name] * 2}}}$"}
    if name in ("cause", "since"):
        return {"type": "string", "enum": list(GAP_CAUSES)}
    if name == "stream":
        return {"type": "string", "enum": ["record", "detect"]}
    if name in ("camera", "run", "agent", "key", "codec", "detail"):
        return {"type": "string"}
    return {"type": "string", "pattern": "^-?[0-9]{1,19}$", "description": "decimal integer in ASCII"}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _first_line(model: type[Payload]) -> str:
    return (model.__doc__ or model.__name__).strip().splitlines()[0]


def main() -> int:
    """Print the document."""
    json.dump(document(), sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
