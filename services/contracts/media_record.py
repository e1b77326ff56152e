"""Media records: what travels on ``video.record.v1`` and ``video.detect.v1``.

A record's value is nothing but media (an init segment, a CMAF chunk, or nothing); every fact about it stands in
short ASCII headers, so that concatenating the values of one run gives a playable file with ordinary tools.

Four kinds, in the order in which a run shows them::

    run-start   value = init segment (ftyp+moov)     opens a run; ``since`` is why nothing came before it. On the lossy
                                                     ``video.detect.v1`` it is repeated before a sync chunk every few
                                                     seconds, so that a reader who comes late can begin to decode
    chunk       value = one moof+mdat, <= 500 ms     seq counts from 0 without holes
    run-end     value = empty                        closes a run; ``cause`` is why nothing follows
    gap         value = empty                        a span that has no samples, declared outside any run

Time: ``start_ns`` is the agent's clock at the run's first sample plus the media time since then, so that within a run
each chunk begins exactly where the one before it ended. It is never corrected (invariant I9): the offset of
the clock and its uncertainty travel beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, get_args

from services.contracts.errors import Corrupt
from services.contracts.ids import RUN_ID, StreamName, is_name

GapCause = Literal["camera", "network", "power", "agent", "overload", "maintenance", "unknown"]
GAP_CAUSES: tuple[GapCause, ...] = get_args(GapCause)

Headers = tuple[tuple[str, bytes], ...]

_RUN_FIELDS = ("camera", "stream", "run", "agent", "key", "codec", "width", "height", "timescale")
DIGEST_BYTES = 32
SIGNATURE_BYTES = 64
_MAX_HEADER_BYTES = 512


@dataclass(frozen=True, slots=True)
class ClockSample:
    """What was known about the agent's clock: ``true time = agent time + offset_ns``, within ``uncertainty_ns``.

    ``uncertainty_ns`` of -1 says that the clock is not disciplined by any source (footage is then `time_untrusted`).
    ``camera_offset_ns`` is camera clock minus agent clock from RTCP sender reports; ``None`` when the camera tells none.
    """

    offset_ns: int = 0
    uncertainty_ns: int = -1
    camera_offset_ns: int | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What holds for every chunk of a run."""

    camera_id: str
    stream: StreamName
    run_id: str
    agent_id: str
    key_id: str
    codec: str
    width: int
    height: int
    timescale: int


@dataclass(frozen=True, slots=True)
class ChunkFacts:
    """What is said of one chunk. ``link`` is not sent: it follows from ``prev_link``, the digest and these facts."""

    seq: int
    start_ns: int
    duration_ns: int
    sync: bool
    digest: bytes
    prev_link: bytes
    clock: ClockSample = field(default_factory=ClockSample)
    signature: bytes | None = None

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.duration_ns


@dataclass(frozen=True, slots=True)
class RunStart:
    """Opens a run. ``since`` is the cause of whatever lies uncovered before ``start_ns``; ``None`` if nothing should."""

    run: RunFacts
    start_ns: int
    init: bytes
    since: GapCause | None = None
    detail: str = ""
    clock: ClockSample = field(default_factory=ClockSample)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One CMAF chunk and its facts."""

    run: RunFacts
    facts: ChunkFacts
    value: bytes


@dataclass(frozen=True, slots=True)
class RunEnd:
    """Closes a run. ``end_ns`` is where its last sample ends; ``chunks`` how many chunks it had."""

    run: RunFacts
    chunks: int
    end_ns: int
    cause: GapCause
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A span without samples, declared by an agent outside any run. ``end_ns`` is ``None`` while it lasts.

    ``since`` is the cause of what lies uncovered before ``start_ns``, as in :class:`RunStart`.
    """

    camera_id: str
    stream: StreamName
    agent_id: str
    start_ns: int
    end_ns: int | None
    cause: GapCause
    detail: str = ""
    since: GapCause | None = None


MediaRecord = RunStart | Chunk | RunEnd | Gap


