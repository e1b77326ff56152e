"""The cameras and sensors of an installation, as they are now: FILE overlaid by ``config.v1``, followed while it changes.

Belongs here: merging the two, and keeping the last good state when either turns bad. Does not belong here: what a service
does about a change.

Rules. A record of ``config.v1`` stands over FILE's entity of the same id; a tombstone withdraws the record, so that
what FILE says shows through again (a compacted topic forgets its tombstones; any other rule would depend on when one
started reading). A bad record goes to the dead letters and the entity's previous state stays; a bad edit of FILE
is logged and the previous FILE stays. The log being away never takes a camera out of the picture.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import structlog

from services.backbone import metrics
from services.backbone.camera_password import Unsealing, unsealed_by
from services.backbone.entity_cache import EntityCache
from services.backbone.ports import Backbone, Consumer, Delivered, Log, Outgoing, TopicPartition
from services.backbone.settings_file import BOX_FILE, for_data_directory, load_settings
from services.contracts.dead_letter import DeadLetter, encode_dead_letter
from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.entity_record import Entity, decode_entity
from services.contracts.errors import Corrupt, KanhuError, NotFound, Transient
from services.contracts.settings import EmbeddedBackbone, Settings
from services.contracts.topics import CONFIG, DEAD_LETTER

#: FILE is looked at this often; an edit takes effect within it.
FILE_LOOK_S = 1.0
#: How long a service waits for the first reading of config.v1 before it begins with FILE (and the agent's memory) alone.
FIRST_READING_S = 5.0
#: config.v1 is looked at this often. Waiting in ``poll`` would wake its reader at every chunk that an agent appends.
_CONFIG_LOOK_S = 0.5
_LONGEST_WAIT_S = 10.0
_UNSEEN = object()

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entities:
    """One consistent view. Two views with the same content are equal."""

    cameras: Mapping[str, CameraConfig] = field(default_factory=dict)
    sensors: Mapping[str, SensorConfig] = field(default_factory=dict)


def merge(settings: Settings, overlay: Mapping[str, Entity]) -> Entities:
    """FILE's entities, overlaid by those of ``config.v1``."""
    cameras = {camera.camera_id: camera for camera in settings.cameras}
    sensors = {sensor.sensor_id: sensor for sensor in settings.sensors}
    for entity in overlay.values():
        if isinstance(entity, CameraConfig):
            cameras[entity.camera_id] = entity
        else:
            sensors[entity.sensor_id] = entity
    return Entities(MappingProxyType(cameras), MappingProxyType(sensors))


