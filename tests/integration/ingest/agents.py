"""A whole agent in this process, on the embedded backbone, with a feed of entities that a test writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.entities import Entities, EntityFeed
from services.backbone.ports import Backbone, Delivered, Log
from services.backbone.readiness import Readiness
from services.backbone.running import Host
from services.contracts import status
from services.contracts.cloud_event import decode_event
from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.media_record import Chunk, Gap, MediaRecord, RunEnd, RunStart, decode
from services.contracts.settings import Settings
from services.contracts.status import CameraStatus
from services.contracts.topics import STATUS, VIDEO_DETECT, VIDEO_RECORD
from services.ingest import service
from services.media.verify import verify_run
from tests.harness.faulty_log import FaultyLog
from tests.harness.log_site import until


class Feed:
    """Entities as a test sets them."""

    def __init__(self) -> None:
        self.current = Entities()
        self._changed = asyncio.Event()

    def set(self, cameras: Iterable[CameraConfig] = (), sensors: Iterable[SensorConfig] = ()) -> None:
        self.current = Entities(
            {camera.camera_id: camera for camera in cameras}, {sensor.sensor_id: sensor for sensor in sensors}
        )
        self._changed.set()

    async def changes(self) -> AsyncIterator[Entities]:
        while True:
            self._changed.clear()
            yield self.current
            await self._changed.wait()


@dataclass(slots=True)
class Run:
    """What the log has of one run; copies are dropped as retention would."""

    start: RunStart
    chunks: list[Chunk] = field(default_factory=list)
    end: RunEnd | None = None

    @property
    def media(self) -> bytes:
        return self.start.init + b"".join(chunk.value for chunk in self.chunks)

    def assert_whole(self) -> None:
        """Numbered without holes, contiguous to the nanosecond."""
        assert [chunk.facts.seq for chunk in self.chunks] == list(range(len(self.chunks)))
        at_ns = self.start.start_ns
        for chunk in self.chunks:
            assert chunk.facts.start_ns == at_ns
            assert chunk.facts.duration_ns <= 500_000_000
            at_ns = chunk.facts.end_ns
        if self.end is not None:
            assert (self.end.chunks, self.end.end_ns) == (len(self.chunks), at_ns)


class Agent:
    """``camera(...)`` and ``sensor(...)`` set what it reads; the rest tells what it did."""

    def __init__(self, backbone: Backbone, log: FaultyLog, feed: Feed, readiness: Readiness) -> None:
        self.backbone = backbone
        self.log = log
        self.feed = feed
        self.readiness = readiness

    def cameras(self, *cameras: CameraConfig) -> None:
        self.feed.set(cameras, self.feed.current.sensors.values())

    def sensors(self, *sensors: SensorConfig) -> None:
        self.feed.set(self.feed.current.cameras.values(), sensors)

    async def delivered(self, topic: str) -> list[Delivered]:
        """Everything on a topic, in order per partition."""
        found: list[Delivered] = []
        async with self.backbone.log.consumer([topic], group=None) as consumer:
            left = {partition: end for partition, end in (await consumer.end_offsets()).items() if end > 0}
            while left:
                for record in await consumer.poll(timeout_s=1.0):
                    found.append(record)
                    if record.offset + 1 >= left.get(record.topic_partition, record.offset + 2):
                        del left[record.topic_partition]
        return found

    async def media(self, camera_id: str, topic: str = VIDEO_RECORD.name) -> list[MediaRecord]:
        return [decode(one.headers, one.value or b"") for one in await self.delivered(topic) if one.key == camera_id]

    async def runs(self, camera_id: str, topic: str = VIDEO_RECORD.name) -> list[Run]:
        runs: dict[str, Run] = {}
        for record in await self.media(camera_id, topic):
            match record:
                case RunStart():
                    runs.setdefault(record.run.run_id, Run(record))
                case Chunk():
                    run = runs[record.run.run_id]
                    if record.facts.seq == len(run.chunks):
                        run.chunks.append(record)
                    else:
                        assert record.facts.seq < len(run.chunks), "chunks of a run were swapped or lost"
                case RunEnd():
                    runs[record.run.run_id].end = record
        return list(runs.values())

    async def gaps(self, camera_id: str) -> list[Gap]:
        return [record for record in await self.media(camera_id) if isinstance(record, Gap)]

    async def seconds(self, camera_id: str, topic: str = VIDEO_RECORD.name) -> float:
        """Footage of a camera on the log."""
        return sum(chunk.facts.duration_ns for run in await self.runs(camera_id, topic) for chunk in run.chunks) / 1e9

    async def until_seconds(self, camera_id: str, seconds: float) -> None:
        async def enough() -> bool:
            return await self.seconds(camera_id) >= seconds

        await until(enough, f"{seconds} s of {camera_id}")

    async def camera_states(self, camera_id: str) -> list[CameraStatus]:
        events = [decode_event(one.value or b"", status.PAYLOADS) for one in await self.delivered(STATUS.name)]
        return [one.data for one in events if isinstance(one.data, CameraStatus) and one.data.camera_id == camera_id]

    async def until_state(self, camera_id: str, accept: Callable[[CameraStatus], bool]) -> CameraStatus:
        async def found() -> CameraStatus | None:
            return next((one for one in await self.camera_states(camera_id) if accept(one)), None)

        return cast(CameraStatus, await until(found, f"a status of {camera_id}"))

    async def assert_genuine(self, runs: Iterable[Run]) -> None:
        """Chain and signatures hold."""
        public_key = (await self.backbone.keys.signer("agent-1")).public_key
        for run in runs:
            verdict = verify_run(run.start, run.chunks, public_key)
            assert verdict.kind == "authentic", verdict


@contextlib.asynccontextmanager
async def running_agent(
    directory: Path, *, feed: Feed | None = None, log: Log | None = None, **agent_settings: Any
) -> AsyncIterator[Agent]:
    """An agent; leaving the block stops it as SIGTERM does. ``log``: another log than the embedded one; not closed here."""
    settings = Settings.model_validate(
        {
            "backbone": {"mode": "embedded", "data": str(directory / "data")},
            "agent": {"data": str(directory / "agent"), **agent_settings},
        }
    )
    feed = feed or Feed()
    backbone = await open_backbone(settings, role="agent")
    try:
        faulty = FaultyLog(log or backbone.log)
        readiness, stop = Readiness(), asyncio.Event()
        host = Host(settings, None, replace(backbone, log=faulty), stop, readiness, cast(EntityFeed, feed))
        working = asyncio.create_task(service.run(host))
        try:
            yield Agent(replace(backbone, log=log or backbone.log), faulty, feed, readiness)
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await working
    finally:
        await close_backbone(backbone)


DETECT = VIDEO_DETECT.name
