"""One camera's task: takes chunks from its backlog, has them analysed when it is its turn, announces what comes of it.

A camera is in the workroom at most once at a time, with a few chunks when several wait. Order is kept: what one turn brought is
announced before the next begins.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from services.analyze.activation import ModelShelf
from services.analyze.announcing import Announcer
from services.analyze.core.backlog import Backlog
from services.analyze.core.incidents import Place, RuleFacts, record_of
from services.analyze.core.motion import GatePolicy, MotionGate
from services.analyze.core.rules import person_in_zone
from services.analyze.core.sampling import GopThinner, Pace
from services.analyze.core.shedding import CameraLoad, CostMeter
from services.analyze.detector import Model, PersonDetector
from services.analyze.engine import LEAST_SCORE, CameraEngine, Judgement, KnownPresence, ModelName
from services.analyze.turn import Outcome, Turn, do_turn
from services.analyze.watching import NO_MODEL, WatchBook
from services.analyze.workroom import Workroom
from services.backbone import metrics
from services.backbone.ports import Clock
from services.contracts.cloud_event import CloudEvent
from services.contracts.entity import CameraConfig
from services.contracts.errors import KanhuError
from services.contracts.media_record import Chunk, RunEnd, RunStart
from services.contracts.settings import AnalyzeSettings
from services.contracts.status import HealthStatus
from services.contracts.time import NS_PER_S

_log = structlog.get_logger(__name__)

_RULE = RuleFacts(person_in_zone.KIND, person_in_zone.RULE, person_in_zone.TITLE)
#: A camera without frames this long: its open presences end (what cannot be seen is not known to go on).
SILENCE_S: Final = 10.0
#: A detector that is missing or broken is looked for again this often, and whether there is a newer one.
_RETRY_MODEL_S: Final = 10.0
_RENEW_MODEL_S: Final = 60.0
_RUNS_REMEMBERED: Final = 4
#: Chunks of one turn. More would save little and make the other cameras wait.
_CHUNKS_A_TURN: Final = 4


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all cameras of the service share."""

    institution_id: str
    settings: AnalyzeSettings
    clock: Clock
    workroom: Workroom
    shelf: ModelShelf
    announcer: Announcer

    @property
    def source(self) -> str:
        return f"/analyze/{self.settings.analyzer_id}"


