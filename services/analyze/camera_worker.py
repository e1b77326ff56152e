"""One camera's task: takes chunks from its backlog, has them analysed in the thread pool, announces what comes of it.

At most one chunk of a camera is in the pool at a time and the pool's queue is first come first served, so cameras take turns.
Order is kept: what one chunk brought is announced before the next is analysed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import structlog

from services.analyze.activation import ModelShelf
from services.analyze.announcing import Announcer
from services.analyze.core.backlog import Backlog
from services.analyze.core.incidents import Place, RuleFacts, record_of
from services.analyze.core.rules import RULES_VERSION, person_in_zone
from services.analyze.detector import Model, PersonDetector
from services.analyze.engine import LEAST_SCORE, CameraEngine, Judgement, KnownPresence, ModelName
from services.backbone import metrics
from services.backbone.ports import Clock
from services.contracts.cloud_event import make_event
from services.contracts.entity import CameraConfig
from services.contracts.errors import KanhuError
from services.contracts.media_record import Chunk, RunEnd, RunStart
from services.contracts.settings import AnalyzeSettings
from services.contracts.status import WatchStatus
from services.contracts.time import NS_PER_S

_log = structlog.get_logger(__name__)

_RULE = RuleFacts(person_in_zone.KIND, person_in_zone.RULE, person_in_zone.TITLE)
#: A camera without frames this long: its open presences end (what cannot be seen is not known to go on).
SILENCE_S: Final = 10.0
#: A detector that is missing or broken is looked for again this often.
_RETRY_MODEL_S: Final = 10.0
_RUNS_REMEMBERED: Final = 4


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all cameras of the service share."""

    institution_id: str
    settings: AnalyzeSettings
    clock: Clock
    pool: Executor
    shelf: ModelShelf
    announcer: Announcer

    @property
    def source(self) -> str:
        return f"/analyze/{self.settings.analyzer_id}"


@dataclass(slots=True)
class _Watch:
    """What was watched since the last status."""

    from_ns: int | None = None
    to_ns: int = 0
    frames_before: int = 0
    skipped_before: int = 0
    undecodable_before: int = 0


