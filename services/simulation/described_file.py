"""Reading a small file that a person wrote: a building, a script, limits.

Belongs here: the file's bytes, bounded. Does not belong here: what they mean.
"""

from __future__ import annotations

from pathlib import Path

from services.contracts.errors import NotFound, Rejected


def bytes_of(path: Path, most_bytes: int, what: str, hint: str, known: str = "") -> bytes:
    """The whole file. ``NotFound``: there is no such ``what``. ``Rejected``: it is too large; ``hint`` says what is expected."""
    try:
        with path.open("rb") as source:
            raw = source.read(most_bytes + 1)
    except OSError as error:
        raise NotFound(f"no {what} at {path}: {error.strerror}{known}") from error
    if len(raw) > most_bytes:
        raise Rejected(f"{path.name} is larger than {most_bytes} bytes; {hint}")
    return raw