class CameraWorker:
    """Owns one camera's engine. ``offer`` is called by the reader of the log and never blocks."""

    def __init__(self, camera: CameraConfig, around: Surroundings) -> None:
        self._camera = camera
        self._around = around
        self._book = WatchBook(camera.camera_id, around.source, camera.analysed_frames_per_s)
        self._backlog = Backlog(round(around.settings.late_s * NS_PER_S), on_dropped=self._book.unwatched)
        self._meter = CostMeter()
        self._thinner = GopThinner()
        self._pace = Pace.full(camera.analysed_frames_per_s)
        self._runs: dict[str, RunStart] = {}
        self._run_ended: str | None = None
        self._engine: CameraEngine | None = None
        self._model: Model | None = None
        self._model_due_ns = 0
        self._model_wanted = ""
        self._new_camera: CameraConfig | None = None
        self._known: list[KnownPresence] = []
        self._heard_ns = around.clock.monotonic_ns()
        self._bell = asyncio.Event()
        self._leaving = False
        self._task = asyncio.create_task(self._live(), name=f"camera {camera.camera_id}")

    @property
    def camera_id(self) -> str:
        return self._camera.camera_id

    @property
    def waited_s(self) -> float:
        """How long the oldest chunk has waited for its turn."""
        return self._backlog.waited_ns(self._around.clock.monotonic_ns()) / NS_PER_S

    def load(self) -> CameraLoad:
        """What watching this camera costs, as measured."""
        return self._meter.load(self.camera_id, self._camera.analysed_frames_per_s)

    # -- called by the service ----------------------------------------------------------------------------------------

    def offer(self, record: RunStart | Chunk | RunEnd) -> None:
        """Take a record of the detect stream; a chunk may displace older ones."""
        match record:
            case RunStart():
                self._runs[record.run.run_id] = record
                while len(self._runs) > _RUNS_REMEMBERED:
                    del self._runs[next(iter(self._runs))]
            case Chunk():
                self._backlog.add(record, self._around.clock.monotonic_ns())
            case RunEnd():
                self._run_ended = record.run.run_id
        self._bell.set()

    def pass_over(self, chunk: Chunk) -> None:
        """Count a chunk that is too old to be worth judging."""
        self._book.unwatched(chunk, "late")

    def keep_pace(self, pace: Pace) -> None:
        """Watch at this pace from the next turn on."""
        if pace != self._pace:
            self._pace = pace
            metrics.ANALYSIS_PACE.labels(camera=self.camera_id).set(
                pace.mean_frames_per_s / self._camera.analysed_frames_per_s
            )

    def tick(self) -> None:
        """A second has passed: what nobody tells (silence, something that failed and is to be tried again) is looked after."""
        silent_ns = self._around.clock.monotonic_ns() - self._heard_ns
        if len(self._backlog) or silent_ns > NS_PER_S:
            self._bell.set()

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
        if not for_good:
            self._backlog.on_dropped = None  # the next owner sees it again, and tells
        self._backlog.clear()
        self._bell.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if for_good:
            await self._take_up()
            await self._end_presences()
        self._around.workroom.forget(self.camera_id)
        await self._around.announcer.statuses(self.statuses())

    def statuses(self) -> list[tuple[str, CloudEvent[Any]]]:
        """What was watched since this was last asked (nothing if no chunk came), and how the camera sees."""
        return [(self.camera_id, told) for told in (self._book.told(), self._health()) if told is not None]

    # -- the task -----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        while not self._leaving:
            await self._bell.wait()
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
            self._pace = Pace.full(self._camera.analysed_frames_per_s)
            self._book.asked_frames_per_s = self._camera.analysed_frames_per_s
            if self._engine is not None:
                self._engine.gate = self._gate()
                await self._announce(self._engine.reconfigure(self._camera))
        await self._take_up()
        while not self._leaving and len(self._backlog):
            await self._analyse()
            if self._book.crowded:
                await self._around.announcer.statuses(self.statuses())
        if not len(self._backlog):
            await self._rest()

    async def _take_up(self) -> None:
        """Go on with incidents announced before a restart; no detector is needed for that."""
        if self._known:
            known, self._known = self._known, []
            await self._announce(self._need_engine().resume(known))

    async def _analyse(self) -> None:
        """One turn, with what is to be seen next when the turn has come."""
        ready = await self._ready_model()
        taken: list[Chunk] = []

        def prepare() -> Callable[[], list[Outcome]] | None:
            clock = self._around.clock
            taken[:] = self._backlog.take_some(clock.now_ns(), clock.monotonic_ns(), _CHUNKS_A_TURN)
            self._heard_ns = clock.monotonic_ns() if taken else self._heard_ns
            started = self._runs.get(taken[0].run.run_id) if taken else None
            if started is None or not ready:
                for chunk in taken:
                    self._book.unwatched(chunk, "no_run_start" if started is None else "no_model")
                return None
            turn = Turn(self._need_engine(), started, taken, self._pace, self._thinner, self._meter)
            return partial(do_turn, turn)

        outcomes = await self._around.workroom.turn(self.camera_id, prepare)
        if outcomes is not None:
            self._backlog.put_back(taken[len(outcomes) :])
            await self._tell(outcomes)

    async def _tell(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self._book.enter(outcome.chunk, outcome.pace, outcome.cause, outcome.fates, outcome.view)
            if outcome.cause is None:
                stale_ns = self._around.clock.now_ns() - outcome.chunk.facts.end_ns
                metrics.ANALYSIS_STALENESS_SECONDS.observe(stale_ns / NS_PER_S)
            await self._announce(outcome.judgements)
        if self._engine is not None and self._engine.sight.news():
            await self._say_health()

    async def _say_health(self) -> None:
        said = self._health()
        if said is not None:
            await self._around.announcer.statuses([(self.camera_id, said)])

    def _health(self) -> CloudEvent[HealthStatus] | None:
        return self._engine.sight.status(self.camera_id, self._around.source) if self._engine is not None else None

    async def _rest(self) -> None:
        """Nothing waits: end what ended."""
        engine = self._engine
        if engine is None:
            return
        if self._run_ended is not None and engine.decoder.run_id == self._run_ended:
            self._run_ended = None
            before = engine.fates.copy()
            await self._announce(await self._around.workroom.turn(self.camera_id, lambda: engine.flush) or [])
            self._book.amend(engine.fates.since(before))
        silent_ns = self._around.clock.monotonic_ns() - self._heard_ns
        if silent_ns < NS_PER_S:
            return
        if silent_ns > SILENCE_S * NS_PER_S and engine.has_open_presence:
            await self._end_presences()
        engine.sight.silent(silent_ns)
        if engine.sight.news():
            await self._say_health()

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
            model = await self._around.workroom.errand(partial(self._around.shelf.model_for, self._camera))
        except KanhuError as error:
            if self._model_wanted != str(error):
                _log.error("camera is not watched: no detector", camera=self.camera_id, reason=str(error))
            self._model_wanted, self._model = str(error), None
            self._book.model = NO_MODEL
            return False
        self._model_due_ns = now_ns + round(_RENEW_MODEL_S * NS_PER_S)
        if model is not self._model:
            self._model, self._model_wanted = model, ""
            self._book.model = f"{model.name}@{model.sha256[:16]}"
            self._need_engine().use(PersonDetector(model, LEAST_SCORE), ModelName(model.name, model.sha256))
        return True

    def _need_engine(self) -> CameraEngine:
        if self._engine is None:
            self._engine = CameraEngine(self._camera, self._around.settings.score, self._gate())
        return self._engine

    def _gate(self) -> MotionGate | None:
        settings, own = self._around.settings, self._camera.motion_gate
        wanted = settings.motion_gate if own is None else own
        return MotionGate(GatePolicy(look_every_s=settings.look_every_s)) if wanted else None

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
