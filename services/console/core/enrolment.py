"""What a person typed into the form becomes a camera, or a list of what is wrong with it, field by field."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from services.contracts.entity import CameraConfig
from services.contracts.errors import Rejected
from services.contracts.source_url import parse_source_url, redact_url

WHOLE_PICTURE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


class EnrolmentRefused(Rejected):
    """``faults`` are pairs of a field's name and what to do about it; no value is repeated in them."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in faults))
        self.faults = faults


class CameraForm(BaseModel):
    """The form's fields as sent."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    camera_id: str = Field(min_length=1, max_length=63)
    url: str = Field(min_length=1, max_length=1000)
    title: str = Field(default="", max_length=120)
    room_kind: str = Field(default="activity", max_length=40)
    username: str = Field(default="", max_length=120)
    password: SecretStr | None = None
    armed: bool = True


def camera_from(form: CameraForm) -> CameraConfig:
    """The camera that the form describes; credentials written into the URL are taken out of it."""
    document: dict[str, Any] = {
        "camera_id": form.camera_id, "title": form.title, "room_kind": form.room_kind, "url": form.url,
        "username": form.username or None, "password": form.password.get_secret_value() if form.password else None,
    }  # fmt: skip
    with suppress(ValueError):  # a wrong URL is told below, together with whatever else is wrong
        address = parse_source_url(form.url)
        document["url"] = address.url if address.scheme in ("rtsp", "rtsps") else form.url
        document["username"] = document["username"] or address.username
        document["password"] = document["password"] or address.password
    if form.armed:
        document["zones"] = [{"name": "whole-picture", "kind": "armed", "polygon": WHOLE_PICTURE}]
    try:
        return CameraConfig.model_validate(document)
    except ValidationError as error:
        raise EnrolmentRefused(faults_of(error)) from None


def faults_of(error: ValidationError) -> list[tuple[str, str]]:
    """Each fault with its field; inputs are left out because one of them may be a password."""
    return [
        (str(fault["loc"][0]) if fault["loc"] else "camera_id", _say(fault["type"], fault["msg"]))
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _say(kind: str, message: str) -> str:
    if kind == "string_pattern_mismatch":
        return "use 1 to 63 lower-case letters, digits, '-' or '_', beginning with a letter or digit"
    if kind == "string_too_short":
        return "fill this in"
    return redact_url(message.removeprefix("Value error, "))
