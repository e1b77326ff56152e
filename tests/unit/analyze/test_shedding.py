"""Less is watched before it is watched late: who gets what, in which order things are left out, and that it comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analyze.core.fair_share import FairShare
from services.analyze.core.sampling import GopThinner, Pace
from services.analyze.core.shedding import PLANNED, CameraLoad, CostMeter, Load, Shedding, ladder, step


def camera(name: str = "a", *, asked: float = 5.0, decode: float = 0.016, look: float = 0.004) -> CameraLoad:
    """A 640×360 camera at 25 frames per second, GOP of two seconds, unless told otherwise."""
    return CameraLoad(name, asked, 2.0, decode, look, decode * 2 / 7)


def settle(cameras: list[CameraLoad], workers: int = 2, steps: int = 60) -> dict[str, Pace]:
    """What comes out when measurements are as the paces make them."""
    state, paces = Shedding(2.5), {c.camera_id: Pace.full(c.asked_frames_per_s) for c in cameras}
    for _ in range(steps):
        used = sum(c.cost(paces[c.camera_id]) for c in cameras)
        busy = min(1.0, used / workers)
        state, paces = step(state, Load(workers, busy, 0.0 if used <= workers else 5.0, cameras))
    return paces


def test_within_the_capacity_everything_is_watched_in_full() -> None:
    paces = settle([camera(f"c{n}") for n in range(30)])
    assert set(paces.values()) == {Pace.full(5.0)}


def test_twice_the_capacity_lowers_every_rate_alike() -> None:
    cameras = [camera(f"c{n}") for n in range(80)]
    paces = settle(cameras)
    assert {pace.mode for pace in paces.values()} == {"frames"}
    assert len(set(paces.values())) <= 2
    assert sum(c.cost(paces[c.camera_id]) for c in cameras) <= 2.0
    assert all(1.0 <= pace.frames_per_s < 5.0 for pace in paces.values())


def test_far_beyond_it_only_keyframes_are_left_and_nobody_is_left_out() -> None:
    cameras = [camera(f"c{n}") for n in range(500)]
    paces = settle(cameras)
    assert {pace.mode for pace in paces.values()} == {"keyframes"}
    assert all(pace.mean_frames_per_s > 0 for pace in paces.values())
    assert sum(c.cost(paces[c.camera_id]) for c in cameras) <= 2.0


def test_a_heavy_camera_makes_itself_slower_and_nobody_else() -> None:
    light = [camera(f"light{n}") for n in range(20)]
    heavy = [camera(f"heavy{n}", asked=15.0, decode=0.098, look=0.012) for n in range(12)]
    paces = settle([*light, *heavy])
    assert {paces[c.camera_id] for c in light} == {Pace.full(5.0)}
    assert all(paces[c.camera_id].mean_frames_per_s < 15.0 for c in heavy)


def test_the_order_is_rate_then_gops_then_keyframes_each_cheaper() -> None:
    one = camera()
    paces = ladder(one)
    assert [pace.mode for pace in paces] == sorted((p.mode for p in paces), key=["frames", "gops", "keyframes"].index)
    costs = [one.cost(pace) for pace in paces]
    assert costs == sorted(costs, reverse=True) and len(set(costs)) == len(costs)
    assert {pace.mode for pace in paces} == {"frames", "gops", "keyframes"}


def test_waiting_that_busy_workers_cause_shrinks_the_plan_and_idle_workers_do_not() -> None:
    cameras = [camera(f"c{n}") for n in range(10)]
    late, _ = step(Shedding(2.5), Load(2, 1.0, 4.0, cameras))
    elsewhere, _ = step(Shedding(2.5), Load(2, 0.1, 4.0, cameras))
    assert late.headroom < 1.0 and elsewhere.headroom == 1.0


def test_costs_once_thought_too_high_are_tried_again_while_there_is_time_to_spare() -> None:
    """A reduced camera's decoding is not measured; its old estimate must not keep it reduced for ever."""
    wrong = [camera(f"c{n}", decode=5.0) for n in range(4)]
    state, paces = step(Shedding(2.5), Load(2, 1.0, 5.0, wrong))
    assert all(pace.mode == "keyframes" for pace in paces.values())
    for _ in range(200):
        measured = [camera(c.camera_id) if paces[c.camera_id].mode != "keyframes" else c for c in wrong]
        state, paces = step(state, Load(2, 0.05, 0.0, measured))
    assert set(paces.values()) == {Pace.full(5.0)}


