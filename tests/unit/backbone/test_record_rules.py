"""Partitions of keys as Kafka's own client has them, and what no log takes."""

from __future__ import annotations

import contextlib

import pytest
from aiokafka.partitioner import murmur2 as kafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from services.backbone.embedded.log_record import pack_headers, unpack_headers
from services.backbone.ports import Outgoing
from services.backbone.record_rules import check_record, murmur2, partition_of
from services.contracts.errors import Corrupt, Rejected
from services.contracts.topics import MAX_RECORD_BYTES


@given(st.binary(max_size=64))
def test_murmur2_is_that_of_kafkas_partitioner(octets: bytes) -> None:
    assert murmur2(octets) == kafka_murmur2(octets)


def test_partitions_of_known_keys_never_change() -> None:
    keys = ["camera-1", "camera-2", "door", "睡眠室", ""]
    assert [partition_of(key, 12) for key in keys] == [(kafka_murmur2(k.encode()) & 0x7FFFFFFF) % 12 for k in keys]
    # From Kafka's own UtilsTest.testMurmur2.
    assert murmur2(b"21") == (-973932308) & 0xFFFFFFFF
    assert murmur2(b"foobar") == (-790332482) & 0xFFFFFFFF
    assert murmur2(b"a-little-bit-long-string") == (-985981536) & 0xFFFFFFFF


def test_the_limit_counts_key_headers_and_value() -> None:
    headers = (("name", b"12345678"),)
    assert check_record(Outgoing("t", "key", b"v" * 10, headers)) == 3 + 10 + 4 + 8
    assert check_record(Outgoing("t", "k", bytes(MAX_RECORD_BYTES - 1))) == MAX_RECORD_BYTES
    with pytest.raises(Rejected, match="smaller pieces"):
        check_record(Outgoing("t", "kk", bytes(MAX_RECORD_BYTES - 1)))


@pytest.mark.parametrize(
    "record",
    [
        Outgoing("t", "\ud800", b"x"),
        Outgoing("t", "k", b"x", (("n" * 2000, b""),)),
        Outgoing("t", None, b"x"),  # type: ignore[arg-type]
        Outgoing("t", "k", b"x", (("name", None),)),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_written_is_rejected(record: Outgoing) -> None:
    with pytest.raises(Rejected):
        check_record(record)


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=50)), max_size=10).map(tuple))
def test_headers_come_back_as_they_were_packed(headers: tuple[tuple[str, bytes], ...]) -> None:
    assert unpack_headers(pack_headers(headers)) == headers


@given(st.binary(max_size=60))
def test_damaged_headers_are_corrupt_and_never_anything_else(packed: bytes) -> None:
    with contextlib.suppress(Corrupt):
        assert pack_headers(unpack_headers(packed)) == packed
