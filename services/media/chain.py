r"""The hash chain of a run and the signatures over it.

    digest_i  = SHA-256(bytes of chunk i)
    genesis   = SHA-256("kanhu-run-1\n" + run facts + SHA-256(init segment))
    link_-1   = genesis
    link_i    = SHA-256("kanhu-link-1\n" + link_(i-1) + digest_i + chunk facts_i)
    signature = Ed25519("kanhu-gop-1\n" + run id + "\n" + seq + "\n" + genesis + link_seq)

A signature over one link vouches for every byte and fact up to it: an excerpt carries the link before its first chunk. Since
the genesis is signed too, an excerpt also vouches for its camera, stream, codec and init segment. Facts enter in a
canonical ASCII form, one ``name=value`` a line in a fixed order, so that other programs can compute the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.contracts.errors import Corrupt, Rejected
from services.contracts.media_record import Chunk, ChunkFacts, ClockSample, RunFacts

Sign = Callable[[bytes], bytes]
PUBLIC_KEY_BYTES: Final = 32
_RUN_FIELDS = tuple(field.name for field in fields(RunFacts))


def digest(value: bytes | memoryview) -> bytes:
    """SHA-256, 32 bytes."""
    return sha256(value).digest()


def key_id(public_key: bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a raw public key."""
    return sha256(public_key).hexdigest()[:16]


def canonical_run(run: RunFacts) -> bytes:
    """The facts of a run as they enter the chain. ``Corrupt`` when a fact would make the form ambiguous."""
    text = "".join(f"{name}={getattr(run, name)}\n" for name in _RUN_FIELDS)
    if text.count("\n") != len(_RUN_FIELDS) or not text.isascii():
        raise Corrupt("a fact of the run holds a line break or is not ASCII")
    return text.encode("ascii")


def canonical_chunk(seq: int, start_ns: int, duration_ns: int, sync: bool, clock: ClockSample) -> bytes:
    """The facts of a chunk as they enter its link; an unknown camera offset is an empty value."""
    camera = "" if clock.camera_offset_ns is None else clock.camera_offset_ns
    return (
        f"seq={seq}\nstart_ns={start_ns}\nduration_ns={duration_ns}\nsync={sync:d}\n"
        f"offset_ns={clock.offset_ns}\nuncertainty_ns={clock.uncertainty_ns}\ncamera_offset_ns={camera}\n"
    ).encode("ascii")


def genesis(run: RunFacts, init_digest: bytes) -> bytes:
    """What the first link of a run builds on."""
    return digest(b"kanhu-run-1\n" + canonical_run(run) + init_digest)


def next_link(prev_link: bytes, chunk_digest: bytes, facts: bytes) -> bytes:
    """The link of a chunk from its predecessor's, its digest and its canonical facts."""
    return digest(b"kanhu-link-1\n" + prev_link + chunk_digest + facts)


def link_of(facts: ChunkFacts) -> bytes:
    """The link of a chunk from what is said of it; the next chunk's ``prev_link`` must be equal."""
    canonical = canonical_chunk(facts.seq, facts.start_ns, facts.duration_ns, facts.sync, facts.clock)
    return next_link(facts.prev_link, facts.digest, canonical)


def gop_message(run_id: str, seq: int, run_genesis: bytes, link: bytes) -> bytes:
    """What is signed at the end of a GOP."""
    return b"kanhu-gop-1\n%b\n%d\n" % (run_id.encode("ascii"), seq) + run_genesis + link


def is_signed_by(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature (RFC 8032) over ``message`` is genuine."""
    return verifier(public_key)(message, signature)


def verifier(public_key: bytes) -> Callable[[bytes, bytes], bool]:
    """A check of many signatures by one raw public key; ``Rejected`` when it is not one."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError as error:
        raise Rejected(f"not an Ed25519 public key: expected {PUBLIC_KEY_BYTES} raw bytes") from error

    def check(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return check


def check_chunk(chunk: Chunk) -> None:
    """``Corrupt`` unless the value of a chunk record has the digest that the record claims."""
    if digest(chunk.value) != chunk.facts.digest:
        raise Corrupt(f"chunk {chunk.facts.seq} of run {chunk.run.run_id} does not have the digest it claims")


def chunk_is_signed_by(public_key: bytes, run: RunFacts, run_genesis: bytes, facts: ChunkFacts) -> bool:
    """Whether the signature that a chunk carries is genuine; ``False`` as well when it carries none."""
    if facts.signature is None:
        return False
    message = gop_message(run.run_id, facts.seq, run_genesis, link_of(facts))
    return is_signed_by(public_key, message, facts.signature)
