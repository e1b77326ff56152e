"""The behaviour of every key store: a directory alone, and a directory with trust in the catalog on both dialects."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.backbone.distributed.catalog_keys import CatalogKeys
from services.backbone.embedded.key_directory import KeyDirectory
from services.backbone.ports import KeyStore
from services.backbone.sealing import seal
from services.contracts.errors import Corrupt, NotFound, Rejected
from tests.contract.catalogs import CatalogPlace, PostgresPlace, SqlitePlace

Opener = Callable[[], KeyStore]


@pytest.fixture(params=["directory", "catalog on sqlite", "catalog on postgres"])
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens the same key store again and again, as several processes would."""
    if request.param == "directory":
        yield lambda: KeyDirectory(tmp_path / "keys")
        return
    place: CatalogPlace
    if request.param.endswith("sqlite"):
        place = SqlitePlace(tmp_path / "catalog.db")
    else:
        place = PostgresPlace(await asyncio.to_thread(request.getfixturevalue, "postgres"))
    catalog = place.catalog()
    await catalog.migrate()
    yield lambda: CatalogKeys(catalog, KeyDirectory(tmp_path / "keys"))
    await catalog.close()


@pytest.fixture
def keys(opener: Opener) -> KeyStore:
    return opener()


def public_key() -> bytes:
    return Ed25519PrivateKey.generate().public_key().public_bytes_raw()


async def test_a_signature_verifies_with_the_public_key(keys: KeyStore) -> None:
    signer = await keys.signer("agent-1")
    signature = signer.sign(b"a group of pictures")
    assert len(signature) == 64
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signature, b"a group of pictures")


async def test_a_key_is_made_once_and_found_again(opener: Opener) -> None:
    first = await opener().signer("agent-1")
    assert (await opener().signer("agent-1")).public_key == first.public_key
    assert (await opener().signer("agent-2")).public_key != first.public_key


async def test_a_key_id_is_the_beginning_of_the_digest_of_the_key(keys: KeyStore) -> None:
    import hashlib

    signer = await keys.signer("agent-1")
    assert signer.key_id == hashlib.sha256(signer.public_key).hexdigest()[:16]


async def test_two_that_make_a_key_at_once_get_the_same(opener: Opener) -> None:
    signers = await asyncio.gather(*(opener().signer("agent-1") for _ in range(8)))
    assert len({signer.public_key for signer in signers}) == 1


@pytest.mark.parametrize("owner", ["", "../x", "Agent", "a/b", "a" * 64, "a.b"])
async def test_an_owner_that_is_no_name_is_rejected(keys: KeyStore, owner: str) -> None:
    with pytest.raises(Rejected):
        await keys.signer(owner)
    with pytest.raises(Rejected):
        await keys.enrol(owner, public_key(), from_ns=0)


async def test_an_enrolled_key_is_trusted_from_its_instant_on(keys: KeyStore) -> None:
    raw = public_key()
    key_id = await keys.enrol("agent-1", raw, from_ns=100)
    assert await keys.trusted(key_id, at_ns=100) == raw
    with pytest.raises(NotFound):
        await keys.trusted(key_id, at_ns=99)


async def test_a_key_nobody_enrolled_is_not_found(keys: KeyStore) -> None:
    with pytest.raises(NotFound):
        await keys.trusted("0" * 16, at_ns=0)
    with pytest.raises(NotFound):
        await keys.revoke("0" * 16, at_ns=0)


async def test_revoking_keeps_what_was_signed_before(keys: KeyStore) -> None:
    raw = public_key()
    key_id = await keys.enrol("agent-1", raw, from_ns=0)
    await keys.revoke(key_id, at_ns=500)
    await keys.revoke(key_id, at_ns=900)  # a later revocation does not take the earlier one back
    assert await keys.trusted(key_id, at_ns=500) == raw
    with pytest.raises(NotFound):
        await keys.trusted(key_id, at_ns=501)


async def test_enrolling_again_is_idempotent_and_undoes_no_revocation(keys: KeyStore) -> None:
    raw = public_key()
    key_id = await keys.enrol("agent-1", raw, from_ns=100)
    await keys.revoke(key_id, at_ns=500)
    assert await keys.enrol("agent-1", raw, from_ns=50) == key_id
    assert await keys.enrol("agent-1", raw, from_ns=300) == key_id
    assert await keys.trusted(key_id, at_ns=60) == raw
    with pytest.raises(NotFound):
        await keys.trusted(key_id, at_ns=600)


async def test_a_key_belongs_to_one_owner(keys: KeyStore) -> None:
    raw = public_key()
    await keys.enrol("agent-1", raw, from_ns=0)
    with pytest.raises(Rejected, match="agent-1"):
        await keys.enrol("agent-2", raw, from_ns=0)


