"""Picture to metres: against a camera written apart, with the stated uncertainty true in 95 of 100 cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analyze.core.scene.calibration import Calibration, calibrate, fit_marks
from services.analyze.core.scene.ground import Noise, floor_point, lens_of, measure, project, stand
from services.contracts.entity import CameraCalibration, CameraMounting, HeightMark
from services.contracts.errors import Rejected
from tests.unit.analyze.scene_world import ASPECT, Pinhole, mark

POINTING = 0.004


def parameters(camera: Pinhole) -> np.ndarray:
    return np.array([
        np.log(camera.height_m), np.radians(camera.tilt_deg), np.radians(camera.roll_deg), np.log(camera.focal), camera.k1,
    ])  # fmt: skip


def centred(point: np.ndarray) -> np.ndarray:
    return (np.asarray(point) - 0.5) * np.array([ASPECT, 1.0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.6, 2.0), st.booleans())
def test_projection_agrees_with_a_textbook_camera_and_comes_back(seed: int, tall_m: float, bent: bool) -> None:
    rng = np.random.default_rng(seed)
    camera = Pinhole.any(rng) if bent else replace(Pinhole.any(rng), k1=0.0)
    found = camera.somewhere(rng, tall_m)
    if found is None:
        return
    x_m, y_m, foot, head = found
    lens = lens_of(parameters(camera))
    assert project(lens, np.array(x_m), np.array(y_m), np.array(tall_m)) == pytest.approx(
        tuple(centred(head)), abs=1e-9
    )
    fx, fy = centred(foot)
    assert floor_point(lens, fx, fy) == pytest.approx((x_m, y_m), abs=0.02 * y_m)
    hx, hy = centred(head)
    seen = stand(lens, np.array((fx + hx) / 2), np.array(hy), np.array(fy))
    assert float(seen.height_m) == pytest.approx(tall_m, abs=0.15 if bent else 0.02)


def test_what_is_above_the_horizon_stands_nowhere() -> None:
    assert np.isnan(floor_point(lens_of(parameters(Pinhole(tilt_deg=10))), np.array(0.0), np.array(-0.4))).all()


def errors(marks_each: int, cameras: int, seed: int) -> np.ndarray:
    """Errors over stated uncertainty, (n, 3): right, ahead, height."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < cameras:
        camera = Pinhole.any(rng)
        heights = rng.uniform(0.8, 1.9, marks_each + 4)
        bodies = [camera.somewhere(rng, tall_m) for tall_m in heights]
        if any(body is None for body in bodies):
            continue
        marks = [
            mark(body[2], body[3], tall_m, rng, POINTING)
            for body, tall_m in zip(bodies[:marks_each], heights, strict=False)
            if body is not None
        ]
        try:
            known = fit_marks(marks, ASPECT, POINTING)
        except Rejected:
            continue
        found.append(_off(known, [body for body in bodies[marks_each:] if body is not None], heights[marks_each:], rng))
    return np.concatenate(found)


