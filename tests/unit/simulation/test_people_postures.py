"""Postures: inside the limits of joints, above the floor, continuous in time; falls that fall, sleepers in their cots."""

from __future__ import annotations

import dataclasses
import math
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from services.simulation.people import (
    KEYPOINTS,
    LIMBS,
    body_of,
    fall_duration_of,
    joints,
    limb_meshes,
    person_of,
    pose,
    posed_vertices,
    poses,
)
from services.simulation.people.posing import transforms
from services.simulation.people.skeleton import INDEX
from services.simulation.world import Activity, Person, PersonState

ADULT, AIDE = person_of(62, "adult", 7), person_of(65, "adult", 7)
CHILDREN = [person_of(number, "child", 7) for number in range(1, 7)]
TODDLER = person_of(40, "child", 7, height_m=0.75)
CAST = [ADULT, AIDE, *CHILDREN, TODDLER]
ACTIVITIES: tuple[Activity, ...] = get_args(Activity)
MOVING = {"walk": 1.0, "run": 1.8, "crawl": 0.4, "carry": 0.8}
SEAT_M, COT_M = 0.26, 0.30


def doing(person: Person, activity: Activity, for_s: float = 9.0, before: Activity = "stand") -> PersonState:
    height = {"sit": SEAT_M, "sleep": COT_M}.get(activity, 0.0)
    return PersonState(
        person, (0.0, 0.0, height), 0.0, activity, for_s, before=before, before_s=9.0,
        speed_m_s=MOVING.get(activity, 0.0), stride_m=1.2,
    )  # fmt: skip


def keypoints(state: PersonState) -> NDArray[np.float64]:
    return np.array([joints(state)[name] for name in KEYPOINTS])


@pytest.mark.parametrize("activity", [activity for activity in ACTIVITIES if activity != "carried"])
def test_nothing_sinks_into_what_it_is_on(activity: Activity) -> None:
    for person in CAST:
        state = doing(person, activity)
        ground = COT_M if activity == "sleep" else 0.0
        for name, matrix in pose(state).items():
            if name in ("blanket", "drape"):
                continue
            lowest = (limb_meshes(person)[name].vertices @ matrix[2, :3] + matrix[2, 3]).min()
            assert lowest > ground - 0.03, f"{person.name} {name}"


@pytest.mark.parametrize("activity", ["stand", "walk", "bend", "squat", "reach", "wave", "carry"])
def test_soles_are_on_the_floor(activity: Activity) -> None:
    for person in CAST:
        vertices = limb_meshes(person)
        limbs = pose(doing(person, activity))
        lowest = [
            (vertices[name].vertices @ limbs[name][2, :3] + limbs[name][2, 3]).min() for name in ("foot_l", "foot_r")
        ]
        assert min(lowest) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_joints_stay_within_what_people_can(activity: Activity) -> None:
    for person in CAST:
        limbs = {name: matrix[:3, :3].astype(np.float64) for name, matrix in pose(doing(person, activity)).items()}
        for side in "lr":
            assert flexion(limbs, f"thigh_{side}", f"shin_{side}") < math.radians(157)
            assert flexion(limbs, f"upper_arm_{side}", f"forearm_{side}") < math.radians(157)
            assert flexion(limbs, f"shin_{side}", f"foot_{side}") < math.radians(95)
            assert flexion(limbs, f"forearm_{side}", f"hand_{side}") < math.radians(100)
            # Knees and elbows bend one way only.
            assert (limbs[f"thigh_{side}"].T @ limbs[f"shin_{side}"])[0, 2] > -0.05
            assert (limbs[f"upper_arm_{side}"].T @ limbs[f"forearm_{side}"])[0, 2] < 0.05
        assert flexion(limbs, "chest", "head") < math.radians(80)
        assert flexion(limbs, "pelvis", "chest") < math.radians(70)
        for turn in limbs.values():
            assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) and np.linalg.det(turn) > 0


def flexion(limbs: dict[str, NDArray[np.float64]], upper: str, lower: str) -> float:
    """The angle between the long axes of two neighbours."""
    return math.acos(min(1.0, max(-1.0, float(limbs[upper][:, 2] @ limbs[lower][:, 2]))))


#: Who lies gets up before falling; who falls has fallen before anything else.
CHANGES = [
    (before, after)
    for before in ACTIVITIES
    for after in ACTIVITIES
    if before != after
    and not {"carried", "carry"} & {before, after}
    and (after == "fallen") == (before == "fall")
    and (after != "fall" or before in ("stand", "walk", "run", "bend", "wave"))
]


