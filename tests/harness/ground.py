"""What an installation stands on in each mode, and how to pull each of its plugs for a while."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import yaml

from deploy.local.servers import KafkaServer, LocalServer, MinioServer, PostgresServer, distributed_file
from services.backbone.embedded.key_directory import KeyDirectory
from tests.harness.site import Site

Plug = Literal["log", "store", "catalog"]
Mode = Literal["embedded", "distributed"]
AGENT = "agent-1"


class Ground(ABC):
    """``site`` is an installation that has not been started; ``away`` takes one of its ports out of service."""

    site: Site

    def public_key(self) -> str:
        """The agent's, as an operator reads it in its log: hexadecimal."""
        return asyncio.run(KeyDirectory(self._keys()).signer(AGENT)).public_key.hex()

    @abstractmethod
    def _keys(self) -> Path: ...

    @abstractmethod
    def away(self, plug: Plug) -> contextlib.AbstractContextManager[None]: ...

    def close(self) -> None:
        self.site.end()


class EmbeddedGround(Ground):
    def __init__(self, root: Path) -> None:
        self._data = root / "data"
        self.site = Site(root, {"mode": "embedded", "data": str(self._data)})

    def _keys(self) -> Path:
        return self._data / "keys"

    def away(self, plug: Plug) -> contextlib.AbstractContextManager[None]:
        if plug == "store":
            return _mount_gone(self._data / "objects")
        return _database_held(self._data / ("log/log.db" if plug == "log" else "catalog.db"))


class DistributedGround(Ground):
    """Servers of its own, since a test here breaks them."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._running = contextlib.ExitStack()
        try:
            kafka = self._running.enter_context(KafkaServer())
            minio = self._running.enter_context(MinioServer())
            postgres = self._running.enter_context(PostgresServer())
        except BaseException:
            self._running.close()
            raise
        self._servers: dict[Plug, LocalServer] = {"log": kafka, "store": minio, "catalog": postgres}
        bucket = f"footage-{secrets.token_hex(4)}"
        database = postgres.create_database()
        file = distributed_file(root, kafka, minio, postgres, database=database, bucket=bucket)
        settings = yaml.safe_load(file.read_text())
        self._key_directory = Path(settings["backbone"]["keys"])
        self.site = Site(root, settings["backbone"])
        self.site.configure(agents=[{"agent_id": AGENT, "public_key": self.public_key()}])

    def _keys(self) -> Path:
        return self._key_directory

    @contextlib.contextmanager
    def away(self, plug: Plug) -> Iterator[None]:
        """Killed, not paused: connections break, and the server comes back at the same address with its data."""
        self._servers[plug].kill()
        try:
            yield
        finally:
            self._servers[plug].restart()

    def close(self) -> None:
        super().close()
        self._running.close()


def make_ground(mode: Mode, root: Path) -> Ground:
    return EmbeddedGround(root) if mode == "embedded" else DistributedGround(root)


@contextlib.contextmanager
def _database_held(path: Path) -> Iterator[None]:
    """Another program keeps the write lock: every writer of this database waits in vain."""
    database = sqlite3.connect(path, isolation_level=None, timeout=20)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
    finally:
        database.close()


@contextlib.contextmanager
def _mount_gone(path: Path) -> Iterator[None]:
    """The disk of the store is gone: the path is there, and nothing can be made under it."""
    aside = path.with_name(f"{path.name}.unplugged")
    path.rename(aside)
    path.write_bytes(b"")
    try:
        yield
    finally:
        path.unlink()
        aside.rename(path)
