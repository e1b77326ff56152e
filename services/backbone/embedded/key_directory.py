"""Keys in a directory: ``OWNER.pem`` for each private key made here, ``trusted.json`` for the public keys we believe.

Belongs here: keeping Ed25519 keys on disk, readable by their owner only. Does not belong here: what is signed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.backbone.durable_file import create_file, replace_file, translate
from services.backbone.key_trust import Trust, believed, enrolled, held_by, key_id_of, revoked
from services.backbone.sealing import open_sealed
from services.contracts.errors import Corrupt, Rejected
from services.contracts.ids import check_name

_TRUST_FILE = "trusted.json"
_MAX_FILE_BYTES = 4 * 1024 * 1024

logger = structlog.get_logger(__name__)


class Ed25519Signer:
    """A private key in memory (:class:`services.backbone.ports.Signer` and ``Opener``)."""

    __slots__ = ("_private", "key_id", "public_key")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def open(self, sealed: str, context: bytes) -> bytes:
        """See :class:`services.backbone.ports.Opener`."""
        return open_sealed(sealed, self._private, context)

    def __repr__(self) -> str:
        return f"Ed25519Signer({self.key_id})"


class _TrustRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    owner: str
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    from_ns: int
    revoked_ns: int | None = None


_TRUST_LIST = TypeAdapter(dict[str, _TrustRow])


class KeyDirectory:
    """:class:`services.backbone.ports.KeyStore` on a directory that several processes share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._signers: dict[str, Ed25519Signer] = {}
        self._trust: dict[str, Trust] = {}
        self._trust_state: tuple[int, int, int] | None = None

    async def signer(self, owner: str) -> Ed25519Signer:
        check_name(owner, "key owner")
        if owner not in self._signers:
            self._signers[owner] = await asyncio.to_thread(self._load_or_make, owner)
        return self._signers[owner]

    async def opener(self, owner: str) -> Ed25519Signer:
        return await self.signer(owner)

    async def enrol(self, owner: str, public_key: bytes, *, from_ns: int) -> str:
        check_name(owner, "key owner")
        key_id = key_id_of(public_key)
        await asyncio.to_thread(self._amend, key_id, lambda known: enrolled(known, key_id, owner, public_key, from_ns))
        return key_id

    async def revoke(self, key_id: str, *, at_ns: int) -> None:
        await asyncio.to_thread(self._amend, key_id, lambda known: revoked(known, key_id, at_ns))

    async def trusted(self, key_id: str, *, at_ns: int) -> bytes:
        await asyncio.to_thread(self._refresh)
        return believed(self._trust.get(key_id), key_id, at_ns)

    async def current(self, *, owner: str | None = None, at_ns: int) -> dict[str, bytes]:
        await asyncio.to_thread(self._refresh)
        return held_by(self._trust, owner, at_ns)

    # Private keys

    def _load_or_make(self, owner: str) -> Ed25519Signer:
        path = self._directory / f"{owner}.pem"
        if not path.exists():
            self._make_directory()
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            if create_file(path, pem, mode=0o600):
                logger.info("made a key", owner=owner, path=str(path))
        return _load_key(path)

    def _make_directory(self) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise translate(error, f"making the key directory {self._directory}") from error

    # Trust list

    def _refresh(self) -> None:
        path = self._directory / _TRUST_FILE
        try:
            found = path.stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
            if state != self._trust_state:
                self._trust = _read_trust(path.read_bytes(), path)
                self._trust_state = state
        except FileNotFoundError:
            self._trust, self._trust_state = {}, None
        except OSError as error:
            raise translate(error, f"reading {path}") from error

    def _amend(self, key_id: str, change: Callable[[Trust | None], Trust]) -> None:
        self._make_directory()
        with _only_writer(self._directory):
            self._refresh()
            amended = {**self._trust, key_id: change(self._trust.get(key_id))}
            if amended != self._trust:
                replace_file(self._directory / _TRUST_FILE, _trust_document(amended), mode=0o600)


def _trust_document(trust: Mapping[str, Trust]) -> bytes:
    rows = {
        key_id: _TrustRow(
            owner=each.owner, public_key=each.public_key.hex(), from_ns=each.from_ns, revoked_ns=each.revoked_ns
        )
        for key_id, each in sorted(trust.items())
    }
    return _TRUST_LIST.dump_json(rows, indent=1)


def _load_key(path: Path) -> Ed25519Signer:
    try:
        with path.open("rb") as source:
            mode = os.fstat(source.fileno()).st_mode
            pem = source.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise translate(error, f"reading the key {path}") from error
    if mode & stat.S_IROTH:
        logger.warning("private key is readable by everyone", path=str(path), remedy=f"chmod 600 {path}")
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Corrupt(
            f"{path} holds no PEM private key; restore it from a backup or remove it to make a new one"
        ) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise Rejected(f"{path} holds a key of another kind; Ed25519 is needed")
    return Ed25519Signer(private)


def _read_trust(content: bytes, path: Path) -> dict[str, Trust]:
    try:
        rows = _TRUST_LIST.validate_json(content)
    except ValidationError as error:
        raise Corrupt(f"{path} is damaged; restore it from a backup or enrol the agents again") from error
    trust = {
        key_id: Trust(row.owner, bytes.fromhex(row.public_key), row.from_ns, row.revoked_ns)
        for key_id, row in rows.items()
    }
    if any(key_id_of(entry.public_key) != key_id for key_id, entry in trust.items()):
        raise Corrupt(f"{path} is damaged: a key does not match its id; enrol the agents again")
    return trust


@contextmanager
def _only_writer(directory: Path) -> Iterator[None]:
    """Exclude other processes while the trust list is amended. The lock goes with the process."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
