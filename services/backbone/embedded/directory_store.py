"""Objects in a directory: whole and durable or not there, never overwritten, kept while retention or a hold says so.

How a put becomes durable: write to ``.incoming/``, hash on the way, fsync, rename under the final name (which carries digest,
size, retention and hold), fsync the directory. A process killed at any point leaves at most a file in ``.incoming/``,
which the next ``prepare`` removes once nobody holds its lock. Changes of one object are serialised between processes
by a lock on its directory. Files are read-only; root can still remove them, which the hash chain then shows (I3).

Belongs here: the port's promises on a POSIX file system. Does not belong here: which time it is (``retention_time.py``), how a
version is spelt (``object_name.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from services.backbone import metrics
from services.backbone.durable_file import sync_directory, translate
from services.backbone.embedded import directory_listing as listing
from services.backbone.embedded.incoming import Incoming
from services.backbone.embedded.object_name import VersionName, new_version_id
from services.backbone.embedded.retention_time import RetentionTime
from services.backbone.object_key import check_key
from services.backbone.ports import Clock, StoredObject
from services.backbone.store_metrics import observed
from services.contracts.errors import Corrupt, Held, Rejected
from services.contracts.time import format_rfc3339

PIECE_BYTES = 1024 * 1024

Result = TypeVar("Result")


class DirectoryStore:
    """:class:`services.backbone.ports.ObjectStore` on a directory. Several processes may share it."""

    def __init__(self, root: Path, clock: Clock, *, leftover_age_s: float = 60.0) -> None:
        self._root = root
        self._clock = clock
        self._incoming = Incoming(root / ".incoming", leftover_age_s=leftover_age_s)
        self._time = RetentionTime(clock, root / ".time")

    async def prepare(self) -> None:
        await self._blocking("prepare", self._prepare)

    def _prepare(self) -> None:
        self._root.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._incoming.prepare()
        self._time.now_ns()

    async def put(
        self,
        key: str,
        body: Path | bytes,
        *,
        sha256: bytes,
        retain_until_ns: int | None,
        content_type: str = "video/mp4",
    ) -> StoredObject:
        """See the port. The content type is not kept: the key's suffix says it."""
        if len(sha256) != hashlib.sha256().digest_size:
            raise Rejected(f"a SHA-256 digest has 32 bytes; this one has {len(sha256)}")
        return await self._blocking("put", lambda: self._put(key, body, sha256, retain_until_ns))

    def _put(self, key: str, body: Path | bytes, sha256: bytes, retain_until_ns: int | None) -> StoredObject:
        place = self._root / check_key(key)
        known = listing.newest(place)
        if known is not None and known.sha256 == sha256:  # settled without writing; looked at again under the lock
            with listing.locked(place.parent):
                known = listing.newest(place)
                if known is not None and known.sha256 == sha256:
                    return self._stored(key, place, self._lengthened(place, known, retain_until_ns))
        with self._incoming.receive(body) as received:
            if received.sha256 != sha256:
                raise Corrupt(f"the body given for {key} has digest {received.sha256.hex()}, not {sha256.hex()}")
            self._make_parents(place.parent)
            with listing.locked(place.parent):
                return self._settle(key, place, received.path, sha256, received.size_bytes, retain_until_ns)

    def _settle(
        self, key: str, place: Path, written: Path, sha256: bytes, size_bytes: int, retain_until_ns: int | None
    ) -> StoredObject:
        known = listing.newest(place)
        if known is not None and known.sha256 == sha256:  # somebody else stored the same meanwhile
            return self._stored(key, place, self._lengthened(place, known, retain_until_ns))
        version_id = new_version_id(self._clock.now_ns(), known.version_id if known else None)
        version = VersionName(place.name, version_id, size_bytes, sha256, retain_until_ns, False)
        written.rename(place.with_name(version.file_name))
        sync_directory(place.parent)
        metrics.STORE_PUT_BYTES.inc(size_bytes)
        return self._stored(key, place, version)

    def _lengthened(self, place: Path, version: VersionName, until_ns: int | None) -> VersionName:
        if until_ns is None or (version.retain_until_ns or 0) >= until_ns:
            return version
        return self._rename(place, version, replace(version, retain_until_ns=until_ns))

    def _rename(self, place: Path, old: VersionName, new: VersionName) -> VersionName:
        if new != old:
            place.with_name(old.file_name).rename(place.with_name(new.file_name))
            sync_directory(place.parent)
        return new

    def _make_parents(self, directory: Path) -> None:
        missing = [directory]
        while not missing[-1].exists() and missing[-1] != self._root:
            missing.append(missing[-1].parent)
        for made in reversed(missing[:-1]):
            made.mkdir(mode=0o750, exist_ok=True)
            sync_directory(made.parent)

    async def stat(self, key: str, version_id: str | None = None) -> StoredObject:
        return await self._blocking("stat", lambda: self._stat(key, version_id))

    def _stat(self, key: str, version_id: str | None) -> StoredObject:
        place = self._root / check_key(key)
        return listing.looked_up(place, key, version_id, lambda version: self._stored(key, place, version))

    def _stored(self, key: str, place: Path, version: VersionName) -> StoredObject:
        return listing.stored_object(key, place.parent, version)

    async def read(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """See the port. A whole read ends with ``Corrupt`` if the digest differs; every read begins with a check of the size."""
        if start < 0 or (length is not None and length < 0):
            raise Rejected("start and length of a read must not be negative")
        found = await self._blocking("read", lambda: self._stat(key, version_id))
        path = (self._root / check_key(key)).parent
        pieces = self._pieces(path, found, start, length)
        try:
            while (piece := await self._blocking("read", lambda: next(pieces, None))) is not None:
                yield piece
        finally:
            pieces.close()

    def _pieces(
        self, directory: Path, found: StoredObject, start: int, length: int | None
    ) -> Generator[bytes, None, None]:
        whole = hashlib.sha256() if start == 0 and (length is None or length >= found.size_bytes) else None
        left = found.size_bytes - start if length is None else min(length, found.size_bytes - start)
        with listing.open_version(directory, found) as source:
            source.seek(start)
            while left > 0:
                piece = source.read(min(left, PIECE_BYTES))
                if not piece:
                    raise Corrupt(f"{found.key} ended before its {found.size_bytes} bytes; it was truncated")
                left -= len(piece)
                if whole is not None:
                    whole.update(piece)
                yield piece
        if whole is not None and whole.digest() != found.sha256:
            raise Corrupt(f"{found.key} version {found.version_id} was altered: its digest is not {found.sha256.hex()}")

    async def versions(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """See the port; versions of one key come oldest first. One directory is read at a time."""
        found = listing.walk(self._root, prefix)
        while True:
            batch = await self._blocking("versions", lambda: next(found, None))
            if batch is None:
                return
            for stored in batch:
                yield stored

    async def extend_retention(self, key: str, version_id: str, until_ns: int) -> None:
        await self._blocking("extend_retention", lambda: self._extend(key, version_id, until_ns))

    def _extend(self, key: str, version_id: str, until_ns: int) -> None:
        with self._changing(key, version_id) as (place, version):
            if version.retain_until_ns is not None and until_ns < version.retain_until_ns:
                until = format_rfc3339(version.retain_until_ns)
                raise Held(f"{key} is kept until {until}; a retention can only be lengthened")
            self._rename(place, version, replace(version, retain_until_ns=until_ns))

    async def set_legal_hold(self, key: str, version_id: str, held: bool) -> None:
        await self._blocking("set_legal_hold", lambda: self._hold(key, version_id, held))

    def _hold(self, key: str, version_id: str, held: bool) -> None:
        with self._changing(key, version_id) as (place, version):
            self._rename(place, version, replace(version, legal_hold=held))

    async def delete(self, key: str, version_id: str) -> None:
        await self._blocking("delete", lambda: self._delete(key, version_id))

    def _delete(self, key: str, version_id: str) -> None:
        with self._changing(key, version_id) as (place, version):
            if version.legal_hold:
                raise Held(f"{key} is under legal hold; release the hold first")
            now_ns = self._time.now_ns()
            if version.retain_until_ns is not None and now_ns < version.retain_until_ns:
                until, now = format_rfc3339(version.retain_until_ns), format_rfc3339(now_ns)
                raise Held(f"{key} is kept until {until}; the store's time is {now}")
            place.with_name(version.file_name).unlink()
            sync_directory(place.parent)
        listing.prune(place.parent, self._root)

    @contextlib.contextmanager
    def _changing(self, key: str, version_id: str) -> Iterator[tuple[Path, VersionName]]:
        place = self._root / check_key(key)
        listing.looked_up(place, key, version_id, lambda version: version)  # NotFound before a lock makes a directory
        with listing.locked(place.parent):
            yield place, listing.find(place, key, version_id)

    async def close(self) -> None:
        """Nothing is held between calls."""

    async def _blocking(self, operation: str, work: Callable[[], Result]) -> Result:
        def guarded() -> Result:
            try:
                return work()
            except OSError as error:
                raise translate(error, f"{operation} in the store {self._root}") from error

        with observed(operation):
            return await asyncio.to_thread(guarded)
