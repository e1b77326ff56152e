"""One camera's scene: tracks in, facts out. ``step(state, tracks, frame_ns, picture) -> (state, facts)``; no clock, no pixels.

Belongs here: keeping what a track has shown and putting the facts together. Does not belong here: geometry (``ground``), the
judgements (``stature``, ``posture``), and what any of it is worth an alarm for (``core.rules``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.detection import iou
from services.analyze.core.findings import Kind
from services.analyze.core.scene import learning, posture, stature
from services.analyze.core.scene.calibration import Calibration, calibrate
from services.analyze.core.scene.facts import (
    Age,
    CalibrationFacts,
    FloorPoint,
    Metres,
    ObjectFacts,
    Posture,
    SceneFacts,
    Stay,
    ZoneCrossing,
)
from services.analyze.core.scene.ground import Noise, measure
from services.analyze.core.scene.learning import Observation, Unknown
from services.analyze.core.scene.stature import Growth
from services.analyze.core.scene.walking import Walk, speed_of, walk
from services.analyze.core.tracker import Track
from services.analyze.core.zones import Box, PictureSize, Point, contains, foot_point
from services.contracts.entity import CameraConfig, Zone
from services.contracts.errors import Rejected
from services.contracts.time import NS_PER_S

Pose = NDArray[np.float32]
Poses = Mapping[int, Pose]

#: A track not seen this long is gone (the tracker itself waits 2 s).
_GONE_NS = 3 * NS_PER_S
#: Out of a zone for less than this is not out of it: a detector's boxes jump.
_LEFT_NS = NS_PER_S
#: A box side this near the picture's edge (share of its side) is cut off there.
_EDGE = 0.01
#: Standing still: the box's sides stay within this share of its height.
_STILL_SHARE = 0.06
_WALKING_M_S = 0.4
#: What is less certain than this is not said.
_MOST_SIGMA_M, _MOST_HEIGHT_SIGMA_M = 3.0, 0.5
#: A posture is believed when it lasts this long.
_POSTURE_NS = NS_PER_S // 3
#: How often to try to learn the camera, in capture time; and how far somebody must have walked to teach (box heights).
_LEARN_NS, _RELEARN_NS = 20 * NS_PER_S, 600 * NS_PER_S
_TEACHING_WAY, _ALONE_IOU = 0.5, 0.05
_SEES = ("clear", "unjudged")
_TEACHING_ASPECT = (1.9, 4.2)
_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


# State is exchanged several times a frame and object: named tuples, because ``dataclasses.replace`` costs ten times as much.


class _Being(NamedTuple):
    """What one track has shown so far."""

    seen_ns: int
    first_box: Box
    still_box: Box
    still_ns: int
    growth: Growth = Growth()
    way: Walk | None = None
    posture: Posture = "unknown"
    posture_ns: int = 0
    candidate: tuple[Posture, int] = ("unknown", 0)
    #: Zone name → (first inside, last inside).
    inside: Mapping[str, tuple[int, int]] = _NOTHING


class _Stand(NamedTuple):
    """One measured upright body: right, ahead and height in metres (nan: the picture does not say), the standard uncertainties of
    its box's noise and of the calibration."""

    at: tuple[float, float, float]
    own: tuple[float, float, float]
    shared: tuple[float, float, float]

    def place(self) -> FloorPoint | None:
        right, ahead, _ = self.at
        sigmas = math.hypot(self.own[0], self.shared[0]), math.hypot(self.own[1], self.shared[1])
        known = math.isfinite(right) and math.isfinite(ahead) and max(sigmas) <= _MOST_SIGMA_M
        return FloorPoint(right, ahead, *sigmas) if known else None

    def height(self) -> Metres | None:
        tall, sigma = self.at[2], math.hypot(self.own[2], self.shared[2])
        return Metres(tall, sigma) if 0.0 < tall < 4.0 and sigma <= _MOST_HEIGHT_SIGMA_M else None


class SceneState(NamedTuple):
    """Everything a scene remembers. Bounded: beings by the tracker, observations by ``learning``."""

    beings: Mapping[int, _Being] = _NOTHING
    observations: tuple[Observation, ...] = ()
    learned: Calibration | None = None
    why: str = "nobody has walked by yet"
    try_ns: int | None = None


