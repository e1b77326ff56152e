"""The catalog on PostgreSQL, through asyncpg."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from pydantic import SecretStr
from sqlalchemy import URL, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.backbone.catalog import Kind, SqlCatalog
from services.backbone.tls import tls_complaint
from services.contracts.errors import Corrupt, KanhuError, Rejected, Transient

#: An outage shows within about this long; statements of a service are small.
ANSWER_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 5.0
_POOL_SIZE = 5
#: ``pg_advisory_xact_lock`` key of migrations: the letters "kanhu".
_MIGRATION_LOCK = int.from_bytes(b"kanhu", "big")
#: Classes of SQLSTATE after which the same statement may succeed.
_PASSING_CLASSES = ("08", "40", "53", "55", "57", "58")
_DAMAGED_CLASS = "XX"
_CREDENTIALS_CLASS = "28"


class PostgresCatalog(SqlCatalog):
    """:class:`services.backbone.ports.Catalog` on a PostgreSQL database (14 or newer)."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        database: str,
        user: str,
        password: SecretStr,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        url = URL.create(
            "postgresql+asyncpg",
            username=user,
            password=password.get_secret_value(),
            host=host,
            port=port,
            database=database,
        )
        engine = create_async_engine(
            url,
            pool_pre_ping=True,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            pool_timeout=answer_timeout_s,
            pool_recycle=1800,
            hide_parameters=True,
            connect_args=_connecting(answer_timeout_s, tls),
        )
        self._was_let_in = False
        super().__init__(engine, f"catalog {database} on {host}:{port}")

    @contextlib.asynccontextmanager
    async def _begin(self, kind: Kind) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as plain:
            connection = plain
            if kind == "snapshot":
                connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                self._was_let_in = True
                yield connection

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[AsyncConnection]:
        async with self._begin("transaction") as connection:
            await connection.execute(text("SET LOCAL lock_timeout = 0"))  # whoever migrates may take its time
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection

    def _insert(self, table: Table) -> Any:
        return postgresql.insert(table)

    def _judge(self, cause: BaseException) -> type[KanhuError]:
        if tls_complaint(cause) is not None:
            return self._shut_out()
        if isinstance(cause, OSError | TimeoutError | asyncpg.InterfaceError):
            return Transient
        state = _sqlstate(cause)
        if state is None:
            # SQLAlchemy's own wrapper of an asyncpg error keeps the original as its cause.
            inner = cause.__cause__
            return self._judge(inner) if inner is not None and inner is not cause else Rejected
        if state.startswith(_PASSING_CLASSES):
            return Transient
        if state.startswith(_CREDENTIALS_CLASS):
            return self._shut_out()
        return Corrupt if state.startswith(_DAMAGED_CLASS) else Rejected

    def _shut_out(self) -> type[KanhuError]:
        """Wrong from the start is wrong; who was let in before waits for a change at the server, and drops nothing."""
        return Transient if self._was_let_in else Rejected


def _connecting(answer_timeout_s: float, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """What asyncpg is told for each connection."""
    options: dict[str, Any] = {
        "timeout": _CONNECT_TIMEOUT_S,
        "command_timeout": answer_timeout_s,
        "server_settings": {
            "application_name": "kanhu",
            "timezone": "UTC",
            "lock_timeout": f"{int(answer_timeout_s * 1000)}",
            "idle_in_transaction_session_timeout": "60000",  # a frozen client must not hold locks for ever
        },
    }
    return options if tls is None else {**options, "ssl": tls}


def _sqlstate(cause: BaseException) -> str | None:
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state if isinstance(state, str) else None
