"""One camera's scene: tracks in, facts out. ``step(state, tracks, frame_ns, picture) -> (state, facts)``; no clock, no pixels.

Belongs here: keeping what a track has shown and putting the facts together. Does not belong here: geometry (``ground``), the
judgements (``stature``, ``posture``), and what any of it is worth an alarm for (``core.rules``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.detection import iou_matrix
from services.analyze.core.findings import Kind
from services.analyze.core.scene import learning, posture, stature
from services.analyze.core.scene.calibration import Calibration, calibrate
from services.analyze.core.scene.facts import (
    CalibrationFacts,
    FloorPoint,
    Metres,
    ObjectFacts,
    Posture,
    SceneFacts,
    Stay,
    ZoneCrossing,
)
from services.analyze.core.scene.ground import Floats, Measured, Noise, measure
from services.analyze.core.scene.learning import Observation, Unknown
from services.analyze.core.scene.stature import Growth
from services.analyze.core.scene.walking import Walk, speed_of, walk
from services.analyze.core.tracker import Track
from services.analyze.core.zones import Box, PictureSize, contains, foot_point
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
        if any(being.seen_ns > frame_ns for being in state.beings.values()):
            state = state._replace(beings={}, try_ns=None)
        calibration = self._calibration(state, picture)
        boxes = np.array([track.box for track in tracks], np.float64).reshape(-1, 4)
        measured = self._measure(calibration, boxes, picture) if calibration is not None and len(tracks) else None
        beings = dict(state.beings)
        crossings: list[ZoneCrossing] = []
        objects = []
        for row, track in enumerate(tracks):
            before = beings.get(track.track_id) or _Being(frame_ns, track.box, track.box, frame_ns)
            pose = poses.get(track.track_id) if poses else None
            beings[track.track_id], known, crossed = self._judge(before, track, row, measured, frame_ns, picture, pose)
            objects.append(known)
            crossings += crossed
        for gone in [number for number, being in beings.items() if frame_ns - being.seen_ns > _GONE_NS]:
            crossings += self._vanished(gone, beings.pop(gone))
        state = state._replace(beings=beings)
        if view in _SEES:
            state = self._learn(state, tracks, boxes, frame_ns, picture)
        told = self._told_of(calibration, state)
        facts = SceneFacts(frame_ns, picture, told, tuple(objects), tuple(crossings), view)
        return state, facts

    # -- one object ---------------------------------------------------------------------------------------------------

    def _judge(
        self,
        before: _Being,
        track: Track,
        row: int,
        measured: Measured | None,
        frame_ns: int,
        picture: PictureSize,
        pose: Pose | None,
    ) -> tuple[_Being, ObjectFacts, list[ZoneCrossing]]:
        foot, whole = foot_point(track.box, picture), _is_whole(track.box, picture)
        being = _kept_still(before._replace(seen_ns=frame_ns), track.box, frame_ns)
        still_s = (frame_ns - being.still_ns) / NS_PER_S
        place = _place(measured, row) if foot is not None else None
        tall = _height(measured, row) if whole else None
        speed = None
        if place is not None and measured is not None:
            own = float(measured.own[row, 0]), float(measured.own[row, 1])
            being = being._replace(way=walk(being.way, frame_ns, place.right_m, place.ahead_m, own))
            assert being.way is not None
            away = max(float(np.hypot(place.right_m, place.ahead_m)), 0.5)
            speed = speed_of(being.way, min(1.0, float(measured.shared[row, 1]) / away))
        being, told = _grow(being, track, tall, measured, row, speed, frame_ns)
        chance = stature.child_probability(being.growth, told)
        being = being._replace(growth=stature.judge(being.growth, chance))
        own_stature = being.growth.stature
        share = tall.value / own_stature.value if tall is not None and own_stature is not None else None
        being = _postured(being, _posture(track.box, whole, share, still_s, pose), frame_ns)
        being, stays, crossings = self._zoned(being, track.track_id, foot, frame_ns)
        facts = ObjectFacts(
            track.track_id, track.box, track.score, track.confirmed, track.age_s, foot, whole, place, tall, own_stature,
            being.growth.age, chance, speed, being.posture, being.posture_ns, share, still_s, stays,
        )  # fmt: skip
        return being, facts, crossings

    def _zoned(
        self, being: _Being, number: int, foot: tuple[float, float] | None, frame_ns: int
    ) -> tuple[_Being, tuple[Stay, ...], list[ZoneCrossing]]:
        inside, crossings, stays = dict(being.inside), [], []
        age = being.growth.age
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
        return being._replace(inside=inside), tuple(stays), crossings

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

    def _measure(self, calibration: Calibration, boxes: Floats, picture: PictureSize) -> Measured:
        middle = np.array([picture.width_px, picture.height_px, picture.width_px, picture.height_px]) / 2
        return measure(calibration.variants, calibration.covariance, (boxes - middle) / picture.height_px, self._noise)

    def _learn(
        self, state: SceneState, tracks: Sequence[Track], boxes: Floats, frame_ns: int, picture: PictureSize
    ) -> SceneState:
        if self._known is not None:
            return state
        observations = state.observations
        for row, track in enumerate(tracks):
            if _teaches(track, row, boxes, state.beings[track.track_id], picture):
                x1, y1, x2, y2 = (
                    boxes[row] - np.array([picture.width_px, picture.height_px] * 2) / 2
                ) / picture.height_px
                seen = Observation(track.track_id, (float(x1), float(y1), float(x2), float(y2)), _told_adult(track))
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


def _place(measured: Measured | None, row: int) -> FloorPoint | None:
    if measured is None:
        return None
    right, ahead = float(measured.at.right_m[row]), float(measured.at.ahead_m[row])
    sigma = measured.standard[row]
    if not (np.isfinite(right) and np.isfinite(ahead) and max(sigma[0], sigma[1]) <= _MOST_SIGMA_M):
        return None
    return FloorPoint(right, ahead, float(sigma[0]), float(sigma[1]))


def _height(measured: Measured | None, row: int) -> Metres | None:
    if measured is None:
        return None
    tall, sigma = float(measured.at.height_m[row]), float(measured.standard[row, 2])
    return Metres(tall, sigma) if 0.0 < tall < 4.0 and sigma <= _MOST_HEIGHT_SIGMA_M else None


def _kept_still(being: _Being, box: Box, frame_ns: int) -> _Being:
    """Still as long as no side of the box strays from where it was when it came to rest."""
    least = _STILL_SHARE * max(being.still_box[3] - being.still_box[1], being.still_box[2] - being.still_box[0])
    if max(abs(now - then) for now, then in zip(box, being.still_box, strict=True)) <= least:
        return being
    return being._replace(still_box=box, still_ns=frame_ns)


def _grow(
    being: _Being,
    track: Track,
    tall: Metres | None,
    measured: Measured | None,
    row: int,
    speed: Metres | None,
    at_ns: int,
) -> tuple[_Being, bool | None]:
    """Take a look at somebody upright; and what the model tells of them: child, adult, or nothing."""
    adult = _told_adult(track)
    told = None if adult is None else not adult
    if tall is None or measured is None or _aspect(track.box) < stature.LEAST_UPRIGHT_ASPECT:
        return being, told
    walking = speed is not None and speed.value - speed.sigma > _WALKING_M_S
    height = Metres(tall.value, float(measured.own[row, 2]))
    growth = stature.look(being.growth, at_ns, height, float(measured.shared[row, 2]), walking=walking)
    return being._replace(growth=growth), told


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


def _postured(being: _Being, seen: Posture, frame_ns: int) -> _Being:
    """Change the posture when another has lasted a little; the first is taken as it comes."""
    if being.posture_ns == 0:
        return being._replace(posture=seen, posture_ns=frame_ns, candidate=(seen, frame_ns))
    candidate = being.candidate if being.candidate[0] == seen else (seen, frame_ns)
    being = being._replace(candidate=candidate)
    if seen != being.posture and frame_ns - candidate[1] >= _POSTURE_NS:
        return being._replace(posture=seen, posture_ns=candidate[1])
    return being


def _teaches(track: Track, row: int, boxes: Floats, being: _Being, picture: PictureSize) -> bool:
    """Whether somebody shows how big an upright person is here: whole, slender, alone, and walking about."""
    low, high = _TEACHING_ASPECT
    if not (track.confirmed and low <= _aspect(track.box) <= high and _is_whole(track.box, picture)):
        return False
    if foot_point(track.box, picture) is None:
        return False
    way = max(abs(now - then) for now, then in zip(track.box[2:], being.first_box[2:], strict=True))
    if way < _TEACHING_WAY * (track.box[3] - track.box[1]):
        return False
    overlaps = iou_matrix(boxes[row : row + 1].astype(np.float32), boxes.astype(np.float32))[0]
    return bool(np.delete(overlaps, row).max(initial=0.0) <= _ALONE_IOU)
