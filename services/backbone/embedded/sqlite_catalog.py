"""The catalog in one SQLite file: WAL, one writer at a time, durable at every commit."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Table, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.backbone.catalog import Kind, SqlCatalog
from services.backbone.durable_file import translate
from services.contracts.errors import Corrupt, KanhuError, Rejected, Transient

#: How long a writer waits for another process's transaction before it is Transient.
BUSY_TIMEOUT_S = 10.0
_BEGIN_OPTION = "kanhu_begin"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PASSING = (
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL,
)  # fmt: skip


class SqliteCatalog(SqlCatalog):
    """:class:`services.backbone.ports.Catalog` on a file that several processes of one machine share."""

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(path)),
            connect_args={"timeout": busy_timeout_s},
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "connect", _set_up)
        event.listen(engine.sync_engine, "begin", _say_begin)
        super().__init__(engine, f"catalog {path.name}")
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        #: Writers of this process queue here in order; SQLite's own waiting is polling, and unfair.
        self._writing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def _begin(self, kind: Kind) -> AsyncIterator[AsyncConnection]:
        if kind == "snapshot":
            async with self._connected("DEFERRED") as connection:
                yield connection
        else:
            async with self._writing, self._connected("IMMEDIATE") as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def _connected(self, mode: str) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(**{_BEGIN_OPTION: mode})
            async with connection.begin():
                yield connection

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[AsyncConnection]:
        lock = await asyncio.to_thread(self._lock_file)
        try:
            await self._switch_to_wal()
            async with self._begin("transaction") as connection:
                yield connection
        finally:
            os.close(lock)

    def _lock_file(self) -> int:
        """A lock beside the file: changing the journal mode is not protected by SQLite's own waiting."""
        path = self._path.with_name(self._path.name + ".lock")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise translate(error, f"opening the catalog {self._path}") from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    async def _switch_to_wal(self) -> None:
        async with self._engine.connect() as connection:
            autocommit = await connection.execution_options(**{_BEGIN_OPTION: ""})
            await autocommit.exec_driver_sql("PRAGMA journal_mode=WAL")

    def _insert(self, table: Table) -> Any:
        return sqlite.insert(table)

    def _judge(self, cause: BaseException) -> type[KanhuError]:
        code = getattr(cause, "sqlite_errorcode", None)
        if isinstance(cause, OSError | TimeoutError):
            return Transient
        if not isinstance(code, int):
            return Rejected
        primary = code & 0xFF  # extended codes carry the primary one in their low byte
        if primary in _DAMAGED:
            return Corrupt
        return Transient if primary in _PASSING else Rejected


def _set_up(connection: Any, _record: Any) -> None:
    """Each connection: we say BEGIN ourselves, commits reach the disk, references are checked."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _say_begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get(_BEGIN_OPTION, "DEFERRED")
    if mode:
        connection.exec_driver_sql(f"BEGIN {mode}")
