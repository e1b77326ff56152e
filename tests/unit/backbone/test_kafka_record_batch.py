"""Batches of our own making, read by aiokafka's reader, which is written after the broker's."""

from __future__ import annotations

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from services.backbone.distributed import kafka_record_batch
from services.backbone.distributed.kafka_record_batch import (
    HEADER_BYTES,
    HEADER_FRAMING_BYTES,
    RECORD_FRAMING_BYTES,
    RecordBatch,
    varint,
)
from services.backbone.ports import Outgoing
from services.backbone.record_rules import check_record

NOW_MS = 1_795_394_834_475

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
headers = st.lists(st.tuples(names, st.binary(max_size=200)), max_size=5).map(tuple)
records = st.builds(Outgoing, st.just("t"), names, st.none() | st.binary(max_size=300), headers)


def octets(batch: RecordBatch) -> bytes:
    return b"".join(batch._build())


@given(st.lists(records, min_size=1, max_size=5))
def test_what_is_read_is_what_was_written(written: list[Outgoing]) -> None:
    batch = RecordBatch(written, NOW_MS)
    batch._set_producer_state(2**40, 7, 123_456)

    read = MemoryRecords(octets(batch))
    found = read.next_batch()

    assert found is not None and not read.has_next() and found.validate_crc()
    assert (found.producer_id, found.producer_epoch, found.base_sequence) == (2**40, 7, 123_456)
    assert [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in found] == [
        (index, NOW_MS, record.key.encode(), record.value, record.headers) for index, record in enumerate(written)
    ]


def test_a_batch_is_to_the_octet_what_aiokafka_builds() -> None:
    value = bytes(range(256)) * 600  # its length takes three octets
    theirs = DefaultRecordBatchBuilder(2, 0, 0, 99, 3, 17, 1 << 20)
    for index in range(70):  # the offset takes two octets from 64 on
        theirs.append(index, timestamp=NOW_MS, key=b"camera-1", value=value[: index * 90], headers=[("run", b"r")])

    ours = RecordBatch([Outgoing("t", "camera-1", value[: n * 90], (("run", b"r"),)) for n in range(70)], NOW_MS)
    ours._set_producer_state(99, 3, 17)

    assert octets(ours) == bytes(theirs.build())


@given(records)
def test_the_size_reckoned_beforehand_suffices(record: Outgoing) -> None:
    reckoned = check_record(record) + RECORD_FRAMING_BYTES + HEADER_FRAMING_BYTES * len(record.headers)
    assert len(octets(RecordBatch([record], NOW_MS))) <= HEADER_BYTES + reckoned


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "00"), (1, "02"), (63, "7e"), (64, "8001"), (150, "ac02"), (8191, "fe7f"), (8192, "808001")],
)
def test_numbers_are_zigzag_and_of_seven_bits_an_octet(number: int, encoded: str) -> None:
    assert varint(number).hex() == encoded


def test_the_sum_is_that_of_rfc_3720() -> None:
    assert kafka_record_batch.crc32c(b"\0" * 20, b"\0" * 12) == 0x8A9136AA  # B.4: 32 octets of zeroes
    assert kafka_record_batch.crc32c(b"1234", b"56789") == calc_crc32c(b"123456789") == 0xE3069283