def test_a_camera_not_measured_yet_counts_like_the_others() -> None:
    """Sixty cameras begin at once; four were measured by the first step."""
    cameras = [camera(f"c{n}") for n in range(4)] + [camera(f"n{n}", decode=0.0, look=0.0) for n in range(76)]
    _, paces = step(Shedding(2.5), Load(2, 1.0, 0.5, cameras))
    assert all(pace.mean_frames_per_s < 5.0 for pace in paces.values())


loads = st.builds(
    lambda name, asked, decode, look: camera(f"c{name}", asked=asked, decode=decode, look=look),
    st.integers(0, 10_000), st.floats(0.1, 30), st.floats(0.001, 0.5), st.floats(0.001, 0.2),
)  # fmt: skip


@given(st.lists(loads, min_size=1, max_size=40, unique_by=lambda c: c.camera_id), st.integers(1, 8), st.floats(0.7, 1))
def test_a_plan_never_costs_more_than_is_planned_with_and_starves_nobody(
    cameras: list[CameraLoad], workers: int, busy: float
) -> None:
    _, paces = step(Shedding(2.5), Load(workers, busy, 5.0, cameras))
    budget = PLANNED * workers
    parts = {c.camera_id: c.cost(paces[c.camera_id]) for c in cameras}
    floor = {c.camera_id: c.cost(ladder(c)[-1]) for c in cameras}
    assert all(pace.mean_frames_per_s > 0 for pace in paces.values())
    assert sum(max(0.0, parts[name] - floor[name]) for name in parts) <= budget * (1 + 1e-6)


def test_turns_are_shared_by_time_not_by_number() -> None:
    shares, had = FairShare(), {"light": 0, "heavy": 0}
    for _ in range(1000):
        first = shares.first(["heavy", "light"])
        took = 3 if first == "heavy" else 1
        shares.charge(first, took)
        had[first] += took
    assert abs(had["heavy"] - had["light"]) <= 3


def test_who_was_idle_has_no_credit() -> None:
    shares = FairShare()
    for _ in range(100):
        shares.charge(shares.first(["busy"]), 1)
    turns = [first for _ in range(20) if shares.charge(first := shares.first(["busy", "idle"]), 1) is None]
    assert turns.count("idle") == pytest.approx(10, abs=1)


def test_whole_gops_are_left_out() -> None:
    thinner, pace = GopThinner(), Pace("gops", 1.0, 2, 0.5)
    wanted = [thinner.wants(pace, sync=number % 4 == 0) for number in range(16)]
    assert wanted == ([True] * 4 + [False] * 4) * 2


def test_of_a_gop_only_its_first_chunk_is_wanted_for_keyframes() -> None:
    thinner, pace = GopThinner(), Pace("keyframes", 0.5, 2, 0.25)
    wanted = [thinner.wants(pace, sync=number % 4 == 0) for number in range(16)]
    assert [i for i, want in enumerate(wanted) if want] == [0, 8]


def test_one_very_slow_look_does_not_pass_for_the_cost_of_looking() -> None:
    meter = CostMeter()
    meter.looked(1, 0.8)  # the model is fitted to the picture
    for _ in range(10):
        meter.looked(1, 0.004)
    meter.looked(1, 2.0)
    assert meter.load("a", 5.0).look_s < 0.006
