"""The behaviour of every object store: a directory, and MinIO through the S3 adapter."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.backbone.ports import ObjectStore
from services.backbone.system_clock import SystemClock
from services.contracts.errors import Corrupt, Held, KanhuError, NotFound, Rejected, Transient
from services.contracts.time import DAY_NS, NS_PER_S
from tests.contract.stores import (
    BucketPlace,
    DirectoryPlace,
    StorePlace,
    digest,
    listed,
    put,
    read_all,
    until_past,
)

KEY = "demo/door/record/2026/03/01/run/0000000000.mp4"
BODY = b"one" * 100_000
OTHER = b"two" * 100_000


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StorePlace:
    if request.param == "directory":
        return DirectoryPlace(tmp_path / "objects")
    return BucketPlace(request.getfixturevalue("minio"), f"test-{secrets.token_hex(6)}")


@pytest.fixture
async def store(place: StorePlace) -> AsyncIterator[ObjectStore]:
    opened = place.store()
    await opened.prepare()
    yield opened
    await opened.close()


def in_days(days: float) -> int:
    return SystemClock().now_ns() + int(days * DAY_NS)


# Putting and reading


async def test_what_was_put_is_read_back(store: ObjectStore) -> None:
    before_ns = SystemClock().now_ns()
    stored = await put(store, KEY, BODY)
    assert (stored.key, stored.size_bytes, stored.sha256) == (KEY, len(BODY), digest(BODY))
    assert (stored.retain_until_ns, stored.legal_hold) == (None, False)
    assert abs(stored.modified_ns - before_ns) < 60 * NS_PER_S
    assert await store.stat(KEY) == stored
    assert await read_all(store, KEY) == BODY


@pytest.mark.parametrize("size", [0, 1, 1024**2, 1024**2 + 1, 6 * 1024**2])
async def test_any_size_is_read_in_pieces_of_at_most_one_mebibyte(store: ObjectStore, size: int) -> None:
    body = os.urandom(size)
    await put(store, KEY, body)
    pieces = [piece async for piece in store.read(KEY)]
    assert b"".join(pieces) == body
    assert all(0 < len(piece) <= 1024**2 for piece in pieces)


async def test_a_file_is_stored_like_its_bytes(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "segment.mp4"
    source.write_bytes(BODY)
    stored = await store.put(KEY, source, sha256=digest(BODY), retain_until_ns=None)
    assert stored.size_bytes == len(BODY)
    assert await read_all(store, KEY) == BODY
    assert source.read_bytes() == BODY


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 4, b"0123"), (3, 4, b"3456"), (8, None, b"89"), (8, 100, b"89"), (10, None, b""), (99, 5, b""), (4, 0, b"")],
)
async def test_a_range_is_what_lies_in_it(store: ObjectStore, start: int, length: int | None, expected: bytes) -> None:
    await put(store, KEY, b"0123456789")
    assert await read_all(store, KEY, start=start, length=length) == expected


async def test_a_reader_that_stops_early_leaves_the_store_working(store: ObjectStore) -> None:
    await put(store, KEY, os.urandom(5 * 1024**2))
    for _ in range(20):  # more than there are connections
        reading = store.read(KEY)
        await anext(reading)
        await reading.aclose()  # type: ignore[attr-defined]
    assert (await store.stat(KEY)).size_bytes == 5 * 1024**2


async def test_a_wrong_digest_is_corrupt_and_stores_nothing(store: ObjectStore) -> None:
    with pytest.raises(Corrupt):
        await store.put(KEY, BODY, sha256=digest(OTHER), retain_until_ns=None)
    assert await listed(store) == []


async def test_a_digest_of_another_length_is_rejected(store: ObjectStore) -> None:
    with pytest.raises(Rejected):
        await store.put(KEY, BODY, sha256=b"short", retain_until_ns=None)


@pytest.mark.parametrize("key", ["", "/abs", "a//b", "../up", "a/../../up", "a/./b", "a/", "x" * 2000])
async def test_a_key_that_is_none_stores_nothing(store: ObjectStore, key: str) -> None:
    with pytest.raises(KanhuError):
        await put(store, key, BODY)
    assert await listed(store) == []


async def test_many_puts_at_once_are_all_stored(store: ObjectStore) -> None:
    keys = [f"demo/cam{number % 5}/{number:04d}.mp4" for number in range(40)]
    await asyncio.gather(*(put(store, key, key.encode() * 1000) for key in keys))
    assert [stored.key for stored in await listed(store)] == sorted(keys)


# Versions


async def test_the_same_body_again_is_the_same_version(store: ObjectStore) -> None:
    first = await put(store, KEY, BODY)
    assert await put(store, KEY, BODY) == first
    assert await listed(store) == [first]


async def test_another_body_is_a_new_version_and_hides_nothing(store: ObjectStore) -> None:
    first = await put(store, KEY, BODY)
    second = await put(store, KEY, OTHER)
    assert second.version_id != first.version_id
    assert await store.stat(KEY) == second
    assert await read_all(store, KEY) == OTHER
    assert await read_all(store, KEY, first.version_id) == BODY
    assert {stored.version_id for stored in await listed(store)} == {first.version_id, second.version_id}


async def test_the_same_body_put_by_two_at_once_may_not_lose_it(place: StorePlace, store: ObjectStore) -> None:
    twin = place.store()
    try:
        stored = await asyncio.gather(*(put(each, KEY, BODY) for each in (store, twin) * 4))
        assert {each.sha256 for each in stored} == {digest(BODY)}
        assert await read_all(twin, KEY) == BODY
    finally:
        await twin.close()


async def test_versions_come_in_order_of_key_and_under_their_prefix(store: ObjectStore) -> None:
    keys = ["a-b/1.mp4", "a/10.mp4", "a/2.mp4", "a/b/1.mp4", "a.mp4", "ab/1.mp4", "b.mp4"]
    for key in keys:
        await put(store, key, key.encode())
    assert [stored.key for stored in await listed(store)] == sorted(keys)
    for prefix in ("a", "a/", "a/1", "a/b/1.mp4", "b", "c", "a/b/1.mp4x"):
        expected = sorted(key for key in keys if key.startswith(prefix))
        assert [stored.key for stored in await listed(store, prefix)] == expected, prefix


async def test_another_store_on_the_same_place_sees_everything(place: StorePlace, store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY, until_ns=in_days(1))
    again = place.store()
    await again.prepare()
    try:
        assert await listed(again) == [await store.stat(KEY)]
        assert (await again.stat(KEY)).version_id == stored.version_id
    finally:
        await again.close()


# Not found


async def test_what_does_not_exist_is_not_found(store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY)
    missing = "demo/none.mp4"
    for key, version_id in ((missing, None), (KEY, "0" * 32), (KEY, "no version"), (missing, stored.version_id)):
        with pytest.raises(NotFound):
            await store.stat(key, version_id)
        with pytest.raises(NotFound):
            await read_all(store, key, version_id)
    for version_id in ("0" * 32, "no version"):
        for change in (
            store.delete(KEY, version_id),
            store.set_legal_hold(KEY, version_id, True),
            store.extend_retention(KEY, version_id, in_days(1)),
        ):
            with pytest.raises(NotFound):
                await change


# Retention and holds


async def test_a_retained_version_cannot_be_deleted(store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY, until_ns=in_days(90))
    assert stored.retain_until_ns is not None and stored.retain_until_ns >= in_days(90) - 60 * NS_PER_S
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)
    assert await read_all(store, KEY, stored.version_id) == BODY


async def test_after_its_retention_a_version_can_be_deleted(store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY, until_ns=SystemClock().now_ns() + 2 * NS_PER_S)
    assert stored.retain_until_ns is not None
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)
    await until_past(stored.retain_until_ns)
    await store.delete(KEY, stored.version_id)
    with pytest.raises(NotFound):
        await store.stat(KEY)


async def test_a_retention_is_only_lengthened(store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY, until_ns=in_days(90))
    longer_ns = in_days(120)
    await store.extend_retention(KEY, stored.version_id, longer_ns)
    with pytest.raises(Held):
        await store.extend_retention(KEY, stored.version_id, in_days(91))
    kept = (await store.stat(KEY)).retain_until_ns
    assert kept is not None and longer_ns <= kept < longer_ns + NS_PER_S
    await store.extend_retention(KEY, stored.version_id, longer_ns)  # asked again: nothing to do, no error


async def test_putting_again_lengthens_a_retention_and_never_shortens_it(store: ObjectStore) -> None:
    first = await put(store, KEY, BODY, until_ns=in_days(90))
    assert await put(store, KEY, BODY, until_ns=in_days(10)) == first
    assert await put(store, KEY, BODY) == first
    longer = await put(store, KEY, BODY, until_ns=in_days(120))
    assert longer.version_id == first.version_id
    assert longer.retain_until_ns is not None and first.retain_until_ns is not None
    assert longer.retain_until_ns > first.retain_until_ns


async def test_an_unprotected_version_can_be_given_a_retention(store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY)
    await store.extend_retention(KEY, stored.version_id, in_days(90))
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)


async def test_footage_older_than_its_retention_is_still_stored(store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY, until_ns=in_days(-1))
    assert await read_all(store, KEY) == BODY
    await store.delete(KEY, stored.version_id)


async def test_a_legal_hold_outlives_the_retention(store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY)
    await store.set_legal_hold(KEY, stored.version_id, True)
    await store.set_legal_hold(KEY, stored.version_id, True)
    assert (await store.stat(KEY)).legal_hold
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)
    await store.set_legal_hold(KEY, stored.version_id, False)
    assert not (await store.stat(KEY)).legal_hold
    await store.delete(KEY, stored.version_id)
    assert await listed(store) == []


async def test_a_hold_and_a_retention_stand_side_by_side(store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY, until_ns=in_days(90))
    await store.set_legal_hold(KEY, stored.version_id, True)
    await store.extend_retention(KEY, stored.version_id, in_days(100))
    await store.set_legal_hold(KEY, stored.version_id, False)
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)


async def test_a_hold_is_of_one_version(store: ObjectStore) -> None:
    first = await put(store, KEY, BODY)
    second = await put(store, KEY, OTHER)
    await store.set_legal_hold(KEY, first.version_id, True)
    await store.delete(KEY, second.version_id)
    assert (await store.stat(KEY)).version_id == first.version_id
    await store.set_legal_hold(KEY, first.version_id, False)


# Damage and outage


async def test_a_truncated_object_is_corrupt_when_read(place: StorePlace, store: ObjectStore) -> None:
    stored = await put(store, KEY, os.urandom(3 * 1024**2))
    (file,) = place.body_files(stored)
    os.truncate(file, 1024**2)
    with pytest.raises(
        (Corrupt, Transient)
    ) as caught:  # MinIO itself sees the missing part, and may say so as an error 5xx
        await read_all(store, KEY)
    assert caught.value.__cause__ is not None or isinstance(caught.value, Corrupt)


async def test_an_altered_object_is_never_read_as_whole(place: StorePlace, store: ObjectStore) -> None:
    body = os.urandom(3 * 1024**2)
    stored = await put(store, KEY, body)
    (file,) = place.body_files(stored)
    file.chmod(0o640)
    with file.open("r+b") as target:
        target.seek(2 * 1024**2)
        target.write(b"edited")
    with pytest.raises((Corrupt, Transient)):
        await read_all(store, KEY)


async def test_a_store_that_is_away_is_transient_and_comes_back(place: StorePlace, store: ObjectStore) -> None:
    stored = await put(store, KEY, BODY)
    async with asyncio.timeout(60):
        async with place.away():
            for attempt in (lambda: put(store, "demo/later.mp4", OTHER), lambda: store.delete(KEY, stored.version_id)):
                with pytest.raises((Transient, NotFound)):
                    await attempt()
            with pytest.raises(Transient):
                await put(store, "demo/later.mp4", OTHER)
    assert await store.stat(KEY) == stored
    await put(store, "demo/later.mp4", OTHER)
    assert await read_all(store, "demo/later.mp4") == OTHER