def changing(person: Person, before: Activity, after: Activity) -> list[PersonState]:
    """Ten frames a second from the last of one activity to the settled next."""
    last = doing(person, before, 1.5 if before == "fall" else 8.9)
    states = [last, *(doing(person, after, 0.1 * step, before) for step in range(22))]
    if before == "fall":
        states = [dataclasses.replace(state, before_s=1.6) for state in states]
    return [
        dataclasses.replace(state, at=(0.0, 0.0, 0.25 if state.activity == "sleep" else state.at[2]))
        for state in states
    ]


@pytest.mark.parametrize("person", [ADULT, CHILDREN[2]], ids=["adult", "child"])
def test_a_change_of_activity_is_no_leap(person: Person) -> None:
    films = [changing(person, before, after) for before, after in CHANGES]
    states = [state for film in films for state in film]
    joint_rows = [INDEX[name] for name in LIMBS if name not in ("drape", "blanket")]
    places = transforms(states, [None] * len(states))[:, joint_rows][..., :3, 3].reshape(
        len(films), len(films[0]), -1, 3
    )
    speeds = np.linalg.norm(np.diff(places, axis=1), axis=3) / 0.1
    for change, limbs, hips in zip(CHANGES, speeds.max(axis=(1, 2)), speeds[:, :, 0].max(axis=1), strict=True):
        assert limbs < 9.0, f"{change}: {limbs:.1f} m/s"
        assert hips < 3.5, f"{change}: hips {hips:.1f} m/s"


