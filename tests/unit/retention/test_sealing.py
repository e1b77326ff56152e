"""The step machine: what is cut where, what is refused, what is held; each test is one story of one stream."""

from __future__ import annotations

from dataclasses import replace

from services.contracts.media_record import Chunk, Gap, MediaRecord
from services.retention.core.commands import Idle, Silent
from tests.harness.drawn_footage import EPOCH_NS, Agent, DrawnRun, Shape
from tests.unit.retention.paper_ledger import PaperLedger, PaperRecorder, assert_covered, record_all

AGENT = Agent()
TRUSTED = {AGENT.key_id: AGENT.public_key}
S = 1_000_000_000
# 400 ms a chunk, 5 chunks a GOP (2 s), segments of 10 s on paper: 25 chunks a segment.


def sealed(ledger: PaperLedger) -> list[tuple[int, int]]:
    return sorted((each.first_seq, each.last_seq) for each in ledger.segments.values())


def gaps(ledger: PaperLedger) -> list[tuple[float, float | None, str]]:
    """Start and end in seconds since the epoch of the tests."""
    return [
        ((gap.start_ns - EPOCH_NS) / S, None if gap.end_ns is None else (gap.end_ns - EPOCH_NS) / S, gap.cause)
        for gap in sorted(ledger.gaps.values(), key=lambda gap: gap.start_ns)
    ]


def reasons(ledger: PaperLedger) -> list[tuple[int, str]]:
    return [(offset, reason) for offset, reason in ledger.quarantined]


def damaged(chunk: Chunk) -> Chunk:
    return replace(chunk, value=chunk.value[:-1] + bytes([chunk.value[-1] ^ 1]))


class TestCut:
    def test_at_the_first_sync_chunk_at_or_after_the_length_of_a_segment(self) -> None:
        run = DrawnRun(AGENT)
        recorder = record_all([run.start(), *run.chunks(60)], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 24), (25, 49)]

    def test_a_gop_longer_than_a_segment_stays_whole(self) -> None:
        run = DrawnRun(AGENT, shape=Shape(gop=40))
        recorder = record_all([run.start(), *run.chunks(45)], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 39)]

    def test_a_gop_without_end_is_cut_in_the_end(self) -> None:
        run = DrawnRun(AGENT, shape=Shape(gop=10_000))
        recorder = record_all([run.start(), *run.chunks(252)], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 249)]

    def test_at_the_end_of_a_run_which_opens_a_gap_of_its_cause(self) -> None:
        run = DrawnRun(AGENT)
        recorder = record_all(run.whole(7), TRUSTED)
        assert sealed(recorder.ledger) == [(0, 6)]
        assert gaps(recorder.ledger) == [(2.8, None, "camera")]
        assert recorder.committable == 9

    def test_at_the_next_run_of_a_dead_agent_whose_unsigned_tail_is_kept_and_marked(self) -> None:
        run = DrawnRun(AGENT)
        records: list[MediaRecord] = [run.start(), *run.chunks(7)]
        after = DrawnRun(AGENT, number=2, start_ns=run.next_ns + 3 * S, since="agent")
        recorder = record_all([*records, after.start(), *after.chunks(1)], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 6)]
        assert not recorder.ledger.segments[run.facts.run_id, 0].signed
        assert gaps(recorder.ledger) == [(2.8, 5.8, "agent")]

    def test_a_run_of_another_agent_goes_on_beside_it(self) -> None:
        other = Agent("agent-2")
        run, beside = DrawnRun(AGENT), DrawnRun(other, number=2, start_ns=EPOCH_NS + S)
        mixed: list[MediaRecord] = [run.start(), *run.chunks(3), beside.start()]
        for _ in range(30):
            mixed += [run.chunk(), beside.chunk()]
        recorder = record_all([*mixed, run.end()], {**TRUSTED, other.key_id: other.public_key})
        assert recorder.ledger.chunk_seqs(run.facts.run_id) == list(range(33))
        assert recorder.ledger.chunk_seqs(beside.facts.run_id) == list(range(25))
        assert gaps(recorder.ledger) == []  # the other agent still covers the camera

    def test_an_idle_stream_is_sealed_and_continued(self) -> None:
        run = DrawnRun(AGENT)
        recorder = record_all([run.start(), *run.chunks(7)], TRUSTED)
        recorder.event(Idle())
        assert sealed(recorder.ledger) == [(0, 6)]
        assert recorder.committable == 8
        for offset, chunk in enumerate(run.chunks(30), 8):
            recorder.take(offset, chunk)
        recorder.take(38, run.end())
        assert recorder.ledger.chunk_seqs(run.facts.run_id) == list(range(37))
        assert recorder.ledger.quarantined == []


