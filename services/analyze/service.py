"""The analysis service's shell: readers, workers, status, and their common end."""

from __future__ import annotations

import asyncio
import contextlib

from services.analyze.activation import ModelShelf, models_directory
from services.analyze.activation_record import AUDIT_CHAIN, ActivationRecorder
from services.analyze.announcing import Announcer
from services.analyze.camera_worker import Surroundings
from services.analyze.detect_reader import DetectReader
from services.analyze.governing import Governor
from services.analyze.sensor_reader import SensorReader
from services.analyze.workroom import Workroom
from services.backbone.audit import AuditTrail
from services.backbone.running import Host

#: How often it is said what was watched of each camera.
STATUS_EVERY_S = 10.0
#: How often cameras look after what nobody tells them.
TICK_S = 1.0
#: A member still without partitions after this long is a spare.
SPARE_AFTER_S = 20.0


async def run(host: Host) -> None:
    """Watch until told to stop."""
    settings = host.settings
    announcer = Announcer(host.backbone, settings.retain.policy)
    workroom = Workroom(settings.analyze.threads)
    shelf = ModelShelf(settings.analyze, models_directory(settings), _recorder(host))
    institution = settings.institution.institution_id
    around = Surroundings(institution, settings.analyze, host.backbone.clock, workroom, shelf, announcer)
    cameras = DetectReader(host.backbone, around, announcer, host.entities.current)
    sensors = SensorReader(host.backbone, announcer, host.entities.current, institution, around.source)
    governor = Governor(workroom, lambda: cameras.workers, settings.analyze.late_s)
    host.readiness.expect("video.detect.v1", "waiting for partitions")
    readers = [
        asyncio.create_task(cameras.run(host.stop), name="cameras"),
        asyncio.create_task(sensors.run(host.stop), name="sensors"),
    ]
    helpers = [
        asyncio.create_task(_follow(host, cameras, sensors), name="entities"),
        asyncio.create_task(_say(cameras), name="status"),
        asyncio.create_task(_tick(cameras), name="tick"),
        asyncio.create_task(governor.run(), name="governor"),
    ]
    joining = asyncio.create_task(_tell_joined(host, cameras), name="joining")
    try:
        await _first_failure(readers, helpers)
    finally:
        for task in [joining, *helpers, *readers]:
            task.cancel()
        await asyncio.gather(joining, *helpers, *readers, return_exceptions=True)
        await announcer.close()
        await workroom.close()


def _recorder(host: Host) -> ActivationRecorder:
    backbone = host.backbone
    trail = AuditTrail(backbone.need_catalog(), backbone.log, backbone.clock, chain_id=AUDIT_CHAIN)
    return ActivationRecorder(trail, asyncio.get_running_loop(), f"analyze/{host.settings.analyze.analyzer_id}")


async def _first_failure(readers: list[asyncio.Task[None]], helpers: list[asyncio.Task[None]]) -> None:
    """Wait until all readers ended as told, or anything failed."""
    waiting = set(readers)
    while waiting:
        done, _ = await asyncio.wait({*waiting, *helpers}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        waiting -= done
        if done & set(helpers):
            raise AssertionError("a task that never ends has ended")


async def _follow(host: Host, cameras: DetectReader, sensors: SensorReader) -> None:
    async for entities in host.entities.changes():
        await cameras.change(entities)
        await sensors.change(entities)


async def _tell_joined(host: Host, cameras: DetectReader) -> None:
    """Ready means reading. A member that got no partitions (there are more members than partitions) is ready as a spare."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(cameras.joined.wait(), SPARE_AFTER_S)
    host.readiness.set("video.detect.v1", True, "" if cameras.joined.is_set() else "spare: no partitions")


async def _tick(cameras: DetectReader) -> None:
    """One timer for all cameras: one of each camera's own would be set and cancelled again at every chunk."""
    while True:
        await asyncio.sleep(TICK_S)
        for worker in cameras.workers:
            worker.tick()


async def _say(cameras: DetectReader) -> None:
    while True:
        await asyncio.sleep(STATUS_EVERY_S)
        await cameras.say_watched()
