"""Makes what was judged durable: incidents and status to the log, snapshots to the store, unreadable records to the dead letters.

Nothing here loses an incident: an append is repeated until the log takes it (its record's id follows from its facts, so a
repetition is recognised). A snapshot never delays an incident by more than ``SNAPSHOT_PATIENCE_S``; it is stored meanwhile,
or given up and said so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import structlog

from services.backbone import metrics
from services.backbone.ports import Backbone, Delivered, Outgoing
from services.contracts.cloud_event import CONTENT_TYPE, CloudEvent, encode_event
from services.contracts.dead_letter import DeadLetter, encode_dead_letter
from services.contracts.errors import KanhuError, Transient
from services.contracts.incident import Incident
from services.contracts.policy import RetentionPolicy
from services.contracts.time import DAY_NS
from services.contracts.topics import DEAD_LETTER, INCIDENT, STATUS

_log = structlog.get_logger(__name__)

JSON_HEADERS = (("content-type", CONTENT_TYPE.encode()),)
SNAPSHOT_PATIENCE_S = 0.5
_SNAPSHOT_TRIES_S = 120.0
_MAX_SNAPSHOTS_WAITING = 32
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_REMEMBERED = 20_000


class Announcer:
    """The shell's one way out. ``policy`` tells how long snapshots are kept (those of footage)."""

    def __init__(self, backbone: Backbone, policy: RetentionPolicy) -> None:
        self._backbone = backbone
        self._floor_ns = policy.floor_days * DAY_NS
        self._snapshots: set[asyncio.Task[None]] = set()
        self._announced: OrderedDict[str, None] = OrderedDict()

    def remember(self, event_ids: Sequence[str]) -> None:
        """Events already in the log; announcing them again does nothing."""
        for identifier in event_ids:
            self._announced[identifier] = None
            self._announced.move_to_end(identifier)
        while len(self._announced) > _REMEMBERED:
            self._announced.popitem(last=False)

    async def incident(self, event: CloudEvent[Incident], jpeg: bytes | None = None) -> None:
        """Announce; durable on return. A picture goes to the event's ``snapshot_key``."""
        if event.id in self._announced:
            return
        incident = event.data
        key = incident.evidence.snapshot_key
        if jpeg is not None and key is not None:
            await self._store_soon(key, jpeg, incident.evidence.frame_ns + self._floor_ns)
        await self.append([Outgoing(INCIDENT.name, incident.institution_id, encode_event(event), JSON_HEADERS)])
        self.remember([event.id])
        metrics.INCIDENTS.labels(kind=incident.kind, stage=event.type.rpartition(".")[2]).inc()
        if event.type.endswith("opened"):
            metrics.INCIDENT_DELAY_SECONDS.labels(kind=incident.kind).observe(
                max(0, incident.raised_ns - incident.opened_ns) / 1e9
            )
        _log.info(
            event.type, incident=incident.incident_id, kind=incident.kind, severity=incident.severity,
            camera=incident.camera_id, sensor=incident.sensor_id, zone=incident.zone,
        )  # fmt: skip

    async def statuses(self, told: Sequence[tuple[str, CloudEvent[Any]]]) -> None:
        """Say statuses, by what they are of, once; those that the log does not take now are not worth waiting for."""
        if told:
            records = [Outgoing(STATUS.name, source_id, encode_event(one), JSON_HEADERS) for source_id, one in told]
            with contextlib.suppress(Transient):
                await self._backbone.log.append(records)

    async def dead_letter(self, record: Delivered, reason: str) -> None:
        """Keep a record that could not be read, and say why."""
        origin = f"{record.topic}/{record.partition}/{record.offset}"
        headers, value = encode_dead_letter(DeadLetter(origin, reason, record.value or b"", record.headers))
        await self.append([Outgoing(DEAD_LETTER.name, origin, value, headers)])
        metrics.DEAD_LETTERS.labels(topic=record.topic).inc()
        _log.warning("record could not be read and went to the dead letters", origin=origin, reason=reason)

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append, waiting as long as the log is away."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await self._backbone.log.append(records)
                return
            except Transient as error:
                _log.warning("the log does not take records now; trying again", error=str(error), wait_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def close(self) -> None:
        """Wait a moment for snapshots under way, then give up on the rest."""
        if self._snapshots:
            await asyncio.wait(self._snapshots, timeout=2.0)
        for task in self._snapshots:
            task.cancel()
        await asyncio.gather(*self._snapshots, return_exceptions=True)

    async def _store_soon(self, key: str, jpeg: bytes, retain_until_ns: int) -> None:
        if len(self._snapshots) >= _MAX_SNAPSHOTS_WAITING:
            metrics.SNAPSHOTS_LOST.inc()
            _log.warning("snapshot given up: too many wait for the object store", key=key)
            return
        task = asyncio.create_task(self._store(key, jpeg, retain_until_ns), name=f"snapshot {key}")
        self._snapshots.add(task)
        task.add_done_callback(self._snapshots.discard)
        await asyncio.wait({task}, timeout=SNAPSHOT_PATIENCE_S)

    async def _store(self, key: str, jpeg: bytes, retain_until_ns: int) -> None:
        digest = hashlib.sha256(jpeg).digest()
        store = self._backbone.need_store()
        try:
            async with asyncio.timeout(_SNAPSHOT_TRIES_S):
                while True:
                    try:
                        await store.put(
                            key, jpeg, sha256=digest, retain_until_ns=retain_until_ns, content_type="image/jpeg"
                        )
                        return
                    except Transient as error:
                        await asyncio.sleep(error.retry_after_s or 1.0)
        except (TimeoutError, KanhuError) as error:
            metrics.SNAPSHOTS_LOST.inc()
            _log.error("snapshot could not be stored; the incident stands without it", key=key, error=str(error))
