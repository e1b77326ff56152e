"""Letterbox, zones, sampling and the identity of incidents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analyze.core.incidents import FrameFacts, Place, RuleFacts, incident_id, record_of, snapshot_key
from services.analyze.core.letterbox import fit
from services.analyze.core.rules.commands import Close, Grounds, Open
from services.analyze.core.sampling import Sampler
from services.analyze.core.zones import PictureSize, contains, foot_point
from services.contracts.time import NS_PER_S

PICTURE = PictureSize(640, 360)


@pytest.mark.parametrize(
    ("picture", "content"),
    [
        ((768, 432), (416, 234)),
        ((1920, 1080), (416, 234)),
        ((480, 640), (312, 416)),
        ((416, 416), (416, 416)),
        ((32, 3200), (4, 416)),
        ((1366, 768), (416, 234)),
    ],
)
def test_a_picture_fills_the_input_with_its_own_aspect(picture: tuple[int, int], content: tuple[int, int]) -> None:
    box = fit(*picture, 416, 416)
    assert (box.content_width, box.content_height) == content


@given(st.integers(2, 8192), st.integers(2, 8192))
def test_any_picture_fits_evenly_and_maps_back(width: int, height: int) -> None:
    box = fit(width, height, 416, 256)
    assert 2 <= box.content_width <= 416 and 2 <= box.content_height <= 256
    assert box.content_width % 2 == 0 and box.content_height % 2 == 0
    whole = np.array([[0, 0, box.content_width, box.content_height]], np.float32)
    assert box.to_picture(whole)[0] == pytest.approx([0, 0, width, height], rel=1e-5)


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((0.3, 0.3), True),
        ((0.7, 0.7), False),
        ((0.2, 0.2), True),
        ((0.2, 0.4), True),
        ((0.5, 0.2), True),
        ((0.19, 0.3), False),
    ],
)
def test_a_point_in_a_triangle(point: tuple[float, float], inside: bool) -> None:
    assert contains([(0.2, 0.2), (0.8, 0.2), (0.2, 0.8)], point) is inside


def test_a_point_in_the_notch_of_a_concave_zone_is_outside() -> None:
    notched = [(0, 0), (1, 0), (1, 1), (0.5, 0.5), (0, 1)]
    assert not contains(notched, (0.5, 0.9))
    assert contains(notched, (0.1, 0.8))


def test_feet_are_the_bottom_centre() -> None:
    assert foot_point((100, 50, 200, 300), PICTURE) == (150 / 640, 300 / 360)


def test_what_hangs_in_from_above_has_no_feet() -> None:
    assert foot_point((0, 0, 140, 230), PICTURE) is None
    assert foot_point((0, 0, 300, 360), PICTURE) is not None


def test_sampling_is_the_same_for_whoever_joins_when() -> None:
    times = [1_000_000_000_000 + round(i * NS_PER_S / 12) for i in range(240)]
    early, late = Sampler(5.0), Sampler(5.0)
    whole = [at for at in times if early.wants(at)]
    joined = [at for at in times[100:] if late.wants(at)]
    assert len(whole) == 100
    assert joined[1:] == [at for at in whole if at > joined[0]]


def test_a_source_slower_than_the_rate_loses_nothing() -> None:
    sampler = Sampler(5.0)
    assert all(sampler.wants(i * NS_PER_S) for i in range(20))


PLACE = Place("demo", camera_id="room", zone="armed", title="Room")
RULE = RuleFacts("I-12", "person-in-armed-zone", "Person in an armed zone")
FRAME = FrameFacts("0" * 28, 7, PICTURE, "yolox-nano-416", "6" * 64)


def test_the_same_onset_is_the_same_incident_and_the_same_records() -> None:
    command = Open(1_000, "S1", Grounds(2_000, ((1.0, 2.0, 3.0, 4.0),), {"score": 0.5}))
    first, second = (record_of(command, RULE, PLACE, "/analyze/a", now, FRAME) for now in (5_000, 9_000))
    assert first.id == second.id
    assert first.data.incident_id == second.data.incident_id == incident_id(PLACE, "I-12", 1_000)
    assert first.type == "kanhu.incident.opened"
    assert (first.data.opened_ns, first.data.raised_ns, first.data.closed_ns) == (1_000, 5_000, None)
    assert first.data.evidence.snapshot_key == snapshot_key("room", 1_000, first.data.incident_id)
    assert (first.data.evidence.run_id, first.data.evidence.seq) == ("0" * 28, 7)


def test_places_kinds_and_onsets_make_different_incidents() -> None:
    other = Place("demo", camera_id="room", zone="exit")
    ids = {
        incident_id(PLACE, "I-12", 1),
        incident_id(PLACE, "I-12", 2),
        incident_id(PLACE, "I-13", 1),
        incident_id(other, "I-12", 1),
    }
    assert len(ids) == 4


def test_opening_and_closing_are_two_events_of_one_incident() -> None:
    grounds = Grounds(2_000)
    opened = record_of(Open(1_000, "S1", grounds), RULE, PLACE, "/analyze/a", 5_000, FRAME)
    closed = record_of(Close(1_000, 3_000, "S1", grounds), RULE, PLACE, "/analyze/a", 6_000, None)
    assert opened.id != closed.id
    assert opened.data.incident_id == closed.data.incident_id
    assert closed.data.closed_ns == 3_000


def test_a_snapshot_lies_under_its_camera_and_day() -> None:
    assert snapshot_key("room", 1_772_323_200 * NS_PER_S, "x") == "snapshots/room/2026/03/01/x.jpg"