def encode(record: MediaRecord) -> tuple[Headers, bytes]:
    """Return the headers and the value of a record; ``decode`` gives back an equal record."""
    match record:
        case RunStart():
            fields = {"kind": "run-start", **_run_fields(record.run), "start-ns": record.start_ns, "since": record.since,
                      "detail": _escape(record.detail), **_clock_fields(record.clock)}  # fmt: skip
            return _headers(fields), record.init
        case Chunk():
            return (*_chunk_of_run(record.run), *_headers(_chunk_fields(record.facts))), record.value
        case RunEnd():
            fields = {"kind": "run-end", **_run_fields(record.run), "chunks": record.chunks, "end-ns": record.end_ns,
                      "cause": record.cause, "detail": _escape(record.detail)}  # fmt: skip
            return _headers(fields), b""
        case Gap():
            fields = {"kind": "gap", "camera": record.camera_id, "stream": record.stream, "agent": record.agent_id,
                      "start-ns": record.start_ns, "end-ns": record.end_ns, "cause": record.cause,
                      "since": record.since, "detail": _escape(record.detail)}  # fmt: skip
            return _headers(fields), b""


def decode(headers: Iterable[tuple[str, bytes]], value: bytes) -> MediaRecord:
    """Read a record; ``Corrupt`` names the header that is missing, malformed or at odds with the value."""
    fields = _Fields(headers)
    kind = fields.text("kind")
    if kind == "run-start":
        if not value:
            raise Corrupt("a run-start record carries no init segment")
        return RunStart(fields.run(), fields.integer("start-ns"), value, fields.optional_cause("since"),
                        _unescape(fields.text("detail", "")), fields.clock())  # fmt: skip
    if kind == "chunk":
        if not value:
            raise Corrupt("a chunk record carries no media")
        return Chunk(fields.run(), fields.chunk(), value)
    if kind not in ("run-end", "gap"):
        raise Corrupt(f"header 'kind' is {kind!r}; expected run-start, chunk, run-end or gap")
    if value:
        raise Corrupt(f"a {kind} record carries {len(value)} bytes that nothing accounts for")
    return fields.run_end() if kind == "run-end" else fields.gap()


@lru_cache(maxsize=256)
def _chunk_of_run(run: RunFacts) -> Headers:
    """The headers that all chunks of a run have in common."""
    return _headers({"kind": "chunk", **_run_fields(run)})


def _run_fields(run: RunFacts) -> dict[str, object]:
    return {
        "camera": run.camera_id, "stream": run.stream, "run": run.run_id, "agent": run.agent_id, "key": run.key_id,
        "codec": run.codec, "width": run.width, "height": run.height, "timescale": run.timescale,
    }  # fmt: skip


def _clock_fields(clock: ClockSample) -> dict[str, object]:
    return {
        "offset-ns": clock.offset_ns, "uncertainty-ns": clock.uncertainty_ns,
        "camera-offset-ns": clock.camera_offset_ns,
    }  # fmt: skip


def _chunk_fields(facts: ChunkFacts) -> dict[str, object]:
    return {
        "seq": facts.seq, "start-ns": facts.start_ns, "duration-ns": facts.duration_ns, "sync": int(facts.sync),
        "digest": facts.digest.hex(), "prev": facts.prev_link.hex(), **_clock_fields(facts.clock),
        "sig": facts.signature.hex() if facts.signature is not None else None,
    }  # fmt: skip


def _headers(fields: Mapping[str, object]) -> Headers:
    return tuple((name, str(value).encode("ascii")) for name, value in fields.items() if value is not None)


def _escape(text: str) -> str:
    return text[:200].encode("unicode_escape").decode("ascii")[:_MAX_HEADER_BYTES]


def _unescape(text: str) -> str:
    try:
        return text.encode("ascii").decode("unicode_escape")
    except UnicodeDecodeError:
        return text


@lru_cache(maxsize=256)
def _run_of(raw: tuple[bytes | None, ...]) -> RunFacts:
    """The run that headers tell of, in the order of ``_RUN_FIELDS``: read and checked once, not with each of its chunks."""
    return _Fields((name, value) for name, value in zip(_RUN_FIELDS, raw, strict=True) if value is not None).new_run()


