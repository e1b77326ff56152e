"""What the object store suite needs of each adapter: a way to make one, to damage what it holds, to take it away."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import SecretStr

from deploy.local.servers import MinioServer
from services.backbone.distributed.s3_store import S3Store
from services.backbone.embedded.directory_store import DirectoryStore
from services.backbone.ports import ObjectStore, StoredObject
from services.backbone.system_clock import SystemClock


class StorePlace(ABC):
    """An empty place for objects; any number of stores may be opened on it, as several processes would."""

    @abstractmethod
    def store(self) -> ObjectStore: ...

    @abstractmethod
    def body_files(self, stored: StoredObject) -> list[Path]:
        """The files on disk that hold a version's bytes."""

    @abstractmethod
    def away(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Within the block the place does not answer."""


class DirectoryPlace(StorePlace):
    def __init__(self, root: Path) -> None:
        self.root = root

    def store(self) -> ObjectStore:
        return DirectoryStore(self.root, SystemClock())

    def body_files(self, stored: StoredObject) -> list[Path]:
        return [path for path in self.root.rglob("*") if stored.version_id in path.name]

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        aside = self.root.with_name("taken-away")
        self.root.rename(aside)
        self.root.write_bytes(b"not a directory")  # a mount that is gone: nothing can be made there
        try:
            yield
        finally:
            self.root.unlink()
            aside.rename(self.root)


class BucketPlace(StorePlace):
    def __init__(self, server: MinioServer, bucket: str) -> None:
        self.server = server
        self.bucket = bucket

    def store(self) -> ObjectStore:
        return S3Store(
            self.server.address,
            bucket=self.bucket,
            access_key=SecretStr(self.server.access_key),
            secret_key=SecretStr(self.server.secret_key),
            secure=False,
            region=self.server.region,
            answer_timeout_s=3.0,
        )

    def body_files(self, stored: StoredObject) -> list[Path]:
        """MinIO keeps a large body as ``part.1`` under a directory of its own, one per version."""
        return sorted((self.server.directory / "data" / self.bucket / stored.key).rglob("part.*"))

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.server.pause()
        try:
            yield
        finally:
            self.server.resume()


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


async def put(store: ObjectStore, key: str, body: bytes, *, until_ns: int | None = None) -> StoredObject:
    return await store.put(key, body, sha256=digest(body), retain_until_ns=until_ns)


async def read_all(
    store: ObjectStore, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
) -> bytes:
    return b"".join([piece async for piece in store.read(key, version_id, start=start, length=length)])


async def listed(store: ObjectStore, prefix: str = "") -> list[StoredObject]:
    return [stored async for stored in store.versions(prefix)]


async def until_past(instant_ns: int) -> None:
    """Return once the machine's clock has passed an instant; for servers that judge by a clock of their own."""
    clock = SystemClock()
    while clock.now_ns() <= instant_ns + 50_000_000:  # noqa: ASYNC110 - a clock tells nobody
        await asyncio.sleep((instant_ns - clock.now_ns()) / 1e9 + 0.06)
