"""Metres to pixels and back."""

import math

import numpy as np
import pytest

from services.simulation.building import BuildingCamera, load_building
from services.simulation.render.camera_model import camera_model, model_in
from services.simulation.world import CameraFault, World


def _camera(**changed: object) -> BuildingCamera:
    facts = {
        "id": "c",
        "room": "r",
        "title": {"zh": "机", "en": "C"},
        "at": (0, 0, 2),
        "pan_deg": 90,
        "tilt_deg": 0,
        "hfov_deg": 90,
        "k1": 0,
        "k2": 0,
    }
    return BuildingCamera.model_validate(facts | changed)


def test_a_pinhole_of_90_degrees_by_hand() -> None:
    model = camera_model(_camera())
    pixels, depth = model.project([(0, 4, 2), (4, 4, 2), (0, 4, 3), (0, -4, 2)])
    assert model.focal_px == pytest.approx(320)
    np.testing.assert_allclose(pixels[:3], [(320, 180), (640, 180), (320, 100)], atol=1e-9)
    np.testing.assert_allclose(depth, [4, 4, 4, -4])
    assert np.isnan(pixels[3]).all()


def test_roll_turns_the_picture_and_tilt_lowers_the_horizon() -> None:
    rolled, _ = camera_model(_camera(roll_deg=30)).project([(1, 4, 2)])  # 80 px to the right, turned clockwise
    np.testing.assert_allclose(rolled[0], (320 + 80 * math.cos(math.pi / 6), 180 + 40), atol=1e-9)
    down, _ = camera_model(_camera(tilt_deg=-30)).project([(0, 100, 2)])
    assert down[0, 1] == pytest.approx(180 - 320 * math.tan(math.radians(30)))


def test_the_width_seen_is_the_stated_one_with_a_bent_lens_too() -> None:
    model = camera_model(_camera(k1=-0.12, k2=0.014))
    left, right = model.rays([(0, 180), (640, 180)])
    assert math.degrees(math.acos(left @ right)) == pytest.approx(90, abs=0.01)


@pytest.mark.parametrize("name", ["sunflower", "magnolia"])
def test_rays_through_pixels_come_back_to_them(name: str) -> None:
    for camera in load_building(name).cameras:
        model = camera_model(camera)
        pixels = np.array([(x, y) for x in (0.5, 200, 320, 500, 639.5) for y in (0.5, 100, 180, 359.5)])
        back, depth = model.project(np.array(model.at) + 3.7 * model.rays(pixels))
        np.testing.assert_allclose(back, pixels, atol=1e-3)
        assert (depth > 0).all()


def test_what_lies_far_outside_stays_outside_a_barrel_lens() -> None:
    model = camera_model(_camera(k1=-0.2, k2=0.0))
    pixels, _ = model.project([(x, 1.0, 2) for x in (0.5, 1, 2, 4, 8, 16)])
    assert (np.diff(pixels[:, 0]) > 0).all()
    assert pixels[-1, 0] > 640


def test_a_knocked_camera_looks_elsewhere_and_only_that_one() -> None:
    camera = _camera()
    world = World(0.0, 1, faults={"c": CameraFault("moved"), "d": CameraFault("covered")})
    assert model_in(camera, World(0.0, 1)) == camera_model(camera)
    moved = model_in(camera, world)
    assert math.degrees(math.acos(moved.rotation[2] @ camera_model(camera).rotation[2])) > 15
    np.testing.assert_allclose(moved.rotation @ moved.rotation.T, np.eye(3), atol=1e-12)


def test_a_camera_is_knocked_in_two_blows_as_each_direction_is_painted() -> None:
    directions = {model_in(_camera(), World(0.0, 1, faults={"c": CameraFault("moved", n / 20)})) for n in range(1, 21)}
    assert len(directions) == 2
    assert camera_model(_camera()) not in directions
