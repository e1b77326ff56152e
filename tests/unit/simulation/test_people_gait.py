"""Gaits: what stands stays where it is, left is right half a cycle later, feet do not enter the floor."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from services.simulation.people import body_of, cycle_m, joints, limb_meshes, person_of, pose
from services.simulation.people.gait import running, walking
from services.simulation.world import Activity, Person, PersonState

ADULT = person_of(2, "adult", 7)
CHILD = person_of(3, "child", 7, height_m=0.95)
TODDLER = person_of(4, "child", 7, height_m=0.76)
PEOPLE = pytest.mark.parametrize("person", [ADULT, CHILD, TODDLER], ids=["adult", "child", "toddler"])
STEPS = 80


def going(person: Person, activity: Activity, way_m: float) -> PersonState:
    """Somebody who has gone straight on for ``way_m``."""
    return PersonState(person, (way_m, 0.0, 0.0), 0.0, activity, 20.0, speed_m_s=1.0, stride_m=way_m)


def track(person: Person, activity: Activity, limb: str) -> NDArray[np.float64]:
    """A limb's vertices in the world over one cycle, (steps + 1, vertices, 3)."""
    cycle = cycle_m(body_of(person), activity)
    vertices = limb_meshes(person)[limb].vertices
    frames = []
    for step in range(STEPS + 1):
        matrix = pose(going(person, activity, cycle * step / STEPS))[limb].astype(np.float64)
        frames.append(vertices @ matrix[:3, :3].T + matrix[:3, 3])
    return np.array(frames)


@PEOPLE
@pytest.mark.parametrize("activity", ["walk", "run", "carry"])
def test_a_foot_that_stands_does_not_slide(person: Person, activity: Activity) -> None:
    gait = running(body_of(person)) if activity == "run" else walking(body_of(person))
    foot = track(person, activity, "foot_l")
    last = int(gait.duty * STEPS) - 1
    slid = 0.0
    for now, then in itertools.pairwise(foot[: last + 1]):
        # Over heel, sole and front the foot rolls: of what touches the floor in both instants something rests.
        touching = (now[:, 2] < 0.006) & (then[:, 2] < 0.006)
        assert touching.any()
        slid += float(np.linalg.norm((then - now)[touching, :2], axis=1).min())
    assert slid < 0.03
    assert gait.duty * gait.cycle * person.height_m > 0.25


@PEOPLE
def test_a_knee_that_bears_a_crawler_stays(person: Person) -> None:
    cycle = cycle_m(body_of(person), "crawl")
    knees = np.array([joints(going(person, "crawl", cycle * step / 40))["left_knee"] for step in range(1, 20)])
    assert np.ptp(knees[:, 0]) < 0.02 and np.ptp(knees[:, 2]) < 0.01
    hands = np.array([joints(going(person, "crawl", cycle * step / 40))["right_wrist"] for step in range(1, 20)])
    assert np.ptp(hands[:, 0]) < 0.03


@PEOPLE
@pytest.mark.parametrize("activity", ["walk", "run", "crawl"])
def test_right_does_what_left_did_half_a_cycle_before(person: Person, activity: Activity) -> None:
    cycle = cycle_m(body_of(person), activity)
    for share in (0.0, 0.13, 0.31, 0.44):
        early, late = (joints(going(person, activity, cycle * at)) for at in (share, share + 0.5))
        for name in ("hip", "knee", "ankle", "wrist", "elbow", "shoulder"):
            left, right = np.array(early[f"left_{name}"]), np.array(late[f"right_{name}"])
            left[0] -= cycle * share
            right[0] -= cycle * (share + 0.5)
            assert left * (1, -1, 1) == pytest.approx(right, abs=0.004), name


@PEOPLE
@pytest.mark.parametrize("activity", ["walk", "run", "carry", "crawl"])
def test_feet_come_down_to_the_floor_and_not_below(person: Person, activity: Activity) -> None:
    lowest = np.minimum(
        track(person, activity, "foot_l")[..., 2].min(axis=1), track(person, activity, "foot_r")[..., 2].min(axis=1)
    )
    assert lowest.min() > -0.01
    if activity in ("walk", "carry"):
        assert lowest.max() < 0.01, "a walker has a foot on the floor at every instant"
    if activity == "run":
        assert lowest.max() > 0.003, "a runner flies between steps"


def test_arms_swing_against_the_legs_of_their_side() -> None:
    cycle = cycle_m(body_of(ADULT), "walk")
    states = [joints(going(ADULT, "walk", cycle * step / 40)) for step in range(40)]
    ways = np.array([cycle * step / 40 for step in range(40)])
    ankle = np.array([state["left_ankle"][0] for state in states]) - ways
    wrist = np.array([state["left_wrist"][0] for state in states]) - ways
    assert np.corrcoef(ankle, wrist)[0, 1] < -0.7
    assert np.ptp(wrist) > 0.2


def test_toddlers_walk_wide_with_short_steps_and_raised_arms() -> None:
    grown, small = walking(body_of(ADULT)), walking(body_of(TODDLER))
    assert small.width > 2 * grown.width and small.cycle < 0.85 * grown.cycle and small.guard > 3 * grown.guard
    # Sutherland 1980: a step of 0.28 to 0.33 of the stature at one to two years; 0.36 to 0.42 in adults.
    assert 0.27 <= small.cycle / 2 <= 0.33 and 0.36 <= grown.cycle / 2 <= 0.42


def test_who_carries_and_stops_stands_on_both_feet() -> None:
    way = 3.3
    stopped = joints(PersonState(ADULT, (way, 0.0, 0.0), 0.0, "carry", 20.0, speed_m_s=0.0, stride_m=way))
    assert stopped["left_ankle"][0] == pytest.approx(stopped["right_ankle"][0], abs=0.02)
    walking_on = joints(PersonState(ADULT, (way, 0.0, 0.0), 0.0, "carry", 20.0, speed_m_s=0.9, stride_m=way))
    assert abs(walking_on["left_ankle"][0] - walking_on["right_ankle"][0]) > 0.1
