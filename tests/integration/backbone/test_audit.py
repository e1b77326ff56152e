"""The audit trail on both catalogs: no holes under concurrent writers, durable before published, verified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from services.backbone.audit import AuditTrail
from services.backbone.catalog import SqlCatalog
from services.backbone.catalog_schema import audit_entry
from services.backbone.embedded.log import EmbeddedLog
from services.backbone.ports import Log
from services.backbone.system_clock import SystemClock
from services.contracts import topics
from services.contracts.audit import PAYLOADS, AuditEntry
from services.contracts.cloud_event import decode_event
from services.contracts.errors import Rejected, Transient
from tests.contract.catalogs import CatalogPlace, PostgresPlace, SqlitePlace


@pytest.fixture(params=["sqlite", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> CatalogPlace:
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "catalog.db")
    return PostgresPlace(await asyncio.to_thread(request.getfixturevalue, "postgres"))


@pytest.fixture
async def catalog(place: CatalogPlace) -> AsyncIterator[SqlCatalog]:
    opened = place.catalog()
    await opened.migrate()
    yield opened
    await opened.close()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    opened = await EmbeddedLog.open(tmp_path / "log")
    await opened.ensure(topics.ALL)
    yield opened
    await opened.close()


def trail(catalog: SqlCatalog, log: Log, chain_id: str = "main") -> AuditTrail:
    return AuditTrail(catalog, log, SystemClock(), chain_id=chain_id)


async def say(audit: AuditTrail, number: int) -> AuditEntry:
    return await audit.append(actor="p", action="footage.view", reason="case 7", scope={"number": number})


async def published(log: EmbeddedLog, chain_id: str = "main") -> list[AuditEntry]:
    found: list[AuditEntry] = []
    async with log.consumer([topics.AUDIT.name], group=None) as reader:
        while records := await reader.poll(timeout_s=0.3):
            found += [decode_event(each.value or b"", PAYLOADS).data for each in records if each.key == chain_id]
    return found


async def test_entries_are_durable_chained_and_published_in_order(catalog: SqlCatalog, log: EmbeddedLog) -> None:
    audit = trail(catalog, log)
    entries = [await say(audit, number) for number in range(5)]
    assert [entry.number for entry in entries] == [0, 1, 2, 3, 4]
    assert await published(log) == entries
    verdict = await audit.verify()
    assert verdict.whole and verdict.entries == 5


async def test_concurrent_writers_leave_no_hole(place: CatalogPlace, catalog: SqlCatalog, log: EmbeddedLog) -> None:
    others = [place.catalog() for _ in range(2)]
    trails = [trail(each, log) for each in (catalog, *others)]
    entries = await asyncio.gather(*(say(trails[number % 3], number) for number in range(30)))
    assert sorted(entry.number for entry in entries) == list(range(30))
    assert (await trails[0].verify()).entries == 30
    assert {entry.number for entry in await published(log)} == set(range(30))
    for other in others:
        await other.close()


async def test_chains_do_not_mix(catalog: SqlCatalog, log: EmbeddedLog) -> None:
    one, two = trail(catalog, log, "one"), trail(catalog, log, "two")
    for number in range(3):
        await say(one, number)
        await say(two, number)
    for chain_id, audit in (("one", one), ("two", two)):
        assert (await audit.verify()).entries == 3
        assert [entry.number for entry in await published(log, chain_id)] == [0, 1, 2]


class FailingLog:
    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log
        self.away = True

    async def append(self, records: Any) -> Any:
        if self.away:
            raise Transient("the log is away")
        return await self._log.append(records)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


async def test_a_log_that_is_away_delays_publishing_and_nothing_else(catalog: SqlCatalog, log: EmbeddedLog) -> None:
    failing: Any = FailingLog(log)
    audit = trail(catalog, failing)
    entries = [await say(audit, number) for number in range(3)]
    assert await published(log) == []
    failing.away = False
    entries.append(await say(audit, 3))
    assert await published(log) == entries


async def test_what_a_dead_process_did_not_publish_the_next_one_does(catalog: SqlCatalog, log: EmbeddedLog) -> None:
    entries = [await say(trail(catalog, log), 0)]
    failing: Any = FailingLog(log)
    entries.append(await say(trail(catalog, failing), 1))
    assert await trail(catalog, log).publish() == 1
    assert await trail(catalog, log).publish() == 0
    assert await published(log) == entries


async def test_an_entry_without_reason_is_rejected_and_leaves_no_hole(catalog: SqlCatalog, log: EmbeddedLog) -> None:
    audit = trail(catalog, log)
    with pytest.raises(Rejected):
        await audit.append(actor="p", action="footage.view", reason="", scope={})
    assert (await say(audit, 0)).number == 0


async def test_an_edit_in_the_database_is_found(catalog: SqlCatalog, log: EmbeddedLog) -> None:
    audit = trail(catalog, log)
    for number in range(3):
        await say(audit, number)
    async with catalog.transaction() as writing:
        await writing.run(update(audit_entry).where(audit_entry.c.number == 1).values(actor="nobody"))
    assert (await audit.verify()).broken_at == 1


async def test_a_row_deleted_in_the_database_is_found(catalog: SqlCatalog, log: EmbeddedLog) -> None:
    audit = trail(catalog, log)
    for number in range(4):
        await say(audit, number)
    async with catalog.transaction() as writing:
        await writing.run(delete(audit_entry).where(audit_entry.c.number == 2))
    assert (await audit.verify()).broken_at == 2
