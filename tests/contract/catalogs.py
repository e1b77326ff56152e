"""What the suites over a database need of each dialect."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import SecretStr

from deploy.local.servers import PostgresServer
from services.backbone.catalog import SqlCatalog
from services.backbone.distributed.postgres_catalog import PostgresCatalog
from services.backbone.embedded.sqlite_catalog import SqliteCatalog


class CatalogPlace(ABC):
    """An empty database; any number of catalogs may be opened on it, as several processes would."""

    @abstractmethod
    def catalog(self) -> SqlCatalog: ...

    @property
    @abstractmethod
    def opening(self) -> str:
        """Python source of an expression that opens the catalog in another process."""

    @abstractmethod
    def away(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Within the block the database does not answer."""


class SqlitePlace(CatalogPlace):
    def __init__(self, path: Path) -> None:
        self.path = path

    def catalog(self) -> SqlCatalog:
        return SqliteCatalog(self.path, busy_timeout_s=20.0)

    @property
    def opening(self) -> str:
        return f"SqliteCatalog(__import__('pathlib').Path({str(self.path)!r}))"

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Another process sits in a writing transaction."""
        blocker = SqliteCatalog(self.path)
        async with blocker.transaction():
            yield
        await blocker.close()


class PostgresPlace(CatalogPlace):
    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.database = server.create_database()

    def catalog(self) -> SqlCatalog:
        return PostgresCatalog(
            "127.0.0.1",
            self.server.port,
            database=self.database,
            user=self.server.user,
            password=SecretStr(self.server.password),
            answer_timeout_s=5.0,
        )

    @property
    def opening(self) -> str:
        return (
            f"PostgresCatalog('127.0.0.1', {self.server.port}, database={self.database!r}, user={self.server.user!r}, "
            f"password=__import__('pydantic').SecretStr({self.server.password!r}))"
        )

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        await asyncio.to_thread(self.server.stop)
        try:
            yield
        finally:
            await asyncio.to_thread(self.server.restart)
