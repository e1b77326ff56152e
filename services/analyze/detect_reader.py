"""Reads ``video.detect.v1`` and gives each camera's records to its worker.

Offsets. The group's offset of a partition stays at a recent run-start of every live camera in it (they are repeated every few
seconds): the newest that is old enough for the tracks (``core/rewinding.py``). So after a crash or a rebalance the next owner
gets init segments, knows who was there, and judges the last seconds again, at no more than that cost.
A partition without an offset is read from its beginning, so that the first seconds of a new installation are watched too. What
lay in the log for longer than ``late_s`` while we were behind is passed over and counted: old pictures raise no alarm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from services.analyze.announcing import Announcer
from services.analyze.camera_worker import CameraWorker, Surroundings
from services.analyze.core.rewinding import RewindMark
from services.analyze.engine import KnownPresence
from services.analyze.recovery import Announced, read_announced
from services.backbone.entities import Entities
from services.backbone.ports import Backbone, Consumer, Delivered, TopicPartition
from services.backbone.record_rules import partition_of
from services.contracts.entity import CameraConfig
from services.contracts.errors import Corrupt, Rejected, Transient
from services.contracts.media_record import Chunk, Gap, RunEnd, RunStart, decode
from services.contracts.time import NS_PER_S
from services.contracts.topics import VIDEO_DETECT
from services.media.cmaf_reader import parse_init

_log = structlog.get_logger(__name__)

GROUP = "analyze"
_COMMIT_EVERY_S = 2.0
#: Least time between two looks at the log, half of the longest chunk: each look costs as much as decoding a frame does.
_LOOK_EVERY_S = 0.16
_MOST_RECORDS = 128
#: A camera silent this long no longer holds the offset back.
_SILENT_S = 60.0


@dataclass(slots=True)
class _Mark:
    """From where a camera would be read again, and when it was last heard of (monotonic ns)."""

    partition: TopicPartition
    heard_ns: int
    rewind: RewindMark = field(default_factory=RewindMark)


class DetectReader:
    """All cameras of the partitions that this member of the group owns."""

    def __init__(self, backbone: Backbone, around: Surroundings, announcer: Announcer, entities: Entities) -> None:
        self._backbone = backbone
        self._around = around
        self._announcer = announcer
        self._entities = entities
        self._workers: dict[str, CameraWorker] = {}
        self._marks: dict[str, _Mark] = {}
        self._next: dict[TopicPartition, int] = {}
        self._announced = Announced()
        self._away = False
        self._owned: frozenset[TopicPartition] = frozenset()
        #: Set once partitions were given to this member.
        self.joined = asyncio.Event()

    @property
    def workers(self) -> list[CameraWorker]:
        return list(self._workers.values())

    # -- life ---------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop; a log that is away is waited for."""
        while not stop.is_set():
            try:
                await self._read(stop)
            except Transient as error:
                say = _log.debug if self._away else _log.warning  # once an outage
                say("video.detect.v1 cannot be read now; trying again", error=str(error))
                self._away = True
                await asyncio.sleep(1.0)
        await self._release(frozenset(self._next) | self._owned)

    async def _read(self, stop: asyncio.Event) -> None:
        reader = self._backbone.log.consumer(
            [VIDEO_DETECT.name], group=GROUP, start="earliest", on_assigned=self._assigned, on_revoked=self._release
        )
        async with reader as consumer:
            self._away = False
            due_ns = self._now_ns() + round(_COMMIT_EVERY_S * NS_PER_S)
            while not stop.is_set():
                records = await consumer.poll(max_records=_MOST_RECORDS, timeout_s=0.25)
                behind = await self._behind(consumer, records)
                for record in records:
                    await self._route(record, stale=record.topic_partition in behind and self._is_stale(record))
                if consumer.assignment():
                    self.joined.set()
                if len(records) < _MOST_RECORDS:
                    await asyncio.sleep(_LOOK_EVERY_S)
                if self._now_ns() >= due_ns:
                    await self._commit(consumer)
                    due_ns = self._now_ns() + round(_COMMIT_EVERY_S * NS_PER_S)
            await self._commit(consumer)

    async def change(self, entities: Entities) -> None:
        """Follow enrolment: cameras that are gone leave, others take their new configuration."""
        self._entities = entities
        for camera_id in list(self._workers):
            camera = self._watched(camera_id)
            if camera is None:
                await self._workers.pop(camera_id).leave(for_good=True)
            else:
                self._workers[camera_id].reconfigure(camera)

    async def say_watched(self) -> None:
        """What was watched of all cameras, in one append."""
        await self._announcer.statuses([told for worker in self._workers.values() for told in worker.statuses()])

    # -- partitions ---------------------------------------------------------------------------------------------------

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Take up what the previous owner announced, whether or not its cameras ever speak again."""
        self._owned |= partitions
        self._announced = await read_announced(self._backbone)
        self._announcer.remember(self._announced.event_ids)
        numbers = {partition.partition for partition in partitions}
        for camera_id in self._announced.open_cameras():
            if partition_of(camera_id, VIDEO_DETECT.partitions) in numbers:
                camera = self._watched(camera_id)
                if camera is not None:
                    self._worker(camera)
                else:
                    await self._close_orphans(camera_id)

    async def _release(self, partitions: frozenset[TopicPartition]) -> None:
        self._owned -= partitions
        gone = [camera for camera, mark in self._marks.items() if mark.partition in partitions]
        for partition in partitions:
            self._next.pop(partition, None)
        numbers = {partition.partition for partition in partitions}
        gone += [
            c for c in self._workers if c not in self._marks and partition_of(c, VIDEO_DETECT.partitions) in numbers
        ]
        for camera_id in gone:
            self._marks.pop(camera_id, None)
            worker = self._workers.pop(camera_id, None)
            if worker is not None:
                await worker.leave(for_good=False)

    async def _close_orphans(self, camera_id: str) -> None:
        """Incidents of a camera that is no longer enrolled end where they were last seen."""
        nobody = CameraConfig(camera_id=camera_id, url="sim:gone")
        worker = CameraWorker(nobody, self._around)
        worker.resume(self._known(camera_id))
        await worker.leave(for_good=True)

    # -- records ------------------------------------------------------------------------------------------------------

    async def _behind(self, consumer: Consumer, records: list[Delivered]) -> set[TopicPartition]:
        """Partitions whose newest record here is stale and has newer ones after it. (One clock alone is not believed.)"""
        last = {record.topic_partition: record for record in records}
        stale = {partition: record.offset + 1 for partition, record in last.items() if self._is_stale(record)}
        if not stale:
            return set()
        ends = await consumer.end_offsets()
        return {partition for partition, following in stale.items() if ends.get(partition, 0) > following}

    def _is_stale(self, record: Delivered) -> bool:
        late_ns = self._around.settings.late_s * NS_PER_S
        return self._backbone.clock.now_ns() - record.appended_ns > late_ns

    async def _route(self, record: Delivered, *, stale: bool) -> None:
        self._next[record.topic_partition] = record.offset + 1
        try:
            media = decode(record.headers, record.value or b"")
            if isinstance(media, RunStart):
                parse_init(media.init)
        except Corrupt as error:
            await self._announcer.dead_letter(record, str(error))
            return
        if isinstance(media, Gap):
            return
        self._mark(record, media)
        camera = self._watched(media.run.camera_id)
        if camera is None:
            return
        if stale and isinstance(media, Chunk):
            self._worker(camera).pass_over(media)
        else:
            self._worker(camera).offer(media)

    def _mark(self, record: Delivered, media: RunStart | Chunk | RunEnd) -> None:
        camera_id = media.run.camera_id
        if isinstance(media, RunEnd):
            self._marks.pop(camera_id, None)
            return
        mark = self._marks.get(camera_id)
        if isinstance(media, RunStart):
            if mark is None or mark.partition != record.topic_partition:
                mark = self._marks[camera_id] = _Mark(record.topic_partition, self._now_ns())
            mark.rewind.run_start(media.run.run_id, record.offset, record.appended_ns)
        elif mark is not None:
            mark.rewind.heard(record.appended_ns)
        if mark is not None:
            mark.heard_ns = self._now_ns()

    async def _commit(self, consumer: Consumer) -> None:
        now_ns = self._now_ns()
        offsets: dict[TopicPartition, int] = dict(self._next)
        for mark in self._marks.values():
            if now_ns - mark.heard_ns < _SILENT_S * NS_PER_S and mark.partition in offsets:
                offsets[mark.partition] = min(offsets[mark.partition], mark.rewind.offset)
        await _commit_owned(consumer, offsets)

    # -- workers ------------------------------------------------------------------------------------------------------

    def _watched(self, camera_id: str) -> CameraConfig | None:
        camera = self._entities.cameras.get(camera_id)
        return camera if camera is not None and camera.analyse else None

    def _worker(self, camera: CameraConfig) -> CameraWorker:
        worker = self._workers.get(camera.camera_id)
        if worker is None:
            worker = self._workers[camera.camera_id] = CameraWorker(camera, self._around)
            worker.resume(self._known(camera.camera_id))
        return worker

    def _known(self, camera_id: str) -> list[KnownPresence]:
        return [
            KnownPresence(
                incident.zone or "",
                incident.opened_ns,
                incident.closed_ns if incident.closed_ns is not None else incident.evidence.frame_ns,
                incident.closed_ns is None,
            )
            for incident in self._announced.of_camera(camera_id)
        ]

    def _now_ns(self) -> int:
        return self._backbone.clock.monotonic_ns()


async def _commit_owned(consumer: Consumer, offsets: Mapping[TopicPartition, int]) -> None:
    owned = consumer.assignment()
    mine = {partition: offset for partition, offset in offsets.items() if partition in owned}
    if not mine:
        return
    try:
        await consumer.commit(mine)
    except Rejected as error:
        _log.info("a partition went to another worker before its offset was stored; it will replay", error=str(error))
