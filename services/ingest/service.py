"""The agent: spool, outbox, cameras, sensors and status put together, from start to an orderly end.

Belongs here: order of starting and stopping. Everything is begun before the cameras and ended after them, so that
whatever a camera brings finds a way out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from services.backbone.assembly import open_spool_log
from services.backbone.entities import agent_directory
from services.backbone.running import Host, lasting
from services.contracts.entity import SensorConfig
from services.contracts.errors import Rejected
from services.contracts.settings import AgentSettings
from services.contracts.status import AgentStatus
from services.ingest.cameras import Cameras
from services.ingest.detect_outlet import DetectOutlet
from services.ingest.handover import Handover
from services.ingest.outbox import Outbox
from services.ingest.run_memory import RunMemory, boot_id
from services.ingest.sensors.intake import Intake
from services.ingest.spool import open_spool
from services.ingest.status_board import PERIOD_S, StatusBoard
from services.ingest.stream_reader import ClockReport
from services.ingest.stream_task import Surroundings

logger = structlog.get_logger(__name__)

#: What a killed agent may lose: the chunk being filled, the picture that completes it, and the one that is being stored.
AT_RISK_MS = 500
_PICTURE_MS = 80
_LEAST_DEADLINE_MS = 40
MEMORY_LIMIT_BYTES = 96 * 1024 * 1024
_FLUSH_S = 5.0
_LOG_CONDITION = "log"


async def run(host: Host) -> None:
    """Run the agent until ``host.stop``; returns when everything it took is durable (or time is up)."""
    settings = host.settings.agent
    directory = _directory(host)
    clock = host.backbone.clock
    signer = await host.backbone.keys.signer(settings.agent_id)
    logger.info("agent key", agent=settings.agent_id, key_id=signer.key_id, public_key=signer.public_key.hex())
    memory = await asyncio.to_thread(RunMemory, directory / "runs", boot_id())
    async with (
        _outbox(host, directory) as outbox,
        _task("detect outlet", (detect := DetectOutlet(host.backbone.log, clock)).run),
    ):
        report = ClockReport(clock.sample())
        board = StatusBoard(settings.agent_id, clock, outbox.offer)
        around = Surroundings(
            settings.agent_id, signer, clock, report, outbox, detect, Handover(clock), memory, settings.chunk_ms, settings.stall_s
        )  # fmt: skip
        cameras = Cameras(around, board)
        agent = _Agent(host, outbox, detect, board, cameras, report)
        async with _sensors(host, outbox) as watch_sensors, _task("status", agent.report_for_ever):
            try:
                await agent.follow(watch_sensors)
            finally:
                await cameras.close()
        board.tell_agent(agent.status("stopping"))


@dataclass(slots=True)
class _Agent:
    host: Host
    outbox: Outbox
    detect: DetectOutlet
    board: StatusBoard
    cameras: Cameras
    clock_report: ClockReport

    async def follow(self, watch_sensors: _WatchSensors) -> None:
        """Keep cameras and sensors as they are wanted, until the host says stop."""
        following = asyncio.create_task(self._follow_entities(watch_sensors), name="entities")
        stopping = asyncio.create_task(self.host.stop.wait(), name="stop")
        try:
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                await following
        finally:
            for task in (following, stopping):
                task.cancel()
            await asyncio.gather(following, stopping, return_exceptions=True)

    async def _follow_entities(self, watch_sensors: _WatchSensors) -> None:
        async for entities in self.host.entities.changes():
            watch_sensors({name: one for name, one in entities.sensors.items() if self._is_ours(one)})
            await self.cameras.reconcile(entities.cameras)

    def _is_ours(self, sensor: SensorConfig) -> bool:
        return sensor.agent_id in (None, self.host.settings.agent.agent_id)

    def status(self, state: str) -> AgentStatus:
        return AgentStatus.model_validate(
            {
                "agent_id": self.host.settings.agent.agent_id, "state": state, "log_reachable": self.outbox.log_reachable,
                "spool_bytes": self.outbox.spool_bytes,
                "spool_limit_bytes": self.host.settings.agent.spool_limit_bytes,
                "dropped_detect_chunks": self.detect.dropped,
            }
        )  # fmt: skip

    async def report_for_ever(self) -> None:
        """Say how everything is: the log's coming and going at once, the rest twice a minute."""
        self.board.tell_agent(self.status("starting"))
        reachable: bool | None = None
        seconds = PERIOD_S
        while True:
            if self.outbox.log_reachable != reachable:
                reachable = self.outbox.log_reachable
                detail = "" if reachable else "the log is away; records go to the spool"
                self.host.readiness.set(_LOG_CONDITION, reachable, detail)
                self.board.tell_agent(self.status("running"))
            if seconds >= PERIOD_S:
                seconds = 0.0
                sample = self.clock_report.sample = self.host.backbone.clock.sample()
                self.board.tell_all(
                    self.status("running"), sample, self.cameras.clock_offsets_ns(), self.cameras.pictures()
                )
            await asyncio.sleep(1.0)
            seconds += 1.0