class CameraWorker:
    """Owns one camera's engine. ``offer`` is called by the reader of the log and never blocks."""

    def __init__(self, camera: CameraConfig, around: Surroundings) -> None:
        self._camera = camera
        self._around = around
        self._backlog = Backlog(late_ns=round(around.settings.late_s * NS_PER_S))
        self._runs: dict[str, RunStart] = {}
        self._run_ended: str | None = None
        self._engine: CameraEngine | None = None
        self._model: Model | None = None
        self._model_due_ns = 0
        self._model_wanted = ""
        self._new_camera: CameraConfig | None = None
        self._known: list[KnownPresence] = []
        self._heard_ns = around.clock.monotonic_ns()
        self._watch = _Watch()
        self._not_offered = 0
        self._bell = asyncio.Event()
        self._leaving = False
        self._task = asyncio.create_task(self._live(), name=f"camera {camera.camera_id}")

    @property
    def camera_id(self) -> str:
        return self._camera.camera_id

    # -- called by the service ----------------------------------------------------------------------------------------

    def offer(self, record: RunStart | Chunk | RunEnd) -> None:
        """Take a record of the detect stream; a chunk may displace older ones."""
        match record:
            case RunStart():
                self._runs[record.run.run_id] = record
                while len(self._runs) > _RUNS_REMEMBERED:
                    del self._runs[next(iter(self._runs))]
            case Chunk():
                self._backlog.add(record)
            case RunEnd():
                self._run_ended = record.run.run_id
        self._bell.set()

    def pass_over(self, chunk: Chunk) -> None:
        """Count a chunk that is too old to be worth judging."""
        self._not_offered += 1
        self._cover(chunk)

    def resume(self, known: Iterable[KnownPresence]) -> None:
        """Incidents of this camera that were announced before; taken up before the next frame."""
        self._known += list(known)
        self._bell.set()

    def reconfigure(self, camera: CameraConfig) -> None:
        if camera != (self._new_camera or self._camera):
            self._new_camera = camera
            self._bell.set()

    async def leave(self, *, for_good: bool) -> None:
        """Stop. ``for_good``: the camera is gone, so its presences end; else another worker will go on with them."""
        self._leaving = True
        self._backlog.clear()
        self._bell.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if for_good:
            await self._take_up()
            await self._end_presences()
        await self.say_watched()

    async def say_watched(self) -> None:
        """Publish what was watched since the last time; nothing if no chunk came."""
        watch, now = self._watch, self._counts()
        if watch.from_ns is None:
            return
        frames, skipped, undecodable = now
        status = WatchStatus(
            camera_id=self.camera_id, from_ns=watch.from_ns, to_ns=max(watch.to_ns, watch.from_ns),
            analysed_frames=frames - watch.frames_before, skipped_chunks=skipped - watch.skipped_before,
            undecodable_chunks=undecodable - watch.undecodable_before,
            model=f"{self._model.name}@{self._model.sha256[:16]}" if self._model else "none", rules_version=RULES_VERSION,
        )  # fmt: skip
        self._watch = _Watch(None, 0, *now)
        metrics.ANALYSED_FRAMES.labels(camera=self.camera_id).inc(status.analysed_frames)
        metrics.SKIPPED_CHUNKS.labels(camera=self.camera_id).inc(status.skipped_chunks)
        metrics.UNDECODABLE_CHUNKS.labels(camera=self.camera_id).inc(status.undecodable_chunks)
        identity = (self._around.settings.analyzer_id, self.camera_id, status.from_ns, status.to_ns)
        happening = make_event(
            "kanhu.status.watch", self._around.source, self.camera_id, status.to_ns, status, identity=identity
        )
        await self._around.announcer.status(happening, self.camera_id)

    # -- the task -----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        while not self._leaving:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), timeout=1.0)
            self._bell.clear()
            try:
                await self._catch_up()
            except KanhuError as error:
                _log.error("camera cannot be analysed now", camera=self.camera_id, error=str(error))
            except Exception:
                metrics.ANALYSIS_DEFECTS.inc()
                _log.exception("analysis of a chunk failed; this is a defect", camera=self.camera_id)

    async def _catch_up(self) -> None:
        if self._new_camera is not None:
            self._camera, self._new_camera = self._new_camera, None
            if self._engine is not None:
                await self._announce(self._engine.reconfigure(self._camera))
        await self._take_up()
        while not self._leaving and (chunk := self._backlog.take(self._around.clock.now_ns())) is not None:
            self._note(chunk)
            await self._analyse(chunk)
        if not len(self._backlog):
            await self._rest()

    async def _take_up(self) -> None:
        """Go on with incidents announced before a restart; no detector is needed for that."""
        if self._known:
            known, self._known = self._known, []
            await self._announce(self._need_engine().resume(known))

    async def _analyse(self, chunk: Chunk) -> None:
        started = self._runs.get(chunk.run.run_id)
        if started is None:
            self._not_offered += 1
            return
        if not await self._ready_model():
            self._not_offered += 1
            return
        engine = self._need_engine()
        loop = asyncio.get_running_loop()
        judgements = await loop.run_in_executor(self._around.pool, _work, engine, started, chunk)
        await self._announce(judgements)

    async def _rest(self) -> None:
        """Nothing waits: end what ended."""
        engine = self._engine
        if engine is None:
            return
        if self._run_ended is not None and engine.decoder.run_id == self._run_ended:
            self._run_ended = None
            await self._announce(await asyncio.get_running_loop().run_in_executor(self._around.pool, engine.flush))
        silent_ns = self._around.clock.monotonic_ns() - self._heard_ns
        if silent_ns > SILENCE_S * NS_PER_S and engine.has_open_presence:
            await self._end_presences()

    async def _end_presences(self) -> None:
        if self._engine is not None:
            await self._announce(self._engine.end())

    async def _ready_model(self) -> bool:
        """Whether there is a model; looked at again every few seconds, so that one installed meanwhile is used."""
        now_ns = self._around.clock.monotonic_ns()
        if now_ns < self._model_due_ns:
            return self._model is not None
        self._model_due_ns = now_ns + round(_RETRY_MODEL_S * NS_PER_S)
        try:
            model = await asyncio.to_thread(self._around.shelf.model_for, self._camera)
        except KanhuError as error:
            if self._model_wanted != str(error):
                _log.error("camera is not watched: no detector", camera=self.camera_id, reason=str(error))
            self._model_wanted, self._model = str(error), None
            return False
        if model is not self._model:
            self._model, self._model_wanted = model, ""
            self._need_engine().use(PersonDetector(model, LEAST_SCORE), ModelName(model.name, model.sha256))
        return True

    def _need_engine(self) -> CameraEngine:
        if self._engine is None:
            self._engine = CameraEngine(self._camera, self._around.settings.score)
        return self._engine

    async def _announce(self, judgements: Iterable[Judgement]) -> None:
        for judgement in judgements:
            camera = self._camera
            place = Place(
                self._around.institution_id, camera_id=camera.camera_id, room_id=camera.room_id,
                zone=judgement.zone, title=f"{camera.title or camera.camera_id} · {judgement.zone}",
            )  # fmt: skip
            now_ns = self._around.clock.now_ns()
            happening = record_of(judgement.command, _RULE, place, self._around.source, now_ns, judgement.frame)
            await self._around.announcer.incident(happening, judgement.jpeg)

    def _note(self, chunk: Chunk) -> None:
        self._heard_ns = self._around.clock.monotonic_ns()
        self._cover(chunk)

    def _cover(self, chunk: Chunk) -> None:
        watch = self._watch
        watch.from_ns = chunk.facts.start_ns if watch.from_ns is None else min(watch.from_ns, chunk.facts.start_ns)
        watch.to_ns = max(watch.to_ns, chunk.facts.end_ns)

    def _counts(self) -> tuple[int, int, int]:
        """(analysed frames, skipped chunks, undecodable chunks) since the worker began."""
        skipped = self._backlog.skipped_chunks + self._not_offered
        if self._engine is None:
            return 0, skipped, 0
        tally = self._engine.decoder.tally
        return self._engine.analysed_frames, skipped + tally.unsynchronised_chunks, tally.undecodable_chunks


def _work(engine: CameraEngine, started: RunStart, chunk: Chunk) -> list[Judgement]:
    """In a worker thread. A chunk of another run than the last one begins that run first."""
    return engine.start(started) + engine.chunk(chunk)
