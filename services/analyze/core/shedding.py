"""What to leave out when more is asked than this machine can do: one controller for all cameras of a service.

Twice a second it is told what watching each camera costs (worker seconds, as measured), how busy the workers are and how
long chunks wait. It divides the workers' time so that whoever needs least is served whole first and the others get equal parts
(max-min fair in worker time), and picks for each camera the richest pace that its part pays for::

    frames      all of the asked rate, then 3/4, 1/2, 1/3, 1/5 of it, down to 1 frame per second: inference is most of the cost
    gops        every second, third GOP only, at that lowest rate
    keyframes   the first picture of every GOP, then of every 2nd, 4th … 32nd: decoding is what is left to save

No camera is ever given nothing. Measured costs can be wrong or out of date (what is left out is not measured), so ``headroom``
shrinks while busy workers let chunks wait longer than they should and grows back when they do not, and while workers have time
to spare a few of the most reduced cameras are tried one step richer, whatever they are thought to cost. A pace is lowered at
once and raised one step at a time with room to spare, so that the account of what was watched stays short.

Pure: time and measurements arrive in ``Load``. Newest-first and bounded memory (``backlog``) hold whatever is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.analyze.core.sampling import Pace

#: Share of the workers' time that may be planned with; the rest is for what varies.
PLANNED = 0.85
#: Below this the workers have time to spare, whatever the estimates say, and nothing is begun to be left out.
_BUSY = 0.7
_RATES = (1.0, 3 / 4, 1 / 2, 1 / 3, 1 / 5)
#: The lowest rate within a decoded GOP: slower than this a person who walks through is not tracked.
FLOOR_FRAMES_PER_S = 1.0
_GOPS = (2, 3)
_KEYFRAMES = (1, 2, 4, 8, 16, 32)
#: Raising a pace needs this much more room than the pace costs.
_SPARE = 1.05
_SHRINK, _GROW, _GROW_IDLE = 0.8, 1.04, 1.3
_LEAST_HEADROOM = 0.05
#: Chunks of a camera whose decoding is not counted: they open the decoder and warm it up.
_OPENING_CHUNKS = 2
#: A GOP is taken to cost at most this many of its keyframes.
_DEAREST_GOP = 12.0


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """What a camera asks and costs. All costs in worker seconds: per second of stream, per frame, per keyframe."""

    camera_id: str
    asked_frames_per_s: float
    gop_s: float
    decode_s_per_s: float
    look_s: float
    keyframe_s: float

    def cost(self, pace: Pace) -> float:
        """Worker seconds per second that a pace costs."""
        looks = self.look_s * pace.mean_frames_per_s
        if pace.mode == "keyframes":
            return self.keyframe_s / self.gop_s / pace.every_gop + looks
        return self.decode_s_per_s / pace.every_gop + looks


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured since the last step. ``busy``: share of the workers' time in use; ``waited_s``: the longest wait."""

    workers: int
    busy: float
    waited_s: float
    cameras: Sequence[CameraLoad]


@dataclass(frozen=True, slots=True)
class Shedding:
    """``rungs``: for each camera that is not watched in full, how far down its ladder it is."""

    target_wait_s: float
    headroom: float = 1.0
    waited_s: float = 0.0
    rungs: Mapping[str, int] = field(default_factory=dict)


def step(state: Shedding, load: Load) -> tuple[Shedding, dict[str, Pace]]:
    """Decide every camera's pace anew."""
    headroom = _headroom(state, load)
    calm = load.busy < _BUSY and load.waited_s <= state.target_wait_s
    if calm and not state.rungs:  # as nearly always
        full = {camera.camera_id: Pace.full(camera.asked_frames_per_s) for camera in load.cameras}
        return Shedding(state.target_wait_s, headroom, load.waited_s), full
    load = _assumed(load)
    ladders = {camera.camera_id: ladder(camera) for camera in load.cameras}
    parts = _divide(load, PLANNED * load.workers * headroom)
    tried = _tried(state, load)
    rungs: dict[str, int] = {}
    for camera in load.cameras:
        wanted = _rung(camera, ladders[camera.camera_id], parts[camera.camera_id])
        if calm:  # whatever the estimates say, nothing more need be left out now
            wanted = min(wanted, state.rungs.get(camera.camera_id, 0))
        rung = _damped(camera, ladders[camera.camera_id], state, parts, wanted)
        rungs[camera.camera_id] = min(rung, max(0, tried.get(camera.camera_id, rung)))
    paces = {camera_id: ladders[camera_id][rung] for camera_id, rung in rungs.items()}
    kept = {camera_id: rung for camera_id, rung in rungs.items() if rung}
    return Shedding(state.target_wait_s, headroom, load.waited_s, kept), paces


def ladder(camera: CameraLoad) -> list[Pace]:
    """Every pace from all that is asked to nearly nothing, each cheaper than the one before."""
    asked = camera.asked_frames_per_s
    floor = min(asked, FLOOR_FRAMES_PER_S)
    rates = [asked, *(asked * share for share in _RATES[1:] if asked * share > floor), floor]
    paces = [Pace("frames", rate, 1, rate) for rate in dict.fromkeys(rates)]
    paces += [Pace("gops", floor, every, floor / every) for every in _GOPS]
    for every in _KEYFRAMES:
        rate = min(asked, 1 / camera.gop_s)
        paces.append(Pace("keyframes", rate, every, rate / every))
    costs = [camera.cost(pace) for pace in paces]
    return [pace for i, pace in enumerate(paces) if i == 0 or costs[i] < min(costs[:i])]


