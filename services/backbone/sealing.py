"""Secrets sealed to the keys of enrolled agents, so that what carries them (a topic, a backup, a file) need not be trusted.

An agent has one Ed25519 key, known to the centre since its enrolment; the secret is sealed to the X25519 key that follows from
it (RFC 7748, 4.1: the two curves are birationally equivalent; age does the same with SSH keys). For each recipient: a fresh
X25519 key, HKDF-SHA256 over the shared secret, AES-256-GCM. ``context`` says what the secret is for; it is authenticated, and a
sealed secret moved to another place does not open there.

Belongs here: sealing and opening, pure. Does not belong here: where keys are kept (``key_directory``), what is sealed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.contracts.errors import Rejected

_LABEL = b"kanhu-sealed-1"
_PRIME = 2**255 - 19
_KEY_BYTES = 32
_PAD_BYTES = 64
#: Every key of AES is used once: its nonce need not differ.
_NONCE = bytes(12)


def seal(secret: bytes, recipients: Mapping[str, bytes], context: bytes) -> dict[str, str]:
    """Base64 text by key id, one for each raw Ed25519 public key. ``secret`` has no NUL; its length is hidden up to 63 bytes."""
    padded = secret + bytes(-len(secret) % _PAD_BYTES or _PAD_BYTES)
    return {key_id: _seal_to(padded, key, context) for key_id, key in recipients.items()}


def open_sealed(sealed: str, private: Ed25519PrivateKey, context: bytes) -> bytes:
    """The secret; ``Rejected`` if it was sealed to another key or for another context, or is damaged."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        own = X25519PrivateKey.from_private_bytes(hashlib.sha512(private.private_bytes_raw()).digest()[:_KEY_BYTES])
        fresh = X25519PublicKey.from_public_bytes(raw[:_KEY_BYTES])
        key = _key(own.exchange(fresh), fresh, own.public_key())
        return AESGCM(key).decrypt(_NONCE, raw[_KEY_BYTES:], context).rstrip(b"\0")
    except (ValueError, InvalidTag):
        raise Rejected("the sealed secret was made for another key or another use, or is damaged") from None


def _seal_to(padded: bytes, public_key: bytes, context: bytes) -> str:
    fresh, recipient = X25519PrivateKey.generate(), x25519_of(public_key)
    try:
        key = _key(fresh.exchange(recipient), fresh.public_key(), recipient)
    except ValueError:  # a point of small order: nobody's key
        raise Rejected("nothing can be sealed to this public key; enrol the agent's own") from None
    sealed = AESGCM(key).encrypt(_NONCE, padded, context)
    return base64.b64encode(fresh.public_key().public_bytes_raw() + sealed).decode()


def x25519_of(public_key: bytes) -> X25519PublicKey:
    """The Montgomery form of a raw Ed25519 public key: u = (1 + y) / (1 - y) modulo 2^255 - 19."""
    y = int.from_bytes(public_key, "little") & ((1 << 255) - 1)
    u = (1 + y) * pow((1 - y) % _PRIME, _PRIME - 2, _PRIME) % _PRIME
    return X25519PublicKey.from_public_bytes(u.to_bytes(_KEY_BYTES, "little"))


def _key(shared: bytes, fresh: X25519PublicKey, recipient: X25519PublicKey) -> bytes:
    salt = fresh.public_bytes_raw() + recipient.public_bytes_raw()
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt, _LABEL).derive(shared)
