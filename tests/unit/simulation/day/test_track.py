"""Tracks: what is read between knots is read at them too, and a child that was set down stands first."""

import pytest

from services.simulation.day.track import LIFT_S, Spot, TrackWriter


def test_who_walks_has_a_speed_at_every_knot_of_the_way() -> None:
    writer = TrackWriter()
    writer.appear(0.0, Spot(0.0, 0.0, 0.0, 0.0))
    writer.walk([(4.0, 0.0)], 1.0, "walk", 60.0)
    track = writer.finished()
    underway = [t_s for t_s, x in zip(track.t_s, track.x, strict=True) if 0.0 < x < 4.0]
    assert len(underway) > 10
    assert [track.at(t_s).speed_m_s for t_s in underway] == pytest.approx(
        [track.at(t_s + 1e-6).speed_m_s for t_s in underway]
    )
    assert min(track.at(t_s).speed_m_s for t_s in underway) > 0.2
    assert track.at(track.t_s[-1] + 1.0).speed_m_s == 0.0


def test_whoever_is_set_down_stands_as_long_as_it_takes_to_be_set_down() -> None:
    carrier, carried = TrackWriter(), TrackWriter()
    for writer in (carrier, carried):
        writer.appear(0.0, Spot(1.0, 1.0, 0.0, 0.0))
    carrier.walk([(5.0, 1.0)], 1.0, "carry", 60.0)
    carried.ride(carrier.finished(), 1, 10.0)
    carried.walk([(1.0, 1.0)], 1.0, "walk", 60.0)
    track = carried.finished()
    assert track.at(10.0 - 0.01).activity == "carried"
    assert track.at(10.0 + LIFT_S - 0.01).activity == "stand"
    assert track.at(10.0 + LIFT_S + 2.0).activity == "walk"