def _assumed(load: Load) -> Load:
    """A camera of which nothing is measured yet is taken to cost what the others cost in the mean, so that it counts at once."""
    decoded = [camera.decode_s_per_s for camera in load.cameras if camera.decode_s_per_s]
    looked = [camera.look_s for camera in load.cameras if camera.look_s]
    if not decoded or not looked:
        return load
    decode_s, look_s = sum(decoded) / len(decoded), sum(looked) / len(looked)
    return replace(load, cameras=[
        replace(
            camera, decode_s_per_s=camera.decode_s_per_s or decode_s, look_s=camera.look_s or look_s,
            keyframe_s=camera.keyframe_s or decode_s * camera.gop_s / 7,
        )
        for camera in load.cameras
    ])  # fmt: skip


def _headroom(state: Shedding, load: Load) -> float:
    """Smaller while chunks wait too long and ever longer; larger again when they wait no more."""
    idle = load.busy < _BUSY
    if load.waited_s > state.target_wait_s and load.waited_s >= state.waited_s and not idle:
        return max(_LEAST_HEADROOM, state.headroom * _SHRINK)
    if load.waited_s < state.target_wait_s / 2:
        return min(1.0, state.headroom * (_GROW_IDLE if idle else _GROW))
    return state.headroom


def _tried(state: Shedding, load: Load) -> dict[str, int]:
    """While there is time to spare: the rungs to try for the most reduced eighth of the cameras, one above their present one."""
    if load.busy >= _BUSY or load.waited_s > state.target_wait_s / 2:
        return {}
    reduced = sorted(state.rungs, key=lambda camera_id: (-state.rungs[camera_id], camera_id))
    return {camera_id: state.rungs[camera_id] - 1 for camera_id in reduced[: max(1, len(load.cameras) // 8)]}


def _divide(load: Load, budget: float) -> dict[str, float]:
    """Max-min fair parts of a budget: nobody gets more than it asks for, and what it leaves goes to the others."""
    asked = ((camera.cost(Pace.full(camera.asked_frames_per_s)), camera.camera_id) for camera in load.cameras)
    demands = sorted(asked)
    parts: dict[str, float] = {}
    for place, (demand, camera_id) in enumerate(demands):
        parts[camera_id] = min(demand, budget / (len(demands) - place))
        budget -= parts[camera_id]
    return parts


def _rung(camera: CameraLoad, paces: Sequence[Pace], part: float) -> int:
    return next((i for i, pace in enumerate(paces) if camera.cost(pace) <= part * (1 + 1e-9)), len(paces) - 1)


def _damped(camera: CameraLoad, paces: Sequence[Pace], state: Shedding, parts: Mapping[str, float], wanted: int) -> int:
    """Down at once; up by one rung, and only if that rung would fit with room to spare (or nothing is short at all)."""
    before = min(state.rungs.get(camera.camera_id, 0), len(paces) - 1)
    if wanted >= before:
        return wanted
    part = parts[camera.camera_id]
    fits = wanted == 0 and camera.cost(paces[0]) <= part * (1 + 1e-9)
    return before - 1 if fits or camera.cost(paces[before - 1]) * _SPARE <= part else before


@dataclass(slots=True)
class CostMeter:
    """Running estimates of one camera's costs, forgetting over ``memory_s`` of stream (``memory_frames`` for frames).

    What is far above the estimate counts as three times it: a model that is fitted once, a page that is read once, are not
    what watching costs. For the same reason the very first look and the first chunks, which open the decoder, are not counted.
    """

    memory_s: float = 4.0
    memory_frames: float = 15.0
    decode_s_per_s: float = 0.0
    look_s: float = 0.0
    keyframe_s: float = 0.0
    gop_s: float = 2.0
    _sync_ns: int | None = None
    _begun: bool = False
    _chunks: int = 0

    def decoded(self, stream_s: float, worked_s: float) -> None:
        """Whole chunks of this much stream took this long to decode."""
        if self._chunks < _OPENING_CHUNKS:
            self._chunks += 1
        elif stream_s > 0:
            self.decode_s_per_s = _toward(self.decode_s_per_s, worked_s / stream_s, stream_s / self.memory_s)

    def looked(self, frames: int, worked_s: float) -> None:
        if frames > 0 and not self._begun:
            self._begun = True
        elif frames > 0:
            self.look_s = _toward(self.look_s, worked_s / frames, frames / self.memory_frames)

    def keyframe(self, worked_s: float) -> None:
        self.keyframe_s = _toward(self.keyframe_s, worked_s, 0.3)

    def synced(self, at_ns: int) -> None:
        """A sync chunk begins at this capture time."""
        if self._sync_ns is not None and 0 < at_ns - self._sync_ns < 60_000_000_000:
            self.gop_s += ((at_ns - self._sync_ns) / 1e9 - self.gop_s) / 2
        self._sync_ns = at_ns

    def load(self, camera_id: str, asked_frames_per_s: float) -> CameraLoad:
        """A keyframe costs about a seventh of its GOP (docs/design/analysis.md): the one bounds what is thought of the other."""
        gop_s = max(self.gop_s, 0.04)
        decode_s_per_s, keyframe_s = self.decode_s_per_s, self.keyframe_s or self.decode_s_per_s * gop_s / 7
        if self.keyframe_s:
            decode_s_per_s = min(decode_s_per_s or _DEAREST_GOP, _DEAREST_GOP * self.keyframe_s / gop_s)
        return CameraLoad(camera_id, asked_frames_per_s, gop_s, decode_s_per_s, self.look_s, keyframe_s)


def _toward(old: float, new: float, weight: float) -> float:
    return new if old == 0.0 else old + (min(new, 3 * old) - old) * min(1.0, weight)
