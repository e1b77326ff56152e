from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.contracts.errors import Corrupt
from services.media import nal

#: What an encoder may write: no start code inside, no zero at the end (H.264 7.4.1).
NALS = st.lists(
    st.binary(min_size=1, max_size=600).map(lambda octets: octets.replace(b"\0\0", b"\0\3").rstrip(b"\0") or b"\1"),
    max_size=8,
)


@given(NALS)
def test_annex_b_round_trip(nals: list[bytes]) -> None:
    assert list(nal.split_annex_b(nal.join_annex_b(nals))) == nals


@given(NALS, st.sampled_from([1, 2, 4]))
def test_length_prefixed_round_trip(nals: list[bytes], length_size: int) -> None:
    fitting = [each[:255] for each in nals] if length_size == 1 else nals
    assert list(nal.split_length_prefixed(nal.join_length_prefixed(fitting, length_size), length_size)) == fitting


@pytest.mark.parametrize("size", [256, 300, 511])
def test_length_that_looks_like_a_start_code_is_read_as_told(size: int) -> None:
    first, second = b"\x65" + bytes(range(1, 256)) * 2, b"\x41abc"
    first = first[:size]
    packed = nal.join_length_prefixed([first, second])
    assert packed.startswith(b"\0\0\1")
    assert list(nal.split(packed, 4)) == [first, second]
    assert list(nal.split(packed, None)) != [first, second]


def test_three_and_four_byte_start_codes_and_zeros_between() -> None:
    stream = b"\0\0\0\1\x67a\0\0\1\x68b\0\0\0\0\0\1\x65c\0\0"
    assert list(nal.split(stream, None)) == [b"\x67a", b"\x68b", b"\x65c"]


def test_every_zero_inside_a_nal_is_kept() -> None:
    assert list(nal.split(b"\0\0\1\x65\0\0\3\0\0\3\1", None)) == [b"\x65\0\0\3\0\0\3\1"]


def test_empty_nals_vanish_as_they_hold_nothing() -> None:
    assert list(nal.split(b"\0\0\1\0\0\1\x65a\0\0\1", None)) == [b"\x65a"]
    assert list(nal.split(b"\0\0\0\0" + b"\0\0\0\2\x65a", 4)) == [b"\x65a"]
    assert nal.split(b"", None) == nal.split(b"", 4) == nal.split(bytes(9), None) == ()


@pytest.mark.parametrize(
    ("octets", "length_size"),
    [
        (b"\x65abc", None), (b"\x01\0\0\1\x65", None), (b"\0\0\0\5\x65abc", 4), (b"\0\0\0", 4), (b"\0\2\x65", 2),
        (b"\3\x65a", 1), (b"\0\0\1\x65", 3), (b"\xff\xff\xff\xff", 4), (b"\0\0\1" * 2 + b"a", 2),
    ],
)  # fmt: skip
def test_what_is_packed_otherwise_is_corrupt(octets: bytes, length_size: int | None) -> None:
    with pytest.raises(Corrupt):
        nal.split(octets, length_size)


@given(st.binary(max_size=400), st.sampled_from([None, 1, 2, 4]))
@example(b"\0" * 400, None)
def test_hostile_bytes_end_in_nals_or_corrupt(octets: bytes, length_size: int | None) -> None:
    try:
        found = nal.split(memoryview(octets), length_size)
    except Corrupt:
        return
    assert all(len(each) > 0 for each in found)
    assert sum(map(len, found)) <= len(octets)


@pytest.mark.parametrize("flood", [b"\0\0\1\x65", b"\0\0\1", b"\0", b"\0\0\2", b"\0\1"])
def test_floods_take_bounded_time(flood: bytes) -> None:
    octets = b"\0\0\1\x65" + flood * (4_000_000 // len(flood))
    began = time.process_time()
    for length_size in (None, 1, 4):
        try:
            nal.split(octets, length_size)
        except Corrupt:
            continue
    assert time.process_time() - began < 5


def test_too_many_nals_are_refused() -> None:
    with pytest.raises(Corrupt, match="more than"):
        nal.split(b"\0\0\1\x65" * (nal.MAX_NALS + 1), None)
    with pytest.raises(Corrupt, match="more than"):
        nal.split(b"\1\x65" * (nal.MAX_NALS + 1), 1)


def test_a_nal_too_long_for_its_length_is_refused() -> None:
    with pytest.raises(Corrupt, match="does not fit"):
        nal.join_length_prefixed([bytes(256)], 1)


def test_splitting_copies_nothing() -> None:
    octets = nal.join_annex_b([b"\x65" + b"a" * 1000])
    (found,) = nal.split(octets, None)
    assert isinstance(found, memoryview) and found.obj is octets


def test_a_view_of_a_whole_packet_is_not_copied_either() -> None:
    octets = nal.join_annex_b([b"\x65" + b"a" * 1000, b"\x41b"])
    first, _ = nal.split(memoryview(octets), None)
    assert isinstance(first, memoryview) and first.obj is octets
    assert list(nal.split(memoryview(octets)[:-6], None)) == [b"\x65" + b"a" * 1000]
    assert list(nal.split(memoryview(bytearray(octets)), None)) == [b"\x65" + b"a" * 1000, b"\x41b"]


def test_sample_size_counts_what_is_joined() -> None:
    nals = [b"a", b"bc" * 300]
    assert nal.sample_size(nals) == len(nal.join_length_prefixed(nals))
