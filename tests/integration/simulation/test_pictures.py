"""Rendered pictures: they agree with the arithmetic, repeat, and change as hour, light and faults demand."""

import hashlib
import itertools
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date

import cv2
import numpy as np
import pytest

from services.contracts.errors import NotFound, Rejected
from services.simulation import people, truth
from services.simulation.building import Building, load_building
from services.simulation.day.calendar import Mode
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.script import episode
from services.simulation.world import CameraFault, Flame, PersonState, World

pytest.importorskip("panda3d.core", reason="pictures need kanhu[simulation]")

from services.simulation.render import compositing
from services.simulation.render.camera_model import camera_model, model_in
from services.simulation.render.engine import Pinhole, Region
from services.simulation.render.renderer import NurseryRenderer

NOON_S = 12 * 3600.0
WINTER = date(2026, 11, 23)
CAMERA = "playroom"


@pytest.fixture(scope="module")
def building() -> Building:
    """Small pictures: what is shown here does not hang on their size."""
    whole = load_building("magnolia")
    cameras = tuple(camera.model_copy(update={"width_px": 320, "height_px": 180}) for camera in whole.cameras)
    return whole.model_copy(update={"cameras": cameras})


@pytest.fixture(scope="module")
def renderer(building: Building) -> NurseryRenderer:
    return NurseryRenderer(building, seed=4)


def _child(number: int, x: float, y: float, **facts: object) -> PersonState:
    state = PersonState(people.person_of(number, "child", 1), (x, y, 0.0), 0.7, "stand", doing_s=5.0)
    return replace(state, **facts)  # type: ignore[arg-type]


def _world(building: Building, *persons: PersonState, **changed: object) -> World:
    facts = {
        "t_s": NOON_S,
        "day": 739_944,
        "persons": persons,
        "lights": {room.id: 1.0 for room in building.rooms},
        "daylight": 1.0,
    }
    return World(**(facts | changed))  # type: ignore[arg-type]


def _digest(picture: np.ndarray) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


@pytest.mark.parametrize("activity", ["stand", "walk", "crawl", "lie"])
def test_silhouettes_agree_with_projected_bodies(renderer: NurseryRenderer, building: Building, activity: str) -> None:
    state = _child(
        12, 3.5, 2.9, activity=activity, doing_s=6.0, stride_m=0.4, speed_m_s=0.8 if activity == "walk" else 0.0
    )
    shown = renderer.silhouettes(CAMERA, _world(building, state))
    rows, columns = np.nonzero(shown == 12)
    pixels, _ = camera_model(building.camera(CAMERA)).project(people.posed_vertices(state))
    drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    np.testing.assert_allclose(drawn, [*pixels.min(0), *pixels.max(0)], atol=2.0)


#: From which visible share on how many sides of a box have to agree, where a body never is wholly in sight: under a blanket but
#: the head is, of who is carried an arm or two are hidden, behind a rung a shin.
SIDES_THAT_AGREE = {
    "sleep": (0.1, 1), "carried": (0.3, 2), "climb": (0.6, 4), "carry": (0.3, 3), "fallen": (0.65, 4), "lie": (0.7, 3)
}  # fmt: skip
OCCUR = {
    "stand", "walk", "sit", "sit_floor", "play_floor", "squat", "bend", "reach", "lie", "sleep", "climb", "carry", "carried",
    "fallen",
}  # fmt: skip


def test_boxes_of_a_day_agree_with_silhouettes(renderer: NurseryRenderer, building: Building) -> None:
    told = [episode("I-06", "15:40"), episode("I-07", "15:20"), episode("lie-down-to-play", "09:28")]
    told += [episode(what) for what in ("carried-out", "slide", "bend-and-squat", "reach-up")]
    day = NurseryDay(building, 5, WINTER, script=told)
    times_s = {*range(27_300, 61_200, 360)}
    times_s |= {int(t_s) for act in day.happenings for t_s in np.arange(act.start_s, act.start_s + 20, 4.0)}
    held, agreed = 0, Counter[str]()
    for t_s, camera in itertools.product(sorted(times_s), (CAMERA, "nap", "yard", "entrance")):
        world = day.world(float(t_s))
        shown = renderer.silhouettes(camera, world)
        for one in truth.frame_line(building, camera, world, 0, lambda *_, shown=shown: shown).people:
            rows, columns = np.nonzero(shown == one.person)
            if not len(rows) or one.visible is None:
                continue
            drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            off_px = drawn - one.box_px
            assert (off_px * (-1, -1, 1, 1) <= 2.5).all(), f"{one} is drawn beyond its box by {off_px} at {t_s}"
            held += 1
            least, sides = SIDES_THAT_AGREE.get(one.activity, (0.8, 4))
            if one.visible >= least:
                assert (np.abs(off_px) <= 3.5).sum() >= sides, f"{one} is drawn {off_px} off its box at {t_s}"
                agreed[one.activity] += 1
    assert held > 800, agreed
    assert agreed.keys() >= OCCUR, agreed
    assert agreed.total() > 250, agreed


