"""What an agent concludes from its state file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.core.memory_of_runs import Remembered, dump, load, since_cause


def test_a_camera_never_seen_has_nothing_before_it() -> None:
    assert since_cause(None, "boot") is None


def test_a_run_left_open_in_this_boot_was_ended_by_the_agents_death() -> None:
    assert since_cause(Remembered("r", True, "boot"), "boot") == "agent"


def test_a_run_left_open_in_an_earlier_boot_was_ended_by_power() -> None:
    assert since_cause(Remembered("r", True, "earlier"), "boot") == "power"


def test_a_closed_run_says_its_own_cause_in_any_boot() -> None:
    assert since_cause(Remembered("r", False, "earlier", "maintenance"), "boot") == "maintenance"


@given(
    st.builds(
        Remembered,
        st.text(max_size=28),
        st.booleans(),
        st.text(max_size=40),
        st.sampled_from([None, "camera", "agent"]),
    )
)
def test_what_was_written_is_read_back(remembered: Remembered) -> None:
    assert load(dump(remembered)) == remembered


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'{"run_id": "r", "open": "yes", "boot_id": "b", "cause": null}',
     b'{"run_id": "r", "open": false, "boot_id": "b", "cause": "weather"}', b"\xff\xfe"],
)  # fmt: skip
def test_a_damaged_file_counts_as_a_run_left_open(raw: bytes) -> None:
    assert since_cause(load(raw), "boot") == "agent"
