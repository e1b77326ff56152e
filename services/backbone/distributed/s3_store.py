"""Objects in an S3 bucket with object lock: COMPLIANCE retention, legal hold, versions, checksums verified by the server.

Every object is addressed by version id, so a delete marker hides nothing from us. Retention is always explicit, from
capture time (a bucket default would count from upload). One PUT carries one object: a segment is tens of megabytes, and a
single part is what the server can verify against the whole body's SHA-256.

Belongs here: the port's promises over S3. Does not belong here: bucket life cycles, identities and their rights
(deploy/), expiry (the retention service).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import os
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.datatypes import Object
from minio.retention import Retention
from minio.time import from_iso8601utc
from pydantic import SecretStr
from urllib3.response import BaseHTTPResponse

from services.backbone import metrics
from services.backbone.distributed.s3_bucket import need_locked_bucket
from services.backbone.distributed.s3_errors import is_code, translating
from services.backbone.object_key import check_key
from services.backbone.ports import StoredObject
from services.backbone.store_metrics import observed
from services.backbone.tls import tls_complaint
from services.contracts.errors import Corrupt, Held, NotFound, Rejected, Transient
from services.contracts.time import NS_PER_S, format_rfc3339

PIECE_BYTES = 1024 * 1024
#: S3's own limit for one PUT is 5 GiB; a body is held in memory while it is sent.
MAX_OBJECT_BYTES = 1024**3
_CONNECT_TIMEOUT_S = 3.0
_ANSWER_TIMEOUT_S = 8.0
_CONCURRENT = 8
_DIGEST_HEADER = "x-amz-meta-kanhu-sha256"
_ENDPOINT = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class _Client(Minio):
    """The vendor's client, told the SHA-256 of a body instead of computing it.

    It signs the digest and the server compares it with the body's own, over HTTP and HTTPS alike (where the vendor's client
    would compute an MD5 and leave the body unsigned). A release of the SDK that asks otherwise loses nothing but speed.
    """

    def _build_headers(
        self, host: str, headers: Any = None, body: bytes | None = None, creds: Any = None
    ) -> tuple[Any, datetime]:
        known = (headers or {}).get(_DIGEST_HEADER)
        if not body or not known or not creds:
            return super()._build_headers(host, headers, body, creds)
        built, date = super()._build_headers(host, headers, None, creds)
        built["Content-Length"] = str(len(body))
        built["x-amz-content-sha256"] = known
        built.pop("Content-MD5", None)
        return built, date


class S3Store:
    """:class:`services.backbone.ports.ObjectStore` on one bucket. An outage shows as ``Transient`` within about 10 s."""

    def __init__(
        self,
        endpoint: str,
        *,
        bucket: str,
        access_key: SecretStr,
        secret_key: SecretStr,
        secure: bool = True,
        region: str = "cn-north-1",
        tls: ssl.SSLContext | None = None,
        answer_timeout_s: float = _ANSWER_TIMEOUT_S,
    ) -> None:
        if not _ENDPOINT.fullmatch(endpoint):
            raise Rejected(f"{endpoint!r} is no endpoint of an object store; write HOST:PORT, without scheme and path")
        self._bucket = bucket
        self._pool = urllib3.PoolManager(
            maxsize=_CONCURRENT,
            ssl_context=tls,
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=answer_timeout_s),
            # Repeating is the caller's, who knows how long it may wait; a connection that was closed meanwhile is not an error.
            retries=urllib3.Retry(total=1, connect=1, read=0, redirect=0, status=0, other=0, backoff_factor=0),
        )
        with translating(f"opening the object store {endpoint}"):
            self._client = _Client(
                endpoint,
                access_key=access_key.get_secret_value(),
                secret_key=secret_key.get_secret_value(),
                secure=secure,
                region=region,
                http_client=self._pool,
            )
        self._threads = ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="s3")

    # The area

    async def prepare(self) -> None:
        """No trust between us and the server at the start is wrong settings, ``Rejected``; later on it passes, ``Transient``."""
        try:
            need = partial(need_locked_bucket, self._client, self._bucket)
            await self._blocking("prepare", need, f"preparing bucket {self._bucket}")
        except Transient as error:
            if tls_complaint(error) is None:
                raise
            raise Rejected(str(error)) from error

    # Objects

    async def put(
        self,
        key: str,
        body: Path | bytes,
        *,
        sha256: bytes,
        retain_until_ns: int | None,
        content_type: str = "video/mp4",
    ) -> StoredObject:
        """See the port. Retention is rounded up to a whole second, which is what S3 keeps."""
        if len(sha256) != hashlib.sha256().digest_size:
            raise Rejected(f"a SHA-256 digest has 32 bytes; this one has {len(sha256)}")
        return await self._blocking(
            "put", lambda: self._put(key, body, sha256, retain_until_ns, content_type), f"storing {key}"
        )

    def _put(
        self, key: str, body: Path | bytes, sha256: bytes, retain_until_ns: int | None, content_type: str
    ) -> StoredObject:
        check_key(key)
        with contextlib.suppress(NotFound):
            known = self._stat(key, None)
            if known.sha256 == sha256:
                if retain_until_ns is not None and (known.retain_until_ns or 0) < retain_until_ns:
                    self._retain(key, known.version_id, retain_until_ns)
                    known = self._stat(key, known.version_id)
                return known
        with _opened(body) as (source, size_bytes):
            version_id = self._upload(key, source, size_bytes, sha256, _lock(retain_until_ns), content_type)
        metrics.STORE_PUT_BYTES.inc(size_bytes)
        return self._stat(key, version_id)

    def _upload(
        self, key: str, source: BinaryIO, size_bytes: int, sha256: bytes, lock: Retention | None, content_type: str
    ) -> str:
        with translating(f"storing {key}"):
            written = self._client.put_object(
                self._bucket,
                key,
                source,
                size_bytes,
                content_type=content_type,
                metadata={
                    "x-amz-checksum-sha256": base64.b64encode(sha256).decode(),
                    _DIGEST_HEADER: sha256.hex(),
                },
                part_size=max(5 * 1024**2, size_bytes),
                retention=lock,
            )
        if not written.version_id:
            raise Rejected(f"bucket {self._bucket} does not keep versions; it must be made with object lock")
        return written.version_id

    async def stat(self, key: str, version_id: str | None = None) -> StoredObject:
        return await self._blocking("stat", lambda: self._stat(key, version_id), f"looking at {key}")

    def _stat(self, key: str, version_id: str | None) -> StoredObject:
        try:
            with translating(f"looking at {key}"):
                found = self._client.stat_object(
                    self._bucket, key, version_id=version_id, extra_headers={"x-amz-checksum-mode": "ENABLED"}
                )
        except Rejected as error:
            # A HEAD has no body to say more: 400 is a version id, and ValueError a key, that this server cannot have given.
            if is_code(error, "BadRequest") or isinstance(error.__cause__, ValueError):
                raise NotFound(
                    f"{key} has no version {version_id!r}" if version_id else f"there is no {key}"
                ) from error
            raise
        return _stored(key, found)

    async def read(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """See the port. A whole read ends with ``Corrupt`` if the digest differs."""
        if start < 0 or (length is not None and length < 0):
            raise Rejected("start and length of a read must not be negative")
        doing = f"reading {key}"
        found = await self._blocking("read", lambda: self._stat(key, version_id), doing)
        end = found.size_bytes if length is None else min(found.size_bytes, start + length)
        if start >= end:
            return
        response = await self._blocking("read", lambda: self._open(found, start, end - start), doing)
        pieces = response.stream(PIECE_BYTES)
        whole = hashlib.sha256() if end - start == found.size_bytes else None
        left = end - start
        try:
            while (piece := await self._blocking("read", lambda: next(pieces, None), doing)) is not None:
                left -= len(piece)
                if whole is not None:
                    whole.update(piece)
                for at in range(0, len(piece), PIECE_BYTES):
                    yield piece[at : at + PIECE_BYTES]
        finally:
            response.close()
            response.release_conn()
        if left or (whole is not None and whole.digest() != found.sha256):
            raise Corrupt(f"{key} version {found.version_id} is not what was stored: restore it from a copy")

    def _open(self, found: StoredObject, start: int, length: int) -> BaseHTTPResponse:
        return self._client.get_object(
            self._bucket, found.key, offset=start, length=length, version_id=found.version_id
        )

    async def versions(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """See the port; delete markers are no versions. The facts of each version cost one request."""
        doing = f"listing {prefix or 'everything'}"
        listed = await self._blocking("versions", lambda: self._list(prefix), doing)
        while True:
            batch = await self._blocking("versions", lambda: list(islice(listed, _CONCURRENT)), doing)
            if not batch:
                return
            looks = [self._look(str(each.object_name), str(each.version_id), doing) for each in batch]
            for stored in await asyncio.gather(*looks):
                if stored is not None:
                    yield stored

    def _list(self, prefix: str) -> Iterator[Object]:
        every = self._client.list_objects(self._bucket, prefix=prefix, recursive=True, include_version=True)
        return (each for each in every if not each.is_delete_marker)

    async def _look(self, key: str, version_id: str, doing: str) -> StoredObject | None:
        try:
            return await self._blocking("versions", lambda: self._stat(key, version_id), doing)
        except NotFound:  # deleted since it was listed
            return None

    # Retention and holds

    async def extend_retention(self, key: str, version_id: str, until_ns: int) -> None:
        await self._blocking(
            "extend_retention", lambda: self._extend(key, version_id, until_ns), f"extending the retention of {key}"
        )

    def _extend(self, key: str, version_id: str, until_ns: int) -> None:
        known = self._stat(key, version_id)
        if known.retain_until_ns is not None and until_ns < known.retain_until_ns:
            # What S3 keeps is rounded up; asking again for what was asked before is no shortening.
            if _whole_second(until_ns) == known.retain_until_ns:
                return
            until = format_rfc3339(known.retain_until_ns)
            raise Held(f"{key} is kept until {until}; a retention can only be lengthened")
        if known.retain_until_ns is None or known.retain_until_ns < until_ns:
            self._retain(key, version_id, until_ns)

    def _retain(self, key: str, version_id: str, until_ns: int) -> None:
        lock = _lock(until_ns)
        if lock is not None:
            self._client.set_object_retention(self._bucket, key, lock, version_id=version_id)

    async def set_legal_hold(self, key: str, version_id: str, held: bool) -> None:
        await self._blocking(
            "set_legal_hold", lambda: self._hold(key, version_id, held), f"setting the legal hold of {key}"
        )

    def _hold(self, key: str, version_id: str, held: bool) -> None:
        self._stat(key, version_id)
        change = self._client.enable_object_legal_hold if held else self._client.disable_object_legal_hold
        change(self._bucket, key, version_id=version_id)

    async def delete(self, key: str, version_id: str) -> None:
        await self._blocking("delete", lambda: self._delete(key, version_id), f"deleting {key}")

    def _delete(self, key: str, version_id: str) -> None:
        known = self._stat(key, version_id)  # S3 answers a delete of nothing with success
        if known.legal_hold:
            raise Held(f"{key} is under legal hold; release the hold first")
        self._client.remove_object(self._bucket, key, version_id=version_id)  # the server judges retention by its clock

    async def close(self) -> None:
        """Let running requests end, then close the connections."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._pool.clear()

    async def _blocking(self, operation: str, work: Callable[[], T], doing: str) -> T:
        def guarded() -> T:
            with translating(doing):
                return work()

        with observed(operation):
            return await asyncio.get_running_loop().run_in_executor(self._threads, guarded)