class TestHeld:
    def test_a_run_start_until_its_first_segment_is_in_the_ledger(self) -> None:
        run = DrawnRun(AGENT)
        recorder = PaperRecorder(PaperLedger(), TRUSTED)
        expected = {0: 0, 1: 0, 24: 0, 25: 0, 26: 26, 40: 26, 51: 51}
        for offset, record in enumerate([run.start(), *run.chunks(60)]):
            recorder.take(offset, record)
            if offset in expected:
                assert recorder.committable == expected[offset], offset

    def test_nothing_after_a_run_has_ended(self) -> None:
        assert record_all(DrawnRun(AGENT).whole(9), TRUSTED).committable == 11


class TestAgain:
    def test_duplicates_change_nothing(self) -> None:
        run = DrawnRun(AGENT)
        records = run.whole(30)
        once = record_all(records, TRUSTED).ledger
        twice = record_all([*records[:20], *records[5:20], *records[:]], TRUSTED).ledger
        assert [s.body for s in twice.segments.values()] == [s.body for s in once.segments.values()]
        assert gaps(twice) == gaps(once)
        assert twice.quarantined == []

    def test_a_second_different_chunk_is_refused(self) -> None:
        run, forged = DrawnRun(AGENT), DrawnRun(AGENT, shape=Shape(chunk_bytes=150))
        chunks = run.chunks(5)
        recorder = record_all([run.start(), *chunks[:2], forged.chunk(), *chunks[2:], run.end()], TRUSTED)
        assert reasons(recorder.ledger) == [(3, "a second, different chunk 0")]
        assert recorder.ledger.chunk_seqs(run.facts.run_id) == [0, 1, 2, 3, 4]


class TestLoss:
    def test_chunks_that_never_came_are_a_gap_with_exact_bounds(self) -> None:
        run = DrawnRun(AGENT)
        chunks = run.chunks(30)
        recorder = record_all([run.start(), *chunks[:7], *chunks[10:], run.end()], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 6), (10, 29)]
        assert gaps(recorder.ledger)[0] == (2.8, 4.0, "unknown")
        assert recorder.ledger.gaps[chunks[7].facts.start_ns].detail == "chunks 7..9 never arrived"
        assert_covered(recorder.ledger)

    def test_a_late_chunk_of_a_declared_loss_is_kept_aside(self) -> None:
        run = DrawnRun(AGENT)
        chunks = run.chunks(12)
        recorder = record_all([run.start(), *chunks[:7], *chunks[10:], chunks[8], run.end()], TRUSTED)
        assert reasons(recorder.ledger) == [(10, "chunk 8 arrived after its place had been declared lost")]

    def test_a_damaged_chunk_is_refused_and_its_good_copy_taken(self) -> None:
        run = DrawnRun(AGENT)
        chunks = run.chunks(10)
        again = [run.start(), *chunks[:3], damaged(chunks[3]), *chunks[3:], run.end()]
        recorder = record_all(again, TRUSTED)
        assert reasons(recorder.ledger) == [(4, "the bytes of chunk 3 have another digest than it claims")]
        assert sealed(recorder.ledger) == [(0, 9)]

    def test_a_damaged_chunk_without_a_good_copy_is_a_gap(self) -> None:
        run = DrawnRun(AGENT)
        chunks = run.chunks(10)
        recorder = record_all([run.start(), *chunks[:3], damaged(chunks[3]), *chunks[4:], run.end()], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 2), (4, 9)]
        assert gaps(recorder.ledger)[0] == (1.2, 1.6, "unknown")

    def test_the_tail_that_a_run_end_counts_and_nobody_saw(self) -> None:
        run = DrawnRun(AGENT)
        chunks = run.chunks(10)
        recorder = record_all([run.start(), *chunks[:8], run.end()], TRUSTED)
        assert gaps(recorder.ledger) == [(3.2, 4.0, "unknown"), (4.0, None, "camera")]
        assert_covered(recorder.ledger)

    def test_the_head_of_a_run(self) -> None:
        run = DrawnRun(AGENT)
        chunks = run.chunks(10)
        recorder = record_all([run.start(), *chunks[2:], run.end()], TRUSTED)
        assert sealed(recorder.ledger) == [(2, 9)]
        assert gaps(recorder.ledger)[0] == (0.0, 0.8, "unknown")


