"""A run ends when its timeline and the agent's clock have come apart, and not for a hiccup."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.core.drift import LIMIT_NS, PATIENCE_NS, Drift

S = 1_000_000_000
CHUNK_NS = 320_000_000


def fed(distances_ns: list[int]) -> tuple[Drift, int]:
    drift, now_ns = Drift(), 0
    for distance_ns in distances_ns:
        now_ns += CHUNK_NS
        drift = drift.after(now_ns, now_ns - distance_ns)
    return drift, now_ns


@given(st.lists(st.integers(-LIMIT_NS, LIMIT_NS), max_size=80))
def test_what_stays_near_is_never_out(distances_ns: list[int]) -> None:
    drift, now_ns = fed(distances_ns)
    assert not drift.is_out(now_ns)


def test_a_timeline_that_is_behind_for_long_is_out() -> None:
    assert fed([2 * S] * 40)[0].is_out(40 * CHUNK_NS)


def test_a_timeline_that_is_ahead_for_long_is_out() -> None:
    assert fed([-2 * S] * 40)[0].is_out(40 * CHUNK_NS)


def test_a_hiccup_of_the_network_is_none() -> None:
    drift, now_ns = fed([5 * S] * 20 + [0] + [5 * S] * 20)
    assert not drift.is_out(now_ns)


def test_it_takes_patience() -> None:
    drift, now_ns = fed([2 * S])
    assert not drift.is_out(now_ns + PATIENCE_NS - 1)
    assert drift.is_out(now_ns + PATIENCE_NS)
