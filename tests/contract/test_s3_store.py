"""What only an S3 store can suffer: a bucket without lock, a delete marker, an object that lies, wrong keys, a dead server."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from minio.commonconfig import COMPLIANCE, GOVERNANCE
from minio.error import S3Error
from minio.retention import Retention
from pydantic import SecretStr

from deploy.local.servers import MinioServer
from services.backbone.distributed.s3_store import S3Store
from services.backbone.system_clock import SystemClock
from services.contracts.errors import Corrupt, Held, NotFound, Rejected, Transient
from services.contracts.time import DAY_NS
from tests.contract.stores import digest, listed, put, read_all

KEY = "demo/door/0000000000.mp4"
BODY = b"footage" * 50_000


def open_store(server: MinioServer, bucket: str, **changes: Any) -> S3Store:
    options = {
        "access_key": SecretStr(server.access_key), "secret_key": SecretStr(server.secret_key), "secure": False,
        "region": server.region, **changes,
    }  # fmt: skip
    return S3Store(server.address, bucket=bucket, **options)


@pytest.fixture
def bucket() -> str:
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
async def store(minio: MinioServer, bucket: str) -> AsyncIterator[S3Store]:
    opened = open_store(minio, bucket)
    await opened.prepare()
    yield opened
    await opened.close()


async def test_a_bucket_without_lock_is_rejected(minio: MinioServer, bucket: str) -> None:
    await asyncio.to_thread(minio.client().make_bucket, bucket)
    store = open_store(minio, bucket)
    with pytest.raises(Rejected, match="without object lock"):
        await store.prepare()
    await store.close()


async def test_services_that_prepare_at_once_all_succeed(minio: MinioServer, bucket: str) -> None:
    stores = [open_store(minio, bucket) for _ in range(5)]
    await asyncio.gather(*(store.prepare() for store in stores))
    for store in stores:
        await store.close()


async def test_a_bucket_that_is_just_being_made_may_show_its_lock_later(
    minio: MinioServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = f"{bucket}-bare"
    await asyncio.to_thread(minio.client().make_bucket, bare)
    store = open_store(minio, bucket)
    asked: list[str] = []
    real = store._client.get_object_lock_config

    def lagging(name: str) -> Any:
        asked.append(name)
        return real(name if len(asked) > 2 else bare)

    monkeypatch.setattr(store._client, "get_object_lock_config", lagging)
    await store.prepare()
    await store.close()
    assert len(asked) == 3


async def test_the_lock_is_compliance_and_not_even_root_undoes_it(
    minio: MinioServer, store: S3Store, bucket: str
) -> None:
    stored = await put(store, KEY, BODY, until_ns=SystemClock().now_ns() + 90 * DAY_NS)
    root = minio.client()
    kept = root.get_object_retention(bucket, KEY, version_id=stored.version_id)
    assert kept is not None and kept.mode == COMPLIANCE
    with pytest.raises(S3Error):
        root.set_object_retention(
            bucket, KEY, Retention(GOVERNANCE, kept.retain_until_date), version_id=stored.version_id
        )
    with pytest.raises(S3Error):
        root.remove_object(bucket, KEY, version_id=stored.version_id)
    with pytest.raises(S3Error):
        root._execute("DELETE", bucket, KEY, headers={"x-minio-force-delete": "true"})
    assert await read_all(store, KEY, stored.version_id) == BODY


async def test_a_delete_marker_hides_nothing_from_the_ledger(minio: MinioServer, store: S3Store, bucket: str) -> None:
    stored = await put(store, KEY, BODY, until_ns=SystemClock().now_ns() + 90 * DAY_NS)
    minio.client().remove_object(bucket, KEY)  # "succeeds" on a locked object, and the object vanishes from listings
    with pytest.raises(NotFound):
        await store.stat(KEY)
    assert await store.stat(KEY, stored.version_id) == stored
    assert await listed(store) == [stored]
    assert await read_all(store, KEY, stored.version_id) == BODY
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)
    assert (await put(store, KEY, BODY)).sha256 == stored.sha256  # put again: visible again


async def test_an_object_that_is_not_what_it_says_is_corrupt(minio: MinioServer, store: S3Store, bucket: str) -> None:
    lie = {"x-amz-meta-kanhu-sha256": digest(b"something else").hex()}
    minio.client().put_object(bucket, KEY, io.BytesIO(BODY), len(BODY), metadata=lie)
    with pytest.raises(Corrupt):
        await read_all(store, KEY)
    assert await read_all(store, KEY, start=7, length=7) == b"footage"


async def test_an_object_of_somebody_else_is_corrupt(minio: MinioServer, store: S3Store, bucket: str) -> None:
    minio.client().put_object(bucket, KEY, io.BytesIO(BODY), len(BODY))
    with pytest.raises(Corrupt, match="not stored by kanhu"):
        await store.stat(KEY)


async def test_more_versions_than_one_page_are_all_listed(store: S3Store) -> None:
    keys = [f"demo/{number:04d}" for number in range(1100)]
    for start in range(0, len(keys), 100):
        await asyncio.gather(*(put(store, key, key.encode()) for key in keys[start : start + 100]))
    assert [stored.key for stored in await listed(store)] == keys


@pytest.mark.parametrize("wrong", [{"access_key": SecretStr("geheim-key")}, {"secret_key": SecretStr("geheim-word")}])
async def test_wrong_keys_are_rejected_without_telling_them(
    minio: MinioServer, bucket: str, wrong: dict[str, SecretStr]
) -> None:
    store = open_store(minio, bucket, **wrong)
    with pytest.raises(Rejected) as caught:
        await store.prepare()
    assert "geheim" not in str(caught.value) and minio.secret_key not in str(caught.value)
    await store.close()


@pytest.mark.parametrize("endpoint", ["http://host:9000/path", "host name", ""])
async def test_an_endpoint_that_is_none_is_rejected(endpoint: str) -> None:
    with pytest.raises(Rejected):
        S3Store(endpoint, bucket="footage", access_key=SecretStr("a"), secret_key=SecretStr("b"))


async def test_a_server_that_dies_is_transient_and_keeps_what_it_confirmed(bucket: str) -> None:
    with await asyncio.to_thread(MinioServer().__enter__) as server:
        store = open_store(server, bucket)
        await store.prepare()
        stored = await put(store, KEY, BODY)
        puts = [asyncio.create_task(put(store, f"demo/{number}", os.urandom(2 * 1024**2))) for number in range(16)]
        done, _ = await asyncio.wait(puts, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(server.kill)
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
        assert all(isinstance(each, Transient) for each in outcomes if isinstance(each, BaseException))
        await asyncio.to_thread(server.restart)
        for each in [stored, *(task.result() for task in done)]:
            assert digest(await read_all(store, each.key, each.version_id)) == each.sha256
        await store.close()
