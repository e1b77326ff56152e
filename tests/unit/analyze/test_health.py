"""Camera health on drawn pictures: each fault raises its own kind, and what merely happens in a room raises none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.analyze.core.health import Health, HealthPolicy, silence, step
from services.analyze.core.health_measures import Glimpse, glimpse_of, likeness
from services.contracts.time import NS_PER_S

Plane = NDArray[np.uint8]
POLICY = HealthPolicy()
WIDTH, HEIGHT = 640, 360
START_NS = 1_700_000_000 * NS_PER_S
COLOURED = (np.full((HEIGHT // 2, WIDTH // 2), 110, np.uint8), np.full((HEIGHT // 2, WIDTH // 2), 140, np.uint8))
GREY = (np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8),) * 2


def room(seed: int = 1) -> NDArray[np.float32]:
    """A wall, a floor, windows, shelves and boards, without noise."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH), 150, np.float32)
    picture[HEIGHT // 2 :] = 90
    for _ in range(30):
        x, y = rng.integers(0, WIDTH - 60), rng.integers(0, HEIGHT - 40)
        w, h = rng.integers(15, 90), rng.integers(10, 70)
        picture[y : y + h, x : x + w] = rng.integers(40, 220)
    return picture


ROOM = room()


def shown(picture: NDArray[np.float32], rng: np.random.Generator, noise: float = 2.0) -> Plane:
    return np.clip(picture + rng.normal(0, noise, picture.shape), 16, 235).astype(np.uint8)


def watch(
    pictures: Iterable[Plane], chroma: tuple[Plane, Plane] = COLOURED, health: Health | None = None
) -> list[Health]:
    health, seen = health or Health(), []
    at_ns = health.seen.at_ns if health.seen is not None else START_NS
    for number, luma in enumerate(pictures, 1):
        health = step(POLICY, health, glimpse_of(at_ns + number * NS_PER_S, luma, chroma))
        seen.append(health)
    return seen


@pytest.fixture(scope="module")
def learned() -> Health:
    rng = np.random.default_rng(7)
    health = watch(shown(ROOM, rng) for _ in range(12))[-1]
    assert (health.state, health.judged) == ("ok", True)
    return health


def blurred(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 5.0), np.float32)


def turned(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.roll(picture, (40, 150), (0, 1))


def nudged(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.roll(picture, 30, 1)


def cloth(_: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.full((HEIGHT, WIDTH), 70, np.float32) + np.linspace(0, 25, WIDTH, dtype=np.float32)


def shut(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return 16 + 0.02 * picture


def unlit(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return 16 + 0.07 * picture


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (blurred, "defocused"),
        (turned, "moved"),
        (nudged, "moved"),
        (cloth, "covered"),
        (shut, "covered"),
        (unlit, "dark"),
    ],
)
def test_a_fault_raises_its_kind_within_four_seconds_and_is_over_when_it_is(
    learned: Health, fault: Callable[[NDArray[np.float32]], NDArray[np.float32]], kind: str
) -> None:
    rng = np.random.default_rng(3)
    seen = watch((shown(fault(ROOM), rng) for _ in range(10)), health=learned)
    assert learned.seen is not None
    assert [health.state for health in seen[:3]] == ["ok"] * 3
    assert {health.state for health in seen[3:]} == {kind}
    assert seen[-1].since_ns == learned.seen.at_ns + NS_PER_S
    after = watch((shown(ROOM, rng) for _ in range(4)), health=seen[-1])
    assert [health.state for health in after] == [kind, kind, "ok", "ok"]


def test_a_fault_that_stays_is_not_learned(learned: Health) -> None:
    rng = np.random.default_rng(3)
    assert watch((shown(turned(ROOM), rng) for _ in range(100)), health=learned)[-1].state == "moved"


def test_the_same_picture_again_and_again_is_frozen_after_twenty_seconds(learned: Health) -> None:
    rng = np.random.default_rng(3)
    alive = watch((shown(ROOM, rng) for _ in range(30)), health=learned)[-1]
    still = shown(ROOM, rng)

    def dated(second: int) -> Plane:
        picture = still.copy()
        picture[6:24, 400 + second % 10 : 440] = 220  # the camera goes on writing its clock
        return picture

    seen = watch((dated(second) for second in range(40)), health=alive)
    first = next(number for number, health in enumerate(seen, 1) if health.state == "frozen")
    assert first <= 21
    assert {health.state for health in seen[first:]} == {"frozen"}
    assert {health.state for health in watch((shown(ROOM, rng) for _ in range(30)), health=seen[-1])[22:]} == {"ok"}


def test_a_camera_whose_encoder_skips_still_pictures_is_never_frozen() -> None:
    """Between two key frames the decoder gives the very same picture; in a still room that is most of the time."""
    rng = np.random.default_rng(3)
    pictures: list[Plane] = []
    for _ in range(12):
        pictures += [shown(ROOM, rng)] * 10
    assert {health.state for health in watch(pictures)} == {"ok"}


def test_a_drawn_scene_without_noise_is_never_frozen() -> None:
    assert {health.state for health in watch([ROOM.astype(np.uint8)] * 90)} == {"ok"}


def test_an_even_slate_is_no_picture(learned: Health) -> None:
    seen = watch((np.full((HEIGHT, WIDTH), 128, np.uint8) for _ in range(8)), health=learned)
    assert seen[-1].state == "lost"


def test_another_picture_that_never_changes_is_no_picture(learned: Health) -> None:
    assert watch((room(9).astype(np.uint8) for _ in range(8)), health=learned)[-1].state == "lost"


def test_no_picture_for_ten_seconds_is_lost_and_the_next_ones_end_that(learned: Health) -> None:
    assert learned.seen is not None
    last_ns = learned.seen.at_ns
    assert silence(POLICY, learned, last_ns, last_ns + 9 * NS_PER_S).state == "ok"
    lost = silence(POLICY, learned, last_ns, last_ns + 10 * NS_PER_S)
    assert (lost.state, lost.since_ns, lost.measured) == ("lost", last_ns, {"silent_s": 10.0})
    rng = np.random.default_rng(3)
    assert watch((shown(ROOM, rng) for _ in range(3)), health=lost)[-1].state == "ok"


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 20), (1.4, -30), (0.8, 60)])
def test_the_switch_to_infrared_and_back_is_no_fault(learned: Health, gain: float, offset: float) -> None:
    rng = np.random.default_rng(3)
    night = watch((shown(gain * ROOM + offset, rng, 6.0) for _ in range(30)), GREY, learned)
    day = watch((shown(ROOM, rng) for _ in range(30)), COLOURED, night[-1])
    assert {health.state for health in night + day} == {"ok"}