class TestTrust:
    def test_media_of_a_stranger_never_become_evidence(self) -> None:
        run = DrawnRun(Agent("stranger"))
        recorder = record_all(run.whole(10), TRUSTED)
        assert recorder.ledger.segments == {}
        assert len(recorder.ledger.quarantined) == 12
        assert recorder.committable == 12

    def test_a_run_that_was_never_opened(self) -> None:
        run = DrawnRun(AGENT)
        recorder = record_all(run.whole(10)[1:], TRUSTED)
        assert recorder.ledger.segments == {}
        assert len(recorder.ledger.quarantined) == 10
        assert gaps(recorder.ledger) == [(4.0, None, "camera")]  # its end still says why nothing follows

    def test_a_gop_with_a_forged_signature_is_refused_whole(self) -> None:
        run = DrawnRun(AGENT)
        chunks = run.chunks(15)
        forged = replace(chunks[9], facts=replace(chunks[9].facts, signature=bytes(64)))
        recorder = record_all([run.start(), *chunks[:9], forged, *chunks[10:], run.end()], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 4), (10, 14)]
        assert [offset for offset, _ in recorder.ledger.quarantined] == [6, 7, 8, 9, 10]
        assert gaps(recorder.ledger)[0] == (2.0, 4.0, "unknown")
        assert all(segment.signed for segment in recorder.ledger.segments.values())
        assert_covered(recorder.ledger)

    def test_a_gop_that_goes_on_without_a_signature_is_refused(self) -> None:
        run = DrawnRun(AGENT)
        chunks = [*run.chunks(9), run.chunk(signed=False), *run.chunks(5)]
        recorder = record_all([run.start(), *chunks, run.end()], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 4), (10, 14)]
        assert [offset for offset, _ in recorder.ledger.quarantined] == [6, 7, 8, 9, 10]

    def test_an_intruder_without_the_key_cannot_continue_a_run(self) -> None:
        """All facts of a run are public but the key: what he appends is refused, what the agent signs goes on."""
        run, thief = DrawnRun(AGENT), DrawnRun(AGENT, shape=Shape(chunk_bytes=90))
        chunks = run.chunks(15)
        thief.next_seq, thief.next_ns, thief.link = 7, chunks[7].facts.start_ns, chunks[7].facts.prev_link
        intruder = thief.chunk(signed=False)
        recorder = record_all([run.start(), *chunks[:7], intruder, *chunks[7:], run.end()], TRUSTED)
        assert intruder.value not in b"".join(segment.body for segment in recorder.ledger.segments.values())
        assert sealed(recorder.ledger) == [(0, 4), (8, 14)]
        assert_covered(recorder.ledger)

    def test_media_that_stand_for_another_chunk_are_refused(self) -> None:
        run, other = DrawnRun(AGENT), DrawnRun(AGENT, number=2)
        foreign = other.chunk()
        recorder = record_all([run.start(), replace(foreign, run=run.facts)], TRUSTED)
        assert recorder.ledger.segments == {}
        assert len(recorder.ledger.quarantined) == 1


