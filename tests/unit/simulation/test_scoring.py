"""Scores against values worked out by hand, and what is no incident list."""

from __future__ import annotations

import json

import pytest

from services.contracts.errors import Rejected
from services.simulation.scoring import Claim, percentile, read_claims, score, table
from services.simulation.truth import IncidentLine, LookAlikeLine

MIDNIGHT_NS = 1_795_363_200 * 10**9


def true(
    kind: str, start_s: float, end_s: float, room: str | None = "room-a", reached_s: float | None = None
) -> IncidentLine:
    reached_s = start_s if reached_s is None else reached_s
    return IncidentLine(
        incident=kind, severity="S1", start_s=start_s, end_s=end_s, reached_s=reached_s, room=room, reason="told", scripted=True
    )  # fmt: skip


def claim(kind: str, opened_s: float, closed_s: float, *places: str, raised_s: float | None = None) -> Claim:
    return Claim(kind, opened_s, closed_s, opened_s if raised_s is None else raised_s, frozenset(places))


def test_precision_recall_and_delay_are_those_worked_out_by_hand() -> None:
    wanted = [
        true("I-01", 100, 300, reached_s=160),
        true("I-01", 1000, 1200, reached_s=1060),
        true("I-10", 50, 150, "yard", 110),
    ]
    made = [
        claim("I-01", 100, 300, "room-a", raised_s=162), claim("I-01", 170, 290, "room-a", raised_s=180),  # one find, told twice
        claim("I-01", 600, 700, "room-a"),  # nothing was wrong then
        claim("I-01", 1000, 1200, "room-b"),  # another room
    ]  # fmt: skip
    first, second = score(wanted, [], made)
    assert (first.kind, first.true, first.found, first.claims, first.right) == ("I-01", 2, 1, 4, 2)
    assert (first.precision, first.recall, first.delays_s) == (0.5, 0.5, [2.0])
    assert (second.kind, second.true, second.found, second.precision, second.recall) == ("I-10", 1, 0, None, 0.0)


def test_a_claim_counts_up_to_the_tolerance_and_not_beyond() -> None:
    wanted = [true("I-06", 100, 110)]
    for opened, closed, counts in (
        (115.0, 120.0, True),
        (115.1, 120.0, False),
        (90.0, 95.0, True),
        (90.0, 94.9, False),
    ):
        (result,) = score(wanted, [], [claim("I-06", opened, closed)])
        assert (result.found == 1) is counts, (opened, closed)


def test_what_ended_before_the_threshold_was_reached_is_no_find() -> None:
    (result,) = score([true("I-01", 100, 400, reached_s=160)], [], [claim("I-01", 100, 130)])
    assert (result.found, result.right) == (0, 0)


def test_a_false_alarm_names_the_look_alike_that_fooled_it() -> None:
    act = LookAlikeLine(name="lie-down-to-play", resembles="I-06", start_s=10, end_s=40, room="room-a", reason="told")
    (result,) = score([], [act], [claim("I-06", 12, 20, "room-a"), claim("I-06", 12, 20, "room-b")])
    assert (result.precision, result.recall, result.fooled_by) == (0.0, None, ["lie-down-to-play"])


def test_percentiles_are_nearest_ranks() -> None:
    values = [float(value) for value in (15, 20, 35, 40, 50)]
    assert [percentile(values, percent) for percent in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]
    assert percentile([], 50) is None


def test_claims_are_read_from_all_three_forms_and_the_last_state_counts() -> None:
    event = {"incident_id": "a", "kind": "I-01", "room_id": "room-a", "camera_id": "cam", "opened_ns": MIDNIGHT_NS + 60 * 10**9,
             "raised_ns": MIDNIGHT_NS + 125 * 10**9, "closed_ns": None}  # fmt: skip
    lines = [
        json.dumps(event),
        json.dumps({"type": "kanhu.incident.closed", "data": {**event, "closed_ns": MIDNIGHT_NS + 200 * 10**9}}),
        "", '{"kind": "I-10", "opened": 300, "closed": 360.5, "target": "gate"}',
    ]  # fmt: skip
    first, second = read_claims(lines, MIDNIGHT_NS)
    assert first == Claim("I-01", 60.0, 200.0, 125.0, frozenset({"room-a", "cam"}))
    assert second == Claim("I-10", 300.0, 360.5, 300.0, frozenset({"gate"}))
    (open_,) = read_claims(lines[:1], MIDNIGHT_NS)
    assert open_.closed_s == float("inf")


@pytest.mark.parametrize(("line", "says"), [
    ("nonsense", "list:1 is not a JSON object"), ("[1]", 'no "kind"'), ('{"kind": 3}', 'no "kind"'),
    ('{"kind": "I-01"}', 'no "opened"'),
    ('{"kind": "I-01", "opened": "noon"}', "RFC 3339"), ('{"kind": "I-01", "opened": true}', "neither"),
    ('{"kind": "I-01", "opened_ns": 1.5}', "whole number"), ('{"kind": "I-01", "opened": 9, "closed": 8}', "before opened"),
    ('{"kind": "I-01", "opened": NaN}', "neither"),
])  # fmt: skip
def test_a_bad_list_is_refused_by_line(line: str, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        read_claims([line], MIDNIGHT_NS, "list")


def test_the_table_has_a_line_a_type() -> None:
    lines = list(table(score([true("I-01", 0, 100)], [], [claim("I-01", 0, 100, raised_s=3.0)])))
    assert lines[0].split() == [
        "type",
        "true",
        "found",
        "claims",
        "precision",
        "recall",
        "p50",
        "s",
        "p90",
        "s",
        "fooled",
        "by",
    ]
    assert lines[1].split() == ["I-01", "1", "1", "1", "1.00", "1.00", "3.0", "3.0"]
