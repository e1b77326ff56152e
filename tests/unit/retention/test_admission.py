"""What is let in: names that may stand in an object key, numbers that a catalog can hold; and how an export is enlarged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.backbone.ports import Delivered
from services.contracts.errors import Corrupt
from services.contracts.media_record import Gap, MediaRecord, encode
from services.contracts.policy import RetentionPolicy
from services.contracts.time import DAY_NS
from services.retention.core.admission import read_media_record
from services.retention.core.segment_name import segment_key
from services.retention.core.term import ceiling_ns, retain_until_ns
from services.retention.export import whole_gops
from tests.harness.drawn_footage import EPOCH_NS, Agent, DrawnRun

RUN = DrawnRun(Agent())
CHUNK = RUN.chunk()
S = 1_000_000_000


def delivered(record: MediaRecord, key: str = "yard") -> Delivered:
    headers, value = encode(record)
    return Delivered("video.record.v1", 0, 7, key, value, headers, EPOCH_NS)


def test_a_sound_record_is_read_back_as_it_was() -> None:
    assert read_media_record(delivered(CHUNK)) == CHUNK


@pytest.mark.parametrize(
    ("record", "key", "words"),
    [
        (replace(CHUNK, run=replace(CHUNK.run, camera_id="../../etc")), "../../etc", "lower-case letters"),
        (replace(CHUNK, run=replace(CHUNK.run, agent_id="a/b")), "yard", "lower-case letters"),
        (CHUNK, "gate", "is not its camera"),
        (replace(CHUNK, facts=replace(CHUNK.facts, start_ns=-1)), "yard", "not an instant"),
        (replace(CHUNK, facts=replace(CHUNK.facts, start_ns=(1 << 63) - 5)), "yard", "not an instant"),
        (replace(CHUNK, facts=replace(CHUNK.facts, duration_ns=3600 * S)), "yard", "beyond any camera"),
        (replace(CHUNK, facts=replace(CHUNK.facts, seq=1 << 40)), "yard", "beyond any camera"),
        (Gap("yard", "record", "agent-1", 0, (1 << 63) - 1, "camera"), "yard", "not an instant"),
    ],
)
def test_what_could_not_be_kept_is_refused_with_a_reason(record: MediaRecord, key: str, words: str) -> None:
    with pytest.raises(Corrupt, match=words):
        read_media_record(delivered(record, key))


def test_a_tombstone_is_refused() -> None:
    with pytest.raises(Corrupt, match="tombstone"):
        read_media_record(replace(delivered(CHUNK), value=None))


def test_a_segments_key_and_term_follow_from_its_capture_time() -> None:
    key = segment_key("demo", RUN.facts, 25, EPOCH_NS + 23 * 3600 * S)
    assert key == f"demo/yard/record/2026/03/01/{RUN.facts.run_id}/0000000025.mp4"
    policy = RetentionPolicy()
    assert retain_until_ns(policy, EPOCH_NS) == EPOCH_NS + 90 * DAY_NS
    assert ceiling_ns(policy, EPOCH_NS) == EPOCH_NS + 97 * DAY_NS


@pytest.mark.parametrize(
    ("case", "from_s", "to_s", "expected"),
    [
        ("within one GOP", 2.5, 3.0, (5, 10)),
        ("over the edge of two", 1.9, 2.1, (0, 10)),
        ("exactly one GOP", 2.0, 4.0, (5, 10)),
        ("beyond both ends", -5.0, 50.0, (0, 15)),
        ("before everything", -5.0, 0.0, (0, 0)),
        ("after everything", 6.0, 9.0, (0, 0)),
    ],
)
def test_an_export_is_enlarged_to_whole_gops(case: str, from_s: float, to_s: float, expected: tuple[int, int]) -> None:
    chunks = tuple(chunk.facts for chunk in DrawnRun(Agent()).chunks(15))
    found = whole_gops(chunks, EPOCH_NS + int(from_s * S), EPOCH_NS + int(to_s * S))
    assert found == expected, case
