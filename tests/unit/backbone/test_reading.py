"""What a log holds is read to its end, however long it takes to bring it, and an end that never comes is not waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest

from services.backbone.ports import Delivered, TopicPartition
from services.backbone.reading import SILENT_POLLS, read_to_end
from services.contracts.errors import Transient

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def record(partition: TopicPartition, offset: int) -> Delivered:
    return Delivered(partition.topic, partition.partition, offset, "k", b"v", (), 0)


class Reader:
    """A consumer that brings prepared batches; beyond them nothing."""

    def __init__(
        self,
        bounds: Mapping[TopicPartition, tuple[int, int]],
        batches: Sequence[list[Delivered]] = (),
        *,
        unready_polls: int = 0,
        away_after_polls: int | None = None,
    ) -> None:
        self.bounds = bounds
        self.batches = list(batches)
        self.unready_polls = unready_polls
        self.away_after_polls = away_after_polls
        self.polls = 0
        self.sought: dict[TopicPartition, int] = {}

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.bounds) if self.polls >= self.unready_polls else frozenset()

    async def poll(self, *, max_records: int = 256, timeout_s: float = 1.0) -> list[Delivered]:
        self.polls += 1
        if self.polls <= self.unready_polls:
            return []
        return self.batches.pop(0) if self.batches else []

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought[partition] = offset

    async def start_offsets(self) -> Mapping[TopicPartition, int]:
        return {partition: start for partition, (start, _) in self.bounds.items()}

    async def end_offsets(self) -> Mapping[TopicPartition, int]:
        if self.away_after_polls is not None and self.polls >= self.away_after_polls:
            raise Transient("the log is away")
        return {partition: end for partition, (_, end) in self.bounds.items()}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        raise AssertionError("a reader without a group commits nothing")

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        raise AssertionError("nothing is paused")

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        raise AssertionError("nothing is paused")

    async def close(self) -> None: ...


async def read(reader: Reader, tail_records: int | None = None) -> list[tuple[int, int]]:
    return [(one.partition, one.offset) async for one in read_to_end(reader, tail_records=tail_records)]


async def test_empty_polls_of_a_busy_machine_are_no_end() -> None:
    silence: list[list[Delivered]] = [[] for _ in range(SILENT_POLLS - 1)]
    reader = Reader(
        {A: (0, 3), B: (0, 1)}, [*silence, [record(A, 0), record(A, 1)], *silence, [record(B, 0)], [record(A, 2)]]
    )
    assert await read(reader) == [(0, 0), (0, 1), (1, 0), (0, 2)]
    assert reader.polls == 2 * (SILENT_POLLS - 1) + 3, "and nothing is waited for beyond the end"


async def test_partitions_that_hold_nothing_are_not_waited_for() -> None:
    reader = Reader({A: (7, 7), B: (0, 0)})
    assert await read(reader) == []
    assert reader.polls == 0


async def test_last_records_that_are_gone_end_the_reading_when_the_log_has_been_silent_for_long() -> None:
    reader = Reader({A: (0, 3)}, [[record(A, 0)]])
    assert await read(reader) == [(0, 0)]
    assert reader.polls == 1 + SILENT_POLLS


async def test_an_outage_is_no_end() -> None:
    reader = Reader({A: (0, 3)}, [[record(A, 0)]], away_after_polls=2)
    with pytest.raises(Transient):
        await read(reader)


async def test_a_reader_that_has_its_partitions_late_reads_all_the_same() -> None:
    assert await read(Reader({A: (0, 1)}, [[record(A, 0)]], unready_polls=2)) == [(0, 0)]


async def test_a_reader_that_never_gets_a_partition_says_so() -> None:
    with pytest.raises(Transient, match="does not say what it holds"):
        await read(Reader({A: (0, 1)}, unready_polls=99))


async def test_only_a_tail_is_read_where_that_is_asked_for() -> None:
    reader = Reader({A: (0, 100), B: (95, 100)}, [[record(A, 99), record(B, 99)]])
    await read(reader, tail_records=10)
    assert reader.sought == {A: 90}