def forget_beings(state: SceneState) -> SceneState:
    """Tracks begin anew; what was learned of the camera stays."""
    return state._replace(beings={}, try_ns=None)


class Scene:
    """The unchanging part: zones and what is told of the camera. A calibration that is refused is told in the facts."""

    def __init__(self, camera: CameraConfig, noise: Noise | None = None) -> None:
        self._zones: tuple[Zone, ...] = tuple(camera.zones)
        self._told = camera.calibration
        self._noise = noise or Noise()
        self._aspect = 0.0
        self._known: Calibration | None = None
        self._refused = ""

    def step(
        self, state: SceneState, tracks: Sequence[Track], frame_ns: int, picture: PictureSize,
        view: str = "unjudged", poses: Poses | None = None,
    ) -> tuple[SceneState, SceneFacts]:  # fmt: skip
        """Judge the tracks seen in a frame. Frames come in order of time; a step back begins anew.

        ``view`` is the camera's health; nothing is learned through a lens that is covered or looks elsewhere. ``poses``: track
        number → COCO points (17, 3) in pixels, for those that a pose model looked at.
        """
        objects: list[ObjectFacts] = []
        crossings: list[ZoneCrossing] = []
        calibration = self._calibration(state, picture)
        if tracks or state.beings:
            if any(being.seen_ns > frame_ns for being in state.beings.values()):
                state = state._replace(beings={}, try_ns=None)
            stands = self._stands(calibration, tracks, picture)
            beings = self._judge_all(state.beings, tracks, stands, frame_ns, picture, poses or {}, objects, crossings)
            state = state._replace(beings=beings)
        if view in _SEES and (tracks or state.try_ns is None):
            state = self._learn(state, tracks, frame_ns, picture)
        told = self._told_of(calibration, state)
        return state, SceneFacts(frame_ns, picture, told, tuple(objects), tuple(crossings), view)

    # -- objects ------------------------------------------------------------------------------------------------------

    def _judge_all(
        self,
        before: Mapping[int, _Being],
        tracks: Sequence[Track],
        stands: Sequence[_Stand | None],
        frame_ns: int,
        picture: PictureSize,
        poses: Poses,
        objects: list[ObjectFacts],
        crossings: list[ZoneCrossing],
    ) -> dict[int, _Being]:
        """The beings after this frame; facts and crossings are added to ``objects`` and ``crossings``."""
        beings = dict(before)
        for track, stand in zip(tracks, stands, strict=True):
            number = track.track_id
            known = beings.get(number) or _Being(frame_ns, track.box, track.box, frame_ns)
            beings[number], facts = self._judge(known, track, stand, frame_ns, picture, poses.get(number), crossings)
            objects.append(facts)
        for gone in [number for number, being in beings.items() if frame_ns - being.seen_ns > _GONE_NS]:
            crossings += self._vanished(gone, beings.pop(gone))
        return beings

    def _judge(
        self,
        before: _Being,
        track: Track,
        stand: _Stand | None,
        frame_ns: int,
        picture: PictureSize,
        pose: Pose | None,
        crossings: list[ZoneCrossing],
    ) -> tuple[_Being, ObjectFacts]:
        """What is known of them now, and what it says; zones entered and left are added to ``crossings``."""
        foot, whole = foot_point(track.box, picture), _is_whole(track.box, picture)
        still_box, still_ns = _kept_still(before, track.box, frame_ns)
        still_s = (frame_ns - still_ns) / NS_PER_S
        place = stand.place() if stand is not None and foot is not None else None
        tall = stand.height() if stand is not None and whole else None
        way, speed = before.way, None
        if stand is not None and place is not None:
            way = walk(before.way, frame_ns, place.right_m, place.ahead_m, stand.own[:2])
            away = max(math.hypot(place.right_m, place.ahead_m), 0.5)
            speed = speed_of(way, min(1.0, stand.shared[1] / away))
        growth, chance = _grown(before.growth, track, tall, stand, speed, frame_ns)
        share = tall.value / growth.stature.value if tall is not None and growth.stature is not None else None
        posture_now = _postured(before, _posture(track.box, whole, share, still_s, pose), frame_ns)
        inside, stays = self._zoned(before.inside, track.track_id, foot, growth.age, frame_ns, crossings)
        being = _Being(frame_ns, before.first_box, still_box, still_ns, growth, way, *posture_now, inside)
        facts = ObjectFacts(
            track.track_id, track.box, track.score, track.confirmed, track.age_s, foot, whole, place, tall, growth.stature,
            growth.age, chance, speed, being.posture, being.posture_ns, share, still_s, stays,
        )  # fmt: skip
        return being, facts

    def _zoned(
        self,
        before: Mapping[str, tuple[int, int]],
        number: int,
        foot: Point | None,
        age: Age,
        frame_ns: int,
        crossings: list[ZoneCrossing],
    ) -> tuple[Mapping[str, tuple[int, int]], tuple[Stay, ...]]:
        inside, stays = dict(before), []
        for zone in self._zones:
            known = inside.get(zone.name)
            if foot is not None and contains(zone.polygon, foot):
                if known is None:
                    crossings.append(ZoneCrossing(number, zone.name, zone.kind, "entered", frame_ns, age))
                known = (known[0] if known else frame_ns, frame_ns)
            elif known is not None and frame_ns - known[1] > _LEFT_NS:
                crossings.append(ZoneCrossing(number, zone.name, zone.kind, "left", known[1], age))
                del inside[zone.name]
                known = None
            if known is not None:
                inside[zone.name] = known
                stays.append(Stay(zone.name, zone.kind, known[0], (frame_ns - known[0]) / NS_PER_S))
        return inside, tuple(stays)

    def _vanished(self, number: int, being: _Being) -> list[ZoneCrossing]:
        kinds = {zone.name: zone.kind for zone in self._zones}
        return [
            ZoneCrossing(number, name, kinds[name], "vanished", being.seen_ns, being.growth.age)
            for name, (_, last_ns) in being.inside.items()
            if name in kinds and last_ns == being.seen_ns
        ]

    # -- the camera ---------------------------------------------------------------------------------------------------

    def _calibration(self, state: SceneState, picture: PictureSize) -> Calibration | None:
        aspect = picture.width_px / picture.height_px
        if self._told is not None and abs(aspect - self._aspect) > 0.01:
            self._aspect, self._known, self._refused = aspect, None, ""
            try:
                self._known = calibrate(self._told, aspect)
            except (Rejected, ValueError) as error:  # ValueError: no solution in numbers
                self._refused = str(error)
        return self._known or state.learned

    def _stands(
        self, calibration: Calibration | None, tracks: Sequence[Track], picture: PictureSize
    ) -> Sequence[_Stand | None]:
        if calibration is None or not tracks:
            return [None] * len(tracks)
        boxes = np.array([_from_middle(track.box, picture) for track in tracks])
        found = measure(calibration.variants, calibration.covariance, boxes, self._noise)
        columns = (np.stack(found.at, axis=1), found.own, found.shared)
        return list(map(_Stand, *(map(tuple, column.tolist()) for column in columns)))

    def _learn(self, state: SceneState, tracks: Sequence[Track], frame_ns: int, picture: PictureSize) -> SceneState:
        if self._known is not None:
            return state
        observations = state.observations
        for track in tracks:
            if _teaches(track, tracks, state.beings[track.track_id], picture):
                seen = Observation(track.track_id, _from_middle(track.box, picture), _told_adult(track))
                observations = learning.collect(observations, seen)
        if state.try_ns is None:
            return state._replace(observations=observations, try_ns=frame_ns + _LEARN_NS)
        if observations is state.observations:
            return state
        if frame_ns < state.try_ns:
            return state._replace(observations=observations)
        found = learning.learn(observations)
        if isinstance(found, Unknown):
            # What more people leave open was claimed too early.
            return state._replace(observations=observations, learned=None, why=found.why, try_ns=frame_ns + _LEARN_NS)
        return state._replace(observations=observations, learned=found, try_ns=frame_ns + _RELEARN_NS)

    def _told_of(self, calibration: Calibration | None, state: SceneState) -> CalibrationFacts:
        if calibration is None:
            return CalibrationFacts(None, self._refused or state.why)
        sigma = float(calibration.standard[0]) * calibration.height_m
        why = f"{self._refused}; meanwhile: {calibration.assumed}" if self._refused else calibration.assumed
        return CalibrationFacts(calibration.origin, why, Metres(calibration.height_m, sigma), calibration.tilt_deg)


