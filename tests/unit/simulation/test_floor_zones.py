"""Zones of the floor as a camera sees them: inside on the floor is inside in the picture, and nothing leaves the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from services.simulation.building import Building, load_building
from services.simulation.floor_zones import projected, seen_zones
from services.simulation.render.camera_model import camera_model


@pytest.fixture(scope="module")
def building() -> Building:
    return load_building("sunflower")


def test_points_of_the_floor_are_in_the_picture_s_zone_if_and_only_if_they_are_in_the_floor_s(
    building: Building,
) -> None:
    checked = 0
    for camera in building.cameras:
        model = camera_model(camera)
        for zone, corners in seen_zones(building, camera):
            outline = np.array(corners, np.float32).reshape(-1, 1, 2)
            xs, ys = zip(*zone.polygon, strict=True)
            grid = np.stack(
                np.meshgrid(np.linspace(min(xs) - 1, max(xs) + 1, 25), np.linspace(min(ys) - 1, max(ys) + 1, 25)), -1
            ).reshape(-1, 2)
            pixels, depth = model.project(np.column_stack([grid, np.zeros(len(grid))]))
            for (x, y), pixel, away in zip(grid, pixels / (model.width_px, model.height_px), depth, strict=True):
                if away < 0.5 or not (0.01 < pixel[0] < 0.99 and 0.01 < pixel[1] < 0.99):
                    continue
                edge = cv2.pointPolygonTest(outline, (float(pixel[0]), float(pixel[1])), True)
                if abs(edge) > 0.005:
                    assert (edge > 0) == zone.contains(x, y), (camera.id, zone.id, x, y)
                    checked += 1
    assert checked > 2000


def test_corners_are_fractions_of_the_picture(building: Building) -> None:
    seen = {
        (camera.id, zone.id): corners for camera in building.cameras for zone, corners in seen_zones(building, camera)
    }
    assert {("entrance", "main-exit"), ("nap", "beds"), ("yard", "gate"), ("kitchen", "stove-area")} <= set(seen)
    for corners in seen.values():
        assert 3 <= len(corners) <= 64
        assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in corners)


def test_what_lies_behind_a_camera_is_not_seen(building: Building) -> None:
    camera = building.camera("entrance")  # looks north-east from the south-west corner
    assert projected(camera, ((-4.0, 4.0), (-2.0, 4.0), (-2.0, 6.0), (-4.0, 6.0))) == []
