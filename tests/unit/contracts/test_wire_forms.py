"""Records read back as written; what is malformed is refused by name; the published documents are what the types say."""

import gc
import json
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts import asyncapi, incident, sensor
from services.contracts.cloud_event import decode_event, encode_event, make_event
from services.contracts.dead_letter import DeadLetter, decode_dead_letter, encode_dead_letter
from services.contracts.errors import Corrupt
from services.contracts.media_record import (
    GAP_CAUSES,
    Chunk,
    ChunkFacts,
    ClockSample,
    Gap,
    MediaRecord,
    RunEnd,
    RunFacts,
    RunStart,
    decode,
    encode,
)

REPOSITORY = Path(__file__).parents[3]
RUN = RunFacts("door", "record", "0" * 27 + "a", "agent-1", "k" * 16, "avc1.64001f", 640, 360, 90_000)

_int64 = st.integers(min_value=-(2**62), max_value=2**62)
_count = st.integers(min_value=0, max_value=2**62)
_clock = st.builds(ClockSample, _int64, _count | st.just(-1), st.none() | _int64)
_cause = st.sampled_from(GAP_CAUSES)
_detail = st.text(max_size=40)
_octets32 = st.binary(min_size=32, max_size=32)
_facts = st.builds(
    ChunkFacts, _count, _int64, _count, st.booleans(), _octets32, _octets32, _clock,
    st.none() | st.binary(min_size=64, max_size=64),
)  # fmt: skip
_records = st.one_of(
    st.builds(RunStart, st.just(RUN), _int64, st.binary(min_size=1, max_size=50), st.none() | _cause, _detail, _clock),
    st.builds(Chunk, st.just(RUN), _facts, st.binary(min_size=1, max_size=50)),
    st.builds(RunEnd, st.just(RUN), _count, _int64, _cause, _detail),
    st.builds(
        lambda start, length, cause, detail, since: Gap(
            "door", "record", "agent-1", start, None if length is None else start + length, cause, detail, since
        ),
        _int64, st.none() | st.integers(0, 2**60), _cause, _detail, st.none() | _cause,
    ),
)  # fmt: skip


@given(_records)
def test_every_media_record_reads_back_as_written(record: MediaRecord) -> None:
    headers, value = encode(record)
    assert decode(headers, value) == record


@given(_records)
def test_media_headers_are_short_ascii(record: MediaRecord) -> None:
    headers, _ = encode(record)
    assert all(name.isascii() and raw.isascii() for name, raw in headers)
    assert sum(len(name) + len(raw) for name, raw in headers) < 3_000


_CHUNK = Chunk(RUN, ChunkFacts(3, 10, 20, True, b"d" * 32, b"p" * 32, ClockSample(1, 2, 3), b"s" * 64), b"media")


@pytest.mark.parametrize(
    "name", ["kind", "camera", "run", "key", "codec", "width", "seq", "start-ns", "digest", "prev", "sync"]
)
def test_a_missing_header_is_named(name: str) -> None:
    headers, value = encode(_CHUNK)
    with pytest.raises(Corrupt, match=name):
        decode([pair for pair in headers if pair[0] != name], value)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("kind", b"movie"), ("stream", b"both"), ("run", b"../../etc"), ("seq", b"-1"), ("seq", b"1e3"),
        ("seq", b"9" * 40), ("sync", b"2"), ("digest", b"zz"), ("digest", b"AB" * 32), ("sig", b"00"),
        ("width", b"0"), ("camera", "园".encode()), ("camera", b"../x"), ("agent", b""), ("codec", b"x" * 600), ("start-ns", b""),
    ],
)  # fmt: skip
def test_a_malformed_header_is_named(name: str, raw: bytes) -> None:
    headers, value = encode(_CHUNK)
    with pytest.raises(Corrupt, match=name):
        decode([(key, raw if key == name else kept) for key, kept in headers], value)