def test_who_stands_before_somebody_hides_them(renderer: NurseryRenderer, building: Building) -> None:
    eye = np.array(building.camera(CAMERA).at[:2])
    near = np.array([4.2, 3.2])
    behind = near + (near - eye) / np.linalg.norm(near - eye) * 0.5
    alone = renderer.silhouettes(CAMERA, _world(building, _child(2, *behind)))
    grown = PersonState(people.person_of(1, "adult", 1), (*near, 0.0), 0.0, "stand")
    both = renderer.silhouettes(CAMERA, _world(building, _child(2, *behind), grown))
    assert 0 <= (both == 2).sum() < 0.7 * (alone == 2).sum()
    assert (both == 1).sum() > 200


def test_furniture_and_walls_hide(renderer: NurseryRenderer, building: Building) -> None:
    shelf = next(piece for piece in building.furniture if piece.kind == "shelf")
    eye, foot = np.array(building.camera(CAMERA).at[:2]), np.array(shelf.foot[:2])
    hidden = foot + (foot - eye) / np.linalg.norm(foot - eye) * 0.45
    crawling = renderer.silhouettes(CAMERA, _world(building, _child(3, *hidden, activity="crawl")))
    in_the_open = renderer.silhouettes(CAMERA, _world(building, _child(3, 4.0, 3.2, activity="crawl")))
    assert (crawling == 3).sum() < 0.6 * (in_the_open == 3).sum()
    assert not renderer.silhouettes(CAMERA, _world(building, _child(4, 9.0, 3.4))).any()  # in the next room


def test_the_same_world_is_the_same_picture_whatever_came_between(
    renderer: NurseryRenderer, building: Building
) -> None:
    world = _world(building, _child(1, 3.4, 2.4), _child(2, 4.0, 1.6, activity="sit_floor"))
    first = renderer.picture(CAMERA, world)
    renderer.picture(CAMERA, _world(building, _child(9, 2.0, 2.9), t_s=NOON_S + 4000, daylight=0.3))
    again, other = renderer.picture(CAMERA, world), renderer.picture(CAMERA, replace(world, t_s=NOON_S + 0.1))
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.shape == (180, 320, 3)
    assert first.dtype == np.uint8
    assert _digest(first) == _digest(again)
    assert _digest(first) != _digest(other)  # another frame has another grain
    assert np.abs(first.astype(int) - other).mean() < 3


def test_a_fresh_renderer_draws_the_same_bytes(renderer: NurseryRenderer, building: Building) -> None:
    world = _world(building, _child(1, 1.6, 9.0))
    pictures = [one.picture("entrance", world) for one in (renderer, NurseryRenderer(building, seed=4))]
    assert all(picture is not None for picture in pictures)
    assert len({_digest(picture) for picture in pictures if picture is not None}) == 1


