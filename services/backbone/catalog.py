"""The catalog on any SQL dialect: transactions, upserts, migrations, and the translation of the database's errors.

Belongs here: what is the same on SQLite and PostgreSQL. Does not belong here: dialects (``embedded/sqlite_catalog.py``,
``distributed/postgres_catalog.py``), tables (``catalog_schema.py``), statements of a service.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import ClauseElement, Connection, CursorResult, Executable, Table
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.backbone import metrics
from services.backbone.tls import tls_complaint
from services.contracts.errors import KanhuError, Rejected, Transient

MIGRATIONS = Path(__file__).parent / "migrations"

Kind = Literal["transaction", "snapshot"]


class SqlTransaction:
    """:class:`services.backbone.ports.Transaction` on one connection. Not for use by two tasks at once."""

    def __init__(self, connection: AsyncConnection, catalog: SqlCatalog) -> None:
        self._connection = connection
        self._catalog = catalog

    async def rows(self, statement: ClauseElement, parameters: Any = None) -> list[RowMapping]:
        with self._catalog.translating():
            result = await self._connection.execute(cast(Executable, statement), parameters)
            return list(result.mappings().all())

    async def run(self, statement: ClauseElement, parameters: Any = None) -> int:
        with self._catalog.translating():
            result = await self._connection.execute(cast(Executable, statement), parameters)
            return cast(CursorResult[Any], result).rowcount


class SqlCatalog(abc.ABC):
    """:class:`services.backbone.ports.Catalog` through SQLAlchemy Core; a dialect says how it begins, waits and fails."""

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self._engine = engine
        self._name = name

    @abc.abstractmethod
    def _begin(self, kind: Kind) -> contextlib.AbstractAsyncContextManager[AsyncConnection]:
        """A connection in a transaction of this kind, committed when the block ends well, else rolled back."""

    @abc.abstractmethod
    def _alone(self) -> contextlib.AbstractAsyncContextManager[AsyncConnection]:
        """Like ``_begin("transaction")``, excluding every other process that migrates."""

    @abc.abstractmethod
    def _judge(self, cause: BaseException) -> type[KanhuError]:
        """Which of our words an error of the driver is."""

    @abc.abstractmethod
    def _insert(self, table: Table) -> Any:
        """The dialect's INSERT, which knows ON CONFLICT."""

    async def migrate(self) -> None:
        with self.translating():
            async with self._alone() as connection:
                await connection.run_sync(_upgrade)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTransaction]:
        async with self._observed("transaction") as transaction:
            yield transaction

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqlTransaction]:
        async with self._observed("snapshot") as transaction:
            yield transaction

    @contextlib.asynccontextmanager
    async def _observed(self, kind: Kind) -> AsyncIterator[SqlTransaction]:
        with metrics.CATALOG_SECONDS.labels(kind=kind).time(), self.translating():
            async with self._begin(kind) as connection:
                yield SqlTransaction(connection, self)

    def upsert(self, table: Table, values: Mapping[str, Any], *, update: Sequence[str] = ()) -> ClauseElement:
        statement = self._insert(table).values(**values)
        key = list(table.primary_key.columns)
        if not update:
            return cast(ClauseElement, statement.on_conflict_do_nothing(index_elements=key))
        renewed = {column: statement.excluded[column] for column in update}
        return cast(ClauseElement, statement.on_conflict_do_update(index_elements=key, set_=renewed))

    async def close(self) -> None:
        with self.translating():
            await self._engine.dispose()

    @contextlib.contextmanager
    def translating(self) -> Any:
        """Turn what the database, its driver or the network raised into our words; everything else passes."""
        try:
            yield
        except KanhuError:
            raise
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            translated = self._translate(error)
            metrics.CATALOG_ERRORS.labels(kind=type(translated).__name__.lower()).inc()
            raise translated from error

    def _translate(self, error: BaseException) -> KanhuError:
        if isinstance(error, PoolTimeout):
            return Transient(f"{self._name} is busy: no connection became free in time")
        if isinstance(error, IntegrityError):
            return Rejected(f"{self._name} refused the statement: {_first_line(error.orig)}")
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return Transient(f"{self._name} closed the connection: {_first_line(cause)}")
        kind = self._judge(cause)
        told = tls_complaint(cause) or f"{_first_line(cause)}; {_ADVICE[kind.__name__]}"
        return kind(f"{self._name}: {told}")


_ADVICE = {
    "Transient": "it is tried again once the database answers",
    "Rejected": "the statement or the credentials are wrong",
    "Corrupt": "restore the database from a backup",
}


def _first_line(cause: BaseException | None) -> str:
    """An error's first line; statements and parameters, which may hold what must not be logged, come after it."""
    text = str(cause).strip().splitlines()
    return (text[0] if text else type(cause).__name__)[:300]


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Rejected(f"the catalog cannot be migrated: {error}; is it of a newer version of kanhu?") from error
