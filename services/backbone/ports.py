"""The durable ports. Each has one behaviour suite in ``tests/contract`` that every adapter passes.

All methods raise only the errors of ``services.contracts.errors`` (and ``asyncio.CancelledError``). ``Transient`` means that the
call may be repeated as it is; every effect here is idempotent under repetition or says how to make it so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from services.contracts.media_record import ClockSample, Headers
from services.contracts.topics import Topic

if TYPE_CHECKING:  # an edge agent is installed without a database driver
    from sqlalchemy import ClauseElement, Table
    from sqlalchemy.engine import RowMapping

# --- Log -------------------------------------------------------------------------------------------------------------


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Position(NamedTuple):
    """Where a record stands in the log."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to append. ``value`` of ``None`` is a tombstone on a compacted topic. Records of one key keep their order."""

    topic: str
    key: str
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """A record as read. ``appended_ns`` is the log's own time of append, ns UTC (millisecond precision on Kafka)."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    headers: Headers
    appended_ns: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


OnPartitions = Callable[[frozenset[TopicPartition]], Awaitable[None]]


class Consumer(Protocol):
    """Reads records in order per partition. Offsets always name the *next* record to read."""

    async def poll(self, *, max_records: int = 256, timeout_s: float = 1.0) -> list[Delivered]:
        """Return records, at least one unless ``timeout_s`` passed. Paused partitions deliver nothing."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store for the group that everything below each offset is done with. Durable on return.

        ``Rejected`` when a partition no longer belongs to this member (its new owner replays from the last commit).
        """
        ...

    def assignment(self) -> frozenset[TopicPartition]: ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...

    def resume(self, partitions: Iterable[TopicPartition]) -> None: ...

    async def seek(self, partition: TopicPartition, offset: int) -> None: ...

    async def end_offsets(self) -> Mapping[TopicPartition, int]:
        """For every assigned partition the offset that the next appended record will get."""
        ...

    async def start_offsets(self) -> Mapping[TopicPartition, int]:
        """For every assigned partition the oldest offset that may still be there; the end offset when nothing is."""
        ...

    async def close(self) -> None:
        """Call ``on_revoked`` with the whole assignment (drain and commit there), then leave the group. Idempotent."""
        ...


class Log(Protocol):
    """An ordered, partitioned, durable log with consumer groups."""

    async def ensure(self, topics: Iterable[Topic]) -> None:
        """Create the topics that do not exist. Existing ones are left as they are."""
        ...

    async def append(self, records: Sequence[Outgoing]) -> list[Position]:
        """Append in the order given; durable on return. After ``Transient`` any prefix may or may not be in the log.

        ``Rejected``: a record over ``MAX_RECORD_BYTES`` or a topic that does not exist.
        """
        ...

    def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None,
        start: Literal["earliest", "latest"] = "earliest",
        on_assigned: OnPartitions | None = None,
        on_revoked: OnPartitions | None = None,
    ) -> AbstractAsyncContextManager[Consumer]:
        """A member of ``group``, or with ``None`` a reader of all partitions that commits nothing.

        ``start`` is where a partition without a committed offset begins. ``on_revoked`` is awaited before a partition is
        given to another member; commits made inside it are accepted.
        """
        ...

    async def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """What a group has committed, per partition, without joining it. Partitions it never saw may be absent."""
        ...

    async def close(self) -> None: ...


# --- ObjectStore -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A version of an object. ``sha256`` is of the whole body; ``retain_until_ns`` ``None`` means unprotected."""

    key: str
    version_id: str
    size_bytes: int
    sha256: bytes
    retain_until_ns: int | None
    legal_hold: bool
    modified_ns: int


