"""How things go wrong, in the words every port and service uses.

    KanhuError
    ├── Transient    try again later; nothing was lost (a server is away, a disk is full, a lock is held)
    ├── Rejected     try again never: the request itself is wrong (bad URL, bad policy, refused credentials)
    ├── Corrupt      stored or received bytes are not what they claim to be (torn write, bad digest, bad box)
    ├── Held         refused because retention or a legal hold protects the thing
    └── NotFound     the thing does not exist, as far as this caller may know

Adapters translate vendor errors into these exactly once, with the cause attached (``raise X(...) from e``).
A message says what to do about it and never carries a secret.
"""

from __future__ import annotations


class KanhuError(Exception):
    """Base of all errors that a caller is expected to handle."""


class Transient(KanhuError):
    """The same call may succeed later; nothing was lost.

    ``retry_after_s`` is a hint, not a promise.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Rejected(KanhuError):
    """The same call will never succeed: what was asked for is wrong."""


class Corrupt(KanhuError):
    """Bytes are not what they claim to be."""


class Held(KanhuError):
    """Refused: retention or a legal hold protects the thing."""


class NotFound(KanhuError):
    """There is no such thing, as far as this caller may know."""
