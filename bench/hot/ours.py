"""Our way and the limit. Both see the same access units and run the same fitted model on one thread.

Ours is ``CameraEngine`` as the service runs it, fed with chunks: decode, gate, detect, track. The limit is what nobody
can do without: the access units into the decoder, and the model's session on a filled input, at the same frames.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from av.codec.context import CodecContext, ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from bench.hot.clips import ANALYSED_PER_S, FRAMES_PER_S
from services.analyze.core.detection import Detections
from services.analyze.core.motion import GatePolicy, MotionGate
from services.analyze.core.scene.scene import Scene
from services.analyze.core.tracker import Tracker
from services.analyze.detector import Model, PersonDetector
from services.analyze.engine import LEAST_SCORE, CameraEngine, ModelName
from services.analyze.looking import SurgicalLooker
from services.analyze.sight import CameraSight
from services.contracts.entity import CameraConfig
from services.contracts.media_record import Chunk, RunStart
from services.contracts.time import NS_PER_S
from services.media.cmaf_reader import InitFacts, parse_chunk, parse_init
from tests.integration.analyze.streams import chunks, muxed, run_start

#: A gate that is held open, as it is while somebody is followed: every frame is analysed.
ALWAYS_OPEN = GatePolicy(look_every_s=0.0)
#: A gate that only motion opens.
ALWAYS_SHUT = GatePolicy(look_every_s=3600.0)
#: Of the muxed clips.
TIMESCALE = 90_000
STAGES = ("decode", "parse", "scale", "motion", "infer", "post", "track", "scene")


@dataclass(frozen=True, slots=True)
class Stream:
    """A clip as the log carries it, and its bare access units."""

    start: RunStart
    chunks: Sequence[Chunk]
    init: InitFacts
    units: Sequence[bytes]

    @classmethod
    def of(cls, clip: Path) -> Stream:
        records = muxed(clip)
        start, pieces = run_start(records), chunks(records)
        units = []
        for chunk in pieces:
            view = memoryview(chunk.value)
            units += [bytes(view[s.offset : s.offset + s.size]) for s in parse_chunk(view).samples]
        return cls(start, pieces, parse_init(start.init), units)


class Recorder:
    """A detector that keeps what it found, by the number of the frame in the clip (25 frames per second)."""

    def __init__(self, model: Model) -> None:
        self._detector = PersonDetector(model, LEAST_SCORE)
        self.found: dict[int, Detections] = {}

    def detect(self, frame: VideoFrame) -> Detections:
        found = self._detector.detect(frame)
        assert frame.pts is not None
        self.found[round(frame.pts * FRAMES_PER_S / TIMESCALE)] = found
        return found


def engine_for(model: Model, gate: MotionGate | None) -> CameraEngine:
    """A camera without zones, its health not judged: what comes beside the path of a frame is in ``bench.service``."""
    camera = CameraConfig(camera_id="bench", url="file:bench.mp4", analysed_frames_per_s=float(ANALYSED_PER_S))
    engine = CameraEngine(camera, gate=gate)
    engine.sight = _NoSight()
    engine.use(PersonDetector(model, LEAST_SCORE), ModelName(model.name, model.sha256))
    return engine


def run_engine(engine: CameraEngine, stream: Stream) -> float:
    """CPU seconds of the whole clip through an engine that is warm."""
    begun = time.process_time()
    engine.start(stream.start)
    for chunk in stream.chunks:
        engine.chunk(chunk)
    engine.flush()
    return time.process_time() - begun


def run_limit(stream: Stream, run: Callable[[], object], analysed: set[int]) -> tuple[float, float]:
    """CPU seconds of bare decode, and of bare runs, interleaved as the engine interleaves them."""
    context = open_decoder(stream.init)
    decode_s = run_s = 0.0
    number = 0
    begun = time.process_time()
    for unit in [*stream.units, None]:
        for _ in context.decode(None if unit is None else Packet(unit)):
            if number in analysed:
                now = time.process_time()
                decode_s += now - begun
                run()
                begun = time.process_time()
                run_s += begun - now
            number += 1
    return decode_s + time.process_time() - begun, run_s


def open_decoder(init: InitFacts) -> VideoCodecContext:
    context = CodecContext.create({"h264": "h264", "h265": "hevc"}[init.video_codec], "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata, context.thread_type, context.thread_count = init.extradata, ThreadType.NONE, 1
    return context


def bare_run(model: Model, stream: Stream) -> Callable[[], object]:
    """One run of the very session that the engine uses, with the scene's first picture in its input."""
    context = open_decoder(stream.init)
    frame = next(iter([f for unit in stream.units[:3] for f in context.decode(Packet(unit))]))
    detector = PersonDetector(model, LEAST_SCORE)
    detector.detect(frame)
    looker = detector._looker
    variant = model.variant(frame.width, frame.height)
    if isinstance(looker, SurgicalLooker):
        feeds: dict[str, Any] = {name: np.array(value) for name, value in looker._feeds.items()}
    else:
        wanted = variant.session.get_inputs()[0]
        feeds = {wanted.name: np.full(wanted.shape, 114, np.float32)}
    run = variant.session.run
    return lambda: run(None, feeds)