def _is_whole(box: Box, picture: PictureSize) -> bool:
    """Whether no side of the box is the picture's edge."""
    x1, y1, x2, y2 = box
    across, down = _EDGE * picture.width_px, _EDGE * picture.height_px
    return x1 > across and y1 > down and x2 < picture.width_px - across and y2 < picture.height_px - down


def _from_middle(box: Box, picture: PictureSize) -> Box:
    """In picture heights from the picture's middle."""
    x, y, tall = picture.width_px / 2, picture.height_px / 2, picture.height_px
    return (box[0] - x) / tall, (box[1] - y) / tall, (box[2] - x) / tall, (box[3] - y) / tall


def _kept_still(being: _Being, box: Box, frame_ns: int) -> tuple[Box, int]:
    """Where and since when: still as long as no side of the box strays from where it was when it came to rest."""
    rest = being.still_box
    least = _STILL_SHARE * max(rest[3] - rest[1], rest[2] - rest[0])
    if max([abs(now - then) for now, then in zip(box, rest, strict=True)]) <= least:
        return rest, being.still_ns
    return box, frame_ns


def _grown(
    growth: Growth, track: Track, tall: Metres | None, stand: _Stand | None, speed: Metres | None, at_ns: int
) -> tuple[Growth, float]:
    """Take a look at somebody upright; with the probability of a child, by it and by what the model tells of them."""
    if tall is not None and stand is not None and _aspect(track.box) >= stature.LEAST_UPRIGHT_ASPECT:
        walking = speed is not None and speed.value - speed.sigma > _WALKING_M_S
        height = Metres(tall.value, stand.own[2])
        growth = stature.look(growth, at_ns, height, stand.shared[2], walking=walking)
    adult = _told_adult(track)
    chance = stature.child_probability(growth, None if adult is None else not adult)
    return stature.judge(growth, chance), chance


