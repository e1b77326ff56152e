"""One camera's pipeline: decode → detect → track → scene → judge. Synchronous; in a worker thread, one call at a time.

Seams: a ``Detector`` finds people in a frame, ``Tracker.update`` joins them over time, ``Scene.step`` says where they are, how
tall and how fast, ``person_in_zone.step`` judges. Each can be exchanged without the others knowing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from av.video.frame import VideoFrame

from services.analyze.core.detection import Detections
from services.analyze.core.incidents import FrameFacts
from services.analyze.core.motion import MotionGate
from services.analyze.core.rules import person_in_zone
from services.analyze.core.rules.commands import Close, Command, Open, Update, WakeAt
from services.analyze.core.rules.person_in_zone import FrameJudged, PersonSeen, Presence, PresenceRule
from services.analyze.core.sampling import Pace, Sampler
from services.analyze.core.scene.facts import SceneFacts
from services.analyze.core.scene.scene import Scene, SceneState, forget_beings
from services.analyze.core.tracker import Track, Tracker, TrackerSettings
from services.analyze.core.watched import Fates
from services.analyze.core.zones import PictureSize
from services.analyze.decoding import ChunkDecoder, Picture, frames_in
from services.analyze.scaling import blocks_of, jpeg_of
from services.analyze.sight import CameraSight
from services.contracts.entity import CameraConfig, Zone
from services.contracts.media_record import Chunk, RunStart
from services.contracts.status import SkipCause
from services.contracts.time import NS_PER_S

#: What the detector must report: the tracker prolongs known tracks with boxes far below the threshold (ByteTrack).
LEAST_SCORE = 0.1


class Detector(Protocol):
    def detect(self, frame: VideoFrame) -> Detections: ...


@dataclass(frozen=True, slots=True)
class ModelName:
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule said about a zone, the frame it rests on, and that frame as JPEG when an incident opens."""

    zone: str
    command: Open | Update | Close
    frame: FrameFacts | None
    jpeg: bytes | None = None


@dataclass(frozen=True, slots=True)
class KnownPresence:
    """The newest incident of a zone, announced before a restart; ``open`` unless it was closed at ``last_ns``."""

    zone: str
    onset_ns: int
    last_ns: int
    open: bool


