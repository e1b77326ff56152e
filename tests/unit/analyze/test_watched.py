"""The account of what was watched: every frame has one fate, every instant one span."""

from __future__ import annotations

from services.analyze.core.watched import Fates, Manner, WatchLedger

FULL = Manner("frames", None, 5.0, "m@1")
LATE = Manner("none", "late", 0.0, "m@1")


def test_neighbours_of_one_manner_are_one_span() -> None:
    ledger = WatchLedger()
    for at in range(10):
        ledger.add(at * 10, at * 10 + 10, FULL, Fates(analysed=2, unasked=6))
    spans, told = ledger.drain()
    assert [(span.from_ns, span.to_ns, span.analysed_frames) for span in spans] == [(0, 100, 20)]
    assert told.total.frames == 80 and ledger.empty and ledger.total.frames == 0


def test_what_was_let_go_first_stands_in_its_place_in_time() -> None:
    """Old chunks are passed over while newer ones are being analysed: order of telling is not order of time."""
    ledger = WatchLedger()
    ledger.add(20_000_000, 30_000_000, FULL, Fates(analysed=1))
    ledger.add(0, 20_000_000, LATE, Fates(skipped={"late": 8}))
    ledger.add(30_000_000, 40_000_000, FULL, Fates(analysed=1))
    spans, _ = ledger.drain()
    assert [(span.from_ns, span.to_ns, span.cause) for span in spans] == [
        (0, 20_000_000, "late"), (20_000_000, 40_000_000, None),
    ]  # fmt: skip


def test_a_clock_set_back_makes_no_instant_count_twice() -> None:
    ledger = WatchLedger()
    ledger.add(0, 100, FULL, Fates(analysed=5))
    ledger.add(50, 150, LATE, Fates(skipped={"late": 5}))
    spans, told = ledger.drain()
    assert [(span.from_ns, span.to_ns) for span in spans] == [(0, 100), (100, 150)]
    assert told.total.frames == 10


def test_memory_is_bounded_and_frames_are_counted_all_the_same() -> None:
    ledger = WatchLedger(limit=10)
    for at in range(100):
        ledger.add(at * 10_000_000, at * 10_000_000 + 10, FULL, Fates(analysed=1))
    assert ledger.crowded
    spans, told = ledger.drain()
    assert len(spans) == 10 and told.total.analysed == 100


def test_fates_since_a_copy() -> None:
    fates = Fates(analysed=3, skipped={"shed": 2})
    before = fates.copy()
    fates.analysed += 1
    fates.skip("shed", 4)
    fates.skip("late", 0)
    assert fates.since(before) == Fates(analysed=1, skipped={"shed": 4})