def test_infrared_casts_other_shadows_and_that_is_no_fault(learned: Health) -> None:
    rng = np.random.default_rng(3)
    night = np.clip(0.25 * ROOM + 0.75 * room(5), 16, 235)
    assert {health.state for health in watch((shown(night, rng, 6.0) for _ in range(30)), GREY, learned)} == {"ok"}


def test_a_move_at_night_is_told_once_the_night_is_known(learned: Health) -> None:
    rng = np.random.default_rng(3)
    night = watch((shown(0.5 * ROOM + 20, rng) for _ in range(10)), GREY, learned)[-1]
    assert watch((shown(turned(0.5 * ROOM + 20), rng) for _ in range(6)), GREY, night)[-1].state == "moved"


def test_a_clock_written_into_the_picture_neither_lights_a_dark_room_nor_sharpens_a_blurred_one() -> None:
    rng = np.random.default_rng(3)

    def dated(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        picture = picture.copy()
        for line in (slice(8, 22), slice(340, 354)):
            picture[line, 400:630:2] = 220
        return picture

    day = watch(shown(dated(ROOM), rng) for _ in range(12))[-1]
    for fault, kind in ((unlit, "dark"), (shut, "covered"), (blurred, "defocused")):
        assert watch((shown(dated(fault(ROOM)), rng) for _ in range(6)), health=day)[-1].state == kind


def test_darkness_that_falls_slowly_is_dark_however_black_it_gets(learned: Health) -> None:
    rng = np.random.default_rng(3)
    dusk = [16 + (ROOM - 16) * max(0.0, 1 - number / 40) for number in range(55)]
    assert watch((shown(picture, rng, 0.5) for picture in dusk), health=learned)[-1].state == "dark"


def test_a_hand_before_the_lens_for_two_seconds_is_no_fault(learned: Health) -> None:
    rng = np.random.default_rng(3)
    pictures = [shown(cloth(ROOM) if number in (5, 6) else ROOM, rng) for number in range(20)]
    assert {health.state for health in watch(pictures, health=learned)} == {"ok"}


def test_a_crowd_that_hides_half_the_room_is_no_fault(learned: Health) -> None:
    rng = np.random.default_rng(3)

    def crowd() -> Iterable[Plane]:
        for number in range(60):
            picture = ROOM.copy()
            for person in range(7):
                x = (person * 83 + number * 11) % WIDTH
                picture[120:, x : x + 45] = 40 + 25 * person
            yield shown(picture, rng)

    assert {health.state for health in watch(crowd(), health=learned)} == {"ok"}


def test_looks_may_wait_while_somebody_moves_and_nothing_is_wrong_and_only_then(learned: Health) -> None:
    rng = np.random.default_rng(3)

    def visited(place: int) -> NDArray[np.float32]:
        picture = ROOM.copy()
        picture[150:300, 40 * place : 40 * place + 60] = 30
        return picture

    assert not learned.calm  # nothing moves: it may stand still
    busy = watch((shown(visited(place), rng) for place in range(6)), health=learned)
    assert {health.calm for health in busy} == {True}
    assert not watch([shown(cloth(ROOM), rng)], health=busy[-1])[-1].calm
    assert not watch([shown(visited(7), rng)], GREY, busy[-1])[-1].calm
    assert not watch([shown(visited(place), rng) for place in range(3)])[-1].calm


def test_a_clock_that_is_set_back_is_survived(learned: Health) -> None:
    assert learned.seen is not None
    back = replace(learned.seen, at_ns=START_NS - 3600 * NS_PER_S)
    health = step(POLICY, learned, back)
    assert health.seen is not None and health.seen.at_ns == back.at_ns and health.state == "ok"


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 2000), st.integers(2, 1200), st.integers(0, 255))
def test_a_picture_of_any_size_can_be_measured(width: int, height: int, level: int) -> None:
    glimpse = glimpse_of(1, np.full((height, width), level, np.uint8), None)
    assert glimpse.mean_level == pytest.approx(level) and glimpse.spread_level == 0 and glimpse.grey


@given(st.floats(0.2, 3.0), st.floats(-50, 50))
def test_likeness_is_blind_to_brightness_and_contrast(gain: float, offset: float) -> None:
    small = cv2.resize(ROOM, (96, 54), interpolation=cv2.INTER_AREA)
    assert likeness(np.asarray(gain * small + offset, np.float32), small) == pytest.approx(1.0, abs=1e-3)


def test_full_range_black_is_black() -> None:
    black = np.zeros((HEIGHT, WIDTH), np.uint8)
    full: Glimpse = glimpse_of(1, black, GREY, full_range=True)
    assert full.mean_level == 16.0