def test_parts_of_a_picture_that_are_drawn_alone_are_as_in_the_whole(
    renderer: NurseryRenderer, building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = _world(building, *(_child(number, 1.8 + 0.7 * number, 1.4 + 0.4 * number) for number in range(1, 5)))
    pictures, shown = [], []
    for whole in (False, True):
        if whole:
            monkeypatch.setattr(compositing, "regions", lambda _, pinhole, *__: [Region(0, 0, *_size(pinhole))])
        pictures.append(renderer.picture(CAMERA, world))
        shown.append(renderer.silhouettes(CAMERA, world))
    assert (shown[0] > 0).sum() > 800
    assert (shown[0] != shown[1]).sum() < 0.01 * (shown[0] > 0).sum()
    assert pictures[0] is not None
    assert pictures[1] is not None
    assert (np.abs(pictures[0].astype(int) - pictures[1]).max(2) > 8).mean() < 0.001


def test_night_is_grey_and_dusk_under_lamps_is_not(renderer: NurseryRenderer, building: Building) -> None:
    night = renderer.picture(CAMERA, _world(building, _child(1, 3.4, 2.4), t_s=80_000.0, daylight=0.0, lights={}))
    evening = renderer.picture(CAMERA, _world(building, _child(1, 3.4, 2.4), t_s=66_000.0, daylight=0.0))
    assert night is not None
    assert evening is not None
    assert _colourfulness(night) < 4 < 12 < _colourfulness(evening)
    assert night.mean() > 40


@pytest.mark.parametrize(
    ("camera", "at"), [("entrance", "07:20"), ("kitchen", "10:00"), ("nap", "13:00"), ("corridor", "17:40")]
)
def test_lamps_out_switches_a_camera_to_grey_and_back_at_any_hour(
    renderer: NurseryRenderer, building: Building, camera: str, at: str
) -> None:
    day = NurseryDay(building, 3, WINTER, script=[episode("lamps-out", at, room=camera, lasts_s=20.0)])
    (act,) = day.look_alikes
    shown = [renderer.picture(camera, day.world(act.start_s + since)) for since in (-1.0, 0.5, 19.5, 20.5)]
    before, first, last, after = (_colourfulness(picture) for picture in shown if picture is not None)
    assert first < 4 > last  # the rest is grain
    assert before > 8 < after


@pytest.mark.parametrize(
    ("camera", "from_s", "to_s", "way_px"),
    [("playroom", 3.2, 4.8, -80), ("nap", 1.4, 3.0, -80), ("yard", 1.6, 3.4, 100)],
)
def test_headlights_travel_over_walls_and_nobody_is_there(
    renderer: NurseryRenderer, building: Building, camera: str, from_s: float, to_s: float, way_px: int
) -> None:
    script = [episode("headlights", "03:00")]
    day, again = NurseryDay(building, 3, WINTER, script=script), NurseryDay(building, 3, WINTER, script=script)
    (act,) = day.look_alikes
    worlds = [day.world(act.start_s + since) for since in np.arange(from_s, to_s + 0.01, 0.2)]
    pictures = [renderer.picture(camera, world) for world in worlds]
    lit = [picture[24:160] for picture in pictures if picture is not None]  # without the written lines
    centres = []
    for one, next_one in itertools.pairwise(lit):
        change = cv2.GaussianBlur(cv2.absdiff(one, next_one).max(2).astype(np.float32), (0, 0), 2.0)
        moved = np.where(change > 10.0, change, 0.0)
        assert 100 < (moved > 0).sum() < 0.4 * moved.size  # a patch: neither nothing nor the whole picture
        centres.append(float(moved.sum(0) @ np.arange(moved.shape[1]) / moved.sum()))
    assert (centres[-1] - centres[0]) / way_px > 1.0
    assert all(not truth.frame_line(building, camera, world, 0).people for world in worlds)
    twice = renderer.picture(camera, again.world(worlds[3].t_s))
    assert twice is not None
    assert np.array_equal(twice, pictures[3])


def test_headlights_are_drawn_while_it_is_dark_alone(building: Building) -> None:
    summer = date(2026, 7, 14)
    day = NurseryDay(building, 3, summer, script=[episode("headlights")])
    (act,) = day.look_alikes
    assert day.world(act.end_s).daylight == 0.0
    assert [len(day.world(t_s).headlights) for t_s in (act.start_s - 1, act.start_s + 2.5, act.end_s + 1)] == [0, 1, 0]
    with pytest.raises(Rejected, match="06:00"):
        NurseryDay(building, 3, summer, script=[episode("headlights", "06:00")])


@pytest.mark.parametrize("mode", ["full-day", "half-day"])
def test_in_a_short_vacancy_only_cook_and_health_worker_are_inside(building: Building, mode: Mode) -> None:
    day = NurseryDay(building, 5, WINTER, mode, script=[episode("short-vacancy")])
    (act,) = day.look_alikes
    assert "cook" in act.reason
    assert "health worker" in act.reason
    staff = {day.roster.adult("cook").person.number, day.roster.adult("health").person.number}
    for t_s in np.arange(act.start_s, act.end_s, 20.0):
        found = {room: set(numbers) for room, numbers in day.whereabouts(float(t_s)).items()}
        assert {number for number in found.pop("yard") if day.persons[number].role == "child"}
        assert set().union(*found.values()) == staff


def test_drawn_curtains_darken_windows_and_room(renderer: NurseryRenderer, building: Building) -> None:
    drawn = {opening.id: 1.0 for opening in building.openings}
    bright = renderer.picture(CAMERA, _world(building, lights={}))
    dim = renderer.picture(CAMERA, _world(building, lights={}, curtains=drawn))
    assert bright is not None
    assert dim is not None
    assert (bright > 235).mean() > 2 * (dim > 235).mean()


@pytest.mark.parametrize("kind", ["covered", "defocused", "dark", "moved"])
def test_a_fault_shows_as_what_it_is(renderer: NurseryRenderer, building: Building, kind: str) -> None:
    sound = renderer.picture(CAMERA, _world(building))
    faulty = renderer.picture(CAMERA, _world(building, faults={CAMERA: CameraFault(kind)}))  # type: ignore[arg-type]
    assert sound is not None
    assert faulty is not None
    middle = np.s_[30:150, 20:300]
    if kind == "covered":
        assert faulty[middle].std() < 0.15 * sound[middle].std()
    elif kind == "dark":
        assert faulty[middle].mean() < 0.15 * sound[middle].mean()
    elif kind == "defocused":
        assert _sharpness(faulty[middle]) < 0.4 * _sharpness(sound[middle])
    else:
        assert np.abs(faulty[middle].astype(int) - sound[middle]).mean() > 20
        assert _sharpness(faulty[middle]) > 0.5 * _sharpness(sound[middle])


def test_a_frozen_picture_stays_and_a_lost_one_is_none(renderer: NurseryRenderer, building: Building) -> None:
    worlds = [
        _world(
            building,
            _child(1, 3.4 + since / 10, 2.4),
            t_s=NOON_S + since,
            faults={CAMERA: CameraFault("frozen", since_s=since)},
        )
        for since in (0.0, 1.0, 2.0)
    ]
    pictures = [renderer.picture(CAMERA, world) for world in worlds]
    assert len({_digest(picture) for picture in pictures if picture is not None}) == 1
    assert renderer.picture(CAMERA, _world(building, faults={CAMERA: CameraFault("lost")})) is None


def test_a_knocked_camera_is_projected_as_it_is_drawn(renderer: NurseryRenderer, building: Building) -> None:
    state = _child(5, 2.9, 2.5)
    world = _world(building, state, faults={CAMERA: CameraFault("moved")})
    rows, columns = np.nonzero(renderer.silhouettes(CAMERA, world) == 5)
    pixels, _ = model_in(building.camera(CAMERA), world).project(people.posed_vertices(state))
    assert abs(columns.min() - pixels[:, 0].min()) < 2
    assert abs(rows.min() - pixels[:, 1].min()) < 2


def test_a_flame_is_bright_warm_and_flickers(renderer: NurseryRenderer, building: Building) -> None:
    at = (2.5, 2.5, 0.0)
    calm = renderer.picture(CAMERA, _world(building))
    burning = [
        renderer.picture(CAMERA, _world(building, flames=(Flame(at, 0.8),), t_s=NOON_S + k / 10)) for k in range(3)
    ]
    pixel, _ = camera_model(building.camera(CAMERA)).project([(at[0], at[1], 0.2)])
    x, y = (int(value) for value in pixel[0])
    spot = np.s_[y - 4 : y + 2, x - 3 : x + 4]
    assert calm is not None
    assert all(picture is not None for picture in burning)
    means = [picture[spot].mean((0, 1)) for picture in burning if picture is not None]
    assert all(mean[0] > 200 and mean[0] - mean[2] > 60 for mean in means)
    assert means[0][0] > calm[spot].mean((0, 1))[0]
    assert len({round(float(mean[1]), 2) for mean in means}) == 3


def test_a_door_that_opens_and_clutter_change_the_picture_where_they_are(
    renderer: NurseryRenderer, building: Building
) -> None:
    shut = renderer.picture("entrance", _world(building))
    opened = renderer.picture("entrance", _world(building, openings={"main-door": 1.0}))
    blocked = renderer.picture("entrance", _world(building, blocked=frozenset({"main-door"})))
    assert shut is not None
    for changed in (opened, blocked):
        assert changed is not None
        away = np.abs(changed.astype(int) - shut).max(2) > 30
        assert 0.01 < away.mean() < 0.5


def test_an_unknown_camera_is_told(renderer: NurseryRenderer, building: Building) -> None:
    with pytest.raises(NotFound, match="playroom"):
        renderer.picture("attic", _world(building))


def test_the_simulation_is_importable_without_the_renderer() -> None:
    code = (
        "import sys; sys.modules['panda3d'] = None; sys.modules['panda3d.core'] = None\n"
        "import services.simulation.building, services.simulation.render.camera_model\n"
        "from services.simulation.render.renderer import NurseryRenderer\n"
        "from services.contracts.errors import Rejected\n"
        "try: NurseryRenderer(services.simulation.building.load_building('magnolia'))\n"
        "except Rejected as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "kanhu[simulation]" in told


def _size(pinhole: Pinhole) -> tuple[int, int]:
    return pinhole.width_px, pinhole.height_px


def _colourfulness(picture: np.ndarray) -> float:
    return float((picture.max(2).astype(int) - picture.min(2)).mean())


def _sharpness(picture: np.ndarray) -> float:
    grey = picture.astype(np.float32).mean(2)
    return float(np.abs(np.diff(grey, axis=1)).mean() + np.abs(np.diff(grey, axis=0)).mean()) * math.sqrt(2)
