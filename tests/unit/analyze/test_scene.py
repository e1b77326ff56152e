"""Scene facts of people who walk, bend, sit, fall and leave in a drawn geometry with known truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from services.analyze.core.scene.calibration import Calibration
from services.analyze.core.scene.facts import ObjectFacts, SceneFacts
from services.analyze.core.scene.learning import Observation, Unknown, collect, learn
from services.analyze.core.scene.posture import posture_of_box, posture_of_pose
from services.analyze.core.scene.scene import Scene, SceneState
from services.analyze.core.tracker import Track
from services.contracts.entity import CameraCalibration, CameraConfig, CameraMounting, Zone
from services.contracts.time import NS_PER_S
from tests.unit.analyze.scene_world import ASPECT, PICTURE, START_NS, Pinhole, track

CAMERA = Pinhole()
TOLD = CameraCalibration(
    mounting=CameraMounting(height_m=2.6, tilt_deg=28, hfov_deg=2 * np.degrees(np.arctan(ASPECT / 2 / 0.8)))
)
FRAME_NS = NS_PER_S // 5
Seen = tuple[float, float, float, float, float]  # x m, y m, tall m, height share, slenderness


def scene(*zones: Zone, calibration: CameraCalibration | None = TOLD) -> Scene:
    return Scene(CameraConfig(camera_id="room", url="rtsp://h/s", zones=list(zones), calibration=calibration))


def watch(one: Scene, frames: Iterable[list[Track]], state: SceneState | None = None) -> list[SceneFacts]:
    state, told = state or SceneState(), []
    for number, tracks in enumerate(frames):
        state, facts = one.step(state, tracks, START_NS + number * FRAME_NS, PICTURE)
        told.append(facts)
    return told


def body(
    x_m: float, y_m: float, tall_m: float, share: float = 1.0, slender: float = 3.2, **more: object
) -> list[Track]:
    found = CAMERA.body(x_m, y_m, tall_m)
    return [track(1, *found, slender=slender, height_share=share, **more)] if found is not None else []  # type: ignore[arg-type]


def walking(tall_m: float, seconds: float, speed: float = 1.0, noise_px: float = 2.0) -> list[list[Track]]:
    rng = np.random.default_rng(3)
    times = np.arange(0, seconds, 0.2)
    return [body(-2.0 + speed * t, 4.5, tall_m, rng=rng, noise_px=noise_px) for t in times]


def last(told: list[SceneFacts]) -> ObjectFacts:
    return told[-1].objects[0]


def test_somebody_who_walks_has_a_place_a_height_a_speed_and_an_age() -> None:
    told = watch(scene(), walking(1.70, 4.0))
    seen = last(told)
    assert seen.floor is not None and seen.speed is not None and seen.stature is not None
    assert abs(seen.floor.right_m - 1.8) < 2 * seen.floor.right_sigma_m + 0.1
    assert abs(seen.floor.ahead_m - 4.5) < 2 * seen.floor.ahead_sigma_m
    assert abs(seen.stature.value - 1.70) < 2 * seen.stature.sigma < 0.4
    assert abs(seen.speed.value - 1.0) < 2 * seen.speed.sigma < 0.8
    assert (seen.age, seen.posture, seen.whole) == ("adult", "upright", True)
    assert told[-1].count("adult") == 1


@pytest.mark.parametrize(
    ("tall_m", "age"), [(0.8, "child"), (1.0, "child"), (1.12, "child"), (1.62, "adult"), (1.8, "adult")]
)
def test_a_walk_tells_a_child_from_an_adult(tall_m: float, age: str) -> None:
    assert last(watch(scene(), walking(tall_m, 5.0))).age == age


def test_somebody_between_the_two_stays_unsure() -> None:
    assert last(watch(scene(), walking(1.31, 5.0))).age == "unsure"


def test_an_adult_who_only_bends_or_sits_is_not_called_a_child() -> None:
    rng = np.random.default_rng(3)
    bent = [body(0.5, 4.5, 1.7, 0.62, 1.5, rng=rng, noise_px=2.0) for _ in range(100)]
    sitting = [body(0.5, 4.5, 1.7, 0.70, 2.0, rng=rng, noise_px=2.0) for _ in range(15)]
    assert {facts.objects[0].age for frames in (bent, sitting) for facts in watch(scene(), frames)} == {"unsure"}


def test_a_child_who_took_over_an_adults_track_is_found_out() -> None:
    told = watch(scene(), walking(1.7, 2.0) + walking(1.0, 6.0, speed=0.9))
    assert (told[9].objects[0].age, last(told).age) == ("adult", "child")


def test_an_adult_who_bends_after_walking_stays_an_adult() -> None:
    frames = walking(1.7, 3.0) + [body(1.0, 4.5, 1.7, 0.6, 2.4) for _ in range(200)]
    told = watch(scene(), frames)
    assert {facts.objects[0].age for facts in told[-200:]} == {"adult"}
    assert last(told).height_share == pytest.approx(0.6, abs=0.06)


def test_a_model_that_tells_children_is_believed_where_the_picture_is_silent() -> None:
    one = scene(calibration=None)
    for kind, age in ((1, "unsure"), (2, "unsure")):  # its word alone is 12 : 1, not 19 : 1
        seen = last(watch(one, [body(0.5, 4.5, 1.0, kind=kind)] * 5))
        assert seen.age == age and (seen.child_probability > 0.9) is (kind == 2)
    told = watch(scene(), [[one._replace(kind=2) for one in frame] for frame in walking(1.15, 3.0)])
    assert last(told).age == "child"


@pytest.mark.parametrize(
    ("share", "slender", "still_s", "posture"),
    [(1.0, 3.0, 0, "upright"), (0.95, 2.0, 9, "upright"), (0.65, 1.4, 0.5, "bent"), (0.6, 1.3, 6, "sitting"),
     (0.25, 0.45, 0, "lying"), (0.35, 1.0, 0, "lying"), (None, 0.5, 0, "lying"), (None, 3.0, 0, "upright"),
     (None, 1.3, 0, "unknown")],
)  # fmt: skip
def test_postures_by_the_box(share: float | None, slender: float, still_s: float, posture: str) -> None:
    assert posture_of_box(slender, share, still_s) == posture


def pose(shoulder: tuple[float, float], hip: tuple[float, float], knee: tuple[float, float]) -> np.ndarray:
    points = np.zeros((17, 3), np.float32)
    for left, at in ((5, shoulder), (11, hip), (13, knee)):
        points[left : left + 2] = (*at, 0.9)
    return points


@pytest.mark.parametrize(
    ("points", "posture"),
    [
        (pose((100, 50), (100, 100), (100, 145)), "upright"),
        (pose((150, 90), (100, 100), (100, 145)), "bent"),
        (pose((100, 50), (102, 100), (145, 104)), "sitting"),
        (pose((40, 150), (95, 152), (140, 150)), "lying"),
        (np.zeros((17, 3), np.float32), "unknown"),
    ],
)
def test_postures_by_the_pose(points: np.ndarray, posture: str) -> None:
    assert posture_of_pose(points) == posture


def test_a_fall_reads_upright_then_lying_and_still() -> None:
    lying = [body(1.0, 4.5, 1.7, 0.22, 0.4) for _ in range(50)]
    told = watch(scene(), walking(1.7, 3.0) + lying)
    fell = told[-len(lying)].frame_ns
    seen = last(told)
    assert seen.posture == "lying" and fell <= seen.posture_since_ns <= fell + NS_PER_S
    assert seen.still_s == pytest.approx(9.8, abs=0.3)
    assert (seen.age, seen.height_share is not None and seen.height_share < 0.4) == ("adult", True)


def test_a_box_cut_by_the_pictures_edge_has_no_height_and_no_posture() -> None:
    cut = Track(1, (0.0, 100.0, 90.0, 420.0), 0.9, 5, True, (0.0, 100.0, 90.0, 420.0), (0.0, 0.0), 1.0, 0)
    seen = last(watch(scene(), [[cut]] * 20))
    assert (seen.whole, seen.height, seen.stature, seen.posture, seen.age) == (False, None, None, "unknown", "unsure")


LEFT_HALF = Zone(name="door", kind="exit", polygon=[(0, 0), (0.5, 0), (0.5, 1), (0, 1)])


def test_zones_are_entered_stayed_in_and_left() -> None:
    told = watch(scene(LEFT_HALF), walking(1.7, 4.0))
    crossings = [(one.crossing, one.zone, one.kind) for facts in told for one in facts.crossings]
    assert crossings == [("entered", "door", "exit"), ("left", "door", "exit")]
    inside = [facts for facts in told if facts.within("door")]
    assert inside[4].objects[0].stays[0].dwell_s == pytest.approx(0.8)
    left = next(one for facts in told for one in facts.crossings if one.crossing == "left")
    assert (left.at_ns - START_NS) / NS_PER_S == pytest.approx(2.0, abs=0.3)


def test_somebody_last_seen_in_a_zone_vanished_in_it() -> None:
    told = watch(scene(LEFT_HALF), walking(1.7, 1.0) + [[]] * 20)
    crossings = [one for facts in told for one in facts.crossings]
    assert [one.crossing for one in crossings] == ["entered", "vanished"]
    assert crossings[1].at_ns == told[4].frame_ns


def test_a_blink_of_the_detector_neither_leaves_nor_enters() -> None:
    frames = walking(1.7, 1.6)
    frames[3] = frames[4] = []
    told = watch(scene(LEFT_HALF), frames)
    assert [one.crossing for facts in told for one in facts.crossings] == ["entered"]


def test_without_calibration_metres_are_not_known_and_why_is_said() -> None:
    told = watch(scene(LEFT_HALF, calibration=None), walking(1.7, 2.0))
    seen = last(told)
    assert (seen.floor, seen.height, seen.stature, seen.speed, seen.age) == (None, None, None, None, "unsure")
    assert (seen.posture, told[-1].calibration.origin) == ("upright", None)
    assert told[-1].calibration.why == "nobody has walked by yet"


def test_a_refused_calibration_is_told() -> None:
    rng = np.random.default_rng(1)
    marks = [
        {"foot": foot, "head": (foot[0], foot[1] - tall), "height_m": 1.7}
        for foot, tall in (((0.3, 0.5), 0.3), ((0.7, 0.9), 0.05), ((0.5, 0.7), 0.4))
    ]
    told = watch(scene(calibration=CameraCalibration.model_validate({"marks": marks})), [body(0, 4, 1.7, rng=rng)])
    assert told[0].calibration.origin is None and "contradict each other" in told[0].calibration.why


def test_the_same_tracks_give_the_same_facts() -> None:
    frames = walking(1.7, 3.0)
    assert watch(scene(LEFT_HALF), frames) == watch(scene(LEFT_HALF), frames)


def test_a_clock_that_is_set_back_begins_the_scene_anew() -> None:
    one, state = scene(LEFT_HALF), SceneState()
    state, _ = one.step(state, body(-1, 4.5, 1.7), START_NS, PICTURE)
    state, facts = one.step(state, body(-1, 4.5, 1.7), START_NS - 3600 * NS_PER_S, PICTURE)
    assert [crossing.crossing for crossing in facts.crossings] == ["entered"]


# -- learned ------------------------------------------------------------------------------------------------------------


def passers_by(
    camera: Pinhole, heights: Iterable[float], told: Callable[[float], bool | None] = lambda _: None
) -> tuple[Observation, ...]:
    rng, seen = np.random.default_rng(5), ()
    for number, tall_m in enumerate(heights):
        while True:
            way = rng.uniform((-4, 1), (4, 11), (2, 2))
            bodies = [camera.body(*(way[0] + (way[1] - way[0]) * share), tall_m) for share in np.linspace(0, 1, 6)]
            bodies = [one for one in bodies if one is not None]
            if len(bodies) >= 3:
                break
        for foot, head in bodies:
            (fx, fy), (hx, hy) = ((point - 0.5) * np.array([ASPECT, 1]) for point in (foot, head))
            tall = (fy - hy) * (1 + rng.normal(0, 0.015))
            middle = (fx + hx) / 2 + rng.normal(0, 0.004)
            box = (middle - tall / 6, fy - tall + rng.normal(0, 0.004), middle + tall / 6, fy + rng.normal(0, 0.004))
            seen = collect(seen, Observation(number, tuple(float(side) for side in box), told(tall_m)))  # type: ignore[arg-type]
    return seen


def adults(count: int, seed: int = 1) -> list[float]:
    return list(np.random.default_rng(seed).normal(1.675, 0.064, count))


def children(count: int, seed: int = 2) -> list[float]:
    return list(np.random.default_rng(seed).uniform(0.78, 1.2, count))


@pytest.mark.parametrize(("tall", "small"), [(14, 0), (10, 10)])
def test_a_camera_is_learned_from_adults_also_among_children(tall: int, small: int) -> None:
    heights = [
        height for pair in zip(adults(tall), children(small) or [None] * tall, strict=True) for height in pair if height
    ]
    known = learn(passers_by(CAMERA, heights))
    assert isinstance(known, Calibration), known
    assert known.height_m == pytest.approx(2.6, abs=2.5 * known.standard[0] * 2.6)
    assert abs(np.log(known.height_m / 2.6)) < 0.1
    assert known.tilt_deg == pytest.approx(28, abs=6)
    assert "1.68 m" in known.assumed or "1.67 m" in known.assumed


@pytest.mark.parametrize("hangs_m", [2.3, 2.6, 3.0])
def test_a_room_of_children_only_is_never_taken_for_one_of_adults(hangs_m: float) -> None:
    for heights in (children(12), list(np.random.default_rng(4).normal(1.0, 0.04, 12))):
        known = learn(passers_by(Pinhole(height_m=hangs_m), heights))
        assert isinstance(known, Unknown) or known.height_m < 1.2 * hangs_m


def test_few_people_teach_nothing_yet() -> None:
    found = learn(passers_by(CAMERA, adults(4)))
    assert isinstance(found, Unknown) and found.why == "4 of 10 people have walked by so far"


def test_a_model_that_tells_adults_settles_the_scale_of_a_high_camera() -> None:
    high = Pinhole(height_m=3.6, tilt_deg=35)
    assert isinstance(learn(passers_by(high, adults(12))), Unknown)
    known = learn(passers_by(high, adults(12), told=lambda tall_m: tall_m > 1.4))
    assert isinstance(known, Calibration) and known.height_m == pytest.approx(3.6, rel=0.1)


def test_what_was_collected_is_bounded() -> None:
    seen: tuple[Observation, ...] = ()
    for number in range(1000):
        seen = collect(seen, Observation(number, (0.0, -0.2, 0.1, 0.2)))
        seen = collect(seen, Observation(number, (0.0, -0.2, 0.1, 0.201)))  # says nothing new
    assert len(seen) == 150 and len({one.track_id for one in seen}) == 150
