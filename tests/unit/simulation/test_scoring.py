"""Scores against values worked out by hand, and what is no incident list."""

from __future__ import annotations

import json

import pytest

from services.contracts.errors import Rejected
from services.simulation.live import WorldClock
from services.simulation.scoring import Claim, percentile, read_claims, score, table
from services.simulation.truth import IncidentLine, LookAlikeLine

MIDNIGHT_NS = 1_795_363_200 * 10**9
OF_THE_DAY = WorldClock(MIDNIGHT_NS, 0.0, 1).world_s


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
        (95.0, 95.0, True),
        (94.9, 120.0, False),  # raised before anything was wrong
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


def act(name: str, start_s: float, end_s: float, kind: str = "I-01") -> LookAlikeLine:
    return LookAlikeLine(name=name, resembles=kind, start_s=start_s, end_s=end_s, room="room-a", reason="told")


def test_a_claim_that_stands_open_all_day_finds_nothing_and_is_fooled_by_everything() -> None:
    wanted = [true("I-01", 50_000, 50_300, reached_s=50_060), true("I-01", 60_000, 60_300, reached_s=60_060)]
    (result,) = score(
        wanted, [act("short-absence", 40_000, 40_030)], read_claims(['{"kind":"I-01","opened":0}'], OF_THE_DAY)
    )
    assert (result.true, result.found, result.right, result.delays_s) == (2, 0, 0, [])
    assert result.fooled_by == ["short-absence"]


def test_a_claim_finds_one_incident_at_most() -> None:
    wanted = [true("I-01", 100, 300, reached_s=160), true("I-01", 1000, 1200, reached_s=1060)]
    (result,) = score(wanted, [], [claim("I-01", 100, float("inf"), raised_s=161)])
    assert (result.found, result.right, result.delays_s) == (1, 1, [1.0])


def test_claims_are_paired_so_that_each_finds_its_own() -> None:
    """The first claim is nearer to the second incident, which the second claim alone cannot leave."""
    wanted = [true("I-06", 100, 200), true("I-06", 190, 260)]
    made = [claim("I-06", 150, 250, raised_s=188), claim("I-06", 210, 250, raised_s=215)]
    (result,) = score(wanted, [], made)
    assert (result.found, result.right, result.delays_s) == (2, 2, [88.0, 25.0])


def test_the_delay_is_that_of_the_first_claim_even_of_one_before_the_threshold() -> None:
    made = [claim("I-10", 100, 200, raised_s=120), claim("I-10", 100, 200, raised_s=161)]
    (result,) = score([true("I-10", 100, 200, reached_s=160)], [], made)
    assert (result.found, result.right, result.delays_s) == (1, 2, [-40.0])


def test_a_right_claim_is_fooled_by_what_it_goes_on_into() -> None:
    acts = [act("during", 120, 200), act("just-after", 300, 304.9), act("later", 300, 400)]
    wanted = [true("I-01", 100, 300, reached_s=160)]
    (closed,) = score(wanted, acts, [claim("I-01", 100, 304, raised_s=160)])
    assert (closed.right, closed.fooled_by) == (1, [])
    (open_,) = score(wanted, acts, [claim("I-01", 100, float("inf"), raised_s=160)])
    assert (open_.right, open_.fooled_by) == (1, ["later"])


def test_a_span_clips_what_is_true_and_what_is_claimed() -> None:
    wanted = [true("I-06", start_s, start_s + 10) for start_s in (95.0, 150.0, 250.0)]
    made = [claim("I-06", start_s, start_s + 10, raised_s=start_s + 6) for start_s in (95.0, 250.0, 400.0)]
    (result,) = score(wanted, [], made, (100.0, 200.0))
    assert (result.true, result.found, result.claims, result.right) == (1, 0, 1, 1)  # the edge's claim is not wrong
    assert [one.kind for one in score(wanted, [], made, (500.0, 600.0))] == []


def test_an_array_is_read_as_lines_are() -> None:
    entries = [{"kind": "I-10", "opened": 300, "target": "gate"}, {"kind": "I-06", "opened": 7, "closed": 9}]
    whole = read_claims(json.dumps(entries, indent=1).splitlines(keepends=True), OF_THE_DAY)
    assert whole == read_claims([json.dumps(entry) for entry in entries], OF_THE_DAY)
    assert len(whole) == 2
    assert read_claims(["[]"], OF_THE_DAY) == []
    with pytest.raises(Rejected, match=r'list\[1\] has no "kind"'):
        read_claims(['[{"kind": "I-10", "opened": 3},', " {}]"], OF_THE_DAY, "list")
    with pytest.raises(Rejected, match="list:2 is not a JSON array"):
        read_claims(["\n", "[{}", "{}]"], OF_THE_DAY, "list")


def test_an_instant_is_told_by_the_clock_of_the_simulated_world() -> None:
    epoch_ns = 1_763_900_000 * 10**9
    line = json.dumps({"kind": "I-10", "opened_ns": epoch_ns + 20 * 10**9, "raised_ns": epoch_ns + 25 * 10**9})
    (found,) = read_claims([line], WorldClock(epoch_ns, 36_000.0, 4.0).world_s)
    assert (found.opened_s, found.raised_s) == (36_080.0, 36_100.0)


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
    first, second = read_claims(lines, OF_THE_DAY)
    assert first == Claim("I-01", 60.0, 200.0, 125.0, frozenset({"room-a", "cam"}))
    assert second == Claim("I-10", 300.0, 360.5, 300.0, frozenset({"gate"}))
    (open_,) = read_claims(lines[:1], OF_THE_DAY)
    assert open_.closed_s == float("inf")


@pytest.mark.parametrize(("line", "says"), [
    ("nonsense", "list:1 is not a JSON object"), ("[1]", 'no "kind"'), ('{"kind": 3}', 'no "kind"'),
    ('{"kind": "I-01"}', 'no "opened"'),
    ('{"kind": "I-01", "opened": "noon"}', "RFC 3339"), ('{"kind": "I-01", "opened": true}', "neither"),
    ('{"kind": "I-01", "opened_ns": 1.5}', "whole number"), ('{"kind": "I-01", "opened": 9, "closed": 8}', "before opened"),
    ('{"kind": "I-01", "opened": NaN}', "neither"), ('{"kind": "I-01", "opened": 1' + "0" * 400 + "}", "no clock shows"),
])  # fmt: skip
def test_a_bad_list_is_refused_by_line(line: str, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        read_claims([line], OF_THE_DAY, "list")


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