def falling(person: Person) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heights of hips and nose every 10 ms of a fall from standing."""
    times = np.arange(0.0, fall_duration_of(person) + 0.1, 0.01)
    tracks = np.array([keypoints(doing(person, "fall", float(t))) for t in times])
    return tracks[:, 11:13, 2].mean(axis=1), tracks[:, 0, 2]


@pytest.mark.parametrize("person", [ADULT, AIDE, *CHILDREN[:3], TODDLER], ids=lambda person: person.name)
def test_a_fall_only_goes_down_and_takes_as_long_as_the_person_is_tall(person: Person) -> None:
    hips, head = falling(person)
    assert 0.55 <= fall_duration_of(person) <= 0.95
    assert (np.diff(head) < 0.002).all() and (np.diff(hips) < 0.002).all()
    assert head[0] > 0.75 * person.height_m and head[-1] < 0.25 * person.height_m
    # A toppling rod's tip arrives at sqrt(3 g h): nothing that keeps its feet on the floor is faster.
    assert 1.0 < -np.diff(head).min() / 0.01 < math.sqrt(3 * 9.81 * person.height_m)


@pytest.mark.parametrize("person", [ADULT, AIDE], ids=lambda person: person.name)
def test_adults_fall_as_was_seen_on_videos_of_falls(person: Person) -> None:
    # Choi, Wakeling, Robinovitch 2015, 25 falls: 0.583 s (SD 0.255) from the start of descent to the pelvis' impact; pelvis
    # 2.14 m/s (SD 0.63), head 2.91 m/s (SD 0.86).
    hips, head = falling(person)
    descent_s = 0.01 * (np.argmax(hips < hips[-1] + 0.02) - np.argmax(hips < hips[0] - 0.03))
    assert descent_s == pytest.approx(0.583, abs=0.255)
    assert -np.diff(hips).min() / 0.01 == pytest.approx(2.14, abs=0.63)
    assert -np.diff(head).min() / 0.01 == pytest.approx(2.91, abs=0.86)


def test_what_has_fallen_lies_as_the_fall_left_it() -> None:
    for person in (ADULT, *CHILDREN[:3]):
        end = keypoints(doing(person, "fall", 2.0))
        lying = keypoints(doing(person, "fallen", 0.0, "fall"))
        assert np.abs(end - lying).max() < 0.03
        assert lying[:, 2].max() < 0.4 * person.height_m


@pytest.mark.parametrize("person", [*CHILDREN, TODDLER], ids=lambda person: person.name)
def test_a_sleeper_lies_on_the_cot_under_a_blanket(person: Person) -> None:
    state = doing(person, "sleep")
    vertices = posed_vertices(state)
    assert vertices[:, 2].min() > COT_M - 0.03 and vertices[:, 2].max() < COT_M + 0.30 * person.height_m
    # Its middle is over the cot's, and it is no longer than a cot.
    assert abs(vertices[:, 0].max() + vertices[:, 0].min()) < 0.2 * person.height_m
    assert np.ptp(vertices[:, 0]) < 1.12 * person.height_m and np.ptp(vertices[:, 1]) < 0.72 * person.height_m
    assert "blanket" in pose(state) and "blanket" not in pose(doing(person, "stand"))


def test_sleepers_breathe_and_do_not_twitch() -> None:
    tracks = np.array([keypoints(doing(CHILDREN[0], "sleep", 30 + 0.1 * step)) for step in range(40)])
    moved = np.ptp(tracks, axis=0)
    assert 0.0 < moved.max() < 0.02


@pytest.mark.parametrize("activity", ["stand", "sit", "play_floor", "lie", "squat"])
def test_nobody_is_a_statue(activity: Activity) -> None:
    for person in (ADULT, CHILDREN[1]):
        tracks = np.array([keypoints(doing(person, activity, 5 + 0.5 * step)) for step in range(12)])
        assert np.ptp(tracks, axis=0).max() > 0.004


@pytest.mark.parametrize("speed", [0.0, 0.9])
def test_a_carried_child_sits_on_the_carriers_arm(speed: float) -> None:
    for child in (*CHILDREN, TODDLER):
        adult = PersonState(
            ADULT, (2.0, 1.0, 0.0), 0.7, "carry", 5.0, speed_m_s=speed, stride_m=2.3, carries=child.number
        )
        small = PersonState(child, (2.0, 1.0, 0.0), 0.7, "carried", 5.0, carried_by=ADULT.number)
        arm, body = joints(adult, small), joints(small, adult)
        hips = 0.5 * (np.array(body["left_hip"]) + np.array(body["right_hip"]))
        forearm = 0.5 * (np.array(arm["left_elbow"]) + np.array(arm["left_wrist"]))
        assert np.linalg.norm(hips - forearm) < 0.25
        assert 0.75 < hips[2] < 1.25
        together = poses([adult, small])
        assert np.allclose(together[1]["pelvis"], pose(small, adult)["pelvis"])


def test_a_carried_child_goes_where_the_carrier_goes() -> None:
    child = CHILDREN[0]
    small = PersonState(child, (0.0, 0.0, 0.0), 0.0, "carried", 5.0, carried_by=ADULT.number)
    places = []
    for x in (0.0, 1.0):
        adult = PersonState(ADULT, (x, 0.0, 0.0), 0.0, "carry", 5.0, carries=child.number)
        places.append(np.array(joints(small, adult)["left_hip"]))
    assert places[1] - places[0] == pytest.approx((1.0, 0.0, 0.0), abs=1e-5)


def test_a_child_is_lifted_from_where_it_stands_and_set_down_again() -> None:
    child, where, turned = CHILDREN[1], (0.5, 0.3, 0.0), 2.5
    before = PersonState(child, where, turned, "stand", 9.0)
    film = [keypoints(before)]
    for step in range(12):
        share = min(1.0, step / 8)
        place = tuple(mine + (theirs - mine) * share for mine, theirs in zip(where, (0.0, 0.0, 0.0), strict=True))
        small = PersonState(
            child, (place[0], place[1], place[2]), turned * (1 - share), "carried", 0.1 * step, "stand", before_s=9.0,
            carried_by=ADULT.number,
        )  # fmt: skip
        adult = PersonState(ADULT, (0.0, 0.0, 0.0), 0.0, "carry", 9.0 + 0.1 * step, carries=child.number)
        film.append(np.array([joints(small, adult)[name] for name in KEYPOINTS]))
    film += [keypoints(PersonState(child, (0.0, 0.0, 0.0), 0.0, "stand", 0.1 * step, "carried")) for step in range(10)]
    speeds = np.linalg.norm(np.diff(np.array(film), axis=0), axis=2).max(axis=1) / 0.1
    assert speeds.max() < 5.0, speeds.round(1)
    assert film[0][11, 2] < 0.6 < 0.85 < film[12][11, 2] and film[-1][11, 2] < 0.6


def test_a_climber_goes_up_with_the_height_of_its_place() -> None:
    child = CHILDREN[3]
    heads = [
        joints(PersonState(child, (0.0, 0.0, height), 0.0, "climb", 5.0))["nose"][2]
        for height in np.linspace(0, 0.6, 13)
    ]
    assert (np.diff(heads) > 0).all()
    assert heads[-1] - heads[0] == pytest.approx(0.6, abs=0.1)


def test_all_at_once_is_as_one_by_one() -> None:
    states = [doing(person, activity) for person, activity in zip(CAST, ACTIVITIES, strict=False)]
    for state, limbs in zip(states, poses(states), strict=True):
        alone = pose(state)
        assert set(limbs) == set(alone)
        assert all(np.allclose(limbs[name], alone[name], atol=1e-5) for name in alone)
    assert poses([]) == []


def test_keypoints_are_where_the_body_is() -> None:
    state = doing(CHILDREN[0], "stand")
    found, body = joints(state), body_of(CHILDREN[0])
    assert tuple(found) == KEYPOINTS
    assert found["left_hip"][1] > 0 > found["right_hip"][1]
    assert found["nose"][0] > found["left_ear"][0]
    assert found["left_eye"][2] > found["nose"][2] > found["left_shoulder"][2] > found["left_elbow"][2]
    assert found["left_hip"][2] == pytest.approx(body.hip, abs=0.02)
    assert found["left_ankle"][2] == pytest.approx(body.ankle, abs=0.01)
