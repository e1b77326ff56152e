"""Records leave the agent once each at least, in order, and soon durable, whatever the log and the disk do."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from pathlib import Path

import pytest

from services.contracts.errors import Transient
from tests.harness.faulty_log import FaultyLog, Mode
from tests.harness.log_site import until
from tests.integration.ingest.outboxes import MIB, first_copies, number_of, numbered, running_outbox


async def test_records_go_straight_to_a_log_that_answers(tmp_path: Path) -> None:
    log = FaultyLog()
    async with running_outbox(log, tmp_path) as outbox:
        for number in range(50):
            outbox.offer(numbered("a", number))
        await until(lambda: len(log.taken) == 50, "all records in the log")
        assert outbox.log_reachable and outbox.spool_bytes == 0
    assert [number_of(record) for record in log.taken] == list(range(50))


@pytest.mark.parametrize("mode", ["away", "silent", "torn", "late"])
async def test_an_outage_of_any_kind_loses_nothing_and_keeps_the_order(tmp_path: Path, mode: Mode) -> None:
    log = FaultyLog()
    async with running_outbox(log, tmp_path) as outbox:
        for number in range(30):
            if number == 10:
                log.mode = mode
            outbox.offer(numbered("a", number))
            outbox.offer(numbered("b", number))
            await asyncio.sleep(0.01)
        await until(lambda: not outbox.log_reachable and outbox.spool_bytes > 0, "records in the spool")
        log.mode = "up"
        await until(lambda: outbox.log_reachable or outbox.offer(numbered("c", 0)), "the log to be used again")  # type: ignore[func-returns-value]
        assert outbox.spool_bytes == 0
    copies = first_copies(log.taken)
    assert copies["a"] == list(range(30)) and copies["b"] == list(range(30))


async def test_only_one_append_is_ever_under_way(tmp_path: Path) -> None:
    log = FaultyLog()
    async with running_outbox(log, tmp_path, deadline_s=0.05) as outbox:
        for number in range(200):
            if number % 20 == 0:
                log.mode = ("up", "late", "silent", "torn")[number // 20 % 4]  # type: ignore[assignment]
            outbox.offer(numbered("a", number))
            await asyncio.sleep(0.002)
        log.mode = "up"
        await until(lambda: 199 in first_copies(log.taken).get("a", []), "the last record in the log")
    assert log.most_under_way == 1


@pytest.mark.parametrize("seed", range(6))
async def test_random_outages_lose_nothing_and_keep_the_order(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    log = FaultyLog()
    sent = {key: 0 for key in "abc"}
    async with running_outbox(log, tmp_path, deadline_s=0.03) as outbox:
        for _ in range(60):
            log.mode = chance.choice(["up", "up", "up", "away", "silent", "torn", "late"])
            for _ in range(chance.randrange(12)):
                key = chance.choice("abc")
                outbox.offer(numbered(key, sent[key], chance.randrange(8, 20_000)))
                sent[key] += 1
            await asyncio.sleep(chance.random() * 0.06)
        log.mode = "up"
        await until(
            lambda: sum(map(len, first_copies(log.taken).values())) == sum(sent.values()), "every record in the log"
        )
    assert first_copies(log.taken) == {key: list(range(count)) for key, count in sent.items() if count}


async def test_a_record_is_durable_soon_although_the_log_is_silent(tmp_path: Path) -> None:
    log = FaultyLog()
    log.mode = "silent"
    async with running_outbox(log, tmp_path, deadline_s=0.1) as outbox:
        began = time.monotonic()
        await outbox.deliver(numbered("a", 0))
        assert time.monotonic() - began < 1.0
        assert outbox.spool_bytes > 0
        log.mode = "up"


async def test_what_an_earlier_process_spooled_goes_first(tmp_path: Path) -> None:
    away = FaultyLog()
    away.mode = "away"
    async with running_outbox(away, tmp_path) as outbox:
        for number in range(20):
            outbox.offer(numbered("a", number))
    log = FaultyLog()
    async with running_outbox(log, tmp_path) as outbox:
        assert not outbox.log_reachable
        outbox.offer(numbered("a", 20))
        await until(lambda: 20 in first_copies(log.taken).get("a", []), "the new record in the log")
    assert first_copies(log.taken) == {"a": list(range(21))}
    async with running_outbox(log, tmp_path) as outbox:
        assert outbox.log_reachable, "a spool that was drained is empty for the next process"


async def test_topic_headers_and_key_survive_the_spool(tmp_path: Path) -> None:
    log = FaultyLog()
    log.mode = "away"
    async with running_outbox(log, tmp_path) as outbox:
        await outbox.deliver(numbered("a", 7))
        log.mode = "up"
        await until(lambda: bool(log.taken), "the record in the log")
    assert log.taken[0] == numbered("a", 7)


async def test_footage_is_refused_before_the_spools_limit_and_taken_again_when_drained(tmp_path: Path) -> None:
    log = FaultyLog()
    log.mode = "away"
    limit = 4 * MIB
    async with running_outbox(log, tmp_path, spool_limit_bytes=limit) as outbox:
        number = 0
        while outbox.room_open:
            await outbox.deliver(numbered("a", number, 100_000))
            number += 1
        assert limit * 3 // 4 < outbox.spool_bytes < limit
        await outbox.deliver(numbered("end-of-run", 0, 100)), "the reserve takes what must not be refused"
        log.mode = "up"
        await until(lambda: outbox.room_open, "room again")
    assert first_copies(log.taken)["a"] == list(range(number))


async def test_a_spool_that_cannot_be_written_holds_records_in_bounded_memory(tmp_path: Path) -> None:
    log = FaultyLog()
    log.mode = "away"
    async with running_outbox(log, tmp_path, memory_limit_bytes=1 * MIB) as outbox:
        await outbox.deliver(numbered("a", 0))
        holder = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        number = 1
        while outbox.room_open:
            outbox.offer(numbered("a", number, 100_000))
            number += 1
            await asyncio.sleep(0)
        assert number <= 12
        with pytest.raises(Transient, match="again"):
            await outbox.deliver(numbered("sensor", 0))
        holder.execute("ROLLBACK")
        holder.close()
        await until(lambda: outbox.room_open, "room in memory again")
        log.mode = "up"
        await until(lambda: len(first_copies(log.taken).get("a", [])) == number, "every record in the log")
    assert first_copies(log.taken)["a"] == list(range(number))


async def test_closing_makes_durable_what_was_taken(tmp_path: Path) -> None:
    log = FaultyLog()
    async with running_outbox(log, tmp_path) as outbox:
        for number in range(500):
            outbox.offer(numbered("a", number))
    assert first_copies(log.taken) == {"a": list(range(500))}


async def test_closing_while_the_log_is_silent_is_bounded_and_spools(tmp_path: Path) -> None:
    log = FaultyLog()
    log.mode = "silent"
    began = time.monotonic()
    async with running_outbox(log, tmp_path) as outbox:
        for number in range(50):
            outbox.offer(numbered("a", number))
    assert time.monotonic() - began < 5
    again = FaultyLog()
    async with running_outbox(again, tmp_path):
        await until(lambda: len(again.taken) >= 50, "the spooled records in the log")
    assert first_copies(again.taken) == {"a": list(range(50))}