class EntityFeed:
    """The merged view and its changes. ``current`` is the newest; :meth:`changes` begins with it."""

    def __init__(
        self, log: Log, settings: Settings, path: Path | None, *, cache: EntityCache | None = None,
        reports_bad_records: bool = False, unsealed: Unsealing | None = None,
        look_s: float = FILE_LOOK_S, first_reading_s: float = FIRST_READING_S,
    ) -> None:  # fmt: skip
        self._log = log
        self._settings = settings
        self._path = path
        self._cache = cache
        self._reports = reports_bad_records
        self._unsealed = unsealed
        self._look_s = look_s
        self._first_reading_s = first_reading_s
        self._overlay: dict[str, Entity] = {}
        self._read_once = asyncio.Event()
        self._changed = asyncio.Condition()
        self._version = 0
        self.current = Entities()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[EntityFeed]:
        """Follow FILE and ``config.v1`` while the block runs; on entry the first view is there."""
        if self._cache is not None:
            self._overlay = await asyncio.to_thread(self._cache.load)
        tasks = [asyncio.create_task(self._follow_topic(), name="entities of config.v1")]
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._read_once.wait(), self._first_reading_s)
            await self._settle()
            tasks.append(asyncio.create_task(self._follow_file(), name="entities of FILE"))
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def changes(self) -> AsyncIterator[Entities]:
        """The present view, then each newer one; a slow reader gets the newest, not every one between."""
        seen = -1
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._version != seen)  # noqa: B023 - awaited here
                seen, view = self._version, self.current
            yield view

    async def _settle(self) -> None:
        view = merge(self._settings, self._readable(self._overlay))
        async with self._changed:
            if view == self.current and self._version:
                return
            self.current = view
            self._version += 1
            self._changed.notify_all()
        metrics.ENTITIES.labels(kind="camera").set(len(view.cameras))
        metrics.ENTITIES.labels(kind="sensor").set(len(view.sensors))

    def _readable(self, overlay: Mapping[str, Entity]) -> Mapping[str, Entity]:
        """What an agent may open is opened only here: neither the topic nor the agent's memory on disk has it in clear."""
        if (unsealed := self._unsealed) is None:
            return overlay
        return {key: unsealed(one) if isinstance(one, CameraConfig) else one for key, one in overlay.items()}

    # FILE

    async def _follow_file(self) -> None:
        if self._path is None:
            return
        known: object = _UNSEEN  # the first look reads it again: it may have been edited since the service read it
        while True:
            found = await asyncio.to_thread(_fingerprint, self._path)
            if found != known:
                known = found
                await self._reread(self._path)
            await asyncio.sleep(self._look_s)

    async def _reread(self, path: Path) -> None:
        try:
            self._settings = await asyncio.to_thread(self._load, path)
        except KanhuError as error:
            metrics.ENTITY_REFUSALS.labels(origin="file").inc()
            logger.error("edit of the settings is refused; the previous ones stay in force", error=str(error))
            return
        logger.debug("settings file was read again", path=str(path))
        await self._settle()

    def _load(self, path: Path) -> Settings:
        place = self._settings.backbone
        if path.name == BOX_FILE and isinstance(place, EmbeddedBackbone):
            return for_data_directory(path.parent)
        return load_settings(path)

    # config.v1

    async def _follow_topic(self) -> None:
        wait_s = 0.5
        while True:
            try:
                async with self._log.consumer([CONFIG.name], group=None) as consumer:
                    await self._replay(consumer)
                    wait_s = 0.5
                    while True:
                        await self._apply(await consumer.poll(timeout_s=0.0))
                        await asyncio.sleep(_CONFIG_LOOK_S)
            except (Transient, NotFound) as error:
                logger.warning("config.v1 cannot be read now; the entities stay as they are", error=str(error))
            except KanhuError as error:
                logger.error("config.v1 cannot be read; the entities stay as they are", error=str(error))
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _replay(self, consumer: Consumer) -> None:
        """Read all of the topic into a fresh overlay, so that what was withdrawn while we were away is gone."""
        ends = {partition: end for partition, end in (await consumer.end_offsets()).items() if end > 0}
        fresh: dict[str, Entity] = {}
        bad: set[str] = set()
        while ends:
            for record in await consumer.poll(timeout_s=1.0):
                await self._take(record, fresh, bad)
                if record.offset + 1 >= ends.get(record.topic_partition, record.offset + 2):
                    ends.pop(record.topic_partition, None)
            if ends and not await self._behind(consumer, ends):
                break
        for key in bad - fresh.keys():  # never seen good by this reading: what we knew of it stays
            if key in self._overlay:
                fresh[key] = self._overlay[key]
        await self._adopt(fresh)
        self._read_once.set()

    async def _behind(self, consumer: Consumer, ends: Mapping[TopicPartition, int]) -> bool:
        """Compaction may have eaten the last record before an end offset; a silent poll tells that nothing is left."""
        records = await consumer.poll(timeout_s=0.5, max_records=1)
        if not records:
            return False
        for record in records:
            await consumer.seek(record.topic_partition, record.offset)
        return bool(ends)

    async def _apply(self, records: Iterable[Delivered]) -> None:
        overlay = dict(self._overlay)
        for record in records:
            await self._take(record, overlay, set())
        if overlay != self._overlay:
            await self._adopt(overlay)

    async def _take(self, record: Delivered, overlay: dict[str, Entity], bad: set[str]) -> None:
        if record.value is None:
            overlay.pop(record.key, None)
            return
        try:
            overlay[record.key] = decode_entity(record.key, record.value)
        except Corrupt as error:
            bad.add(record.key)
            await self._refuse(record, error)

    async def _refuse(self, record: Delivered, error: Corrupt) -> None:
        origin = f"{record.topic}/{record.partition}/{record.offset}"
        metrics.ENTITY_REFUSALS.labels(origin="config.v1").inc()
        logger.error("a record of config.v1 is refused; the previous state stays", origin=origin, error=str(error))
        if self._reports:
            headers, value = encode_dead_letter(DeadLetter(origin, str(error), record.value or b"", record.headers))
            await self._log.append([Outgoing(DEAD_LETTER.name, origin, value, headers)])
            metrics.DEAD_LETTERS.labels(topic=record.topic).inc()

    async def _adopt(self, overlay: dict[str, Entity]) -> None:
        self._overlay = overlay
        if self._cache is not None:
            await asyncio.to_thread(self._cache.save, overlay)
        await self._settle()


@contextlib.asynccontextmanager
async def open_entities(
    backbone: Backbone, settings: Settings, path: Path | None, *, role: str
) -> AsyncIterator[EntityFeed]:
    """The feed of one service, followed while the block runs. Only retention reports bad records, so each is told once."""
    directory = agent_directory(settings) if role == "agent" else None
    cache = EntityCache(directory / "entities.json") if directory is not None else None
    unsealed = unsealed_by(await backbone.keys.opener(settings.agent.agent_id)) if role == "agent" else None
    feed = EntityFeed(
        backbone.log, settings, path, cache=cache, reports_bad_records=role == "retain", unsealed=unsealed
    )
    async with feed.following():
        yield feed


def agent_directory(settings: Settings) -> Path | None:
    """Where an agent keeps its spool and state: ``agent.data``, else ``DATA/agent`` of a box; else nowhere."""
    if settings.agent.data is not None:
        return Path(settings.agent.data)
    if isinstance(settings.backbone, EmbeddedBackbone):
        return Path(settings.backbone.data) / "agent"
    return None


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
