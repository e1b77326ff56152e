"""What only the embedded log can suffer: damaged files, processes that die, a full disk, its limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from services.backbone.embedded.log_reader import Fetched, Reader
from services.backbone.embedded.log_values import ValueWriter, value_path
from services.backbone.ports import Outgoing, TopicPartition
from services.contracts.dead_letter import decode_dead_letter
from services.contracts.errors import Corrupt, Transient
from services.contracts.topics import DEAD_LETTER
from tests.harness.log_child import numbered
from tests.harness.log_opener import KIB, MIB, Opener, commit_all, fill, read_all, until_count
from tests.harness.log_site import EmbeddedSite, drain, group, topic, until

# --- Waiting ---------------------------------------------------------------------------------------------------------


async def test_who_reads_a_quiet_topic_does_not_look_whenever_another_is_busy(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, quiet = topic(partitions=2), topic(partitions=2)
    ours, other = await opener.open(busy, quiet), await opener.open(busy, quiet)
    looks: dict[str, int] = {busy.name: 0, quiet.name: 0}
    fetch = Reader.fetch

    def counted(self: Reader, positions: Mapping[TopicPartition, int], max_records: int) -> Fetched:
        looks[next(iter(positions)).topic] += 1
        return fetch(self, positions, max_records)

    monkeypatch.setattr(Reader, "fetch", counted)
    async with (
        ours.consumer([quiet.name], group=group()) as resting,
        ours.consumer([busy.name], group=group()) as reading,
    ):
        waiting = asyncio.create_task(resting.poll(timeout_s=30))
        for number in range(20):
            await (ours, other)[number % 2].append([Outgoing(busy.name, "k", b"%d" % number)])
            assert [record.value for record in await drain(reading, 1)] == [b"%d" % number]
        assert looks[busy.name] >= 20
        assert looks[quiet.name] <= 1
        await other.append([Outgoing(quiet.name, "k", b"at last")])
        assert [record.value for record in await waiting] == [b"at last"]
        assert looks[quiet.name] <= 2


# --- Damage ----------------------------------------------------------------------------------------------------------


def flip_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(15_000)
        byte = file.read(1)
        file.seek(15_000)
        file.write(bytes([byte[0] ^ 1]))


def tear_tail(path: Path) -> None:
    os.truncate(path, 25_000)


@pytest.mark.parametrize(("damage", "lost"), [(flip_byte, 1), (tear_tail, 2), (Path.unlink, None)])
async def test_a_damaged_record_is_skipped_loudly_and_the_others_arrive(
    opener: Opener, damage: object, lost: int | None
) -> None:
    cameras, name = topic(partitions=1), group()
    log = await opener.open(cameras, DEAD_LETTER)
    await fill(log, cameras, 3, 10_000)
    await log.append([Outgoing(cameras.name, "k", b"small")])
    damage(opener.value_files()[0])  # type: ignore[operator]
    async with log.consumer([cameras.name], group=name) as consumer:
        records = await drain(consumer, 2 if lost is not None and lost < 2 else 1)
        assert records[-1].value == b"small"
        await consumer.commit(await consumer.end_offsets())
    expected = [0, 1, 2] if lost is None else [lost]
    assert [damaged.offset for damaged in opener.damaged] == expected
    letters = [
        decode_dead_letter(record.headers, record.value or b"") for record in await read_all(log, DEAD_LETTER.name)
    ]
    assert [letter.origin for letter in letters] == [f"{cameras.name}/0/{offset}" for offset in expected]
    assert all(name in letter.reason for letter in letters)


async def test_a_flipped_bit_in_the_index_is_noticed_too(opener: Opener) -> None:
    cameras = topic(partitions=1)
    log = await opener.open(cameras)
    await log.append([Outgoing(cameras.name, "k", b"small", (("h", b"1"),)), Outgoing(cameras.name, "k", b"next")])
    with contextlib.closing(sqlite3.connect(opener.directory / "log.db")) as database, database:
        database.execute("UPDATE record SET headers = ? WHERE (place & 1) = 0", (b"\x00\x01\x00\x00\x00\x01h2",))
    assert [record.value for record in await read_all(log, cameras.name)] == [b"next"]
    assert [damaged.offset for damaged in opener.damaged] == [0]


async def test_a_database_that_is_no_database_is_corrupt_and_says_what_to_do(opener: Opener) -> None:
    opener.directory.mkdir()
    (opener.directory / "log.db").write_bytes(b"not a database at all, not in the least" * 200)
    with pytest.raises(Corrupt, match="restore it or move it away"):
        await opener.open()


async def test_bytes_that_a_killed_writer_left_unacknowledged_are_never_seen(opener: Opener) -> None:
    cameras = topic(partitions=1)
    log = await opener.open(cameras)
    await fill(log, cameras, 1, 10_000)
    with opener.value_files()[0].open("ab") as file:
        file.write(b"half a record")
    await fill(log, cameras, 2, 10_000, first=1)
    assert [record.value for record in await read_all(log, cameras.name)] == [
        numbered("k", n, 10_000) for n in range(3)
    ]
    assert opener.damaged == []


# --- Several processes ------------------------------------------------------------------------------------------------


async def test_two_processes_append_at_once_and_each_ones_order_is_kept(tmp_path: Path) -> None:
    site = EmbeddedSite(str(tmp_path / "log"))
    cameras = topic(partitions=2)
    log = await site.ensure(cameras)
    try:
        children = [await site.child("produce", cameras.name, "9000") for _ in range(2)]
        for _ in range(40):
            for child in children:
                await child.line("acked")
        for child in children:
            await child.kill()
        acked = sum(len(child.told) for child in children)
        async with log.consumer([cameras.name], group=None) as reader:
            records = await drain(reader, acked)
            records += await reader.poll(timeout_s=0.2)
        # Both write the same numbers under the same keys: each number stands twice as far as both came.
        for key in ("k0", "k1", "k2", "k3"):
            seen = [int((record.value or b"").split()[1]) for record in records if record.key == key]
            low = [number for index, number in enumerate(seen) if number not in seen[:index]]
            again = [number for index, number in enumerate(seen) if number in seen[:index]]
            assert low == sorted(low) and again == list(range(len(again)))
        for partition in (0, 1):
            offsets = [record.offset for record in records if record.partition == partition]
            assert offsets == list(range(len(offsets)))
    finally:
        await site.close()


async def test_a_killed_processes_partitions_pass_long_before_its_lease_ends(tmp_path: Path) -> None:
    site = EmbeddedSite(str(tmp_path / "log"))
    cameras, name = topic(partitions=1), group()
    log = await site.ensure(cameras)
    try:
        await log.append([Outgoing(cameras.name, "k", b"x")])
        child = await site.child("consume", cameras.name, name, "0")
        await child.line("read")
        await child.kill()
        began = time.monotonic()
        async with log.consumer([cameras.name], group=name) as consumer:
            await drain(consumer, 1)
        assert time.monotonic() - began < 1.0
    finally:
        await site.close()


# --- No room -----------------------------------------------------------------------------------------------------------


async def test_beyond_its_limit_the_log_refuses_until_a_consumer_catches_up(opener: Opener) -> None:
    cameras, name = topic(partitions=1), group()
    log = await opener.open(cameras, limit_bytes=2 * MIB)
    async with log.consumer([cameras.name], group=name) as consumer:
        written = 0
        with pytest.raises(Transient, match="is full"):
            while written < 100:
                await fill(log, cameras, 1, 100_000, first=written)
                written += 1
        assert 10 < written < 21
        assert await log.usage_bytes() <= 2 * MIB
        records = await drain(consumer, written)
        assert [record.value for record in records] == [numbered("k", number, 100_000) for number in range(written)]
        await consumer.commit({TopicPartition(cameras.name, 0): written})

        async def append_again() -> bool:
            try:
                await fill(log, cameras, 1, 100_000, first=written)
            except Transient:
                return False
            return True

        await until(append_again, "room")
        assert (await drain(consumer, 1))[0].offset == written


async def test_near_its_limit_the_log_lets_go_of_what_is_committed_or_lossy_and_of_nothing_else(opener: Opener) -> None:
    kept, done, lossy = topic(partitions=1), topic(partitions=1), topic(partitions=1, lossless=False)
    log = await opener.open(kept, done, lossy, limit_bytes=4 * MIB, roll_bytes=200 * KIB)
    name = group()
    await commit_all(log, kept.name, name)  # the group is known, and behind
    for cameras in (kept, done, lossy):
        await fill(log, cameras, 9, 100_000)
    await commit_all(log, done.name, name)
    opener.clocks.since_boot_ns += 60_000_000_000
    await fill(log, kept, 6, 100_000, first=9)  # beyond three quarters
    await until(lambda: opener.value_bytes() < 2 * MIB, "room")
    assert len(await read_all(log, kept.name)) == 15
    await until_count(log, done, 0)
    await until_count(log, lossy, 0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system; the test with a file size limit remains")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here; the test with a file size limit remains")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_full_disk_is_transient_and_leaves_room_to_commit_and_trim(small_disk: Path) -> None:
    opener = Opener(small_disk / "log")
    cameras, name = topic(partitions=1), group()
    log = await opener.open(cameras)
    try:
        async with log.consumer([cameras.name], group=name) as consumer:
            written = 0
            with pytest.raises(Transient, match="no space left"):
                while written < 100:
                    await fill(log, cameras, 1, MIB, first=written)
                    written += 1
            assert written >= 3
            records = await drain(consumer, written)
            assert [record.value for record in records] == [numbered("k", number, MIB) for number in range(written)]
            ballast = small_disk / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb") as file:
                file.write(bytes(64 * MIB))  # now there is truly nothing left
            with pytest.raises(Transient, match="no space left"):
                await fill(log, cameras, 1, MIB)
            ballast.unlink()
            await consumer.commit({TopicPartition(cameras.name, 0): written})
            await log.trim_committed(name)
            await fill(log, cameras, 1, MIB, first=written)
            assert (await drain(consumer, 1))[0].offset == written
    finally:
        await log.close()


async def test_a_write_cut_short_is_transient_and_leaves_nothing_half_written(opener: Opener) -> None:
    cameras = topic(partitions=1)
    log = await opener.open(cameras)
    await fill(log, cameras, 2, 400_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        with pytest.raises(Transient, match="no space left"):
            await log.append([Outgoing(cameras.name, "k", bytes(100_000)), Outgoing(cameras.name, "k", bytes(500_000))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await fill(log, cameras, 1, 400_000, first=2)
    assert [record.value for record in await read_all(log, cameras.name)] == [
        numbered("k", n, 400_000) for n in range(3)
    ]


async def test_what_was_appended_behind_a_failure_fails_too_so_that_nothing_swaps_places(opener: Opener) -> None:
    cameras = topic(partitions=1)
    log = await opener.open(cameras)
    with contextlib.closing(sqlite3.connect(opener.directory / "log.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        calls = [asyncio.create_task(fill(log, cameras, 1, 5000, first=number)) for number in range(20)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        database.execute("ROLLBACK")
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, Transient) for outcome in outcomes)
    assert await read_all(log, cameras.name) == []
    await fill(log, cameras, 1, 5000)
    assert len(await read_all(log, cameras.name)) == 1


# --- Rolling ---------------------------------------------------------------------------------------------------------


def test_the_next_value_file_is_made_before_the_last_is_full_and_an_unused_one_is_sealed(tmp_path: Path) -> None:
    made_by: list[str] = []
    sealed: list[int] = []

    def register() -> int:
        made_by.append(threading.current_thread().name)
        return len(made_by)

    writer = ValueWriter(tmp_path, roll_bytes=100 * KIB, register=register, seal=sealed.append)
    third = b"v" * (34 * KIB)
    places = [place for _ in range(6) for place in writer.write([(1, third)])]
    writer.close()

    assert [place.file_id for place in places] == [1, 1, 1, 2, 2, 2]
    assert made_by[0] == threading.current_thread().name
    assert len(made_by) == 3 and all(name.startswith("log-spare") for name in made_by[1:])
    assert sorted(sealed) == [1, 2, 3]
    assert [value_path(tmp_path, file_id).stat().st_size for file_id in (1, 2, 3)] == [102 * KIB, 102 * KIB, 0]


def test_a_next_value_file_that_cannot_be_made_fails_the_write_and_is_tried_again(tmp_path: Path) -> None:
    numbers = iter((1, None, 3))

    def register() -> int:
        if (number := next(numbers)) is None:
            raise Transient("the index is locked")
        return number

    writer = ValueWriter(tmp_path, roll_bytes=60 * KIB, register=register, seal=lambda _: None)
    value = b"v" * (34 * KIB)
    for _ in range(2):
        writer.write([(1, value)])
    with pytest.raises(Transient):
        writer.write([(1, value)])
    assert [place.file_id for place in writer.write([(1, value)])] == [3]
    writer.close()
