"""A house with a recorder as a real process on either backbone, and an agent that is only its keys and its records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.ports import Backbone, Outgoing
from services.backbone.settings_file import load_settings
from services.contracts.errors import Transient
from services.contracts.media_record import MediaRecord
from tests.harness.drawn_footage import Agent, DrawnRun, Shape, outgoing
from tests.harness.footage import segments
from tests.harness.ground import Ground, Mode, make_ground
from tests.harness.site import Site
from tests.harness.waiting import wait_until

T = TypeVar("T")
S = 1_000_000_000
AGENT = Agent()


class House:
    """``append`` speaks as the agent does; ``site`` is what an operator has."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.site: Site = ground.site
        self.site.configure(
            agents=[{"agent_id": AGENT.agent_id, "public_key": AGENT.public_key.hex()}],
            retain={"segment_s": 4, "presume_gap_s": 2},
        )
        self.backbone: Backbone | None = None

    async def open(self) -> None:
        """Whatever was done to it before: the recorder runs, and there is a way to speak to it."""
        if not self.site.runs("retain"):
            self.site.start("retain")
        self.backbone = await open_backbone(load_settings(self.site.file), role="tool")

    async def leave(self) -> None:
        """The house stands; only we no longer speak to it."""
        if self.backbone is not None:
            await close_backbone(self.backbone)
            self.backbone = None

    async def append(self, records: Iterable[MediaRecord]) -> None:
        """Append in order; on ``Transient`` everything again, as a spool does."""
        assert self.backbone is not None
        batch = [Outgoing(*outgoing(record)) for record in records]
        deadline = time.monotonic() + 60
        while True:
            try:
                await self.backbone.log.append(batch)
                return
            except Transient:
                assert time.monotonic() < deadline, "the log did not come back"
                await asyncio.sleep(0.2)

    async def until(self, condition: Callable[[], T | None], what: str, seconds: float = 40) -> T:
        return await asyncio.to_thread(
            wait_until, condition, seconds=seconds, what=f"{what}\n{self.site.log_tail('retain', 15)}", every_s=0.3
        )

    async def until_stored(self, run: DrawnRun) -> None:
        """Every chunk of an ended run is in the ledger."""
        camera_id, run_id = run.facts.camera_id, run.facts.run_id

        def stored() -> bool:
            rows = [row for row in segments(self.site, camera_id) if row["run_id"] == run_id]
            return bool(rows) and rows[-1]["last_seq"] == run.next_seq - 1

        await self.until(stored, f"all {run.next_seq} chunks of {camera_id} in the ledger", seconds=90)


def recent_run(camera_id: str, number: int = 1, *, seconds_ago: float = 60, **options: object) -> DrawnRun:
    """A run that began a moment ago: 400 ms a chunk, 2 s a GOP, 20 kB a chunk."""
    start_ns = time.time_ns() - int(seconds_ago * S)
    return DrawnRun(AGENT, camera_id, number, start_ns, Shape(chunk_bytes=20_000), **options)  # type: ignore[arg-type]


def assert_each_chunk_once(site: Site, run: DrawnRun) -> None:
    rows = [row for row in segments(site, run.facts.camera_id) if row["run_id"] == run.facts.run_id]
    found = [seq for row in rows for seq in range(row["first_seq"], row["last_seq"] + 1)]
    assert found == list(range(run.next_seq))


@pytest.fixture(scope="module", params=["embedded", "distributed"])
def standing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for a module: servers and a first start cost more than most tests do. Each test films with cameras of its own."""
    mode: Mode = request.param
    ground = make_ground(mode, tmp_path_factory.mktemp(mode) / "house")
    try:
        yield House(ground)
    finally:
        ground.close()


@pytest.fixture
async def house(standing: House) -> AsyncIterator[House]:
    try:
        await standing.open()
        yield standing
    finally:
        await standing.leave()


@pytest.fixture
async def box_house(tmp_path: Path) -> AsyncIterator[House]:
    """For what can only be done to files: an embedded house of one's own."""
    opened = House(make_ground("embedded", tmp_path / "house"))
    try:
        await opened.open()
        yield opened
    finally:
        await opened.leave()
        opened.ground.close()