class _Fields:
    """Typed reading of the headers; every error names the header."""

    def __init__(self, headers: Iterable[tuple[str, bytes]]) -> None:
        self.raw: dict[str, bytes] = dict(headers)

    def text(self, name: str, default: str | None = None) -> str:
        raw = self.raw.get(name)
        if raw is None:
            if default is None:
                raise Corrupt(f"header {name!r} is missing")
            return default
        if len(raw) > _MAX_HEADER_BYTES:
            raise Corrupt(f"header {name!r} is {len(raw)} bytes long; at most {_MAX_HEADER_BYTES} are allowed")
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError as error:
            raise Corrupt(f"header {name!r} is not ASCII") from error

    def name(self, name: str) -> str:
        """Names become object keys and paths, so nothing else may stand there."""
        text = self.text(name)
        if not is_name(text):
            raise Corrupt(f"header {name!r} is {text!r}; expected 1 to 63 lower-case letters, digits, '-' or '_'")
        return text

    def integer(self, name: str, default: int | None = None) -> int:
        if name not in self.raw and default is not None:
            return default
        text = self.text(name)
        digits = text.removeprefix("-")
        if not digits.isdigit() or len(digits) > 19:
            raise Corrupt(f"header {name!r} is {text!r}; expected a decimal integer of at most 19 digits")
        return int(text)

    def count(self, name: str, *, at_least: int = 0) -> int:
        value = self.integer(name)
        if value < at_least:
            raise Corrupt(f"header {name!r} is {value}; expected at least {at_least}")
        return value

    def cause(self, name: str) -> GapCause:
        text = self.text(name)
        for cause in GAP_CAUSES:
            if text == cause:
                return cause
        raise Corrupt(f"header {name!r} is {text!r}; expected one of {', '.join(GAP_CAUSES)}")

    def optional_cause(self, name: str) -> GapCause | None:
        return self.cause(name) if name in self.raw else None

    def octets(self, name: str, size: int) -> bytes:
        text = self.text(name)
        try:
            value = bytes.fromhex(text)
        except ValueError as error:
            raise Corrupt(f"header {name!r} is not hexadecimal") from error
        if len(value) != size or text != value.hex():
            raise Corrupt(f"header {name!r} is not {size} bytes in lower-case hexadecimal")
        return value

    def stream(self) -> StreamName:
        text = self.text("stream")
        if text == "record":
            return "record"
        if text == "detect":
            return "detect"
        raise Corrupt(f"header 'stream' is {text!r}; expected record or detect")

    def run(self) -> RunFacts:
        return _run_of(tuple(self.raw.get(name) for name in _RUN_FIELDS))

    def new_run(self) -> RunFacts:
        run_id = self.text("run")
        if not RUN_ID.match(run_id):
            raise Corrupt(f"header 'run' is {run_id!r}; expected 28 hexadecimal digits")
        return RunFacts(
            self.name("camera"), self.stream(), run_id, self.name("agent"), self.text("key"), self.text("codec"),
            self.count("width", at_least=1), self.count("height", at_least=1), self.count("timescale", at_least=1),
        )  # fmt: skip

    def clock(self) -> ClockSample:
        camera = self.integer("camera-offset-ns") if "camera-offset-ns" in self.raw else None
        return ClockSample(self.integer("offset-ns", 0), self.integer("uncertainty-ns", -1), camera)

    def run_end(self) -> RunEnd:
        detail = _unescape(self.text("detail", ""))
        return RunEnd(self.run(), self.count("chunks"), self.integer("end-ns"), self.cause("cause"), detail)

    def gap(self) -> Gap:
        end_ns = self.integer("end-ns") if "end-ns" in self.raw else None
        start_ns = self.integer("start-ns")
        if end_ns is not None and end_ns < start_ns:
            raise Corrupt("header 'end-ns' lies before 'start-ns'")
        return Gap(
            self.name("camera"), self.stream(), self.name("agent"), start_ns, end_ns, self.cause("cause"),
            _unescape(self.text("detail", "")), self.optional_cause("since"),
        )  # fmt: skip

    def chunk(self) -> ChunkFacts:
        sync = self.text("sync")
        if sync not in ("0", "1"):
            raise Corrupt(f"header 'sync' is {sync!r}; expected 0 or 1")
        return ChunkFacts(
            seq=self.count("seq"), start_ns=self.integer("start-ns"), duration_ns=self.count("duration-ns"),
            sync=sync == "1", digest=self.octets("digest", DIGEST_BYTES), prev_link=self.octets("prev", DIGEST_BYTES),
            clock=self.clock(), signature=self.octets("sig", SIGNATURE_BYTES) if "sig" in self.raw else None,
        )  # fmt: skip
