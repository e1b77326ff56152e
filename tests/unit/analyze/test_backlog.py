"""The bounded queue before the decoder: newest first when late, whole GOPs, and everything let go is counted."""

from __future__ import annotations

from dataclasses import replace

from services.analyze.core.backlog import Backlog
from services.contracts.media_record import Chunk, ChunkFacts, RunFacts
from services.contracts.time import NS_PER_S

RUN = RunFacts("room", "detect", "0" * 28, "agent-1", "0" * 16, "avc1.42000A", 64, 64, 90_000)
GOP = 5


def chunk(seq: int, size: int = 100) -> Chunk:
    facts = ChunkFacts(seq, seq * NS_PER_S // 2, NS_PER_S // 2, seq % GOP == 0, bytes(32), bytes(32))
    return Chunk(RUN, facts, bytes(size))


def filled(count: int, **limits: int) -> Backlog:
    backlog = Backlog(late_ns=10 * NS_PER_S, **limits)
    for seq in range(count):
        backlog.add(chunk(seq))
    return backlog


def test_in_time_nothing_is_skipped() -> None:
    backlog = filled(12)
    taken = [backlog.take(now_ns=6 * NS_PER_S) for _ in range(13)]
    assert [c.facts.seq for c in taken if c] == list(range(12))
    assert taken[-1] is None and backlog.skipped_chunks == 0


def test_late_jumps_to_the_newest_sync_chunk() -> None:
    backlog = filled(13)
    first = backlog.take(now_ns=60 * NS_PER_S)
    assert first is not None and first.facts.seq == 10
    assert backlog.skipped_chunks == 10


def test_late_within_one_gop_goes_on() -> None:
    backlog = filled(4)
    first = backlog.take(now_ns=60 * NS_PER_S)
    assert first is not None and first.facts.seq == 0
    assert backlog.skipped_chunks == 0


def test_over_the_limit_whole_gops_go() -> None:
    backlog = filled(8, limit_chunks=7)
    assert backlog.skipped_chunks == 5
    first = backlog.take(0)
    assert first is not None and first.facts.seq == 5


def test_a_gop_longer_than_the_limit_empties_the_queue() -> None:
    backlog = Backlog(late_ns=10 * NS_PER_S, limit_chunks=3)
    for seq in range(1, 5):
        backlog.add(chunk(seq))
    assert len(backlog) == 0 and backlog.skipped_chunks == 4 and backlog.bytes_waiting == 0


def test_bytes_are_bounded_whatever_arrives() -> None:
    backlog = Backlog(late_ns=10 * NS_PER_S, limit_chunks=1000, limit_bytes=1000)
    for seq in range(500):
        backlog.add(chunk(seq, size=90))
        assert backlog.bytes_waiting <= 1000
    assert backlog.skipped_chunks + len(backlog) == 500


def test_clearing_counts() -> None:
    backlog = filled(6)
    backlog.clear()
    assert (len(backlog), backlog.skipped_chunks, backlog.bytes_waiting) == (0, 6, 0)


def test_a_replay_keeps_what_is_in_time_in_order() -> None:
    """After a restart the last seconds come at once: late by their stamps, but we were not slow."""
    backlog = filled(40)  # 20 s of footage; late_ns is 10 s
    first = backlog.take(now_ns=21 * NS_PER_S, monotonic_ns=0)
    assert first is not None and first.facts.seq == 25  # the first sync chunk that ended after second 11
    assert backlog.skipped_chunks == 25


def test_when_we_are_slow_the_newest_goes_first() -> None:
    backlog = filled(40)
    first = backlog.take(now_ns=21 * NS_PER_S, monotonic_ns=6 * NS_PER_S)  # waited here for more than half of late_ns
    assert first is not None and first.facts.seq == 35


def test_what_is_let_go_is_told_with_its_cause() -> None:
    told: list[tuple[int, str]] = []
    backlog = Backlog(10 * NS_PER_S, on_dropped=lambda chunk, cause: told.append((chunk.facts.seq, cause)))
    for seq in range(7):
        backlog.add(chunk(seq))
    backlog.take(60 * NS_PER_S)
    backlog.clear()
    assert told == [*((seq, "late") for seq in range(5)), (6, "withdrawn")]


def test_a_turn_takes_chunks_of_one_run_only() -> None:
    backlog = filled(2)
    other = replace(chunk(5), run=replace(RUN, run_id="f" * 28))
    backlog.add(other)
    assert [c.facts.seq for c in backlog.take_some(0, 0, 4)] == [0, 1]
    assert backlog.take_some(0, 0, 4) == [other]


def test_what_a_turn_had_no_time_for_comes_first_again_and_has_waited_all_along() -> None:
    backlog = Backlog(late_ns=10 * NS_PER_S)
    for seq in range(4):
        backlog.add(chunk(seq), offered_ns=seq)
    taken = backlog.take_some(0, 0, 3)
    backlog.put_back(taken[1:])
    assert backlog.waited_ns(100) == 99 and backlog.bytes_waiting == 300
    assert [c.facts.seq for c in backlog.take_some(0, 0, 4)] == [1, 2, 3]
