"""The names of objects: one alphabet for every store, so that what one stores another can take over.

Belongs here: what a key may be. Does not belong here: which keys mean what (``services.media``, the services).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from services.contracts.errors import Rejected

MAX_KEY_BYTES = 900
#: A file system allows 255 bytes in a name; the directory store writes 140 bytes of facts into it.
MAX_LAST_PART_BYTES = 115
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+@-]*")


def check_key(key: str) -> PurePosixPath:
    """The key as a relative path; ``Rejected`` if a part of it could leave the store or be misread."""
    parts = key.split("/")
    if len(key.encode()) > MAX_KEY_BYTES or not all(_PART.fullmatch(part) for part in parts):
        raise Rejected(
            f"{key[:120]!r} is no object key: use parts of letters, digits, '.', '_', '=', '+', '@' and '-' joined by '/', "
            f"none beginning with a sign other than '_', at most {MAX_KEY_BYTES} bytes"
        )
    if len(parts[-1]) > MAX_LAST_PART_BYTES:
        raise Rejected(f"the last part of object key {key[:120]!r} is too long; at most {MAX_LAST_PART_BYTES} bytes")
    return PurePosixPath(*parts)
