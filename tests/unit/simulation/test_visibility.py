"""How much of somebody is visible: less by what hides them and by what the picture's border cuts off."""

import numpy as np
import pytest
from numpy.typing import NDArray

from services.simulation import people
from services.simulation.render.camera_model import CameraModel
from services.simulation.visibility import Body, visible_share
from services.simulation.world import PersonState

_WIDE, _HIGH, _FOCAL = 400, 300, 300.0
#: A metre above the ground, looking along x; y points to the left.
_CAMERA = CameraModel((0.0, 0.0, 1.0), ((0, -1, 0), (0, 0, -1), (1, 0, 0)), _WIDE, _HIGH, _FOCAL)
_EVERYWHERE = np.ones((_HIGH, _WIDE), np.int32)


def _at(x: float, y: float) -> PersonState:
    return PersonState(people.person_of(1, "adult", 3), (x, y, 0.0), 0.0, "stand")


def _share(state: PersonState, shown: NDArray[np.int32] = _EVERYWHERE) -> float:
    return visible_share(_CAMERA, state, None, shown)


def test_who_stands_in_full_view_is_wholly_visible() -> None:
    assert _share(_at(5.0, 0.0)) == 1.0


def test_who_is_hidden_up_to_the_hip_is_about_half_visible() -> None:
    shown = _EVERYWHERE.copy()
    body = Body.of(_CAMERA, _at(5.0, 0.0), None)
    rows = np.flatnonzero(body.inside.any(axis=1))
    middle = int(rows.mean())
    shown[middle:] = 0
    assert _share(_at(5.0, 0.0), shown) == pytest.approx(body.inside[:middle].sum() / body.inside.sum())
    assert 0.4 < _share(_at(5.0, 0.0), shown) < 0.75


def test_of_whom_the_border_leaves_one_half_is_half_visible_however_plain_that_half_is() -> None:
    at_the_border = 5.0 * _WIDE / 2 / _FOCAL
    assert _share(_at(5.0, at_the_border)) == pytest.approx(0.5, abs=0.12)
    assert _share(_at(5.0, -at_the_border)) == pytest.approx(0.5, abs=0.12)


def test_a_shoulder_in_the_picture_is_not_somebody_in_full_view() -> None:
    almost_gone = 5.0 * _WIDE / 2 / _FOCAL + 0.2
    assert 0.0 < _share(_at(5.0, almost_gone)) < 0.25


def test_legs_below_the_border_count_as_not_seen() -> None:
    """At 1.2 m the picture ends 0.6 m below the camera: the shins are cut off, and their share with them."""
    body = Body.of(_CAMERA, _at(1.2, 0.0), None)
    share = _share(_at(1.2, 0.0))
    assert share == pytest.approx(body.inside.sum() / body.whole_px)
    assert share < 0.95


def test_who_reaches_behind_the_camera_is_seen_for_what_lies_before_it() -> None:
    assert 0.0 < _share(_at(0.12, 0.0)) < 0.5


def test_who_is_beyond_the_border_or_behind_the_camera_is_not_visible() -> None:
    assert _share(_at(5.0, 9.0)) == 0.0
    assert _share(_at(-3.0, 0.0)) == 0.0


def test_pixels_of_others_show_nothing_of_somebody() -> None:
    assert _share(_at(5.0, 0.0), np.full((_HIGH, _WIDE), 2, np.int32)) == 0.0
