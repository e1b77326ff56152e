"""Judging footage: is it what the agent signed, and if not, what was done to it and where.

The judge trusts one public key and nothing else: every fact, link, digest and signature in front of him is a claim.

    authentic   every byte and fact up to the last chunk is vouched for by a genuine signature
    cut         the head or tail is missing, measured against what is claimed to be there
    swap        a chunk stands where another belongs: of another run, camera or place in the run
    drop        chunks are missing in the middle
    reorder     all is there, in another order
    edit        bytes or facts were changed
    wrong_key   the signatures were not made by the trusted key
    unsigned    intact as far as the chain goes, but no signature vouches for it, or not for its end

That an excerpt begins after its run's first chunk and ends before its last is normal; its bounds are in the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from services.contracts.errors import Corrupt
from services.contracts.media_record import Chunk, ChunkFacts, RunEnd, RunFacts, RunStart
from services.media import chain
from services.media.boxes import Box, iter_boxes
from services.media.cmaf_reader import parse_chunk
from services.media.segment import TRAILER_UUID, Trailer, decode_trailer, find_trailer, lay_out

VerdictKind = Literal["authentic", "cut", "swap", "drop", "reorder", "edit", "wrong_key", "unsigned"]
_SEQ_MODULUS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Verdict:
    """``seq`` is the first chunk concerned, as the run counts; ``authentic_through`` the last that a signature vouches for.

    ``first_seq`` and ``last_seq`` bound what was claimed to be there; ``detail`` says what was expected and found.
    """

    kind: VerdictKind
    detail: str
    seq: int | None = None
    run: RunFacts | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    signatures: int = 0
    authentic_through: int | None = None

    @property
    def is_authentic(self) -> bool:
        return self.kind == "authentic"

    @property
    def is_excerpt(self) -> bool:
        """Whether chunks of the run are known to precede what was judged."""
        return bool(self.first_seq)


@dataclass(frozen=True, slots=True)
class _Finding:
    kind: VerdictKind
    seq: int | None
    detail: str


def verify_segment(buffer: bytes | memoryview, public_key: bytes) -> Verdict:
    """Judge a segment or an export by itself. ``Corrupt`` when it is no such thing at all."""
    view = memoryview(buffer)
    at = find_trailer(view)
    if at is None:
        return _without_trailer(view)
    try:
        trailer = decode_trailer(view[at:])
    except Corrupt as error:
        return Verdict("edit", f"the trailer cannot be read: {error}")
    finding = _compare_media(view[:at], trailer) or _judge_chain(
        trailer.run, trailer.genesis, trailer.chunks, trailer.last_link
    )
    if finding is None:
        finding = _judge_genesis(trailer.run, chain.digest(view[: trailer.init_bytes]), trailer.genesis, trailer.chunks)
    return _conclude(finding, trailer.run, trailer.genesis, trailer.chunks, public_key)


def verify_run(
    start: RunStart, chunks: Sequence[Chunk], public_key: bytes, *, end: RunEnd | None = None, excerpt: bool = False
) -> Verdict:
    """Judge the records of a run. ``excerpt``: that the head is missing is then normal; so is a missing ``end``."""
    run = start.run
    init_digest = chain.digest(start.init)
    genesis = chain.genesis(run, init_digest)
    if not chunks:
        return Verdict("cut", "no chunk is left of the run", seq=0, run=run)
    facts = tuple(chunk.facts for chunk in chunks)
    finding = (
        _judge_records(run, chunks)
        or _judge_bounds(facts, end, excerpt)
        or _judge_chain(run, genesis, facts, None)
        or _judge_genesis(run, init_digest, genesis, facts)
    )
    return _conclude(finding, run, genesis, facts, public_key)


def _conclude(
    finding: _Finding | None, run: RunFacts, genesis: bytes, facts: Sequence[ChunkFacts], public_key: bytes
) -> Verdict:
    """Add what the signatures say. Tampering that was found is named before a wrong key."""
    check = chain.verifier(public_key)
    signed = [each for each in facts if each.signature is not None]
    genuine = [
        each.seq
        for each in signed
        if check(chain.gop_message(run.run_id, each.seq, genesis, chain.link_of(each)), each.signature or b"")
    ]
    through = max(genuine, default=None)
    finding = finding or _judge_signatures(run, facts, signed, genuine, public_key)
    first, last = facts[0].seq, facts[-1].seq
    if finding.kind in ("authentic", "unsigned"):
        return Verdict(finding.kind, finding.detail, finding.seq, run, first, last, len(signed), through)
    return Verdict(finding.kind, finding.detail, finding.seq, run, first, last, len(signed), None)


def _judge_signatures(
    run: RunFacts, facts: Sequence[ChunkFacts], signed: list[ChunkFacts], genuine: list[int], public_key: bytes
) -> _Finding:
    trusted = chain.key_id(public_key)
    first, last = facts[0].seq, facts[-1].seq
    if not signed:
        return _Finding("unsigned", first, f"none of chunks {first} to {last} bears a signature")
    if not genuine:
        return _Finding(
            "wrong_key", signed[0].seq,
            f"none of {len(signed)} signatures was made by key {trusted}; the run claims key {run.key_id}",
        )  # fmt: skip
    forged = next((each.seq for each in signed if each.seq not in genuine), None)
    if forged is not None:
        return _Finding("edit", forged, f"the signature of chunk {forged} is not genuine; others of key {trusted} are")
    if genuine[-1] != last:
        after = genuine[-1] + 1
        return _Finding(
            "unsigned", after, f"chunks {after} to {last} follow the last signature, which vouches to {genuine[-1]}"
        )
    return _Finding("authentic", None, f"{len(genuine)} signatures of key {trusted} vouch for chunks {first} to {last}")


def _judge_chain(
    run: RunFacts, genesis: bytes, facts: Sequence[ChunkFacts], last_link: bytes | None
) -> _Finding | None:
    """Order of the claims, then every link. Each claim carries the link before it, so that a changed one is named."""
    finding = _judge_order([each.seq for each in facts])
    if finding is not None:
        return finding
    links = [chain.link_of(each) for each in facts]
    stored = [each.prev_link for each in facts[1:]]
    if last_link is not None:
        stored.append(last_link)
    broken = [index for index, link in enumerate(stored) if links[index] != link]
    if not broken:
        return None
    # A changed fact breaks the link after it only; a changed "link before" breaks that one and the one before.
    at = broken[0]
    if at + 1 < len(facts) and at + 1 in broken:
        at += 1
    seq = facts[at].seq
    return _Finding("edit", seq, f"the facts of chunk {seq} are not those that its link was made from")


def _judge_order(seqs: list[int]) -> _Finding | None:
    """Sequence numbers must count up by one."""
    first = seqs[0]
    wrong = next((index for index, seq in enumerate(seqs) if seq != first + index), None)
    if wrong is None:
        return None
    present = set(seqs)
    lowest = min(present)
    if len(present) < len(seqs):
        seen: set[int] = set()
        copy = next(seq for seq in seqs if seq in seen or seen.add(seq))  # type: ignore[func-returns-value]
        return _Finding("swap", copy, f"chunk {copy} stands in more than one place")
    missing = next((seq for seq in range(lowest, lowest + len(seqs)) if seq not in present), None)
    if missing is None:
        at = next(index for index, seq in enumerate(seqs) if seq != lowest + index)
        return _Finding("reorder", seqs[at], f"chunk {seqs[at]} stands where chunk {lowest + at} belongs")
    before = sum(seq < missing for seq in seqs)
    if seqs != sorted(seqs):
        return _Finding("reorder", seqs[wrong], f"chunk {seqs[wrong]} stands where chunk {first + wrong} belongs")
    return _Finding("drop", missing, f"chunks {missing} to {seqs[before] - 1} are missing between their neighbours")


def _judge_genesis(run: RunFacts, init_digest: bytes, genesis: bytes, facts: Sequence[ChunkFacts]) -> _Finding | None:
    if chain.genesis(run, init_digest) != genesis:
        return _Finding("edit", None, "the facts of the run or its init segment are not those that were signed")
    if facts[0].seq == 0 and facts[0].prev_link != genesis:
        return _Finding("edit", 0, "the first chunk does not build on the facts of the run and its init segment")
    return None


def _judge_bounds(facts: Sequence[ChunkFacts], end: RunEnd | None, excerpt: bool) -> _Finding | None:
    first = min(each.seq for each in facts)
    last = max(each.seq for each in facts)
    if first and not excerpt:
        return _Finding("cut", 0, f"the head is missing: the first chunk is {first}, not 0")
    if end is not None and last + 1 < end.chunks:
        return _Finding(
            "cut", last + 1, f"the tail is missing: the run ended with {end.chunks} chunks, the last here is {last}"
        )
    return None


def _judge_records(run: RunFacts, chunks: Sequence[Chunk]) -> _Finding | None:
    """Each record by itself: does it belong to the run, and is its value what it claims."""
    for index, chunk in enumerate(chunks):
        seq = chunk.facts.seq
        foreign = chunk.run.run_id != run.run_id
        says = None if foreign else _identity(chunk.value)
        if foreign:
            here = chunks[index - 1].facts.seq + 1 if index else seq
            return _Finding("swap", here, f"a chunk of run {chunk.run.run_id} ({chunk.run.camera_id}) stands here")
        if chunk.run != run:
            return _Finding("edit", seq, f"chunk {seq} claims other facts of its run than the run's start")
        if chain.digest(chunk.value) != chunk.facts.digest:
            return _changed(run, seq, says)
        if says is not None and says != (run.run_id, seq % _SEQ_MODULUS):
            return _changed(run, seq, says)
    return None


def _compare_media(body: memoryview, trailer: Trailer) -> _Finding | None:
    """Align the chunks that are there with those that the trailer lists."""
    listed = [facts.digest for facts in trailer.chunks]
    values = lay_out(body, trailer)
    digests = [chain.digest(value) for value in values or ()]
    if values is None or digests != listed:
        values, digests = _walk(body, trailer, values, digests)
        if values is None:
            return _Finding("edit", None, "the init segment is not the one that was signed, or cannot be walked over")
        finding = _align(digests, values, trailer)
        if finding is not None:
            return finding
    says = [_identity(value) for value in values]
    for facts, own, value, size in zip(trailer.chunks, says, values, trailer.sizes, strict=True):
        if len(value) != size:
            return _Finding("edit", facts.seq, f"the trailer lists {size} bytes for chunk {facts.seq} of {len(value)}")
        if own is not None and own != (trailer.run.run_id, facts.seq % _SEQ_MODULUS):
            return _displaced(trailer.run, facts.seq, own, says)
    return None


def _walk(
    body: memoryview, trailer: Trailer, laid_out: tuple[memoryview, ...] | None, digests: list[bytes]
) -> tuple[tuple[memoryview, ...] | None, list[bytes]]:
    """Cut the body at its own boxes, unless the listed sizes recognise as much: what was exchanged has another size."""
    try:
        init_end, walked = scan_chunks(body)
    except Corrupt:
        return laid_out, digests
    if init_end != trailer.init_bytes:
        return laid_out, digests
    found = [chain.digest(value) for value in walked]
    listed = {facts.digest for facts in trailer.chunks}
    if laid_out is None or _recognised(found, listed) > _recognised(digests, listed):
        return walked, found
    return laid_out, digests


def _recognised(digests: list[bytes], listed: set[bytes]) -> tuple[int, int]:
    """How well a way of cutting explains the body: different chunks known, then how few pieces are not."""
    return len(listed.intersection(digests)), -sum(each not in listed for each in digests)


def _align(digests: list[bytes], values: Sequence[memoryview], trailer: Trailer) -> _Finding | None:
    listed = [facts.digest for facts in trailer.chunks]
    if digests == listed:
        return None
    seqs = [facts.seq for facts in trailer.chunks]
    place = {each: index for index, each in reversed(list(enumerate(listed)))}
    found = [place.get(each) for each in digests]
    for index, at in enumerate(found):
        expected = seqs[index] if len(found) == len(listed) else _expected_seq(found, index, seqs)
        if at is None:
            return _changed(trailer.run, expected, _identity(values[index]))
        if at in found[:index] and listed.count(digests[index]) == 1:
            return _Finding("swap", expected, f"a copy of chunk {seqs[at]} stands where chunk {expected} belongs")
    known = [at for at in found if at is not None]
    if known != sorted(known):
        wrong = next(index for index, at in enumerate(known) if at != sorted(known)[index])
        belongs = seqs[sorted(known)[wrong]]
        return _Finding(
            "reorder", seqs[known[wrong]], f"chunk {seqs[known[wrong]]} stands where chunk {belongs} belongs"
        )
    missing = sorted(set(range(len(listed))) - set(known))
    if not known:
        return _Finding("cut", seqs[0], "no chunk is left")
    inside = [at for at in missing if known[0] < at < known[-1]]
    if inside:
        return _Finding("drop", seqs[inside[0]], f"{len(inside)} chunks are missing, the first is {seqs[inside[0]]}")
    end = "head" if missing and missing[0] < known[0] else "tail"
    return _Finding("cut", seqs[missing[0]], f"the {end} is missing: {len(missing)} chunks that the trailer lists")


def _expected_seq(found: list[int | None], index: int, seqs: list[int]) -> int:
    """Which chunk belongs at a place of a list that lost or won some: the one after the last that was recognised."""
    before = next((at for at in reversed(found[:index]) if at is not None), None)
    return seqs[0] if before is None else seqs[min(before + 1, len(seqs) - 1)]


def _changed(run: RunFacts, seq: int, says: tuple[str, int] | None) -> _Finding:
    """A value that is not the one listed: of another place by its own word, or changed."""
    if says is not None and says != (run.run_id, seq % _SEQ_MODULUS):
        return _Finding(
            "swap", seq, f"chunk {says[1]} of run {says[0]} stands where chunk {seq} of {run.run_id} belongs"
        )
    return _Finding("edit", seq, f"the bytes of chunk {seq} are not those that were signed")


def _displaced(run: RunFacts, seq: int, own: tuple[str, int], says: list[tuple[str, int] | None]) -> _Finding:
    """Media and trailer agree, but the media say that they belong elsewhere: both were changed together."""
    order = [each[1] for each in says if each is not None and each[0] == run.run_id]
    return (_judge_order(order) if len(order) == len(says) else None) or _changed(run, seq, own)


def _identity(value: bytes | memoryview) -> tuple[str, int] | None:
    """Run and place as a chunk says itself; ``None`` when it does not say or cannot be read."""
    try:
        chunk = parse_chunk(value)
    except Corrupt:
        return None
    return None if chunk.run_id is None else (chunk.run_id, chunk.seq)


def scan_chunks(body: memoryview) -> tuple[int, tuple[memoryview, ...]]:
    """Walk over init segment and chunks by their boxes: end of the init segment, and the chunks.

    A chunk reaches from its ``moof`` to the next, so that whatever was put in or can no longer be walked over is compared,
    too. ``Corrupt`` without an init segment.
    """
    starts: list[int] = []
    init_end = 0
    with suppress(Corrupt):
        for found in iter_boxes(body):
            if not init_end:
                init_end = found.end if found.kind == b"moov" else 0
            elif found.kind == b"moof" or not starts:
                starts.append(found.start)
    if not init_end:
        raise Corrupt("there is no init segment")
    if not starts and init_end < len(body):
        starts.append(init_end)
    ends = [*starts[1:], len(body)]
    return init_end, tuple(body[start:end] for start, end in zip(starts, ends, strict=False))


def _without_trailer(view: memoryview) -> Verdict:
    """No trailer at the end: something was added after it, or the end is missing."""
    whole: list[Box] = []
    with suppress(Corrupt):  # the box that was cut through
        whole.extend(iter_boxes(view))
    for found in whole:
        if found.kind == b"uuid" and bytes(view[found.payload : found.payload + 16]) == TRAILER_UUID:
            return Verdict("edit", f"{len(view) - found.end} bytes follow the trailer, or its size field was changed")
    starts = [found.start for found in whole if found.kind == b"moof"]
    ends = [found.end for found in whole if found.kind == b"mdat"]
    says = [_identity(view[start:end]) for start, end in zip(starts, ends, strict=False)]
    known = [each for each in says if each is not None]
    if not known and (says or bytes(view[4:8]) != b"ftyp"):
        raise Corrupt("this is no segment of ours: it has neither a trailer nor chunks that name their run")
    run_id, last = known[-1] if known else ("unknown", -1)
    there = f"the last whole chunk is {last} of run {run_id}" if known else "no chunk is left"
    return Verdict("cut", f"the tail is missing: there is no trailer, and {there}", seq=last + 1)