def test_a_chunk_without_media_and_a_gap_with_media_are_refused() -> None:
    headers, _ = encode(_CHUNK)
    with pytest.raises(Corrupt, match="no media"):
        decode(headers, b"")
    headers, _ = encode(Gap("door", "record", "a", 1, 2, "camera"))
    with pytest.raises(Corrupt, match="nothing accounts"):
        decode(headers, b"x")


@given(st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=30)), max_size=12), st.binary(max_size=20))
def test_hostile_headers_end_in_a_verdict(headers: list[tuple[str, bytes]], value: bytes) -> None:
    with pytest.raises(Corrupt):
        decode(headers, value)


def _door(**changes: object) -> bytes:
    reading = sensor.DoorReading(sensor_id="front", observed_ns=5, open=True)
    event = make_event("kanhu.sensor.door", "/agent/a", "front", 5, reading, identity=("front", 5))
    return json.dumps({**json.loads(encode_event(event)), **changes}).encode()


def test_an_event_reads_back_and_its_id_follows_from_its_facts() -> None:
    first, again = decode_event(_door(), sensor.PAYLOADS), decode_event(_door(), sensor.PAYLOADS)
    assert first.data == sensor.DoorReading(sensor_id="front", observed_ns=5, open=True)
    assert first.id == again.id
    assert first.time_ns == 5


def test_the_class_of_an_event_is_made_once_however_often_the_collector_runs() -> None:
    reading = sensor.DoorReading(sensor_id="front", observed_ns=5, open=True)
    made = weakref.ref(type(make_event("kanhu.sensor.door", "/agent/a", "front", 5, reading, identity=("front", 5))))
    gc.collect()
    assert made() is type(decode_event(_door(), sensor.PAYLOADS))


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (b"", "document"), (b"\xff\xfe", "document"), (b"[]", "document"), (b"{}", "type"),
        (_door(type="kanhu.sensor.smell"), "smell"), (_door(specversion="2.0"), "specversion"),
        (_door(data={"sensor_id": "front", "observed_ns": 5}), "data.open"),
        (_door(data={"sensor_id": "front", "observed_ns": 5, "open": True, "x": 1}), "data.x"),
    ],
)  # fmt: skip
def test_a_malformed_event_names_the_field(value: bytes, names: str) -> None:
    with pytest.raises(Corrupt, match=names):
        decode_event(value, sensor.PAYLOADS)


def test_an_incident_kind_must_be_of_the_taxonomy() -> None:
    fields = {
        "incident_id": "x", "institution_id": "demo", "kind": "I-12", "severity": "S1", "title": "t", "opened_ns": 1,
        "raised_ns": 2, "evidence": {"frame_ns": 1}, "rule": "r", "rule_version": "1",
    }  # fmt: skip
    assert incident.Incident.model_validate(fields).kind == "I-12"
    with pytest.raises(ValueError, match="pattern"):
        incident.Incident.model_validate({**fields, "kind": "fire"})


@given(st.binary(max_size=100), st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=20)), max_size=5))
def test_a_dead_letter_keeps_the_record_byte_for_byte(value: bytes, headers: list[tuple[str, bytes]]) -> None:
    letter = DeadLetter("video.record.v1/3/99", "because", value, tuple(headers))
    assert decode_dead_letter(*encode_dead_letter(letter)) == letter


def test_a_changed_chunk_is_another_record() -> None:
    assert encode(_CHUNK) != encode(replace(_CHUNK, facts=replace(_CHUNK.facts, seq=4)))


def test_the_published_asyncapi_document_is_what_the_types_say() -> None:
    published = json.loads((REPOSITORY / "docs/reference/asyncapi.json").read_text())
    assert published == json.loads(json.dumps(asyncapi.document())), (
        "the contracts changed: run `python -m services.contracts.asyncapi > docs/reference/asyncapi.json` "
        "and, if old records can no longer be read, raise the version in the topic's name"
    )


def test_every_reference_in_the_asyncapi_document_resolves() -> None:
    document = asyncapi.document()

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for child in node.values() for found in references(child)]
        return [found for child in node for found in references(child)] if isinstance(node, list) else []

    found = references(document)
    assert len(found) > 20
    for reference in found:
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