@dataclass(slots=True)
class CameraEngine:
    """All state of one camera's analysis. ``sure_score`` is where the detector is believed without a track.

    Without a detector (``use`` was never called) frames are decoded and not analysed. ``fates`` counts what became of every
    frame, ``cause`` says why the newest chunk was not watched (``None``: it was), ``looked_ns`` is the time spent on frames
    after they were decoded, ``sight`` the camera's health, ``facts`` what is known of who is in the newest frame. With a
    ``gate``, frames in which nothing moved are not run through the detector: they count as watched, with nobody in them (the
    gate is open while anybody is).
    """

    camera: CameraConfig
    sure_score: float = 0.4
    gate: MotionGate | None = None
    detector: Detector | None = None
    model: ModelName = ModelName("none", "")
    decoder: ChunkDecoder = field(default_factory=ChunkDecoder)
    fates: Fates = field(default_factory=Fates)
    cause: SkipCause | None = None
    looked_ns: int = 0
    sight: CameraSight = field(default_factory=CameraSight)
    facts: SceneFacts | None = None
    _scene: Scene = field(init=False)
    _scene_state: SceneState = field(default_factory=SceneState)
    _tracker: Tracker = field(init=False)
    _sampler: Sampler = field(init=False)
    _pace: Pace = field(init=False)
    _pacer: Sampler = field(init=False)
    _lost_frames: int = 0
    _rules: dict[str, PresenceRule] = field(init=False)
    _states: dict[str, Presence] = field(default_factory=dict)
    _picture: PictureSize | None = None
    _last_frame: FrameFacts | None = None

    def __post_init__(self) -> None:
        self._sampler = Sampler(self.camera.analysed_frames_per_s)
        self._pace = Pace.full(self.camera.analysed_frames_per_s)
        self._pacer = Sampler(self._pace.frames_per_s)
        self._tracker = self._new_tracker()
        self._scene = Scene(self.camera)
        self._rules = self._armed_rules()

    def reconfigure(self, camera: CameraConfig) -> list[Judgement]:
        """Take a new configuration; presences of zones that are gone or redrawn end here."""
        self.camera = camera
        self._scene = Scene(camera)
        self._sampler = Sampler(camera.analysed_frames_per_s)
        self._pace = Pace.full(camera.analysed_frames_per_s)
        rules = self._armed_rules()
        gone = [name for name, rule in self._rules.items() if _place(rules.get(name)) != _place(rule)]
        self._rules = rules
        return self._finish(gone)

    def resume(self, presences: Iterable[KnownPresence]) -> list[Judgement]:
        """Take up incidents announced before a restart; those of zones no longer there end here."""
        gone = []
        for known in presences:
            if known.open:
                self._states[known.zone] = person_in_zone.resume(known.onset_ns, known.last_ns)
            else:
                self._states[known.zone] = person_in_zone.resume_closed(known.last_ns)
            gone += [known.zone] if known.zone not in self._rules else []
        return self._finish(gone)

    def use(self, detector: Detector, model: ModelName) -> None:
        """Exchange the detector (a model was installed); tracks begin anew, presences go on."""
        self.detector, self.model = detector, model
        self._forget_scene()

    @property
    def analysed_frames(self) -> int:
        return self.fates.analysed

    @property
    def view(self) -> str:
        """The camera's health in a word: a covered lens is not coverage."""
        return self.sight.view

    @property
    def pace(self) -> Pace:
        return self._pace

    def keep_pace(self, pace: Pace) -> None:
        """Watch less, or in full again. Rules wait as much longer for their hits as frames come more slowly."""
        if pace is not self._pace and pace != self._pace:
            self._pace, self._pacer = pace, Sampler(pace.frames_per_s)
            self._rules = self._armed_rules()

    @property
    def has_open_presence(self) -> bool:
        return any(state.onset_ns is not None for state in self._states.values())

    def start(self, record: RunStart) -> list[Judgement]:
        """A run begins; what the decoder still held of the one before is judged first. ``Corrupt``: it cannot be decoded."""
        if record.run.run_id == self.decoder.run_id:
            return []
        rest = self.flush()
        self._forget_scene()
        self.decoder.start(record)
        return rest

    def chunk(self, chunk: Chunk) -> list[Judgement]:
        """Decode a chunk and judge the frames that the policy asks for."""
        tally = self.decoder.tally
        unsynchronised, undecodable, fed = tally.unsynchronised_chunks, tally.undecodable_chunks, tally.fed_frames
        keyframes = self._pace.mode == "keyframes"
        pictures = self.decoder.decode_keyframe(chunk) if keyframes else self.decoder.decode(chunk)
        judgements = self._watch(pictures)
        self.cause = None
        if tally.unsynchronised_chunks > unsynchronised:
            self.cause = "unsynchronised"
        elif tally.undecodable_chunks > undecodable:
            self.cause = "undecodable"
        if self.cause is not None or keyframes:
            self.fates.skip(self.cause or "shed", frames_in(chunk) - (tally.fed_frames - fed))
        self._count_lost()
        return judgements

    def leave_out(self, chunk: Chunk) -> list[Judgement]:
        """A chunk of a GOP that is left out to save time. What the decoder still held is judged first."""
        rest = self.flush()
        self.cause = "shed"
        self.fates.skip("shed", frames_in(chunk))
        return rest

    def flush(self) -> list[Judgement]:
        """The run ended: judge what the decoder still holds. Presences go on: the camera may be back at once."""
        judgements = self._watch(self.decoder.flush())
        self._count_lost()
        return judgements

    def end(self) -> list[Judgement]:
        """The camera fell silent or left: end open presences."""
        return self.flush() + self._finish(list(self._states))

    def _watch(self, pictures: Iterator[Picture]) -> list[Judgement]:
        judgements: list[Judgement] = []
        for picture in pictures:
            if not self._sampler.wants(picture.frame_ns):
                self.fates.unasked += 1
                continue
            self.sight.look(picture.frame_ns, picture.frame)
            if not self._in_pace(picture):
                self.fates.skip("shed", 1)
            elif self.detector is None:
                self.fates.skip("no_model", 1)
            else:
                begun_ns = time.perf_counter_ns()
                judgements += self._look(picture, self.detector)
                self.looked_ns += time.perf_counter_ns() - begun_ns
        return judgements

    def _in_pace(self, picture: Picture) -> bool:
        """The only picture of a GOP is always looked at; else the pace's own rate holds among the frames asked for."""
        pace = self._pace
        if pace.mode == "keyframes" or pace.frames_per_s >= self.camera.analysed_frames_per_s:
            return True
        return self._pacer.wants(picture.frame_ns)

    def _count_lost(self) -> None:
        """Frames that went into the decoder and will not come out."""
        tally = self.decoder.tally
        lost = tally.fed_frames - tally.shown_frames - self.decoder.in_flight
        self.fates.skip("undecodable", max(0, lost - self._lost_frames))
        self._lost_frames = lost

    def _look(self, picture: Picture, detector: Detector) -> Iterator[Judgement]:
        size = PictureSize(picture.frame.width, picture.frame.height)
        if size != self._picture:
            self._picture, self._scene_state = size, SceneState()
            self._forget_scene()
        if self._is_still(picture):
            self.fates.gated += 1
            tracks: list[Track] = []
        else:
            self.fates.analysed += 1
            tracks = self._tracker.update(picture.frame_ns, detector.detect(picture.frame))
        persons = tuple(PersonSeen(t.track_id, t.box, t.score, t.confirmed) for t in tracks)
        self._scene_state, self.facts = self._scene.step(self._scene_state, tracks, picture.frame_ns, size, self.view)
        if self.gate is not None and (persons or self.has_open_presence):
            self.gate.hold(picture.frame_ns)
        self._last_frame = FrameFacts(picture.run_id, picture.seq, size, self.model.name, self.model.sha256)
        seen = FrameJudged(picture.frame_ns, size, persons)
        for name, rule in self._rules.items():
            self._states[name], commands = person_in_zone.step(rule, self._states.get(name, Presence()), seen)
            yield from self._judgements(name, commands, picture.frame)

    def _is_still(self, picture: Picture) -> bool:
        if self.gate is None or self.gate.held_open(picture.frame_ns):
            return False
        return not self.gate.wants(blocks_of(picture.frame), picture.frame_ns)

    def _forget_scene(self) -> None:
        """What comes next does not continue what was: tracks begin anew, and the next frame is looked at."""
        self._tracker.forget()
        self._scene_state = forget_beings(self._scene_state)
        if self.gate is not None:
            self.gate.forget()

    def _finish(self, zones: Iterable[str]) -> list[Judgement]:
        judgements: list[Judgement] = []
        for name in zones:
            self._states[name], commands = person_in_zone.finish(self._states.get(name, Presence()))
            judgements += self._judgements(name, commands, None)
        return judgements

    def _judgements(self, zone: str, commands: Iterable[Command], frame: VideoFrame | None) -> Iterator[Judgement]:
        for command in commands:
            if not isinstance(command, WakeAt):
                jpeg = jpeg_of(frame) if isinstance(command, Open) and frame is not None else None
                yield Judgement(zone, command, self._last_frame, jpeg)

    def _armed_rules(self) -> dict[str, PresenceRule]:
        return {zone.name: self._rule(zone) for zone in self.camera.zones if zone.kind == "armed"}

    def _rule(self, zone: Zone) -> PresenceRule:
        """Slow sampling needs a longer window to collect its hits."""
        four_frames_ns = round(4 * NS_PER_S / self._pace.mean_frames_per_s)
        confirm_ns, absence_ns = max(NS_PER_S, four_frames_ns), max(2 * NS_PER_S, four_frames_ns)
        return PresenceRule(zone, sure_score=self.sure_score, confirm_ns=confirm_ns, absence_ns=absence_ns)

    def _new_tracker(self) -> Tracker:
        sure = self.sure_score
        return Tracker(TrackerSettings(sure_score=sure, new_score=min(sure + 0.05, 0.95)))


def _place(rule: PresenceRule | None) -> object:
    return rule.zone.polygon if rule is not None else None
