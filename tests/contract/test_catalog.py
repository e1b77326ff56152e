"""The behaviour of every catalog: SQLite and PostgreSQL, the same statements on both."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, inspect, select, text, update

from services.backbone.catalog import SqlCatalog
from services.backbone.catalog_schema import agent_key, audit_entry, coverage, incident, metadata, segment
from services.contracts.errors import Rejected, Transient
from tests.contract.catalogs import CatalogPlace, PostgresPlace, SqlitePlace


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> CatalogPlace:
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "catalog.db")
    return PostgresPlace(request.getfixturevalue("postgres"))


@pytest.fixture
async def catalog(place: CatalogPlace) -> AsyncIterator[SqlCatalog]:
    opened = place.catalog()
    await opened.migrate()
    yield opened
    await opened.close()


def key_row(key_id: str, **changes: Any) -> dict[str, Any]:
    row = {"key_id": key_id, "owner": "agent-1", "public_key": "00" * 32, "from_ns": 2**62, "revoked_ns": None}
    return {**row, **changes}


async def keys_of(catalog: SqlCatalog) -> list[str]:
    async with catalog.snapshot() as reading:
        return [row["key_id"] for row in await reading.rows(select(agent_key).order_by(agent_key.c.key_id))]


# Migration


async def test_migrating_builds_exactly_the_declared_schema(catalog: SqlCatalog) -> None:
    def compare(connection: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)

    async with catalog._begin("snapshot") as connection:
        assert await connection.run_sync(compare) == []


async def test_every_index_and_check_of_the_schema_exists(catalog: SqlCatalog) -> None:
    def named(connection: Connection) -> set[str | None]:
        found = inspect(connection)
        names: set[str | None] = set()
        for table in metadata.tables:
            names |= {index["name"] for index in found.get_indexes(table)}
            names |= {check["name"] for check in found.get_check_constraints(table)}
            names.add(found.get_pk_constraint(table)["name"])
        return names

    expected = {index.name for table in metadata.tables.values() for index in table.indexes}
    expected |= {f"pk_{table}" for table in metadata.tables} | {"ck_segment_seq_order", "ck_segment_span_order"}
    async with catalog._begin("snapshot") as connection:
        assert expected <= await connection.run_sync(named)


async def test_migrating_twice_changes_nothing(catalog: SqlCatalog) -> None:
    async with catalog.transaction() as writing:
        await writing.run(insert(agent_key).values(key_row("a")))
    await catalog.migrate()
    assert await keys_of(catalog) == ["a"]


async def test_services_that_start_at_once_migrate_once(place: CatalogPlace) -> None:
    catalogs = [place.catalog() for _ in range(5)]
    try:
        await asyncio.gather(*(each.migrate() for each in catalogs))
        for each in catalogs:
            assert await keys_of(each) == []
    finally:
        for each in catalogs:
            await each.close()


async def test_a_schema_of_a_newer_program_is_rejected(catalog: SqlCatalog) -> None:
    async with catalog.transaction() as writing:
        await writing.run(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Rejected, match="newer"):
        await catalog.migrate()


# Transactions


async def test_a_transaction_is_whole_or_nothing(catalog: SqlCatalog) -> None:
    class Stumble(Exception):
        pass

    with pytest.raises(Stumble):
        async with catalog.transaction() as writing:
            await writing.run(insert(agent_key).values(key_row("a")))
            await writing.run(insert(agent_key).values(key_row("b")))
            raise Stumble
    assert await keys_of(catalog) == []
    async with catalog.transaction() as writing:
        assert await writing.run(insert(agent_key).values(key_row("a"))) == 1
    assert await keys_of(catalog) == ["a"]


async def test_a_cancelled_transaction_is_nothing_and_the_next_one_works(catalog: SqlCatalog) -> None:
    inside = asyncio.Event()

    async def write_and_wait() -> None:
        async with catalog.transaction() as writing:
            await writing.run(insert(agent_key).values(key_row("a")))
            inside.set()
            await asyncio.Event().wait()

    writer = asyncio.create_task(write_and_wait())
    await inside.wait()
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    async with catalog.transaction() as writing:
        await writing.run(insert(agent_key).values(key_row("b")))
    assert await keys_of(catalog) == ["b"]


async def test_concurrent_writers_lose_no_update(place: CatalogPlace, catalog: SqlCatalog) -> None:
    catalogs = [catalog, place.catalog()]
    row = {"camera_id": "door", "stream": "record", "from_ns": 0, "until_ns": 0, "run_id": None, "next_seq": None}
    async with catalog.transaction() as writing:
        await writing.run(insert(coverage).values(row))

    async def add(each: SqlCatalog) -> None:
        for _ in range(10):
            async with each.transaction() as writing:
                assert await writing.run(update(coverage).values(until_ns=coverage.c.until_ns + 1)) == 1

    await asyncio.gather(*(add(each) for each in catalogs for _ in range(3)))
    async with catalog.snapshot() as reading:
        assert (await reading.rows(select(coverage.c.until_ns)))[0]["until_ns"] == 60
    await catalogs[1].close()


async def test_a_snapshot_is_one_view_while_others_write(place: CatalogPlace, catalog: SqlCatalog) -> None:
    counting = select(func.count().label("keys")).select_from(agent_key)
    async with catalog.snapshot() as reading:
        assert (await reading.rows(counting))[0]["keys"] == 0
        async with catalog.transaction() as writing:
            await writing.run(insert(agent_key).values(key_row("a")))
        assert (await reading.rows(counting))[0]["keys"] == 0
    async with catalog.snapshot() as reading:
        assert (await reading.rows(counting))[0]["keys"] == 1


async def test_many_rows_are_written_by_one_statement(catalog: SqlCatalog) -> None:
    rows = [key_row(f"{number:03d}") for number in range(100)]
    async with catalog.transaction() as writing:
        await writing.run(insert(agent_key), rows)
    assert await keys_of(catalog) == [row["key_id"] for row in rows]


_KILLED = """
import asyncio, sys
from sqlalchemy import insert
from services.backbone.catalog_schema import agent_key
from services.backbone.distributed.postgres_catalog import PostgresCatalog
from services.backbone.embedded.sqlite_catalog import SqliteCatalog

