"""Reads ``sensor.v1`` and judges doors.

Offsets. A partition's offset stays at the reading that opened a door still open, so that after a crash the same readings
lead to the same state, timers and incident ids. Timers run on the wall clock only while the log is read to its end: a door
that was closed long ago must not alarm because the closing reading had not been read yet.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from services.analyze.announcing import Announcer
from services.analyze.core.incidents import Place, RuleFacts, record_of
from services.analyze.core.rules import door_held_open
from services.analyze.core.rules.commands import Command, WakeAt
from services.analyze.core.rules.door_held_open import Door, DoorInput, DoorRead, Woken
from services.analyze.recovery import read_announced
from services.backbone.entities import Entities
from services.backbone.ports import Backbone, Consumer, Delivered, TopicPartition
from services.backbone.record_rules import partition_of
from services.contracts.cloud_event import decode_event
from services.contracts.entity import DoorRule, SensorConfig
from services.contracts.errors import Corrupt, Rejected, Transient
from services.contracts.incident import Incident
from services.contracts.sensor import PAYLOADS, DoorReading
from services.contracts.topics import SENSOR

_log = structlog.get_logger(__name__)

GROUP = "analyze-sensors"
_RULE = RuleFacts(door_held_open.KIND, door_held_open.RULE, door_held_open.TITLE)
#: Between two looks at the log. Whatever else is written to it would wake a reader that waits in it; a door has time.
_LOOK_EVERY_S = 0.4


@dataclass(slots=True)
class _Watched:
    """One door: its state, when it wants to be woken, and where in the log it was opened."""

    state: Door = field(default_factory=Door)
    wake_ns: int | None = None
    partition: TopicPartition | None = None
    opened_at: int | None = None


class SensorReader:
    """All doors of the partitions that this member of the group owns."""

    def __init__(
        self, backbone: Backbone, announcer: Announcer, entities: Entities, institution_id: str, source: str
    ) -> None:
        self._backbone = backbone
        self._announcer = announcer
        self._entities = entities
        self._institution_id = institution_id
        self._source = source
        self._doors: dict[str, _Watched] = {}
        self._next: dict[TopicPartition, int] = {}
        self._open: dict[str, Incident] = {}
        self._away = False

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop; a log that is away is waited for."""
        while not stop.is_set():
            try:
                await self._read(stop)
            except Transient as error:
                say = _log.debug if self._away else _log.warning  # once an outage
                say("sensor.v1 cannot be read now; trying again", error=str(error))
                self._away = True
                await asyncio.sleep(1.0)

    async def change(self, entities: Entities) -> None:
        """Follow enrolment: a door that is gone, or no longer ruled, ends its incident."""
        self._entities = entities
        for sensor_id in [name for name in self._doors if self._rule(name) is None]:
            door = self._doors.pop(sensor_id)
            if door.state.raised is not None:
                _, commands = door_held_open.step(
                    DoorRule(), door.state, DoorRead(self._backbone.clock.now_ns(), open=False)
                )
                await self._announce(sensor_id, commands)

    async def _read(self, stop: asyncio.Event) -> None:
        reader = self._backbone.log.consumer(
            [SENSOR.name], group=GROUP, start="earliest", on_assigned=self._assigned, on_revoked=self._revoked
        )
        async with reader as consumer:
            self._away = False
            stored: dict[TopicPartition, int] = {}
            while not stop.is_set():
                records = await consumer.poll(max_records=512, timeout_s=0.0)
                for record in records:
                    await self._route(record)
                if not records and await self._caught_up(consumer):
                    await self._wake_due(self._backbone.clock.now_ns())
                stored = await self._commit(consumer, stored)
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> None:
        announced = await read_announced(self._backbone)
        self._announcer.remember(announced.event_ids)
        self._open = {
            incident.sensor_id: incident
            for incident in announced.newest.values()
            if incident.sensor_id is not None and incident.closed_ns is None
        }
        for partition in partitions:
            for sensor_id in [s for s in self._open if partition_of(s, SENSOR.partitions) == partition.partition]:
                self._door(sensor_id, partition).wake_ns = self._backbone.clock.now_ns()
        await self.change(self._entities)

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        for partition in partitions:
            self._next.pop(partition, None)
        for sensor_id in [name for name, door in self._doors.items() if door.partition in partitions]:
            del self._doors[sensor_id]

    async def _route(self, record: Delivered) -> None:
        try:
            reading = decode_event(record.value or b"", PAYLOADS).data
        except Corrupt as error:
            await self._announcer.dead_letter(record, str(error))
            reading = None
        if isinstance(reading, DoorReading) and self._rule(reading.sensor_id) is not None:
            await self._door_read(record, reading)
        self._next[record.topic_partition] = record.offset + 1

    async def _door_read(self, record: Delivered, reading: DoorReading) -> None:
        door = self._door(reading.sensor_id, record.topic_partition)
        if door.wake_ns is not None and door.wake_ns < reading.observed_ns:
            await self._step(reading.sensor_id, door, Woken(reading.observed_ns - 1))
        await self._step(reading.sensor_id, door, DoorRead(reading.observed_ns, reading.open))
        if door.state.open_since_ns is None:
            door.opened_at, door.wake_ns = None, None
        elif door.opened_at is None:
            door.opened_at = record.offset

    def _door(self, sensor_id: str, partition: TopicPartition) -> _Watched:
        door = self._doors.get(sensor_id)
        if door is None:
            door = self._doors[sensor_id] = _Watched(partition=partition)
            known = self._open.pop(sensor_id, None)
            if known is not None:
                door.state = door_held_open.resume(known.opened_ns, known.severity)
        return door

    async def _wake_due(self, now_ns: int) -> None:
        for sensor_id, door in list(self._doors.items()):
            if door.wake_ns is not None and door.wake_ns <= now_ns:
                await self._step(sensor_id, door, Woken(now_ns))

    async def _step(self, sensor_id: str, door: _Watched, seen: DoorInput) -> None:
        rule = self._rule(sensor_id)
        if rule is None:
            return
        door.wake_ns = None if isinstance(seen, Woken) else door.wake_ns
        state, commands = door_held_open.step(rule, door.state, seen)
        await self._announce(sensor_id, commands)
        door.state = state
        for command in commands:
            if isinstance(command, WakeAt):
                door.wake_ns = command.at_ns

    async def _announce(self, sensor_id: str, commands: list[Command]) -> None:
        sensor = self._sensor(sensor_id)
        place = Place(
            self._institution_id, sensor_id=sensor_id, room_id=sensor.room_id if sensor else None,
            title=(sensor.title if sensor else "") or sensor_id,
        )  # fmt: skip
        for command in commands:
            if not isinstance(command, WakeAt):
                now_ns = self._backbone.clock.now_ns()
                await self._announcer.incident(record_of(command, _RULE, place, self._source, now_ns, None))

    async def _caught_up(self, consumer: Consumer) -> bool:
        now_ns = self._backbone.clock.now_ns()
        if not any(door.wake_ns is not None and door.wake_ns <= now_ns for door in self._doors.values()):
            return False
        ends = await consumer.end_offsets()
        return all(self._next.get(partition, end) >= end for partition, end in ends.items())

    async def _commit(self, consumer: Consumer, stored: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        offsets = {partition: offset for partition, offset in self._next.items() if partition in consumer.assignment()}
        for door in self._doors.values():
            if door.opened_at is not None and door.partition in offsets:
                offsets[door.partition] = min(offsets[door.partition], door.opened_at)
        fresh = {partition: offset for partition, offset in offsets.items() if stored.get(partition) != offset}
        if fresh:
            try:
                await consumer.commit(fresh)
            except Rejected as error:
                _log.info("a partition went to another worker; it will replay", error=str(error))
        return stored | fresh

    def _sensor(self, sensor_id: str) -> SensorConfig | None:
        return self._entities.sensors.get(sensor_id)

    def _rule(self, sensor_id: str) -> DoorRule | None:
        sensor = self._sensor(sensor_id)
        return sensor.door if sensor is not None and sensor.kind == "door" else None
