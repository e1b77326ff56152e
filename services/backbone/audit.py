"""The audit trail: an entry is durable in the catalog before its action is allowed, and then told on ``audit.v1``.

Belongs here: appending to a chain without holes under concurrent writers, publishing what is durable, verifying a chain.
Does not belong here: who may do what.

The catalog is the trail; ``audit.v1`` tells it to others, at least once and in order. What could not be published stays durable
and is published by a later :meth:`AuditTrail.append` or :meth:`AuditTrail.publish`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.engine import RowMapping

from services.backbone import metrics
from services.backbone.catalog_schema import audit_entry
from services.backbone.ports import Catalog, Clock, Log, Outgoing, Transaction
from services.backbone.reading import read_to_end
from services.contracts.audit import PAYLOADS, AuditEntry, entry_digest, genesis
from services.contracts.cloud_event import decode_event, encode_event, make_event
from services.contracts.errors import Corrupt, KanhuError, Rejected, Transient
from services.contracts.ids import check_name
from services.contracts.topics import AUDIT

_KIND = "kanhu.audit.entry"
#: Two writers can meet on one number; each round one of them gets through.
_ROUNDS = 64
_BATCH = 200

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """Whether a chain is whole. ``broken_at`` is the first number that does not fit; ``detail`` says how."""

    entries: int
    broken_at: int | None = None
    detail: str = ""

    @property
    def whole(self) -> bool:
        return self.broken_at is None


def make_entry(
    chain_id: str,
    previous: AuditEntry | None,
    *,
    at_ns: int,
    actor: str,
    action: str,
    reason: str,
    scope: Mapping[str, Any],
) -> AuditEntry:
    """The entry after ``previous``; ``Rejected`` if a field is empty, too long or no JSON."""
    fields = {
        "chain_id": chain_id, "number": 0 if previous is None else previous.number + 1, "at_ns": at_ns, "actor": actor,
        "action": action, "reason": reason, "scope": dict(scope),
        "previous": genesis(chain_id) if previous is None else previous.digest,
    }  # fmt: skip
    try:
        return AuditEntry(**fields, digest=entry_digest(fields))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Rejected(f"an audit entry is not valid at {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (TypeError, ValueError) as error:
        raise Rejected("the scope of an audit entry must be plain JSON without NaN") from error


def verify_chain(chain_id: str, entries: Iterable[AuditEntry]) -> ChainVerdict:
    """Check numbers, links and digests of a chain from its first entry on, in order of number."""
    expected = genesis(chain_id)
    count = 0
    for entry in entries:
        problem = _problem(entry, chain_id, count, expected)
        if problem:
            return ChainVerdict(count, count, problem)
        expected = entry.digest
        count += 1
    return ChainVerdict(count)


def _problem(entry: AuditEntry, chain_id: str, number: int, previous: str) -> str:
    if entry.chain_id != chain_id:
        return f"entry of chain {entry.chain_id!r} in chain {chain_id!r}"
    if entry.number != number:
        return (
            f"entry {number} is missing; {entry.number} follows" if entry.number > number else "a number appears twice"
        )
    if entry.previous != previous:
        return "it does not carry the digest of the entry before: an entry was replaced, dropped or inserted"
    if entry_digest(entry.model_dump()) != entry.digest:
        return "its digest does not match its content: it was edited"
    return ""


class AuditTrail:
    """One chain of entries, appended to by any number of processes."""

    def __init__(self, catalog: Catalog, log: Log, clock: Clock, *, chain_id: str) -> None:
        self._catalog = catalog
        self._log = log
        self._clock = clock
        self._chain_id = check_name(chain_id, "audit chain")
        self._publishing = asyncio.Lock()
        #: The next number that this process knows to be unpublished; ``None`` until the topic was read.
        self._unpublished: int | None = None

    async def append(self, *, actor: str, action: str, reason: str, scope: Mapping[str, Any]) -> AuditEntry:
        """Make an entry durable and return it; only then may its action happen (I6). Publishing may come later."""
        for _ in range(_ROUNDS):
            async with self._catalog.transaction() as transaction:
                entry = make_entry(
                    self._chain_id, await self._last(transaction), at_ns=self._clock.now_ns(), actor=actor, action=action,
                    reason=reason, scope=scope,
                )  # fmt: skip
                written = await transaction.run(self._catalog.upsert(audit_entry, entry.model_dump()))
            if written:
                metrics.AUDIT_ENTRIES.labels(action=action).inc()
                await self._publish_softly()
                return entry
        raise Transient("the audit trail is written to by too many at once; try again")

    async def _last(self, transaction: Transaction) -> AuditEntry | None:
        newest = select(audit_entry).where(audit_entry.c.chain_id == self._chain_id)
        rows = await transaction.rows(newest.order_by(audit_entry.c.number.desc()).limit(1))
        return _entry(rows[0]) if rows else None

    async def _publish_softly(self) -> None:
        try:
            await self.publish()
        except KanhuError as error:
            logger.warning("audit entries are durable but not yet published", chain=self._chain_id, error=str(error))

    async def publish(self) -> int:
        """Publish what is durable and not yet on ``audit.v1``, in order; return how many. ``Transient``: the log is away."""
        async with self._publishing:
            if self._unpublished is None:
                self._unpublished = await self._next_on_topic()
            published = 0
            while batch := await self._entries(self._unpublished, _BATCH):
                metrics.AUDIT_UNPUBLISHED.set(len(batch))
                await self._log.append([self._outgoing(entry) for entry in batch])
                self._unpublished = batch[-1].number + 1
                published += len(batch)
            metrics.AUDIT_UNPUBLISHED.set(0)
            return published

    async def _next_on_topic(self) -> int:
        """One more than the highest number of this chain on the topic. Reads the topic once in the life of a process."""
        highest = -1
        async with self._log.consumer([AUDIT.name], group=None) as consumer:
            async for record in read_to_end(consumer):
                if record.key == self._chain_id and record.value is not None:
                    highest = max(highest, _number(record.value))
        return highest + 1

    def _outgoing(self, entry: AuditEntry) -> Outgoing:
        told = make_event(
            _KIND, "/audit", self._chain_id, entry.at_ns, entry, identity=(entry.chain_id, entry.number, entry.digest)
        )
        return Outgoing(AUDIT.name, self._chain_id, encode_event(told))

    async def _entries(self, first: int, limit: int) -> list[AuditEntry]:
        wanted = select(audit_entry).where(audit_entry.c.chain_id == self._chain_id, audit_entry.c.number >= first)
        async with self._catalog.snapshot() as transaction:
            rows = await transaction.rows(wanted.order_by(audit_entry.c.number).limit(limit))
        return [_entry(row) for row in rows]

    async def verify(self) -> ChainVerdict:
        """Verify the chain as it stands in the catalog, a batch at a time."""
        previous, count = genesis(self._chain_id), 0
        while batch := await self._entries(count, _BATCH):
            for entry in batch:
                problem = _problem(entry, self._chain_id, count, previous)
                if problem:
                    return ChainVerdict(count, count, problem)
                previous, count = entry.digest, count + 1
        return ChainVerdict(count)


def _entry(row: RowMapping) -> AuditEntry:
    """A row as it stands; an entry that cannot even be one is ``Corrupt``."""
    try:
        return AuditEntry(**{str(name): value for name, value in row.items()})
    except ValidationError as error:
        raise Corrupt(f"audit entry {row['chain_id']}/{row['number']} in the catalog is damaged") from error


def _number(value: bytes) -> int:
    try:
        entry = decode_event(value, PAYLOADS).data
    except Corrupt:
        return -1
    return entry.number if isinstance(entry, AuditEntry) else -1
