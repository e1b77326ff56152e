"""A camera learned from real people: the boxes of tracking ground truth, as a perfect tracker would give them."""

from __future__ import annotations

import numpy as np
import pytest

from services.analyze.core.scene.scene import Scene, SceneState
from services.analyze.core.tracker import Track
from services.analyze.core.zones import PictureSize
from services.contracts.entity import CameraConfig
from services.contracts.time import NS_PER_S
from tests.harness.material import SHARED

PICTURE = PictureSize(640, 480)


@pytest.mark.skipif(not (SHARED / "mot").is_dir(), reason="the sequences are not beside this checkout")
@pytest.mark.parametrize("name", ["TUD-Campus", "TUD-Stadtmitte"])
def test_passers_by_in_a_street_come_out_as_tall_as_people_are(name: str) -> None:
    """8 and 10 people in seconds are few, so the sequence is shown four times, as that many more people."""
    rows = np.loadtxt(SHARED / "mot" / name / "gt.txt", delimiter=",")
    scene, state, statures = Scene(CameraConfig(camera_id="street", url="rtsp://h/s")), SceneState(), {}
    last = int(rows[:, 0].max())
    for again in range(4):
        for number in range(1, last + 1, 5):  # 25 pictures a second, 5 analysed
            at_ns = 10**18 + round((again * (last + 100) + number) / 25 * NS_PER_S)
            tracks = [_track(row, 1000 * again) for row in rows[rows[:, 0] == number]]
            state, facts = scene.step(state, tracks, at_ns, PICTURE)
            for one in facts.objects:
                if one.stature is not None:
                    statures[one.track_id] = one.stature
                    assert one.age != "child"
    assert facts.calibration.origin == "people" and facts.calibration.camera_height is not None
    assert 1.2 < facts.calibration.camera_height.value < 2.6
    assert len(statures) >= 5
    assert all(1.5 < one.value < 2.0 for one in statures.values()), statures


def _track(row: np.ndarray, base: int) -> Track:
    x, y, width, height = (float(value) for value in row[2:6])
    box = (x, y, x + width, y + height)
    return Track(base + int(row[1]), box, 0.9, 9, True, box, (0.0, 0.0), 5.0, 0)
