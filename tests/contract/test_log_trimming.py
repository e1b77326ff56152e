"""What the embedded log lets go of, and when: retention, compaction, acknowledged spools; whatever the clocks do."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from services.backbone.ports import Outgoing, TopicPartition
from services.contracts.errors import Rejected
from tests.harness.log_opener import HOUR_NS, Clocks, Opener, fill, read_all, until_count
from tests.harness.log_site import EmbeddedSite, drain, group, topic, until


async def test_retention_lets_go_of_the_old_but_never_of_what_a_group_of_a_lossless_topic_needs(opener: Opener) -> None:
    lossless, lossy = (
        topic(partitions=1, retention_ms=3_600_000),
        topic(partitions=1, lossless=False, retention_ms=3_600_000),
    )
    log = await opener.open(lossless, lossy, roll_bytes=50_000)
    behind = group()
    for cameras in (lossless, lossy):
        async with log.consumer([cameras.name], group=behind) as consumer:
            await fill(log, cameras, 10, 20_000)
            await consumer.commit({TopicPartition(cameras.name, 0): 4})
    opener.clocks.since_boot_ns += 2 * HOUR_NS
    for cameras in (lossless, lossy):
        await fill(log, cameras, 2, 20_000, first=10)
    await until_count(log, lossy, 2)
    await until_count(log, lossless, 8)
    async with log.consumer([lossless.name], group=behind) as consumer:
        assert [record.offset for record in await drain(consumer, 8)] == list(range(4, 12))
    async with log.consumer([lossy.name], group=behind) as consumer:
        assert [record.offset for record in await drain(consumer, 2)] == [10, 11]
    await until(lambda: opener.value_bytes() <= (9 + 3) * 20_000, "unreferred files to go")
    await log.forget_group(behind)
    await until_count(log, lossless, 2)


async def test_a_group_with_members_is_not_forgotten(opener: Opener) -> None:
    cameras, name = topic(), group()
    log = await opener.open(cameras)
    async with log.consumer([cameras.name], group=name):
        with pytest.raises(Rejected, match="has members"):
            await log.forget_group(name)


@pytest.mark.parametrize("jump_ns", [10 * 365 * 24 * HOUR_NS, -10 * 365 * 24 * HOUR_NS], ids=["ahead", "back"])
async def test_a_jump_of_the_wall_clock_moves_nothing(opener: Opener, jump_ns: int) -> None:
    lossy, name = topic(partitions=1, lossless=False), group()
    log = await opener.open(lossy)
    async with log.consumer([lossy.name], group=name) as consumer:
        await fill(log, lossy, 3, 10_000)
        opener.clocks.wall_ns += jump_ns
        await fill(log, lossy, 3, 10_000, first=3)
        records = await drain(consumer, 6)
        assert [record.offset for record in records] == list(range(6))
        assert records[5].appended_ns - records[0].appended_ns == jump_ns
        await consumer.commit({TopicPartition(lossy.name, 0): 6})
    await until_swept(opener)
    assert len(await read_all(log, lossy.name)) == 6


async def until_swept(opener: Opener) -> None:
    """Return when housekeeping has passed twice since now."""

    def mark() -> str:
        with contextlib.closing(sqlite3.connect(opener.directory / "log.db")) as database:
            return str(database.execute("SELECT value FROM fact WHERE name = 'age-clock'").fetchone()[0])

    for _ in range(2):
        before = mark()  # before the clock goes on: housekeeping may come between
        opener.clocks.since_boot_ns += 1
        await until(lambda before=before: mark() != before, "housekeeping")  # type: ignore[misc]


async def test_time_without_power_counts_for_retention_and_leases_do_not_outlive_a_boot(opener: Opener) -> None:
    lossy, name = topic(partitions=1, lossless=False, retention_ms=3_600_000), group()
    log = await opener.open(lossy)
    await fill(log, lossy, 3, 10_000)
    async with log.consumer([lossy.name], group=name):
        shutil.copytree(opener.directory, opener.directory.with_name("after-power-cut"))
    opener.directory = opener.directory.with_name("after-power-cut")
    opener.clocks = Clocks(opener.clocks.wall_ns + 2 * HOUR_NS, 5_000_000_000, "boot-2")
    log = await opener.open(lossy)
    async with log.consumer([lossy.name], group=name) as consumer:
        assert len(consumer.assignment()) == 1
    await fill(log, lossy, 1, 10_000, first=3)
    await until_count(log, lossy, 1)


async def test_a_compacted_topic_keeps_the_newest_of_each_key_and_tombstones_for_a_day(opener: Opener) -> None:
    things = topic(partitions=1, compacted=True, retention_ms=-1)
    log = await opener.open(things)
    for value in (b"1", b"2", bytes(10_000), b"3"):
        await log.append([Outgoing(things.name, key, value) for key in ("a", "b", "c")])
    await log.append([Outgoing(things.name, "b", None)])
    await until_count(log, things, 3)
    assert [(record.key, record.value) for record in await read_all(log, things.name)] == [
        ("a", b"3"), ("c", b"3"), ("b", None)
    ]  # fmt: skip
    opener.clocks.since_boot_ns += 25 * HOUR_NS
    await until_count(log, things, 2)
    await until(lambda: opener.value_files() == [], "the value file to go")
    (position,) = await log.append([Outgoing(things.name, "a", b"4")])
    assert position.offset == 13


async def test_a_spool_gives_its_space_back_as_soon_as_its_records_are_acknowledged(opener: Opener) -> None:
    cameras, name = topic(partitions=1), group()
    log = await opener.open(cameras)
    async with log.consumer([cameras.name], group=name) as consumer:
        await fill(log, cameras, 20, 100_000)
        assert await log.usage_bytes() > 2_000_000
        await drain(consumer, 20)
        await consumer.commit({TopicPartition(cameras.name, 0): 20})
        await log.trim_committed(name)
        assert await log.usage_bytes() < 500_000
        assert opener.value_files() == []
        await fill(log, cameras, 1, 100_000, first=20)
        assert (await drain(consumer, 1))[0].offset == 20
        await log.trim({TopicPartition(cameras.name, 0): 21})
        assert await consumer.start_offsets() == await consumer.end_offsets() == {TopicPartition(cameras.name, 0): 21}
        assert await read_all(log, cameras.name) == []


async def test_what_a_killed_process_left_behind_is_taken_over_and_cleared(tmp_path: Path, opener: Opener) -> None:
    site = EmbeddedSite(str(opener.directory))
    cameras = topic(partitions=1)
    log = await opener.open(cameras)
    child = await site.child("produce", cameras.name, "20000")
    for _ in range(8):
        await child.line("acked")
    await child.kill()
    (opener.directory / "values" / "000000000000.values").write_bytes(b"a file whose row was never made durable")
    count = len(await read_all(log, cameras.name))
    assert count >= 8
    await log.trim({TopicPartition(cameras.name, 0): count})
    await until(lambda: opener.value_files() == [], "value files to go")
    assert len(list((opener.directory / "writers").iterdir())) == 1


async def test_reopening_a_large_log_is_quick(opener: Opener) -> None:
    cameras = topic(partitions=4)
    log = await opener.open(cameras)
    for _ in range(20):
        await log.append([Outgoing(cameras.name, f"k{number}", b"x" * 100) for number in range(2000)])
    await log.close()
    began = time.monotonic()
    log = await opener.open(cameras)
    async with log.consumer([cameras.name], group=group(), start="latest"):
        pass
    assert time.monotonic() - began < 2.0