class _WatchSensors:
    """The sensors wanted now, for every way in."""

    def __init__(self) -> None:
        self.current: dict[str, SensorConfig] = {}
        self._followers: list[Any] = []

    def follow(self, watch: Any) -> None:
        self._followers.append(watch)

    def __call__(self, sensors: dict[str, SensorConfig]) -> None:
        self.current = sensors
        for watch in self._followers:
            watch(sensors.values())


@contextlib.asynccontextmanager
async def _sensors(host: Host, outbox: Outbox) -> AsyncIterator[_WatchSensors]:
    """MQTT and HTTP as far as the settings name them."""
    settings = host.settings.agent
    clock = host.backbone.clock
    intake = Intake(settings.agent_id, outbox.deliver, clock.now_ns)
    watch = _WatchSensors()
    async with contextlib.AsyncExitStack() as stack:
        if settings.mqtt is not None:
            from services.ingest.sensors.mqtt import MqttSensors

            mqtt = MqttSensors(settings.mqtt, settings.agent_id, intake)
            watch.follow(mqtt.watch)
            await stack.enter_async_context(_task("mqtt sensors", mqtt.run))
        if settings.http is not None:
            from services.ingest.sensors.http import serve_readings

            await stack.enter_async_context(serve_readings(settings.http, intake, lambda: watch.current, clock.now_ns))
        yield watch


@contextlib.asynccontextmanager
async def _outbox(host: Host, directory: Path) -> AsyncIterator[Outbox]:
    settings = host.settings.agent
    spool_directory = directory / "spool"
    spool_log = await open_spool_log(spool_directory)
    try:
        async with open_spool(spool_log, spool_directory) as spool:
            outbox = Outbox(
                host.backbone.log, spool, host.backbone.clock, deadline_s=_deadline_s(settings),
                spool_limit_bytes=settings.spool_limit_bytes, memory_limit_bytes=MEMORY_LIMIT_BYTES,
            )  # fmt: skip
            async with _task("outbox", outbox.run):
                try:
                    yield outbox
                finally:
                    await outbox.close(_FLUSH_S)
    finally:
        await spool_log.close()


@contextlib.asynccontextmanager
async def _task(name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run something beside a block; if it fails, so does the block. What failed first is raised as it is, in no group."""
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(lasting(work), name=name)
            try:
                yield
            finally:
                task.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed


def _deadline_s(settings: AgentSettings) -> float:
    """How long the log may take before a record is spooled: what the chunk being filled leaves of the time at risk."""
    return max(_LEAST_DEADLINE_MS, AT_RISK_MS - _PICTURE_MS - settings.chunk_ms) / 1000


def _directory(host: Host) -> Path:
    directory = agent_directory(host.settings)
    if directory is None:
        raise Rejected("agent.data is not set; name a directory on a disk of this machine for the agent's spool")
    return directory
