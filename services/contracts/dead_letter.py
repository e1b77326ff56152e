"""Records that could not be read, ``dead-letter.v1``: the value as it came, and in headers where it came from and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.contracts.media_record import Headers

_PREFIX = "origin."


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """``origin`` is ``TOPIC/PARTITION/OFFSET`` or the address of a device; ``value`` is kept byte for byte."""

    origin: str
    reason: str
    value: bytes
    headers: Headers = ()


def encode_dead_letter(letter: DeadLetter) -> tuple[Headers, bytes]:
    """Headers and value; the original's headers are kept under the prefix ``origin.``."""
    own = (("origin", letter.origin.encode()), ("reason", letter.reason.encode()[:1000]))
    kept = tuple((_PREFIX + name, raw[:1000]) for name, raw in letter.headers[:64])
    return own + kept, letter.value


def decode_dead_letter(headers: Iterable[tuple[str, bytes]], value: bytes) -> DeadLetter:
    """The inverse of :func:`encode_dead_letter`; never fails on what that wrote."""
    pairs = tuple(headers)
    named = dict(pairs)
    kept = tuple((name.removeprefix(_PREFIX), raw) for name, raw in pairs if name.startswith(_PREFIX))
    return DeadLetter(
        named.get("origin", b"").decode(errors="replace"),
        named.get("reason", b"").decode(errors="replace"),
        value,
        kept,
    )
