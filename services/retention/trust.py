"""Whose signatures are believed, looked up in the key store and remembered for a moment.

Belongs here: the cache. Does not belong here: what happens to media whose key is not trusted (``core/sealing.py``).
"""

from __future__ import annotations

from services.backbone.ports import Clock, KeyStore
from services.contracts.errors import NotFound
from services.contracts.time import NS_PER_S

#: A revocation takes effect within the first, an enrolment within the second.
_KNOWN_S, _UNKNOWN_S = 30, 2
_MOST_KEYS = 4096


class Trust:
    """Public keys by id. Trust is judged at the instant the log took the record, not at its capture time: an agent
    whose clock is wrong (R-39) is still the enrolled agent."""

    def __init__(self, keys: KeyStore, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._cache: dict[str, tuple[bytes | None, int]] = {}

    async def public_key(self, key_id: str | None, *, at_ns: int) -> bytes | None:
        """The raw key, or ``None`` if it is not enrolled or was revoked by then."""
        if key_id is None:
            return None
        now_ns = self._clock.monotonic_ns()
        cached = self._cache.get(key_id)
        if cached is not None and now_ns < cached[1]:
            return cached[0]
        try:
            found: bytes | None = await self._keys.trusted(key_id, at_ns=at_ns)
        except NotFound:
            found = None
        if len(self._cache) >= _MOST_KEYS:
            self._cache.clear()
        self._cache[key_id] = (found, now_ns + (_KNOWN_S if found is not None else _UNKNOWN_S) * NS_PER_S)
        return found
