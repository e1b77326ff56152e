"""Limits from a file: what is left out stays the taxonomy's, and each faulty entry is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.contracts.errors import NotFound, Rejected
from services.simulation.day.derivation import Thresholds
from services.simulation.limits import load_limits, read_limits


def test_what_is_left_out_stays_as_it_is() -> None:
    assert read_limits("{door_s: 20, freezer_celsius: -15.5}") == Thresholds(door_s=20, freezer_celsius=-15.5)
    assert read_limits(b'{"beats": 5}') == Thresholds(beats=5)


@pytest.mark.parametrize(("document", "says"), [
    ("[1]", "must be a mapping"), ("", "must be a mapping"), ("{door_s: [", "neither YAML nor JSON"),
    ("{dor_s: 20}", "dor_s is no limit; known ones: alone_s,"), ("{door_s: long}", "door_s: 'long' is not a number"),
    ("{door_s: true}", "not a number"), ("{door_s: .nan}", "not a number"), ("{door_s: -1}", "below 0"),
    ("{beats: 2.5}", "not a whole number"), ("{door_s: -1, climb_s: x}", "door_s.*climb_s"),
])  # fmt: skip
def test_faulty_limits_are_refused_by_entry(document: str, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        read_limits(document)


def test_an_absent_file_and_a_huge_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no limits at"):
        load_limits(tmp_path / "absent.yaml")
    huge = tmp_path / "huge.yaml"
    huge.write_text("# " + "x" * 70_000)
    with pytest.raises(Rejected, match="larger than"):
        load_limits(huge)
