"""A running analysis on an embedded backbone, with tests in the places of the agent and of retention."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.analyze.service import run
from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.entities import open_entities
from services.backbone.ports import Backbone, Outgoing
from services.backbone.readiness import Readiness
from services.backbone.running import Host
from services.contracts import incident, status
from services.contracts.cloud_event import CloudEvent, decode_event, encode_event, make_event
from services.contracts.media_record import MediaRecord
from services.contracts.media_record import encode as encode_media
from services.contracts.sensor import DoorReading
from services.contracts.settings import Settings
from services.contracts.topics import DEAD_LETTER, INCIDENT, SENSOR, STATUS, VIDEO_DETECT


@dataclass
class House:
    """``incidents``, ``statuses`` (of watching) and ``healths`` are what the log holds so far."""

    backbone: Backbone
    settings: Settings
    incidents: list[CloudEvent[Any]] = field(default_factory=list)
    statuses: list[CloudEvent[Any]] = field(default_factory=list)
    healths: list[CloudEvent[Any]] = field(default_factory=list)
    dead_letters: int = 0

    async def send(self, records: Iterable[MediaRecord], camera_id: str = "room") -> None:
        batch = []
        for record in records:
            headers, value = encode_media(record)
            batch.append(Outgoing(VIDEO_DETECT.name, camera_id, value, headers))
        await self.backbone.log.append(batch)

    async def door(self, open_: bool, observed_ns: int, sensor_id: str = "door") -> None:
        reading = DoorReading(sensor_id=sensor_id, observed_ns=observed_ns, open=open_)
        happening = make_event(
            "kanhu.sensor.door",
            "/agent/test",
            sensor_id,
            observed_ns,
            reading,
            identity=(sensor_id, observed_ns, open_),
        )
        await self.backbone.log.append([Outgoing(SENSOR.name, sensor_id, encode_event(happening))])

    def stages(self, kind: str | None = None) -> list[str]:
        chosen = [e for e in self.incidents if kind is None or e.data.kind == kind]
        return [event.type.rpartition(".")[2] for event in chosen]

    def total(self, count: str) -> int:
        """Sum of a count over every ``WatchStatus`` so far."""
        return sum(getattr(event.data, count) for event in self.statuses)

    async def until(self, condition: Callable[[], object], what: str, *, seconds: float = 20.0) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, (
                f"waited {seconds} s in vain for {what}: {self.stages()}"
            )
            await asyncio.sleep(0.02)

    async def _listen(self) -> None:
        topics = [INCIDENT.name, STATUS.name, DEAD_LETTER.name]
        async with self.backbone.log.consumer(topics, group=None, start="earliest") as consumer:
            while True:
                for record in await consumer.poll(timeout_s=0.2):
                    if record.topic == DEAD_LETTER.name:
                        self.dead_letters += 1
                    elif record.topic == INCIDENT.name:
                        self.incidents.append(decode_event(record.value or b"", incident.PAYLOADS))
                    else:
                        said = decode_event(record.value or b"", status.PAYLOADS)
                        (self.healths if said.type == "kanhu.status.health" else self.statuses).append(said)


@contextlib.asynccontextmanager
async def backbone_of(data: Path, **sections: Any) -> AsyncIterator[House]:
    """The backbone and an ear on it, without the analysis."""
    settings = Settings.model_validate({"backbone": {"mode": "embedded", "data": str(data)}, **sections})
    backbone = await open_backbone(settings, role="analyze")
    house = House(backbone, settings)
    ear = asyncio.create_task(house._listen())
    try:
        yield house
    finally:
        ear.cancel()
        await asyncio.gather(ear, return_exceptions=True)
        await close_backbone(backbone)


@contextlib.asynccontextmanager
async def analysis(house: House, *, gently: bool = True) -> AsyncIterator[None]:
    """The service, running. ``gently=False`` ends it as a crash would: no last words, no commit."""
    stop = asyncio.Event()
    readiness = Readiness()
    async with open_entities(house.backbone, house.settings, None, role="analyze") as entities:
        host = Host(house.settings, None, house.backbone, stop, readiness, entities)
        service = asyncio.create_task(run(host))
        try:
            async with asyncio.timeout(10):
                while not readiness.ready:
                    assert not service.done(), service.result()
                    await asyncio.sleep(0.01)
            yield
        finally:
            if gently:
                stop.set()
                await service
            else:
                service.cancel()
                await asyncio.gather(service, return_exceptions=True)
