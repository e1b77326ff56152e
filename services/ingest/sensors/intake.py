"""Where readings of all ways meet: made into records, given to the outbox, or sent to the dead letters with the reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from services.backbone import metrics
from services.backbone.ports import Outgoing
from services.contracts.cloud_event import Payload, encode_event, make_event
from services.contracts.dead_letter import DeadLetter, encode_dead_letter
from services.contracts.entity import SensorConfig
from services.contracts.errors import Corrupt
from services.contracts.sensor import KIND_OF
from services.contracts.topics import DEAD_LETTER, SENSOR
from services.ingest.core.sensor_payload import read_payload

logger = structlog.get_logger(__name__)

Deliver = Callable[[Outgoing], Awaitable[None]]
_KEPT_BYTES = 64 * 1024  # of a payload that could not be read


def reading_record(agent_id: str, reading: Payload, observed_ns: int) -> Outgoing:
    """A reading as a record of ``sensor.v1``; its id follows from sensor, instant and content."""
    kind = KIND_OF[type(reading)]
    sensor_id = str(getattr(reading, "sensor_id"))  # noqa: B009 - every reading has one; the union is not worth naming
    event = make_event(
        kind, f"/agent/{agent_id}", sensor_id, observed_ns, reading,
        identity=(sensor_id, observed_ns, reading.model_dump_json()),
    )  # fmt: skip
    return Outgoing(SENSOR.name, sensor_id, encode_event(event))


class Intake:
    """Takes payloads of known sensors. Every method returns when what it took is durable."""

    def __init__(self, agent_id: str, deliver: Deliver, now_ns: Callable[[], int]) -> None:
        self._agent_id = agent_id
        self._deliver = deliver
        self._now_ns = now_ns

    async def payload(self, sensor: SensorConfig, payload: bytes, *, way: str, origin: str) -> None:
        """A payload as a device sent it; one that cannot be read becomes a dead letter. ``Transient``: not stored."""
        observed_ns = self._now_ns()
        try:
            reading = read_payload(sensor, payload, observed_ns)
        except Corrupt as error:
            await self.unreadable(origin, f"sensor {sensor.sensor_id}: {error}", payload)
            return
        if reading is not None:
            await self.reading(reading, observed_ns, way=way)

    async def reading(self, reading: Payload, observed_ns: int, *, way: str) -> None:
        await self._deliver(reading_record(self._agent_id, reading, observed_ns))
        metrics.AGENT_READINGS.labels(kind=KIND_OF[type(reading)].rpartition(".")[2], way=way).inc()

    async def unreadable(self, origin: str, reason: str, payload: bytes) -> None:
        logger.warning("a reading could not be understood", origin=origin, reason=reason)
        headers, value = encode_dead_letter(DeadLetter(origin, reason, payload[:_KEPT_BYTES]))
        await self._deliver(Outgoing(DEAD_LETTER.name, f"agent/{self._agent_id}", value, headers))
        metrics.DEAD_LETTERS.labels(topic=SENSOR.name).inc()