def health_us(stream: Stream) -> float:
    """CPU µs of one look at the camera's health; the engine takes one a second."""
    context = open_decoder(stream.init)
    frames = [f for unit in stream.units[:40] for f in context.decode(Packet(unit))]
    least = float("inf")
    for _ in range(3):
        sight = CameraSight()
        begun = time.process_time()
        for second, frame in enumerate(frames):
            sight.look(second * NS_PER_S, frame)
        least = min(least, time.process_time() - begun)
    return least / len(frames) * 1e6


@dataclass(slots=True)
class Stopwatch:
    """CPU time of this thread by stage; what runs within a stage's call belongs to the innermost one."""

    spent_ns: dict[str, int] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _since_ns: int = 0

    def around(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            self._enter(stage)
            try:
                return call(*arguments, **named)
            finally:
                self._leave()

        return timed

    def _enter(self, stage: str) -> None:
        now = time.thread_time_ns()
        if self._open:
            self._add(now)
        self._open.append(stage)
        self._since_ns = time.thread_time_ns()

    def _leave(self) -> None:
        self._add(time.thread_time_ns())
        self._open.pop()
        self._since_ns = time.thread_time_ns()

    def _add(self, now: int) -> None:
        stage = self._open[-1]
        self.spent_ns[stage] = self.spent_ns.get(stage, 0) + now - self._since_ns


class TimedDetector:
    """A detector whose steps are timed one by one."""

    def __init__(self, model: Model, watch: Stopwatch, size: tuple[int, int]) -> None:
        detector = PersonDetector(model, LEAST_SCORE)
        looker = model.looker(*size, LEAST_SCORE)
        if isinstance(looker, SurgicalLooker):
            looker._run = watch.around("infer", looker._run)
            looker._scaler.fill = watch.around("scale", looker._scaler.fill)  # type: ignore[method-assign]
        detector._looker, detector._size = looker, size
        self.detect = watch.around("post", detector.detect)


def stages_us(model: Model, stream: Stream, policy: GatePolicy) -> dict[str, float]:
    """µs per analysed frame by stage, from a run of its own: the clocks cost a few µs and are not in the other figures.

    What no other stage claims (sampling, rules, handing on) is in ``decode``.
    """
    watch = Stopwatch()
    gate = MotionGate(policy)
    engine = engine_for(model, gate)
    timed = TimedDetector(model, watch, (stream.init.width, stream.init.height))
    engine.detector = timed
    engine.gate = _TimedGate(gate, watch)  # type: ignore[assignment]
    engine._tracker = _TimedTracker(engine._tracker, watch)  # type: ignore[assignment]
    engine._scene = _TimedScene(engine._scene, watch)  # type: ignore[assignment]
    whole = watch.around("decode", run_engine)
    with patch("services.analyze.decoding.parse_chunk", watch.around("parse", parse_chunk)):
        whole(engine, stream)
    looked = max(1, engine.fates.looked)
    return {stage: watch.spent_ns.get(stage, 0) / looked / 1000 for stage in STAGES}


class _NoSight(CameraSight):
    """The camera's health is judged once a second and has a cost of its own (``health_us``)."""

    def look(self, frame_ns: int, frame: VideoFrame) -> None:
        pass


class _TimedScene:
    def __init__(self, scene: Scene, watch: Stopwatch) -> None:
        self.step = watch.around("scene", scene.step)


class _TimedTracker:
    def __init__(self, tracker: Tracker, watch: Stopwatch) -> None:
        self.update = watch.around("track", tracker.update)
        self.forget = tracker.forget


class _TimedGate:
    def __init__(self, gate: MotionGate, watch: Stopwatch) -> None:
        self.wants = watch.around("motion", gate.wants)
        self.held_open, self.hold, self.forget = gate.held_open, gate.hold, gate.forget
