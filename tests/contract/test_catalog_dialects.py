"""What only one dialect can suffer: a damaged file, a full disk, a frozen or refusing server."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, text

from deploy.local.servers import PostgresServer
from services.backbone.catalog_schema import agent_key
from services.backbone.distributed.postgres_catalog import PostgresCatalog
from services.backbone.embedded.sqlite_catalog import SqliteCatalog
from services.contracts.errors import Corrupt, Rejected, Transient

ROW = {"owner": "agent-1", "public_key": "00", "from_ns": 0}


async def test_a_sqlite_file_is_written_ahead_synchronously_and_checks_references(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.db")
    await catalog.migrate()
    async with catalog.snapshot() as reading:
        for pragma, expected in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert (await reading.rows(text(f"PRAGMA {pragma}")))[0][pragma] == expected
    await catalog.close()


async def test_a_damaged_sqlite_file_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"this is no database, " * 500)
    catalog = SqliteCatalog(path)
    with pytest.raises(Corrupt, match="backup"):
        await catalog.migrate()
    await catalog.close()


async def test_a_place_where_no_file_can_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    catalog = SqliteCatalog(tmp_path / "file" / "catalog.db")
    with pytest.raises((Transient, Rejected)):
        await catalog.migrate()
    await catalog.close()


async def test_a_full_sqlite_file_is_transient_and_undone(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.db")
    await catalog.migrate()
    with pytest.raises(Transient):
        async with catalog.transaction() as writing:
            pages = (await writing.rows(text("PRAGMA page_count")))[0]["page_count"]
            await writing.rows(text(f"PRAGMA max_page_count={pages + 2}"))
            for number in range(100):
                await writing.run(insert(agent_key).values(key_id=f"{number}" * 2000, **ROW))
    async with catalog.snapshot() as reading:
        assert await reading.rows(text("SELECT * FROM agent_key")) == []
    await catalog.close()


def _postgres(server: PostgresServer, **changes: object) -> PostgresCatalog:
    options = {"database": server.database, "user": server.user, "password": SecretStr(server.password), **changes}
    return PostgresCatalog("127.0.0.1", server.port, **options)  # type: ignore[arg-type]


async def test_a_frozen_postgres_is_transient_in_time_and_thaws(postgres: PostgresServer) -> None:
    catalog = _postgres(postgres, answer_timeout_s=1.0)
    async with catalog.snapshot() as reading:
        await reading.rows(text("SELECT 1"))
    postgres.pause()
    began = time.monotonic()
    try:
        with pytest.raises(Transient):
            async with catalog.transaction() as writing:
                await writing.rows(text("SELECT 1"))
    finally:
        postgres.resume()
    assert time.monotonic() - began < 12
    async with catalog.snapshot() as reading:
        assert len(await reading.rows(text("SELECT 1"))) == 1
    await catalog.close()


async def test_a_server_that_goes_away_inside_a_transaction_is_transient(postgres: PostgresServer) -> None:
    catalog = _postgres(postgres)
    with pytest.raises(Transient):
        async with catalog.transaction() as writing:
            await writing.rows(text("SELECT 1"))
            await asyncio.to_thread(postgres.kill)
            await writing.rows(text("SELECT 1"))
    await asyncio.to_thread(postgres.restart)
    async with catalog.snapshot() as reading:
        assert len(await reading.rows(text("SELECT 1"))) == 1
    await catalog.close()


@pytest.mark.parametrize("wrong", [{"password": SecretStr("geheim")}, {"database": "nowhere"}, {"user": "nobody"}])
async def test_wrong_credentials_are_rejected_without_telling_them(
    postgres: PostgresServer, wrong: dict[str, object]
) -> None:
    catalog = _postgres(postgres, **wrong)
    with pytest.raises(Rejected) as caught:
        await catalog.migrate()
    assert "geheim" not in str(caught.value) and postgres.password not in str(caught.value)
    await catalog.close()


async def test_a_deadlock_is_transient(postgres: PostgresServer) -> None:
    catalog = _postgres(postgres, database=postgres.create_database())
    await catalog.migrate()
    async with catalog.transaction() as writing:
        await writing.run(insert(agent_key), [{"key_id": key, **ROW} for key in ("a", "b")])
    met = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        update = text("UPDATE agent_key SET revoked_ns = 1 WHERE key_id = :key")
        async with catalog.transaction() as writing:
            await writing.run(update, {"key": first})
            await met.wait()
            await writing.run(update, {"key": second})

    outcomes = await asyncio.gather(lock("a", "b"), lock("b", "a"), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "Transient"]
    await catalog.close()
