"""What an agent's footage survives: a log that is away, a full spool, its own death, the machine's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.servers import KafkaServer
from services.backbone.distributed.kafka_log import KafkaLog
from services.backbone.embedded.key_directory import KeyDirectory
from services.backbone.embedded.log import EmbeddedLog
from services.backbone.ports import Backbone
from services.backbone.readiness import Readiness
from services.backbone.system_clock import SystemClock
from services.contracts import topics
from services.ingest import run_memory
from tests.harness.faulty_log import FaultyLog, Mode
from tests.harness.log_site import until
from tests.harness.site import Site
from tests.integration.ingest.agents import DETECT, Agent, Feed, Run, running_agent
from tests.integration.ingest.conftest import Clips
from tests.integration.ingest.test_files import file_camera

S = 1_000_000_000
MS = 1_000_000


@pytest.mark.parametrize("mode", ["away", "silent", "torn"])
async def test_a_log_that_is_away_leaves_no_gap(mode: Mode, clips: Clips, tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(clips.h264, "a", loop=True), file_camera(clips.h265, "b", loop=True))
        await agent.until_seconds("a", 1)
        agent.log.mode = mode
        await until(lambda: not agent.readiness.conditions["log"].holds, "the agent to say that the log is away")
        await asyncio.sleep(2)  # the length of the outage
        agent.log.mode = "up"
        before = await agent.seconds("a")
        await agent.until_seconds("a", before + 3)
        await until(lambda: agent.readiness.conditions["log"].holds, "the agent to use the log again")
        runs = [*await agent.runs("a"), *await agent.runs("b")]
        assert await agent.gaps("a") == []
    assert len(runs) == 2, "one run of each camera"
    for run in runs:
        run.assert_whole()


async def test_while_the_log_is_away_copies_for_analysis_are_dropped_and_begin_again_decodable(
    clips: Clips, tmp_path: Path
) -> None:
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(clips.h264, loop=True))
        await agent.until_seconds("cam", 1)
        agent.log.mode = "away"
        await until(lambda: not agent.readiness.conditions["log"].holds, "the outage to be noticed")
        await asyncio.sleep(1)
        agent.log.mode = "up"
        seconds = await agent.seconds("cam") + 3
        await agent.until_seconds("cam", seconds)
        media = await agent.media("cam", DETECT)
        (run,) = await agent.runs("cam")
    run.assert_whole()
    kinds = [(type(one).__name__, getattr(getattr(one, "facts", None), "seq", None)) for one in media]
    seqs = [seq for kind, seq in kinds if kind == "Chunk" and seq is not None]
    hole = next(index for index, (left, right) in enumerate(itertools.pairwise(seqs)) if right != left + 1)
    after = next(index for index, (_, seq) in enumerate(kinds) if seq == seqs[hole + 1])
    assert kinds[after - 1][0] == "RunStart", "the init segment is said again before the first chunk after a hole"
    first: Any = media[after]
    assert first.facts.sync


async def test_a_full_spool_is_a_declared_gap_and_recording_goes_on_when_there_is_room(
    clips: Clips, tmp_path: Path
) -> None:
    async with running_agent(tmp_path, spool_limit_bytes=200_000) as agent:
        agent.cameras(file_camera(clips.h264, loop=True))
        await agent.until_seconds("cam", 1)
        agent.log.mode = "away"
        spooled = tmp_path / "agent" / "spool"
        await until(lambda: spooled.is_dir(), "a spool")
        await asyncio.sleep(9)  # 37 kB/s of video and what surrounds it fill 175 kB
        agent.log.mode = "up"

        async def goes_on() -> bool:
            runs = await agent.runs("cam")
            return len(runs) > 1 and len(runs[-1].chunks) > 2

        await until(goes_on, "a run after the overflow")
        first, *_, last = await agent.runs("cam")
        states = await agent.camera_states("cam")
    first.assert_whole()
    assert first.end is not None and first.end.cause == "overload"
    assert first.chunks[-1].facts.signature is not None, "the last chunk of a run is signed"
    assert last.start.since == "overload"
    assert last.start.start_ns > first.end.end_ns
    assert any(one.cause == "overload" and "no room" in one.detail for one in states)


async def test_a_power_cut_is_told_from_the_agents_own_death(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "agent" / "runs"
    runs.mkdir(parents=True)
    (runs / "cam.json").write_text(
        json.dumps({"run_id": "x", "open": True, "boot_id": "an earlier boot", "cause": None})
    )
    (runs / "other.json").write_text(
        json.dumps({"run_id": "y", "open": True, "boot_id": run_memory.boot_id(), "cause": None})
    )
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(clips.h264, loop=True), file_camera(clips.h264, "other", loop=True))
        await agent.until_seconds("cam", 0.3)
        await agent.until_seconds("other", 0.3)
        (cut,), (died,) = await agent.runs("cam"), await agent.runs("other")
    assert (cut.start.since, died.start.since) == ("power", "agent")


@contextlib.asynccontextmanager
async def site_log(site: Site) -> AsyncIterator[Agent]:
    """Reading what the agent of a site left on its log."""
    log = await EmbeddedLog.open(site.root / "data" / "log")
    try:
        keys = KeyDirectory(site.root / "data" / "keys")
        yield Agent(Backbone(log, SystemClock(), keys), FaultyLog(log), Feed(), Readiness())
    finally:
        await log.close()


def make_site(root: Path, clip: Path) -> Site:
    site = Site(root, {"mode": "embedded", "data": str(root / "data")})
    site.configure(cameras=[{"camera_id": "cam", "url": f"file:{clip}?loop=1"}])
    return site


async def footage_of(site: Site) -> list[Run]:
    async with site_log(site) as reader:
        return await reader.runs("cam")


async def until_footage(site: Site, seconds: float, runs: int) -> list[Run]:
    async def enough() -> list[Run] | None:
        found = await footage_of(site)
        long = len(found) >= runs and sum(c.facts.duration_ns for c in found[-1].chunks) >= seconds * S
        return found if long else None

    found: list[Run] = await until(enough, f"{seconds} s of run {runs}")
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_a_random_moment_an_agent_loses_at_most_half_a_second_before(
    seed: int, clips: Clips, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    site = make_site(tmp_path, clips.h264_b_frames)
    try:
        await asyncio.to_thread(site.start, "agent")
        await until_footage(site, 1, 1)
        await asyncio.sleep(chance.random())
        killed_ns = time.time_ns()
        site.kill("agent")
        await asyncio.to_thread(site.start, "agent")
        first, second = (await until_footage(site, 1, 2))[:2]
        await asyncio.to_thread(site.stop, "agent")
    finally:
        site.end()
    first.assert_whole()
    second.assert_whole()
    assert first.end is None
    assert second.start.since == "agent"
    lost_ns = killed_ns - first.chunks[-1].facts.end_ns
    assert lost_ns <= 500 * MS, f"{lost_ns / MS:.0f} ms before the kill are lost"


async def test_killed_while_the_log_is_away_an_agent_replays_its_spool_in_order(clips: Clips, tmp_path: Path) -> None:
    site = make_site(tmp_path, clips.h264)
    try:
        await asyncio.to_thread(site.start, "agent")
        await until_footage(site, 1, 1)
        holder = sqlite3.connect(tmp_path / "data" / "log" / "log.db", isolation_level=None, timeout=20)
        holder.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(3)
        killed_ns = time.time_ns()
        site.kill("agent")
        holder.execute("ROLLBACK")
        holder.close()
        await asyncio.to_thread(site.start, "agent")
        first, second = (await until_footage(site, 1, 2))[:2]
        await asyncio.to_thread(site.stop, "agent")
    finally:
        site.end()
    first.assert_whole()
    second.assert_whole()
    assert second.start.since == "agent"
    lost_ns = killed_ns - first.chunks[-1].facts.end_ns
    assert lost_ns <= 500 * MS, f"{lost_ns / MS:.0f} ms before the kill are lost"


async def test_kafka_restarts_and_nothing_is_lost(clips: Clips, tmp_path: Path) -> None:
    with KafkaServer() as kafka:
        log = KafkaLog(kafka.address, append_timeout_s=4.0)
        try:
            await log.ensure(topics.ALL)
            async with running_agent(tmp_path, log=log) as agent:
                agent.cameras(file_camera(clips.h264, loop=True))
                await agent.until_seconds("cam", 1)
                await asyncio.to_thread(kafka.kill)
                await until(lambda: not agent.readiness.conditions["log"].holds, "the outage to be noticed")
                await asyncio.sleep(2)
                await asyncio.to_thread(kafka.restart)
                await until(lambda: agent.readiness.conditions["log"].holds, "Kafka to be used again", 60)
                await agent.until_seconds("cam", await agent.seconds("cam") + 1)
                (run,) = await agent.runs("cam")
            run.assert_whole()
        finally:
            await log.close()