async def die():
    catalog = {opening}
    row = dict(owner="agent-1", public_key="00", from_ns=0)
    async with catalog.transaction() as writing:
        await writing.run(insert(agent_key).values(key_id="committed", **row))
    async with catalog.transaction() as writing:
        for number in range(500):
            await writing.run(insert(agent_key).values(key_id=f"half-{{number}}", **row))
        print("inside", flush=True)
        await asyncio.Event().wait()

asyncio.run(die())
"""


def _kill_inside(source: str) -> None:
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"inside\n"
        writer.kill()


async def test_a_process_killed_inside_a_transaction_leaves_the_one_before_it(
    place: CatalogPlace, catalog: SqlCatalog
) -> None:
    await asyncio.to_thread(_kill_inside, _KILLED.format(opening=place.opening))
    assert await keys_of(catalog) == ["committed"]
    async with catalog.transaction() as writing:
        await writing.run(insert(agent_key).values(key_row("after")))
    assert await keys_of(catalog) == ["after", "committed"]


# Upserts and types


async def test_an_upsert_that_names_no_column_keeps_what_is_there(catalog: SqlCatalog) -> None:
    async with catalog.transaction() as writing:
        assert await writing.run(catalog.upsert(agent_key, key_row("a"))) == 1
        assert await writing.run(catalog.upsert(agent_key, key_row("a", owner="other"))) == 0
        assert (await writing.rows(select(agent_key.c.owner)))[0]["owner"] == "agent-1"


async def test_an_upsert_renews_the_named_columns_only(catalog: SqlCatalog) -> None:
    async with catalog.transaction() as writing:
        await writing.run(catalog.upsert(agent_key, key_row("a")))
        changed = key_row("a", owner="other", revoked_ns=7)
        assert await writing.run(catalog.upsert(agent_key, changed, update=["revoked_ns"])) == 1
        row = (await writing.rows(select(agent_key)))[0]
    assert (row["owner"], row["revoked_ns"]) == ("agent-1", 7)


async def test_an_upsert_works_on_a_key_of_several_columns(catalog: SqlCatalog) -> None:
    row = {"camera_id": "door", "stream": "record", "from_ns": 1, "until_ns": 2, "run_id": None, "next_seq": None}
    async with catalog.transaction() as writing:
        for until_ns in (2, 3):
            await writing.run(catalog.upsert(coverage, {**row, "until_ns": until_ns}, update=["until_ns"]))
        assert [found["until_ns"] for found in await writing.rows(select(coverage))] == [3]


async def test_nanoseconds_digests_and_documents_come_back_as_they_were(catalog: SqlCatalog) -> None:
    entry = {
        "chain_id": "main", "number": 2**40, "at_ns": 2**63 - 1, "actor": "王老师", "action": "footage.view",
        "reason": "emoji 👶 and 'quotes'", "scope": {"cameras": ["a"], "nested": {"x": 1.5, "y": None}},
        "previous": "ab" * 32, "digest": "cd" * 32,
    }  # fmt: skip
    async with catalog.transaction() as writing:
        await writing.run(insert(audit_entry).values(entry))
        assert dict((await writing.rows(select(audit_entry)))[0]) == entry


# Refusals and outages


async def test_what_the_schema_forbids_is_rejected_and_undone(catalog: SqlCatalog) -> None:
    with pytest.raises(Rejected):
        async with catalog.transaction() as writing:
            await writing.run(insert(agent_key).values(key_row("a")))
            await writing.run(insert(agent_key).values(key_row("a")))
    values: dict[str, Any] = {
        column.name: (False if str(column.type) == "BOOLEAN" else "0" if str(column.type) == "TEXT" else 0)
        for column in segment.columns
    }
    with pytest.raises(Rejected):
        async with catalog.transaction() as writing:
            await writing.run(insert(segment).values({**values, "first_seq": 2, "last_seq": 1}))
    with pytest.raises(Rejected):
        async with catalog.transaction() as writing:
            await writing.run(insert(incident).values(incident_id="only this"))
    assert await keys_of(catalog) == []


async def test_a_statement_that_is_none_is_rejected_without_its_parameters(catalog: SqlCatalog) -> None:
    with pytest.raises(Rejected) as caught:
        async with catalog.snapshot() as reading:
            await reading.rows(text("SELECT geheim FROM nowhere WHERE x = :x"), {"x": "geheimnis"})
    assert "geheimnis" not in str(caught.value) + str(caught.value.__cause__)


async def test_a_database_that_is_away_is_transient_and_comes_back(place: CatalogPlace, catalog: SqlCatalog) -> None:
    impatient = place.catalog() if isinstance(place, PostgresPlace) else _impatient(place)
    async with asyncio.timeout(90):
        assert await keys_of(impatient) == []
        async with place.away():
            with pytest.raises(Transient):
                async with impatient.transaction() as writing:
                    await writing.run(insert(agent_key).values(key_row("a")))
        async with impatient.transaction() as writing:
            await writing.run(insert(agent_key).values(key_row("b")))
    assert await keys_of(catalog) == ["b"]
    await impatient.close()


def _impatient(place: CatalogPlace) -> SqlCatalog:
    from services.backbone.embedded.sqlite_catalog import SqliteCatalog

    assert isinstance(place, SqlitePlace)
    return SqliteCatalog(place.path, busy_timeout_s=0.3)
