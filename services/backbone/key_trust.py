"""Which public keys are believed, and when: the arithmetic of enrolment and revocation, the same for every key store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.contracts.errors import NotFound, Rejected

PUBLIC_KEY_BYTES = 32


def key_id_of(public_key: bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a raw Ed25519 public key; ``Rejected`` if it has not 32 bytes."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise Rejected(f"an Ed25519 public key has {PUBLIC_KEY_BYTES} bytes; this one has {len(public_key)}")
    return hashlib.sha256(public_key).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Trust:
    """One enrolled public key, believed from ``from_ns`` to ``revoked_ns``, both included."""

    owner: str
    public_key: bytes
    from_ns: int
    revoked_ns: int | None = None

    def holds_at(self, at_ns: int) -> bool:
        return self.from_ns <= at_ns and (self.revoked_ns is None or at_ns <= self.revoked_ns)


def enrolled(known: Trust | None, key_id: str, owner: str, public_key: bytes, from_ns: int) -> Trust:
    """A key after enrolment. The same key again may only be believed from earlier on; a revocation stays."""
    if known is None:
        return Trust(owner, public_key, from_ns)
    if (known.owner, known.public_key) != (owner, public_key):
        raise Rejected(f"key {key_id} is enrolled for {known.owner!r}; it cannot also be the key of {owner!r}")
    return replace(known, from_ns=min(from_ns, known.from_ns))


def revoked(known: Trust | None, key_id: str, at_ns: int) -> Trust:
    """A key after revocation; an earlier one stays."""
    if known is None:
        raise NotFound(f"key {key_id} is not enrolled")
    return replace(known, revoked_ns=at_ns if known.revoked_ns is None else min(at_ns, known.revoked_ns))


def believed(known: Trust | None, key_id: str, at_ns: int) -> bytes:
    """The public key if it was trusted at an instant, else ``NotFound``."""
    if known is None:
        raise NotFound(f"key {key_id} is not enrolled; enrol the agent whose key it is")
    if not known.holds_at(at_ns):
        raise NotFound(f"key {key_id} of {known.owner!r} was not trusted at that time")
    return known.public_key


def held_by(trust: Mapping[str, Trust], owner: str | None, at_ns: int) -> dict[str, bytes]:
    """Public keys trusted at an instant by key id, of one owner or of all."""
    return {
        key_id: each.public_key
        for key_id, each in trust.items()
        if each.holds_at(at_ns) and owner in (None, each.owner)
    }
