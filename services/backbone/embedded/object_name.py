"""The name of a stored version: everything that is known of it stands in the file's name, so one rename changes it.

``DIR/0000000042.mp4`` stored becomes ``DIR/0000000042~VERSION~SIZE~SHA256~RETAIN~HOLD.mp4``: a file that any player opens,
whose facts cannot get lost or disagree with a second file, and whose retention changes by one atomic rename.

Belongs here: versions and their spelling. Does not belong here: any I/O.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

_NAME = re.compile(
    r"^(?P<stem>[^~]+)~(?P<version>[0-9a-f]{32})~(?P<size>\d{1,16})~(?P<sha256>[0-9a-f]{64})"
    r"~(?P<retain>-|\d{1,19})~(?P<hold>held|free)(?P<suffix>(\.[A-Za-z0-9]+)?)$"
)
VERSION = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True, slots=True)
class VersionName:
    """The facts in a file's name. ``name`` is the last part of the key."""

    name: str
    version_id: str
    size_bytes: int
    sha256: bytes
    retain_until_ns: int | None
    legal_hold: bool

    @property
    def file_name(self) -> str:
        stem, suffix = split_suffix(self.name)
        retain = "-" if self.retain_until_ns is None else str(self.retain_until_ns)
        hold = "held" if self.legal_hold else "free"
        return f"{stem}~{self.version_id}~{self.size_bytes}~{self.sha256.hex()}~{retain}~{hold}{suffix}"


def parse_file_name(file_name: str) -> VersionName | None:
    """The inverse of ``file_name``; ``None`` for a file that is no stored version."""
    found = _NAME.match(file_name)
    if found is None:
        return None
    retain = None if found["retain"] == "-" else int(found["retain"])
    return VersionName(
        found["stem"] + found["suffix"], found["version"], int(found["size"]), bytes.fromhex(found["sha256"]), retain,
        found["hold"] == "held",
    )  # fmt: skip


def split_suffix(name: str) -> tuple[str, str]:
    """``a.b.mp4`` → ``a.b``, ``.mp4``; a suffix is letters and digits only."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, f".{suffix}") if dot and stem and suffix.isascii() and suffix.isalnum() else (name, "")


def new_version_id(now_ns: int, newest: str | None) -> str:
    """32 hexadecimal digits that sort after ``newest`` even if the clock went back: instant, then random bits."""
    instant = max(now_ns, 0)
    if newest is not None:
        instant = max(instant, int(newest[:16], 16) + 1)
    return f"{instant:016x}{secrets.token_hex(8)}"