class ObjectStore(Protocol):
    """Write-once objects with retention and legal hold. Nothing is ever overwritten: a new put is a new version."""

    async def prepare(self) -> None:
        """Make the area ready (bucket with object lock and versioning). ``Rejected`` if it exists without lock."""
        ...

    async def put(
        self,
        key: str,
        body: Path | bytes,
        *,
        sha256: bytes,
        retain_until_ns: int | None,
        content_type: str = "video/mp4",
    ) -> StoredObject:
        """Store durably and verify the digest at the store; a newest version with the same digest is returned as is.

        A retention already there is only ever lengthened. ``Corrupt`` when the body's digest is not ``sha256``.
        """
        ...

    async def stat(self, key: str, version_id: str | None = None) -> StoredObject: ...

    def read(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes in pieces of at most 1 MiB. ``NotFound`` and ``Corrupt`` are raised on the first piece or when met."""
        ...

    def versions(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """Every version of every object under a prefix, in order of key."""
        ...

    async def extend_retention(self, key: str, version_id: str, until_ns: int) -> None:
        """Lengthen only; ``Held`` when ``until_ns`` lies before the present retention."""
        ...

    async def set_legal_hold(self, key: str, version_id: str, held: bool) -> None: ...

    async def delete(self, key: str, version_id: str) -> None:
        """Remove one version for good; ``Held`` while retention or a legal hold protects it."""
        ...

    async def close(self) -> None: ...


# --- Catalog ---------------------------------------------------------------------------------------------------------


class Transaction(Protocol):
    """One database transaction: all of it becomes durable when its block ends, or none of it."""

    async def rows(self, statement: ClauseElement, parameters: Any = None) -> list[RowMapping]: ...

    async def run(self, statement: ClauseElement, parameters: Any = None) -> int:
        """Execute a writing statement; return how many rows it touched."""
        ...


class Catalog(Protocol):
    """Tables of ``services.backbone.catalog_schema`` through SQLAlchemy Core; the same statements on every dialect."""

    async def migrate(self) -> None:
        """Bring the schema to the newest revision. Safe when several services start at once."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A writing transaction, serialised against other writers where the dialect needs it."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Transaction]:
        """A reading transaction with one consistent view."""
        ...

    def upsert(self, table: Table, values: Mapping[str, Any], *, update: Sequence[str] = ()) -> ClauseElement:
        """INSERT … ON CONFLICT (primary key) DO UPDATE of the named columns, or DO NOTHING when none is named."""
        ...

    async def close(self) -> None: ...


# --- Clock -----------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """The only source of time for shells; cores get time in their events."""

    def now_ns(self) -> int:
        """UTC, ns. May jump either way."""
        ...

    def monotonic_ns(self) -> int:
        """Never goes back within a process."""
        ...

    def sample(self) -> ClockSample:
        """What the operating system knows of this clock's offset to true time."""
        ...

    async def sleep(self, seconds: float) -> None: ...


# --- KeyStore --------------------------------------------------------------------------------------------------------


class Signer(Protocol):
    """A private key in use. Ed25519 (RFC 8032) now; the type is pluggable."""

    @property
    def key_id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the raw public key."""
        ...

    @property
    def public_key(self) -> bytes:
        """Raw, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        ...


class Opener(Protocol):
    """A private key that opens what was sealed to its public key (``services.backbone.sealing``)."""

    @property
    def key_id(self) -> str:
        """Of the key that it belongs to; see :class:`Signer`."""
        ...

    def open(self, sealed: str, context: bytes) -> bytes:
        """The secret; ``Rejected`` if it was sealed to another key or for another context."""
        ...


class KeyStore(Protocol):
    """This service's private keys and the public keys of enrolled agents (R-37, I7)."""

    async def signer(self, owner: str) -> Signer:
        """The private key of ``owner``; made at first use, readable by its owner only."""
        ...

    async def opener(self, owner: str) -> Opener:
        """The same private key, to open what was sealed to it."""
        ...

    async def enrol(self, owner: str, public_key: bytes, *, from_ns: int) -> str:
        """Trust a public key from an instant on; returns its key id. Idempotent."""
        ...

    async def revoke(self, key_id: str, *, at_ns: int) -> None:
        """Distrust what is signed after an instant; what was signed before stays valid."""
        ...

    async def trusted(self, key_id: str, *, at_ns: int) -> bytes:
        """The public key, if it was enrolled and not revoked at that instant; else ``NotFound``."""
        ...

    async def current(self, *, owner: str | None = None, at_ns: int) -> Mapping[str, bytes]:
        """Key ids and public keys trusted at an instant, of one owner or of all."""
        ...


@dataclass(frozen=True, slots=True)
class Backbone:
    """All ports of one installation. An edge agent's has no store and no catalog."""

    log: Log
    clock: Clock
    keys: KeyStore
    store: ObjectStore | None = None
    catalog: Catalog | None = None

    def need_store(self) -> ObjectStore:
        assert self.store is not None, "this service was assembled without an object store"
        return self.store

    def need_catalog(self) -> Catalog:
        assert self.catalog is not None, "this service was assembled without a catalog"
        return self.catalog