def _told_adult(track: Track) -> bool | None:
    return {Kind.ADULT: True, Kind.CHILD: False}.get(Kind(track.kind)) if track.kind in (1, 2) else None


def _aspect(box: Box) -> float:
    return (box[3] - box[1]) / max(box[2] - box[0], 1e-6)


def _posture(box: Box, whole: bool, share: float | None, still_s: float, pose: Pose | None) -> Posture:
    """By the pose where it says something, else by a box that is whole."""
    seen = posture.posture_of_pose(pose) if pose is not None else "unknown"
    if seen != "unknown" or not whole:
        return seen
    return posture.posture_of_box(_aspect(box), share, still_s)


def _postured(being: _Being, seen: Posture, frame_ns: int) -> tuple[Posture, int, tuple[Posture, int]]:
    """(posture, since when, candidate): changes when another has lasted a little; the first is taken as it comes."""
    if being.posture_ns == 0:
        return seen, frame_ns, (seen, frame_ns)
    candidate = being.candidate if being.candidate[0] == seen else (seen, frame_ns)
    if seen != being.posture and frame_ns - candidate[1] >= _POSTURE_NS:
        return seen, candidate[1], candidate
    return being.posture, being.posture_ns, candidate


def _teaches(track: Track, tracks: Sequence[Track], being: _Being, picture: PictureSize) -> bool:
    """Whether somebody shows how big an upright person is here: whole, slender, alone, and walking about."""
    low, high = _TEACHING_ASPECT
    if not (track.confirmed and low <= _aspect(track.box) <= high and _is_whole(track.box, picture)):
        return False
    if foot_point(track.box, picture) is None:
        return False
    way = max(abs(now - then) for now, then in zip(track.box[2:], being.first_box[2:], strict=True))
    if way < _TEACHING_WAY * (track.box[3] - track.box[1]):
        return False
    return all(other is track or iou(track.box, other.box) <= _ALONE_IOU for other in tracks)