@contextlib.contextmanager
def _opened(body: Path | bytes) -> Iterator[tuple[BinaryIO, int]]:
    if isinstance(body, bytes):
        yield io.BytesIO(body), _checked_size(len(body))
        return
    try:
        source = body.open("rb")
    except OSError as error:
        raise Rejected(f"the body {body} cannot be read: {error.strerror}") from error
    with source:
        yield source, _checked_size(os.fstat(source.fileno()).st_size)


def _checked_size(size_bytes: int) -> int:
    if size_bytes > MAX_OBJECT_BYTES:
        raise Rejected(f"an object has at most {MAX_OBJECT_BYTES} bytes; this one has {size_bytes}")
    return size_bytes


def _whole_second(instant_ns: int) -> int:
    """The instant rounded up to a whole second."""
    return -(-instant_ns // NS_PER_S) * NS_PER_S


def _lock(until_ns: int | None) -> Retention | None:
    """A COMPLIANCE lock; none for an instant that has passed, which S3 refuses and which would protect nothing."""
    if until_ns is None:
        return None
    until = _EPOCH + timedelta(seconds=_whole_second(until_ns) // NS_PER_S)
    return Retention(COMPLIANCE, until) if until > datetime.now(UTC) else None


def _stored(key: str, found: Object) -> StoredObject:
    headers: Any = found.metadata or {}
    until = from_iso8601utc(headers.get("x-amz-object-lock-retain-until-date"))
    modified = found.last_modified or _EPOCH
    return StoredObject(
        key,
        str(found.version_id),
        int(found.size or 0),
        _digest(key, headers),
        None if until is None else _ns(until),
        headers.get("x-amz-object-lock-legal-hold") == "ON",
        _ns(modified),
    )


def _digest(key: str, headers: Any) -> bytes:
    text = headers.get(_DIGEST_HEADER)
    try:
        if text is not None:
            return bytes.fromhex(text)
        return base64.b64decode(headers["x-amz-checksum-sha256"], validate=True)
    except (KeyError, ValueError) as error:
        raise Corrupt(f"{key} carries no SHA-256; it was not stored by kanhu") from error


def _ns(instant: datetime) -> int:
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1000