async def test_the_keys_of_an_instant_are_those_enrolled_and_not_revoked(keys: KeyStore) -> None:
    first, second, early = public_key(), public_key(), public_key()
    first_id = await keys.enrol("agent-1", first, from_ns=100)
    second_id = await keys.enrol("agent-2", second, from_ns=100)
    await keys.revoke(await keys.enrol("agent-1", early, from_ns=0), at_ns=99)
    assert await keys.current(at_ns=100) == {first_id: first, second_id: second}
    assert await keys.current(owner="agent-2", at_ns=100) == {second_id: second}
    assert list((await keys.current(owner="agent-1", at_ns=50)).values()) == [early]
    assert await keys.current(owner="agent-3", at_ns=100) == {}


async def test_what_is_sealed_to_a_public_key_its_owner_opens(keys: KeyStore) -> None:
    signer, opener = await keys.signer("agent-1"), await keys.opener("agent-1")
    assert opener.key_id == signer.key_id
    sealed = seal(b"sesame", {signer.key_id: signer.public_key}, b"a camera")
    assert opener.open(sealed[opener.key_id], b"a camera") == b"sesame"


@pytest.mark.parametrize("raw", [b"", b"x" * 31, b"x" * 33])
async def test_a_key_of_another_length_is_rejected(keys: KeyStore, raw: bytes) -> None:
    with pytest.raises(Rejected):
        await keys.enrol("agent-1", raw, from_ns=0)


async def test_what_one_enrols_another_trusts_at_once(opener: Opener) -> None:
    reader, writer = opener(), opener()
    raw = public_key()
    with pytest.raises(NotFound):
        await reader.trusted("0" * 16, at_ns=0)
    key_id = await writer.enrol("agent-1", raw, from_ns=0)
    assert await reader.trusted(key_id, at_ns=1) == raw
    await writer.revoke(key_id, at_ns=5)
    with pytest.raises(NotFound):
        await reader.trusted(key_id, at_ns=6)


async def test_many_that_enrol_at_once_lose_no_key(opener: Opener) -> None:
    stores = [opener() for _ in range(4)]
    raws = [public_key() for _ in range(20)]
    ids = await asyncio.gather(*(stores[i % 4].enrol(f"agent-{i}", raw, from_ns=0) for i, raw in enumerate(raws)))
    for key_id, raw in zip(ids, raws, strict=True):
        assert await stores[0].trusted(key_id, at_ns=1) == raw


# The directory itself


async def test_private_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    await KeyDirectory(tmp_path / "keys").signer("agent-1")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "keys" / "agent-1.pem").stat().st_mode) == 0o600
    assert [path.name for path in sorted((tmp_path / "keys").iterdir())] == ["agent-1.pem"]


async def test_a_key_made_elsewhere_is_used(tmp_path: Path) -> None:
    openssl = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "agent-1.pem")]
    subprocess.run(openssl, check=True)  # noqa: ASYNC221 - takes milliseconds
    signer = await KeyDirectory(tmp_path).signer("agent-1")
    assert len(signer.sign(b"x")) == 64


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
async def test_a_damaged_private_key_is_corrupt_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "agent-1.pem"
    path.write_bytes(content)
    with pytest.raises(Corrupt):
        await KeyDirectory(tmp_path).signer("agent-1")
    assert path.read_bytes() == content


async def test_a_damaged_trust_list_is_corrupt_and_stays(tmp_path: Path) -> None:
    keys = KeyDirectory(tmp_path)
    key_id = await keys.enrol("agent-1", public_key(), from_ns=0)
    path = tmp_path / "trusted.json"
    whole = path.read_bytes()
    wrong_id = json.dumps({"0" * 16: json.loads(whole)[key_id]}).encode()
    for damaged in (b"", whole[:-20], b"[]", wrong_id):
        path.write_bytes(damaged)
        with pytest.raises(Corrupt):
            await keys.trusted(key_id, at_ns=1)
        with pytest.raises(Corrupt):
            await keys.enrol("agent-2", public_key(), from_ns=0)
        assert path.read_bytes() == damaged
    path.write_bytes(whole)
    os.utime(path)
    assert len(await keys.trusted(key_id, at_ns=1)) == 32


_MAKER = """
import asyncio, sys
from pathlib import Path
from services.backbone.embedded.key_directory import KeyDirectory
print(asyncio.run(KeyDirectory(Path(sys.argv[1])).signer("agent-1")).public_key.hex())
"""


async def test_two_processes_that_make_a_key_at_once_get_the_same(tmp_path: Path) -> None:
    async def make() -> str:
        maker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _MAKER, str(tmp_path / "keys"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        told, _ = await maker.communicate()
        return told.decode().splitlines()[-1]

    made = await asyncio.gather(*(make() for _ in range(4)))
    assert len(set(made)) == 1 and len(made[0]) == 64