def _off(known: Calibration, bodies: list, heights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    boxes = []
    for _, _, foot, head in bodies:
        (fx, fy), (hx, hy) = centred(foot), centred(head)
        middle = (fx + hx) / 2 + rng.normal(0, POINTING / 2**0.5)
        boxes.append([middle, hy + rng.normal(0, POINTING), middle, fy + rng.normal(0, POINTING)])
    seen = measure(known.variants, known.covariance, np.array(boxes), Noise(POINTING, 0.0))
    truth = np.array([[x_m, y_m, tall_m] for (x_m, y_m, _, _), tall_m in zip(bodies, heights, strict=True)])
    return np.asarray((np.stack(seen.at, axis=1) - truth) / seen.standard)


def test_the_stated_uncertainty_holds_in_95_of_100_cases() -> None:
    off = np.concatenate([errors(marks_each, 120, seed=marks_each) for marks_each in (3, 6)])
    assert ((np.abs(off) < 1.96).mean(axis=0) > 0.91).all()
    assert ((np.abs(off) < 1.0).mean(axis=0) < 0.75).all()  # nor is it made large to be safe


def test_more_marks_leave_less_open() -> None:
    rng, camera = np.random.default_rng(4), Pinhole()
    bodies = [found for tall_m in (1.7,) * 12 if (found := camera.somewhere(rng, tall_m)) is not None]
    few, many = (
        fit_marks([mark(foot, head, 1.7, rng, POINTING) for _, _, foot, head in bodies[:count]], ASPECT, POINTING)
        for count in (3, 12)
    )
    assert (many.standard[:4] < few.standard[:4]).all()
    assert many.height_m == pytest.approx(2.6, abs=3 * many.standard[0] * 2.6)


def test_a_mark_with_a_wrong_height_is_named() -> None:
    rng, camera = np.random.default_rng(4), Pinhole()
    places = [(-1.5, 3.0), (1.0, 4.0), (0.0, 6.0), (2.0, 8.0), (-2.0, 7.0)]
    bodies = [camera.body(*place, 1.7) for place in places]
    marks = [mark(*body, 1.7, rng, 0.001) for body in bodies if body is not None]
    assert len(marks) == 5
    marks[2] = marks[2].model_copy(update={"height_m": 0.9})
    with pytest.raises(Rejected, match=r"mark 3 says 0\.90 m, and by the others it would be 1\.\d\d m"):
        fit_marks(marks, ASPECT)


def test_marks_beside_each_other_are_refused_with_advice() -> None:
    camera, rng = Pinhole(tilt_deg=8), np.random.default_rng(1)
    bodies = [camera.body(x_m, 12.5, 1.7) for x_m in (-1.2, 1.2)]
    marks = [mark(*body, 1.7, rng, 0.0) for body in bodies if body is not None]
    with pytest.raises(Rejected, match="mark more people, some near the camera and some far"):
        fit_marks(marks, ASPECT, 0.03)


def test_a_mounting_is_taken_as_measured() -> None:
    told = CameraCalibration(mounting=CameraMounting(height_m=2.6, tilt_deg=28, hfov_deg=96))
    known = calibrate(told, ASPECT)
    assert (known.height_m, known.tilt_deg) == pytest.approx((2.6, 28))
    assert np.exp(known.parameters[3]) == pytest.approx(0.8, abs=0.002)


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({}, "give marks or mounting"),
        ({"marks": [{"foot": [0.5, 0.9], "head": [0.5, 0.5], "height_m": 1.7}]}, "one mark cannot tell"),
        ({"marks": [{"foot": [0.5, 0.9], "head": [0.5, 0.5], "height_m": 1.7}] * 2}, "at one place"),
        (
            {"marks": [{"foot": [0.5, 0.4], "head": [0.5, 0.5], "height_m": 1.7}] * 2},
            "the head must be above the foot",
        ),
        ({"marks": [{"foot": [0.5, 0.9], "head": [0.5, 0.5], "height_m": 17}] * 2}, "less than or equal to 2.2"),
        ({"mounting": {"height_m": 2.5, "tilt_deg": 120, "hfov_deg": 90}}, "less than or equal to 80"),
    ],
)
def test_a_bad_calibration_is_refused_with_a_sentence(told: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        CameraCalibration.model_validate(told)


#: Read by eye from two frames of shared/data's room_people clip (seconds 30.4 and 32.5), a wide lens high on a wall: three people
#: with assumed heights; and boxes of four others, read from other frames: left, top, right, bottom as fractions.
ROOM_MARKS = [
    ((0.351, 0.734), (0.311, 0.165), 1.78), ((0.552, 0.735), (0.589, 0.278), 1.65), ((0.622, 0.880), (0.720, 0.309), 1.80),
    ((0.116, 0.556), (0.054, 0.161), 1.78), ((0.768, 0.525), (0.813, 0.216), 1.65), ((0.849, 0.641), (0.927, 0.257), 1.80),
]  # fmt: skip
ROOM_BOXES = [
    (0.403, 0.288, 0.521, 0.882), (0.600, 0.185, 0.697, 0.624),  # a woman, near and far
    (0.259, 0.288, 0.380, 0.899), (0.170, 0.196, 0.274, 0.693),  # a man, near and far
    (0.405, 0.312, 0.512, 0.858), (0.274, 0.199, 0.394, 0.614),  # a woman, near and far
    (0.332, 0.209, 0.481, 0.830),  # a man who runs
]  # fmt: skip


def test_a_real_room_marked_by_eye_gives_people_their_size() -> None:
    marks = [HeightMark(foot=foot, head=head, height_m=tall_m) for foot, head, tall_m in ROOM_MARKS]
    known = fit_marks(marks, ASPECT)
    assert 2.0 < known.height_m < 3.0 and 20 < known.tilt_deg < 40
    boxes = (np.array(ROOM_BOXES) - 0.5) * np.array([ASPECT, 1, ASPECT, 1])
    seen = measure(known.variants, known.covariance, boxes, Noise())
    assert ((seen.at.height_m > 1.5) & (seen.at.height_m < 1.95)).all()
    near_and_far = seen.at.height_m[:6].reshape(3, 2)
    assert (np.abs(np.diff(near_and_far, axis=1)) < 0.1).all()
    assert (seen.standard[:, 2] < 0.08).all()
