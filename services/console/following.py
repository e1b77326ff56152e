"""Following the log into the live board: status, readings, incidents, and the newest picture of each camera.

Belongs here: the two readers and the fan-out of incidents to viewers. Does not belong here: what is kept (``core/``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from services.backbone.ports import Consumer, Delivered, Log
from services.console.core.live_board import LiveBoard
from services.contracts import incident, sensor, status
from services.contracts.cloud_event import decode_event
from services.contracts.errors import Corrupt, KanhuError
from services.contracts.incident import Incident
from services.contracts.media_record import decode
from services.contracts.status import AgentStatus, CameraStatus, HealthStatus, WatchStatus
from services.contracts.topics import INCIDENT, SENSOR, STATUS, VIDEO_DETECT

VIEWERS_AT_MOST = 32
_QUEUE = 64
_LONGEST_WAIT_S = 10.0
#: How far the picture reader looks back at first, so that the start of a young run (its init segment) is among it.
_LOOK_BACK_RECORDS = 400

logger = structlog.get_logger(__name__)


class Viewers:
    """The pages that follow incidents. A slow one loses its place and is told to read the list anew."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Incident | None]] = set()

    def join(self) -> asyncio.Queue[Incident | None] | None:
        """A queue of at most 64 incidents, or ``None`` when too many watch already. ``None`` in it: read anew."""
        if len(self._queues) >= VIEWERS_AT_MOST:
            return None
        queue: asyncio.Queue[Incident | None] = asyncio.Queue(_QUEUE)
        self._queues.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[Incident | None]) -> None:
        self._queues.discard(queue)

    def tell(self, said: Incident) -> None:
        for queue in self._queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(said)


async def follow_happenings(log: Log, board: LiveBoard, viewers: Viewers) -> None:
    """Read status, readings and incidents for ever."""

    async def read(consumer: Consumer) -> None:
        while True:
            for record in await consumer.poll(timeout_s=1.0):
                _take_happening(record, board, viewers)

    await _for_ever(log, (STATUS.name, SENSOR.name, INCIDENT.name), read)


async def follow_pictures(log: Log, board: LiveBoard) -> None:
    """Read the analysed stream for ever, keeping of it only the newest decodable picture of each camera."""

    async def read(consumer: Consumer) -> None:
        for partition, end in (await consumer.end_offsets()).items():
            await consumer.seek(partition, max(0, end - _LOOK_BACK_RECORDS))
        while True:
            _take_pictures(await consumer.poll(timeout_s=1.0), board)

    await _for_ever(log, (VIDEO_DETECT.name,), read)


def _take_pictures(records: Iterable[Delivered], board: LiveBoard) -> None:
    for record in records:
        try:
            board.take_media(decode(record.headers, record.value or b""))
        except Corrupt as error:
            # Analysis and retention put such records among the dead letters; here it is only a picture less.
            logger.debug("a media record is unreadable", partition=record.partition, error=str(error))


def _take_happening(record: Delivered, board: LiveBoard, viewers: Viewers) -> None:
    if record.value is None:
        return
    try:
        match record.topic:
            case STATUS.name:
                _take_status(record.value, board)
            case SENSOR.name:
                said = decode_event(record.value, sensor.PAYLOADS)
                kind = said.type.rpartition(".")[2]
                board.take_reading(said.subject, kind, said.data.observed_ns, said.data.model_dump(mode="json"))
            case INCIDENT.name:
                payload = decode_event(record.value, incident.PAYLOADS).data
                board.take_incident(payload)
                viewers.tell(payload)
    except Corrupt as error:
        logger.warning("a record is unreadable", topic=record.topic, error=str(error))


def _take_status(value: bytes, board: LiveBoard) -> None:
    said = decode_event(value, status.PAYLOADS)
    match said.data:
        case CameraStatus():
            board.take_status(said.data, said.time_ns)
        case WatchStatus():
            board.take_watch(said.data)
        case HealthStatus():
            board.take_health(said.data)
        case AgentStatus():
            board.agents[said.data.agent_id] = said.data


async def _for_ever(log: Log, topics: tuple[str, ...], read: Callable[[Consumer], Awaitable[None]]) -> None:
    """Read, and read again after the log was away."""
    wait_s = 0.2
    while True:
        try:
            async with log.consumer(topics, group=None, start="latest") as consumer:
                wait_s = 0.2
                await read(consumer)
        except KanhuError as error:
            logger.warning("the log cannot be read now; trying again", topics=topics, error=str(error))
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
