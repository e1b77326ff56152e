"""Footage made of numbers: whole runs of valid CMAF chunks, chained and signed, without a camera or an encoder.

For tests of what happens to chunks. The samples hold no pictures; every box, digest, link and signature is genuine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.contracts.media_record import (
    Chunk,
    ChunkFacts,
    ClockSample,
    GapCause,
    MediaRecord,
    RunEnd,
    RunFacts,
    RunStart,
    encode,
)
from services.contracts.time import NS_PER_S
from services.contracts.topics import VIDEO_RECORD
from services.media import chain, h264
from services.media.cmaf_writer import Sample, build_chunk, build_init
from services.media.parameter_sets import TrackConfig

#: Baseline profile, level 1, 64 x 64: the smallest parameter sets that a reader accepts.
SPS = bytes.fromhex("6742000a95a12190")
PPS = bytes.fromhex("68ce3880")
TIMESCALE = 90_000
#: 2026-03-01T00:00:00Z.
EPOCH_NS = 1_772_323_200 * NS_PER_S


class Agent:
    """An enrolled agent with a key that follows from its name."""

    def __init__(self, agent_id: str = "agent-1") -> None:
        self.agent_id = agent_id
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(agent_id.encode()).digest())
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = chain.key_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a run is made: ``gop`` chunks of ``chunk_ms`` a GOP, ``chunk_bytes`` each (about)."""

    chunk_ms: int = 400
    gop: int = 5
    chunk_bytes: int = 200


class DrawnRun:
    """A run that grows: ``start()``, any number of ``chunk()``, ``end()``. Bytes follow from camera, number and place."""

    def __init__(
        self, agent: Agent, camera_id: str = "yard", number: int = 1, start_ns: int = EPOCH_NS, shape: Shape | None = None,
        since: GapCause | None = None, detail: str = "",
    ) -> None:  # fmt: skip
        self.agent = agent
        self.shape = shape or Shape()
        tail = hashlib.sha256(f"{camera_id}{number}".encode()).hexdigest()[:16]
        track = TrackConfig("avc1", "avc1.42000A", h264.build_avcc([SPS], [PPS]), 64, 64)
        self.init = build_init(track, TIMESCALE)
        self.facts = RunFacts(
            camera_id, "record", f"{start_ns // 1_000_000:012x}{tail}", agent.agent_id, agent.key_id, "avc1.42000A", 64, 64,
            TIMESCALE,
        )  # fmt: skip
        self.start_ns = start_ns
        self.next_ns = start_ns
        self.next_seq = 0
        self.genesis = self.link = chain.genesis(self.facts, chain.digest(self.init))
        self._since, self._detail = since, detail

    def start(self) -> RunStart:
        return RunStart(self.facts, self.start_ns, self.init, self._since, self._detail)

    def chunk(self, *, signed: bool | None = None, sync: bool | None = None) -> Chunk:
        """The next chunk; by default the last of a GOP is signed."""
        seq, shape = self.next_seq, self.shape
        sync = seq % shape.gop == 0 if sync is None else sync
        signed = seq % shape.gop == shape.gop - 1 if signed is None else signed
        payload = hashlib.shake_128(f"{self.facts.run_id}/{seq}".encode()).digest(shape.chunk_bytes)
        nal = bytes([0x65 if sync else 0x41]) + payload.replace(b"\x00", b"\x01")
        duration = shape.chunk_ms * TIMESCALE // 1000
        sample = Sample((nal,), len(nal) + 4, duration, 0, sync)
        value = build_chunk([sample], seq=seq, base_decode_time=seq * duration, run_id=self.facts.run_id)
        facts = ChunkFacts(
            seq, self.next_ns, shape.chunk_ms * 1_000_000, sync, chain.digest(value), self.link,
            ClockSample(12_000, 900_000, 37_000_000_000),
        )  # fmt: skip
        self.link = chain.link_of(facts)
        if signed:
            message = chain.gop_message(self.facts.run_id, seq, self.genesis, self.link)
            facts = replace(facts, signature=self.agent.sign(message))
        self.next_seq += 1
        self.next_ns = facts.end_ns
        return Chunk(self.facts, facts, value)

    def chunks(self, count: int) -> list[Chunk]:
        """The next ``count`` chunks; the run's GOPs are signed as they end."""
        return [self.chunk() for _ in range(count)]

    def end(self, cause: GapCause = "camera", detail: str = "unplugged") -> RunEnd:
        return RunEnd(self.facts, self.next_seq, self.next_ns, cause, detail)

    def whole(self, count: int, cause: GapCause = "camera") -> list[MediaRecord]:
        """Start, ``count`` chunks of which the last is signed, end."""
        records: list[MediaRecord] = [self.start(), *self.chunks(count - 1), self.chunk(signed=True)]
        return [*records, self.end(cause)]


def outgoing(record: MediaRecord) -> tuple[str, str, bytes, tuple[tuple[str, bytes], ...]]:
    """Topic, key, value and headers of a record, in the order of ``Outgoing``."""
    headers, value = encode(record)
    key = record.camera_id if not hasattr(record, "run") else record.run.camera_id
    return VIDEO_RECORD.name, key, value, headers
