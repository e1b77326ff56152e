"""The JSON envelope of every record that is not media: CloudEvents 1.0, structured mode.

``kind`` values (CloudEvents ``type``) are listed in the module of each payload. The payload model is chosen by ``type``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.contracts.errors import Corrupt
from services.contracts.time import format_rfc3339, parse_rfc3339

CONTENT_TYPE = "application/cloudevents+json"
_NAMESPACE = UUID("4f7f2d3e-6f5b-5f0a-9a43-6b616e687530")


class Payload(BaseModel):
    """Base of all payloads: immutable; unknown fields are refused so that a typo cannot pass for a value."""

    model_config = ConfigDict(frozen=True, extra="forbid")


P = TypeVar("P", bound=Payload)


class CloudEvent(BaseModel, Generic[P]):
    """One CloudEvent. ``id`` is deterministic (`event_id`) so that a replayed record is recognised as the same."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=200)
    source: str = Field(
        min_length=1, max_length=400, description="who says it, as a URI reference: /agent/ID, /analyze/ID"
    )
    type: str = Field(min_length=1, max_length=120)
    subject: str = Field(min_length=1, max_length=200, description="what it is about: a camera, sensor or incident id")
    time: str = Field(description="when it happened, RFC 3339 UTC")
    datacontenttype: Literal["application/json"] = "application/json"
    data: P

    @property
    def time_ns(self) -> int:
        return parse_rfc3339(self.time)


@cache
def _event_of(payload: type[Payload]) -> type[CloudEvent[Any]]:
    """The event class of a payload, kept: pydantic itself holds it weakly, so that it would be made anew, in half a
    millisecond, for nearly every event."""
    return CloudEvent[payload]  # type: ignore[valid-type]


def event_id(*parts: object) -> str:
    """A UUIDv5 of the parts: the same facts always get the same id."""
    return str(uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts)))


def make_event(
    kind: str, source: str, subject: str, time_ns: int, data: P, *, identity: tuple[object, ...]
) -> CloudEvent[P]:
    """Build an event whose id follows from its type and ``identity``."""
    return _event_of(type(data))(
        id=event_id(kind, *identity), source=source, type=kind, subject=subject, time=format_rfc3339(time_ns), data=data
    )


def encode_event(event: CloudEvent[Any]) -> bytes:
    """The event as UTF-8 JSON."""
    return event.model_dump_json(exclude_none=True).encode()


def decode_event(value: bytes, payloads: Mapping[str, type[Payload]]) -> CloudEvent[Any]:
    """Read an event whose ``type`` is one of ``payloads``; ``Corrupt`` says which field is wrong."""
    try:
        head = _Head.model_validate_json(value)
        model = payloads.get(head.type)
        if model is None:
            raise Corrupt(f"event type {head.type!r} is unknown here; expected one of {', '.join(sorted(payloads))}")
        return _event_of(model).model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise Corrupt(f"event is not valid at {where}: {first['msg']}") from error


class _Head(BaseModel):
    type: str
