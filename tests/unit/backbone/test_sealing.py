"""Secrets sealed to agents' keys: who can open them, and for what."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.backbone.sealing import open_sealed, seal, x25519_of
from services.contracts.errors import Rejected

ONE, TWO = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {"one": ONE.public_key().public_bytes_raw(), "two": TWO.public_key().public_bytes_raw()}


@given(st.binary(max_size=200).map(lambda raw: raw.replace(b"\0", b"")))
def test_each_recipient_opens_its_own_and_no_other(secret: bytes) -> None:
    sealed = seal(secret, KEYS, b"a camera")
    assert open_sealed(sealed["one"], ONE, b"a camera") == open_sealed(sealed["two"], TWO, b"a camera") == secret
    with pytest.raises(Rejected):
        open_sealed(sealed["one"], TWO, b"a camera")


def test_a_secret_does_not_open_for_another_use() -> None:
    with pytest.raises(Rejected, match="another use"):
        open_sealed(seal(b"sesame", KEYS, b"camera gate")["one"], ONE, b"camera yard")


def test_damage_anywhere_is_noticed() -> None:
    raw = base64.b64decode(seal(b"sesame", KEYS, b"")["one"])
    for at in range(len(raw)):
        damaged = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(Rejected):
            open_sealed(base64.b64encode(damaged).decode(), ONE, b"")
    for text in ("", "====", "AAAA", base64.b64encode(raw[:-1]).decode()):
        with pytest.raises(Rejected):
            open_sealed(text, ONE, b"")


def test_a_short_secret_does_not_tell_its_length_and_is_never_sealed_alike() -> None:
    sealed = [seal(secret, KEYS, b"")["one"] for secret in (b"", b"a", b"a", b"a" * 63)]
    assert len({len(text) for text in sealed}) == 1 and len(set(sealed)) == 4


@pytest.mark.parametrize("_", range(16))
def test_the_x25519_key_of_an_ed25519_key_is_that_of_its_private_scalar(_: int) -> None:
    """The public side by arithmetic (RFC 7748, 4.1), the private side by OpenSSL: they must meet."""
    private = Ed25519PrivateKey.generate()
    scalar = hashlib.sha512(private.private_bytes_raw()).digest()[:32]  # RFC 8032, 5.1.5
    ours = x25519_of(private.public_key().public_bytes_raw())
    assert ours.public_bytes_raw() == X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()


@pytest.mark.parametrize("y", [0, 1])
def test_a_point_of_small_order_is_nobodys_key(y: int) -> None:
    with pytest.raises(Rejected, match="enrol the agent's own"):
        seal(b"sesame", {"bad": y.to_bytes(32, "little")}, b"")
