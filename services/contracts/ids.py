"""Identifiers. They appear in object keys, Kafka keys and URLs, so their alphabet is narrow."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Literal

from pydantic import StringConstraints

from services.contracts.errors import Rejected

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_NAME = re.compile(NAME_PATTERN)

#: Lower-case ASCII letters, digits, ``-`` and ``_``; at most 63 characters; begins with a letter or digit.
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]

CameraId = Name
SensorId = Name
AgentId = Name
InstitutionId = Name
RoomId = Name
StreamName = Literal["record", "detect"]


def is_name(value: str) -> bool:
    """Whether ``value`` is a valid name."""
    return _NAME.fullmatch(value) is not None


def check_name(value: str, what: str) -> str:
    """Return ``value`` if it is a valid name, else raise ``Rejected`` saying what a name may hold."""
    if not is_name(value):
        raise Rejected(
            f"{what} {value!r} is not a valid name: use 1 to 63 lower-case letters, digits, '-' or '_', "
            "beginning with a letter or digit"
        )
    return value


def new_run_id(start_ns: int) -> str:
    """Name a run: its start in milliseconds UTC (12 hex digits), then 64 random bits (16 hex digits).

    Sorting by name sorts by start; two agents never make the same one.
    """
    return f"{start_ns // 1_000_000:012x}{secrets.token_hex(8)}"


RUN_ID = re.compile(r"^[0-9a-f]{28}$")
