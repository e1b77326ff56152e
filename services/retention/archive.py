"""Archives readings, incidents and states into the catalog; each takes effect exactly once, however often it is delivered.

Belongs here: ``sensor.v1``, ``incident.v1`` and ``status.v1`` → tables. What cannot be read goes to the dead letters and holds
up nothing. Does not belong here: media (``recorder.py``), judging what the records mean.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import structlog

from services.backbone import metrics
from services.backbone.ports import Backbone, Consumer, Delivered, Outgoing, Transaction
from services.backbone.readiness import Readiness
from services.contracts import incident, sensor, status
from services.contracts.cloud_event import CloudEvent, Payload, decode_event
from services.contracts.dead_letter import DeadLetter, encode_dead_letter
from services.contracts.errors import Corrupt, Rejected, Transient
from services.contracts.topics import DEAD_LETTER, INCIDENT, SENSOR, STATUS
from services.retention.archive_rows import apply_incident, apply_reading, apply_status, check_storable
from services.retention.patience import Patience

GROUP = "archive"
CONDITION = "archive"
_POLL_S = 0.5
_PAYLOADS: dict[str, dict[str, type[Payload]]] = {
    SENSOR.name: sensor.PAYLOADS,
    INCIDENT.name: incident.PAYLOADS,
    STATUS.name: status.PAYLOADS,
}

logger = structlog.get_logger(__name__)


class Archive:
    """Runs until ``stop`` is set."""

    def __init__(self, backbone: Backbone, stop: asyncio.Event, readiness: Readiness) -> None:
        self._log = backbone.log
        self._catalog = backbone.need_catalog()
        self._stop = stop
        self._readiness = readiness
        self._patience = Patience(backbone.clock, readiness, CONDITION)

    async def run(self) -> None:
        wait_s = 0.2
        while not self._stop.is_set():
            try:
                async with self._log.consumer(list(_PAYLOADS), group=GROUP) as consumer:
                    self._readiness.set(CONDITION, True)
                    wait_s = 0.2
                    while not self._stop.is_set():
                        await self._turn(consumer)
            except Transient as error:
                self._readiness.set(CONDITION, False, f"reading the log: {error}")
                try:
                    await asyncio.wait_for(self._stop.wait(), wait_s * random.uniform(0.7, 1.0))  # noqa: S311 - jitter
                except TimeoutError:
                    wait_s = min(wait_s * 2, 5.0)

    async def _turn(self, consumer: Consumer) -> None:
        records = await consumer.poll(max_records=256, timeout_s=_POLL_S)
        if not records:
            return
        try:
            await self._patience.persist(lambda: self._keep_all(records), "archiving", Transient)
        except Rejected:  # one of them cannot be kept; find out which
            for record in records:
                await self._keep_one(record)
        await self._commit(consumer, records)

    async def _commit(self, consumer: Consumer, records: Sequence[Delivered]) -> None:
        offsets = {record.topic_partition: record.offset + 1 for record in records}
        try:
            await consumer.commit(offsets)
        except Rejected as error:  # a rebalance; the new owner replays, and the ids make that harmless
            logger.info("commit refused", why=str(error))

    async def _keep_all(self, records: Sequence[Delivered]) -> None:
        readable: list[tuple[str, CloudEvent[Any]]] = []
        for record in records:
            try:
                said = decode_event(record.value or b"", _PAYLOADS[record.topic])
                check_storable(said)
                readable.append((record.topic, said))
            except Corrupt as error:
                await self._bury(record, str(error))
        async with self._catalog.transaction() as tx:
            for topic, said in readable:
                await self._apply(tx, topic, said)
        for topic, _ in readable:
            metrics.ARCHIVED.labels(topic=topic).inc()

    async def _keep_one(self, record: Delivered) -> None:
        try:
            await self._patience.persist(lambda: self._keep_all([record]), "archiving", Transient)
        except Rejected as error:
            reason = str(error)
            await self._patience.persist(lambda: self._bury(record, reason), "writing a dead letter")

    async def _apply(self, tx: Transaction, topic: str, said: CloudEvent[Any]) -> None:
        if topic == SENSOR.name:
            await apply_reading(tx, self._catalog, said)
        elif topic == INCIDENT.name:
            await apply_incident(tx, self._catalog, said)
        else:
            await apply_status(tx, self._catalog, said)

    async def _bury(self, record: Delivered, reason: str) -> None:
        origin = f"{record.topic}/{record.partition}/{record.offset}"
        logger.warning("record refused", origin=origin, why=reason)
        headers, value = encode_dead_letter(DeadLetter(origin, reason, record.value or b"", record.headers))
        await self._log.append([Outgoing(DEAD_LETTER.name, origin, value, headers)])
        metrics.DEAD_LETTERS.labels(topic=record.topic).inc()
