"""PostgreSQL from Debian's package, a cluster of its own in a temporary folder, as an unprivileged user when we are root."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from deploy.local.server_process import LOOPBACK, LocalServer, ServerError, complete, leash

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
# The tests kill the server, never the machine: what was written reaches the disk all the same.
fsync = off
jit = off
log_min_messages = warning
"""


class PostgresServer(LocalServer):
    """One role, ``user``, with ``password``; the database ``kanhu`` is there from the start."""

    label = "postgres"
    stop_signal = signal.SIGINT  # "fast": does not wait for clients to leave
    run_as = "postgres"  # Debian makes this user; initdb refuses to run as root

    def __init__(self) -> None:
        super().__init__()
        self.user = "kanhu"
        self.password = secrets.token_hex(16)
        self.database = "kanhu"
        self._binaries = _binaries()
        self._data = self.directory / "data"

    def prepare(self) -> None:
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        self.log_path.touch()
        if os.geteuid() == 0:
            for path in (self.directory, password_file):
                shutil.chown(path, self.run_as, self.run_as)
        initdb = [str(self._binaries / "initdb"), "--pgdata", str(self._data), "--username", self.user]
        initdb += ["--pwfile", str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8"]
        initdb += ["--locale", "C.UTF-8", "--no-sync", "--no-instructions"]
        made = subprocess.run(
            [*leash(self.run_as), *initdb],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        password_file.unlink()
        if made.returncode:
            raise ServerError(f"PostgreSQL's cluster cannot be made:\n{made.stdout}{made.stderr}")
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)

    def command(self) -> Sequence[str]:
        return [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)]

    def probe(self) -> None:
        complete(self._select_one())

    async def _select_one(self) -> None:
        connection = await self._connect("postgres")
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", self.database):
                await connection.execute(f'CREATE DATABASE "{self.database}"')
        finally:
            await connection.close()
        connection = await self._connect(self.database)
        try:
            assert await connection.fetchval("SELECT 1") == 1
        finally:
            await connection.close()

    async def _connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=LOOPBACK, port=self.port, user=self.user, password=self.password, database=database, timeout=5
        )

    def create_database(self) -> str:
        """A fresh, empty database with a name of its own; tests that share the server do not share tables."""
        name = f"kanhu_{secrets.token_hex(6)}"

        async def create() -> None:
            connection = await self._connect("postgres")
            try:
                await connection.execute(f'CREATE DATABASE "{name}"')
            finally:
                await connection.close()

        complete(create(), timeout_s=30)
        return name

    def url(self, database: str | None = None) -> str:
        """For SQLAlchemy with asyncpg. Holds the password: never log it."""
        return f"postgresql+asyncpg://{self.user}:{self.password}@{self.address}/{database or self.database}"


def _binaries() -> Path:
    """The newest installed version; Debian keeps the server's programs off PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    if found is None:
        raise ServerError("PostgreSQL was not found; run deploy/local/debian-packages.sh or install postgresql")
    return Path(found).resolve().parent
