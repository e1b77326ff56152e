"""Every class of tampering, on segments, on exports and on records; naive ones and ones that patch the trailer, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.contracts.errors import Corrupt, Rejected
from services.contracts.media_record import Chunk, ChunkFacts, RunStart
from services.media import chain
from services.media.segment import Trailer, build_segment, decode_trailer, encode_trailer, find_trailer, read_segment
from services.media.verify import Verdict, verify_run, verify_segment
from tests.unit.media import material as m

START, CHUNKS, END = m.one_run(60)  # 12 chunks; those of odd seq end a GOP and are signed
OTHER_START, OTHER_CHUNKS, _ = m.one_run(60, camera="yard", seed=2)
FIRST, LAST = 2, 9
INSIDE = CHUNKS[FIRST : LAST + 1]


def segment(chunks: list[Chunk] = CHUNKS, start: RunStart = START) -> bytes:
    return build_segment(start.run, start.init, chunks)


def parts(octets: bytes) -> tuple[bytes, list[bytes], Trailer]:
    opened = read_segment(octets)
    return bytes(opened.init), [bytes(value) for value in opened.values], opened.trailer


def glue(init: bytes, values: list[bytes], trailer: Trailer | bytes) -> bytes:
    return b"".join([init, *values, trailer if isinstance(trailer, bytes) else encode_trailer(trailer)])


def judge(octets: bytes, key: bytes = m.PUBLIC_KEY) -> Verdict:
    return verify_segment(octets, key)


def with_entries(trailer: Trailer, entries: list[tuple[ChunkFacts, int]]) -> Trailer:
    facts, sizes = zip(*entries, strict=True)
    return replace(trailer, chunks=facts, sizes=sizes)


def entries_of(trailer: Trailer) -> list[tuple[ChunkFacts, int]]:
    return list(zip(trailer.chunks, trailer.sizes, strict=True))


@pytest.mark.parametrize(("first", "last"), [(0, 11), (0, 3), (2, 9), (4, 5), (5, 5), (1, 11)])
def test_a_segment_and_any_excerpt_to_a_signed_chunk_are_authentic(first: int, last: int) -> None:
    verdict = judge(segment(CHUNKS[first : last + 1]))
    assert verdict.is_authentic, verdict
    assert (verdict.first_seq, verdict.last_seq, verdict.authentic_through) == (first, last, last)
    assert verdict.is_excerpt == (first > 0)
    assert verdict.run == START.run


def test_a_tail_without_signature_is_said_to_be_unsigned_from_there() -> None:
    verdict = judge(segment(CHUNKS[:7]))
    assert (verdict.kind, verdict.seq, verdict.authentic_through) == ("unsigned", 6, 5)


def test_nothing_signed_is_unsigned() -> None:
    verdict = judge(segment(CHUNKS[2:3]))
    assert (verdict.kind, verdict.seq, verdict.signatures, verdict.authentic_through) == ("unsigned", 2, 0, None)


def test_another_key_is_wrong() -> None:
    verdict = judge(segment(), m.OTHER_PUBLIC_KEY)
    assert verdict.kind == "wrong_key"
    assert chain.key_id(m.OTHER_PUBLIC_KEY) in verdict.detail and chain.key_id(m.PUBLIC_KEY) in verdict.detail


def test_signed_again_by_another_is_wrong_key_whatever_it_claims() -> None:
    start, chunks, _ = m.one_run(60, key=m.OTHER_KEY)
    assert judge(segment(chunks, start)).kind == "wrong_key"
    assert judge(segment(chunks, start), m.OTHER_PUBLIC_KEY).is_authentic


def test_a_key_that_is_none_is_rejected() -> None:
    with pytest.raises(Rejected, match="Ed25519"):
        judge(segment(), b"short")


# --- segments and exports: the media alone were touched ---------------------------------------------------------------

MEDIA_TAMPERINGS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str, int]] = {
    "head missing": (lambda v: v[2:], "cut", 2),
    "tail missing": (lambda v: v[:5], "cut", 7),
    "head and tail missing": (lambda v: v[1:6], "cut", 2),
    "all missing": (lambda v: [], "cut", 2),
    "one missing in the middle": (lambda v: v[:3] + v[4:], "drop", 5),
    "several missing in the middle": (lambda v: v[:3] + v[6:], "drop", 5),
    "two exchanged": (lambda v: [*v[:3], v[4], v[3], *v[5:]], "reorder", 6),
    "one moved to the end": (lambda v: [*v[:2], *v[3:], v[2]], "reorder", 5),
    "turned round": (lambda v: v[::-1], "reorder", 9),
    "a copy of another place": (lambda v: [*v[:4], v[1], *v[5:]], "swap", 6),
    "the same place of another run": (lambda v: [*v[:4], OTHER_CHUNKS[6].value, *v[5:]], "swap", 6),
    "another place of another run": (lambda v: [*v[:4], OTHER_CHUNKS[1].value, *v[5:]], "swap", 6),
    "a later chunk of this run": (lambda v: [*v[:4], CHUNKS[11].value, *v[5:]], "swap", 6),
    "one put in between": (lambda v: [*v[:4], OTHER_CHUNKS[7].value, *v[4:]], "swap", 6),
    "one doubled": (lambda v: [*v[:4], v[3], *v[4:]], "swap", 6),
    "a byte of a picture": (lambda v: [*v[:4], v[4][:-9] + b"!" + v[4][-8:], *v[5:]], "edit", 6),
    "a duration": (lambda v: [*v[:4], v[4][:95] + b"\1" + v[4][96:], *v[5:]], "edit", 6),
    "a box size": (lambda v: [*v[:4], b"\xff" + v[4][1:], *v[5:]], "edit", 6),
    "bytes taken out": (lambda v: [*v[:4], v[4][:-8], *v[5:]], "edit", 6),
    "bytes put in": (lambda v: [*v[:4], v[4] + b"\0\0\0\x08free", *v[5:]], "edit", 6),
}  # fmt: skip


@pytest.mark.parametrize("name", MEDIA_TAMPERINGS)
def test_media_of_an_excerpt_that_were_tampered_with(name: str) -> None:
    tamper, kind, seq = MEDIA_TAMPERINGS[name]
    init, values, trailer = parts(segment(INSIDE))
    tampered = tamper(list(values))
    assert tampered != values
    verdict = judge(glue(init, tampered, trailer))
    assert (verdict.kind, verdict.seq) == (kind, seq), verdict
    assert verdict.detail and verdict.authentic_through is None
    assert judge(glue(init, tampered, trailer), m.OTHER_PUBLIC_KEY).kind == kind, (
        "tampering is named before a wrong key"
    )


def test_another_init_segment_is_an_edit() -> None:
    _, values, trailer = parts(segment(INSIDE))
    start, _, _ = m.runs(m.mux(m.units(20, codec="h265"), m.muxer("h265")))[0]
    assert judge(glue(start.init, values, trailer)).kind == "edit"
    changed = START.init.replace((64).to_bytes(2, "big") + (48).to_bytes(2, "big"), b"\0\x60\0\x48")
    assert changed != START.init and len(changed) == len(START.init)
    assert judge(glue(changed, values, trailer)).kind == "edit"


@settings(max_examples=300)
@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    octets = bytearray(segment(INSIDE))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    try:
        verdict = judge(bytes(octets))
    except Corrupt:
        return
    assert not verdict.is_authentic, at


def test_every_truncation_is_a_cut() -> None:
    octets = segment(INSIDE)
    for size in range(8, len(octets), 11):
        verdict = judge(octets[:size])
        assert verdict.kind == "cut", (size, verdict)
    assert judge(octets[:-1]).kind == "cut"
    assert judge(glue(*parts(octets)[:2], b"")).seq == LAST + 1


def test_bytes_after_the_trailer_are_an_edit() -> None:
    assert judge(segment() + b"more bytes").kind == "edit"
    assert judge(segment() + segment()[-50:]).kind == "edit"


@pytest.mark.parametrize("octets", [b"", b"\0", b"<html>502 Bad Gateway</html>", bytes(5000), b"\xff" * 100])
def test_what_is_no_segment_is_corrupt(octets: bytes) -> None:
    with pytest.raises(Corrupt):
        judge(octets)


# --- segments and exports: the trailer was touched, alone or with the media ---------------------------------------------


def _facts(index: int, **changes: object) -> Callable[[Trailer], Trailer]:
    def tamper(trailer: Trailer) -> Trailer:
        entries = entries_of(trailer)
        entries[index] = replace(entries[index][0], **changes), entries[index][1]  # type: ignore[arg-type]
        return with_entries(trailer, entries)

    return tamper


TRAILER_TAMPERINGS: dict[str, tuple[Callable[[Trailer], Trailer], str, int | None]] = {
    "a start time": (_facts(3, start_ns=0), "edit", 5),
    "a duration": (_facts(3, duration_ns=1), "edit", 5),
    "a sync flag": (_facts(3, sync=True), "edit", 5),
    "a clock offset": (_facts(3, clock=replace(m.CLOCK, offset_ns=5)), "edit", 5),
    "an uncertainty": (_facts(3, clock=replace(m.CLOCK, uncertainty_ns=-1)), "edit", 5),
    "a camera offset": (_facts(3, clock=replace(m.CLOCK, camera_offset_ns=None)), "edit", 5),
    "the facts of the last chunk": (_facts(7, duration_ns=1), "edit", 9),
    "a digest": (_facts(3, digest=bytes(32)), "edit", 5),
    "a link": (_facts(3, prev_link=bytes(32)), "edit", 5),
    "the first link": (_facts(0, prev_link=bytes(32)), "edit", 2),
    "the last link": (lambda t: replace(t, last_link=bytes(32)), "edit", 9),
    "a signature": (_facts(3, signature=bytes(64)), "edit", 5),
    "the last signature": (_facts(7, signature=bytes(64)), "edit", 9),
    "a signature of another chunk": (_facts(3, signature=CHUNKS[7].facts.signature), "edit", 5),
    "the camera": (lambda t: replace(t, run=replace(t.run, camera_id="yard")), "edit", None),
    "the codec": (lambda t: replace(t, run=replace(t.run, codec="avc1.640028")), "edit", None),
    "the genesis": (lambda t: replace(t, genesis=bytes(32)), "edit", None),
    "all signatures taken off": (
        lambda t: with_entries(t, [(replace(facts, signature=None), size) for facts, size in entries_of(t)]), "unsigned", 2
    ),
    "the last signature taken off": (_facts(7, signature=None), "unsigned", 8),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAILER_TAMPERINGS)
def test_facts_that_were_tampered_with(name: str) -> None:
    tamper, kind, seq = TRAILER_TAMPERINGS[name]
    init, values, trailer = parts(segment(INSIDE))
    verdict = judge(glue(init, values, tamper(trailer)))
    assert (verdict.kind, verdict.seq) == (kind, seq), verdict


def test_a_camera_relabelled_with_its_genesis_is_found_by_the_signatures() -> None:
    init, values, trailer = parts(segment(INSIDE))
    run = replace(trailer.run, camera_id="yard")
    verdict = judge(glue(init, values, replace(trailer, run=run, genesis=chain.genesis(run, chain.digest(init)))))
    assert verdict.kind in ("edit", "wrong_key") and not verdict.is_authentic


def test_an_edit_whose_digests_and_links_were_made_anew_is_found_by_the_signatures() -> None:
    init, values, trailer = parts(segment(INSIDE))
    values[5] = values[5][:-3] + b"abc"
    entries = entries_of(trailer)
    for index in range(5, len(entries)):
        facts, size = entries[index]
        before = entries[index - 1][0]
        entries[index] = replace(facts, digest=chain.digest(values[index]), prev_link=chain.link_of(before)), size
    forged = replace(with_entries(trailer, entries), last_link=chain.link_of(entries[-1][0]))
    verdict = judge(glue(init, values, forged))
    assert (verdict.kind, verdict.seq) == ("edit", 7), "the first signed chunk that cannot be vouched for"


@pytest.mark.parametrize(
    ("keep", "kind", "seq"),
    [
        ([0, 1, 2, 5, 6, 7], "drop", 5), ([0, 1, 3, 2, 4, 5, 6, 7], "reorder", 5), ([0, 1, 2, 2, 4, 5, 6, 7], "swap", 4),
        ([7, 6, 5, 4, 3, 2, 1, 0], "reorder", 9),
    ],
)  # fmt: skip
def test_media_and_trailer_tampered_with_together(keep: list[int], kind: str, seq: int) -> None:
    init, values, trailer = parts(segment(INSIDE))
    entries = entries_of(trailer)
    verdict = judge(glue(init, [values[at] for at in keep], with_entries(trailer, [entries[at] for at in keep])))
    assert (verdict.kind, verdict.seq) == (kind, seq), verdict


def test_a_foreign_chunk_with_its_entry_is_a_swap() -> None:
    init, values, trailer = parts(segment(INSIDE))
    entries = entries_of(trailer)
    values[4] = OTHER_CHUNKS[6].value
    entries[4] = OTHER_CHUNKS[6].facts, len(values[4])
    verdict = judge(glue(init, values, with_entries(trailer, entries)))
    assert (verdict.kind, verdict.seq) == ("swap", 6), verdict


def test_a_drop_with_renumbered_entries_is_not_authentic() -> None:
    init, values, trailer = parts(segment(INSIDE))
    entries = entries_of(trailer)
    del values[3], entries[3]
    entries = [(replace(facts, seq=FIRST + index), size) for index, (facts, size) in enumerate(entries)]
    verdict = judge(glue(init, values, with_entries(trailer, entries)))
    assert (verdict.kind, verdict.seq) == ("drop", 5), verdict


# --- records --------------------------------------------------------------------------------------------------------

RECORD_TAMPERINGS: dict[str, tuple[Callable[[list[Chunk]], list[Chunk]], str, int | None]] = {
    "head": (lambda c: c[2:], "cut", 0),
    "tail": (lambda c: c[:6], "cut", 6),
    "all": (lambda c: [], "cut", 0),
    "one in the middle": (lambda c: c[:3] + c[4:], "drop", 3),
    "two exchanged": (lambda c: [*c[:3], c[4], c[3], *c[5:]], "reorder", 4),
    "one doubled": (lambda c: [*c[:4], c[3], *c[4:]], "swap", 3),
    "another run's record": (lambda c: [*c[:4], OTHER_CHUNKS[4], *c[5:]], "swap", 4),
    "another run's record with our run's facts": (
        lambda c: [*c[:4], replace(OTHER_CHUNKS[4], run=START.run), *c[5:]], "swap", 4,
    ),
    "another run's value": (lambda c: [*c[:4], replace(c[4], value=OTHER_CHUNKS[4].value), *c[5:]], "swap", 4),
    "another place's value": (lambda c: [*c[:4], replace(c[4], value=c[5].value), *c[5:]], "swap", 4),
    "a value": (lambda c: [*c[:4], replace(c[4], value=c[4].value[:-1] + b"!"), *c[5:]], "edit", 4),
    "a fact": (lambda c: [*c[:4], replace(c[4], facts=replace(c[4].facts, sync=False)), *c[5:]], "edit", 4),
    "a fact of the first": (lambda c: [replace(c[0], facts=replace(c[0].facts, start_ns=1)), *c[1:]], "edit", 0),
    "a fact of the last": (lambda c: [*c[:-1], replace(c[-1], facts=replace(c[-1].facts, duration_ns=1))], "edit", 11),
    "the first link": (lambda c: [replace(c[0], facts=replace(c[0].facts, prev_link=bytes(32))), *c[1:]], "edit", 0),
    "a signature": (lambda c: [*c[:5], replace(c[5], facts=replace(c[5].facts, signature=bytes(64))), *c[6:]], "edit", 5),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORD_TAMPERINGS)
def test_records_of_a_run_that_were_tampered_with(name: str) -> None:
    tamper, kind, seq = RECORD_TAMPERINGS[name]
    verdict = verify_run(START, tamper(list(CHUNKS)), m.PUBLIC_KEY, end=END)
    assert (verdict.kind, verdict.seq) == (kind, seq), verdict


def test_records_untouched() -> None:
    verdict = verify_run(START, CHUNKS, m.PUBLIC_KEY, end=END)
    assert (verdict.kind, verdict.signatures, verdict.authentic_through) == ("authentic", 6, 11)
    assert verify_run(START, CHUNKS[2:8], m.PUBLIC_KEY, excerpt=True).is_authentic
    assert verify_run(START, CHUNKS, m.OTHER_PUBLIC_KEY, end=END).kind == "wrong_key"


def test_a_run_start_of_another_camera_does_not_fit() -> None:
    relabelled = replace(START, run=replace(START.run, camera_id="yard"))
    assert verify_run(relabelled, CHUNKS, m.PUBLIC_KEY).kind == "edit"
    other_init = replace(START, init=START.init[:-1] + b"\1")
    assert verify_run(other_init, CHUNKS, m.PUBLIC_KEY).kind == "edit"


@settings(max_examples=100)
@given(st.lists(st.integers(0, len(INSIDE) - 1), max_size=12))
@example([0, 0, 0, 0, 1, 1, 1, 1])  # as long as what belongs there
def test_no_other_selection_of_the_chunks_is_authentic(keep: list[int]) -> None:
    init, values, trailer = parts(segment(INSIDE))
    verdict = judge(glue(init, [values[at] for at in keep], trailer))
    assert verdict.is_authentic == (keep == list(range(len(INSIDE))))
    if not verdict.is_authentic:
        assert verdict.kind in ("cut", "drop", "reorder", "swap")


def test_the_key_that_signs_is_a_parameter() -> None:
    """Fresh keys, so that nothing rests on the fixed ones of these tests."""
    key = Ed25519PrivateKey.generate()
    start, chunks, _ = m.one_run(30, key=key)
    assert judge(segment(chunks, start), key.public_key().public_bytes_raw()).is_authentic
    assert decode_trailer(segment(chunks, start)[find_trailer(segment(chunks, start)) :]).run == start.run