class TestSilence:
    def test_is_presumed_a_gap_and_withdrawn_when_the_spool_arrives(self) -> None:
        run = DrawnRun(AGENT)
        recorder = record_all([run.start(), *run.chunks(7)], TRUSTED)
        recorder.event(Silent())
        assert gaps(recorder.ledger) == [(2.8, None, "unknown")]
        recorder.event(Silent())
        recorder.take(8, run.chunk())
        assert gaps(recorder.ledger) == []
        recorder.take(9, run.end())
        assert_covered(recorder.ledger)

    def test_gets_its_real_cause_when_the_agent_returns(self) -> None:
        run = DrawnRun(AGENT)
        recorder = record_all([run.start(), *run.chunks(7)], TRUSTED)
        recorder.event(Silent())
        after = DrawnRun(
            AGENT, number=2, start_ns=run.next_ns + 3 * S, since="power", detail="the machine was restarted"
        )
        recorder.take(8, after.start())
        recorder.take(9, after.chunk())
        assert gaps(recorder.ledger) == [(2.8, 5.8, "power")]

    def test_after_a_run_ended_is_no_news(self) -> None:
        recorder = record_all(DrawnRun(AGENT).whole(7), TRUSTED)
        recorder.event(Silent())
        assert gaps(recorder.ledger) == [(2.8, None, "camera")]


class TestInterruption:
    def test_a_camera_unplugged_and_back_is_exactly_one_gap(self) -> None:
        run = DrawnRun(AGENT)
        again = DrawnRun(AGENT, number=2, start_ns=EPOCH_NS + 15 * S, since="camera")
        stays_away = Gap("yard", "record", "agent-1", EPOCH_NS + 6 * S, None, "network", "no route", since="camera")
        recorder = record_all([*run.whole(12), stays_away, again.start(), *again.chunks(30)], TRUSTED)
        assert gaps(recorder.ledger) == [(4.8, 15.0, "camera")]
        assert_covered(recorder.ledger)

    def test_a_run_that_died_before_its_first_chunk_leaves_one_gap(self) -> None:
        run = DrawnRun(AGENT)
        stillborn = DrawnRun(AGENT, number=2, start_ns=EPOCH_NS + 7 * S, since="camera")
        again = DrawnRun(AGENT, number=3, start_ns=EPOCH_NS + 9 * S, since="agent")
        recorder = record_all([*run.whole(12), stillborn.start(), again.start(), *again.chunks(30)], TRUSTED)
        assert gaps(recorder.ledger) == [(4.8, 9.0, "camera")]

    def test_a_clock_set_back_an_hour_overwrites_nothing_and_makes_no_negative_gap(self) -> None:
        run = DrawnRun(AGENT)
        back = DrawnRun(AGENT, number=2, start_ns=EPOCH_NS - 3600 * S, since="agent")
        later = DrawnRun(AGENT, number=3, start_ns=EPOCH_NS - 3500 * S, since="camera")
        records = [*run.whole(30), back.start(), *back.chunks(30), later.start(), *later.chunks(30)]
        recorder = record_all(records, TRUSTED)
        assert all(gap.end_ns is None or gap.end_ns > gap.start_ns for gap in recorder.ledger.gaps.values())
        assert gaps(recorder.ledger) == [(-3588.0, -3500.0, "camera")]
        assert sealed(recorder.ledger).count((0, 24)) == 3


class TestBadRecords:
    def test_a_run_start_that_holds_no_init_segment(self) -> None:
        run = DrawnRun(AGENT)
        broken = replace(run.start(), init=b"no boxes at all")
        recorder = record_all([broken, *run.chunks(3)], TRUSTED)
        assert recorder.ledger.segments == {}
        assert len(recorder.ledger.quarantined) == 4
        assert recorder.committable == 4

    def test_a_chunk_that_contradicts_its_run(self) -> None:
        run = DrawnRun(AGENT)
        chunk = run.chunk()
        recorder = record_all([run.start(), replace(chunk, run=replace(run.facts, codec="hvc1.1.6.L93.B0"))], TRUSTED)
        assert reasons(recorder.ledger) == [(1, "a chunk that contradicts its run's facts")]

    def test_chunks_that_follow_a_gap_in_the_runs_own_timeline(self) -> None:
        run = DrawnRun(AGENT)
        records: list[MediaRecord] = [run.start(), *run.chunks(5)]
        run.next_ns += 3 * S
        recorder = record_all([*records, *run.chunks(5), run.end()], TRUSTED)
        assert sealed(recorder.ledger) == [(0, 4), (5, 9)]
        assert gaps(recorder.ledger)[0] == (2.0, 5.0, "unknown")
