"""The packaged detector on pictures that it never learned from: other days of one building, and a building that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import onnxruntime
import pytest

from bench.nursery_detector.average_precision import Picture, average_precision
from bench.nursery_detector.dataset import Drawn, draw
from bench.nursery_detector.evaluate import KINDS, judged
from services.simulation.building import load_building

pytestmark = pytest.mark.timeout(300)
_PICTURES = 48
#: Of few pictures, whose figure scatters about the model card's (docs/reference/nursery-people.md); measured: 0.92 and 0.92,
#: less 0.05: models that the card's large sets call equal lie up to 0.03 apart on these.
_BARS = {"sunflower": 0.87, "magnolia": 0.87}


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    body = files("services.analyze.models").joinpath("nursery_people.onnx").read_bytes()
    return onnxruntime.InferenceSession(body, options)


def _seen(building: str, camera: str, seed: int) -> list[Drawn]:
    whole = load_building(building)
    seen_by = whole.model_copy(update={"cameras": (whole.camera(camera),)})
    return list(draw(seen_by, seed, _PICTURES, crowds=False))


def _mean_precision(session: onnxruntime.InferenceSession, drawn: Sequence[Drawn]) -> float:
    seen: list[list[Picture]] = [[] for _ in KINDS]
    for one in drawn:
        for kind, picture in enumerate(judged(session, one.picture, one.people, least_visible=0.25)):
            seen[kind].append(picture)
    return float(np.mean([average_precision(pictures) for pictures in seen]))


@pytest.mark.parametrize(("building", "camera"), [("sunflower", "room-a"), ("magnolia", "playroom")])
def test_people_are_found_where_it_never_looked(
    session: onnxruntime.InferenceSession, building: str, camera: str
) -> None:
    drawn = _seen(building, camera, seed=9_031)

    assert sum(len(one.people) for one in drawn) > _PICTURES, "nobody to be found: this would show nothing"
    assert _mean_precision(session, drawn) >= _BARS[building]
