"""Whatever is repeated, killed and replayed: the same segments, each chunk once, none lost, no hole, one gap an interruption."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.media_record import MediaRecord
from services.retention.core.commands import Silent
from tests.harness.drawn_footage import EPOCH_NS, Agent, DrawnRun, Shape
from tests.unit.retention.paper_ledger import Crash, PaperLedger, PaperRecorder, assert_covered, record_all

AGENT = Agent()
TRUSTED = {AGENT.key_id: AGENT.public_key}
S = 1_000_000_000


@dataclass(frozen=True)
class Plan:
    """A run: how many chunks, how many of a GOP, whether it says goodbye, and how long nothing follows."""

    chunks: int
    gop: int
    ends: bool
    pause_s: int


PLANS = st.builds(
    Plan, chunks=st.integers(0, 70), gop=st.integers(1, 30), ends=st.booleans(), pause_s=st.integers(1, 30)
)


def story(plans: list[Plan]) -> tuple[list[MediaRecord], dict[str, int], int]:
    """The records of all runs in order, the chunks of each run, and the interruptions between footage."""
    records: list[MediaRecord] = []
    chunks: dict[str, int] = {}
    start_ns, interruptions, seen_footage = EPOCH_NS, 0, False
    for number, plan in enumerate(plans):
        run = DrawnRun(AGENT, number=number, start_ns=start_ns, shape=Shape(gop=plan.gop), since="agent")
        records.append(run.start())
        if plan.chunks:
            interruptions += seen_footage
            seen_footage = True
            records += run.chunks(plan.chunks - 1)
            records.append(run.chunk(signed=True) if plan.ends else run.chunk())
        if plan.ends:
            records.append(run.end())
        chunks[run.facts.run_id] = plan.chunks
        start_ns = run.next_ns + plan.pause_s * S
    return records, chunks, interruptions


@dataclass(frozen=True, repr=False)
class Drawn:
    plans: list[Plan]
    records: list[MediaRecord]
    log: list[MediaRecord]
    chunks: dict[str, int]
    interruptions: int

    def __repr__(self) -> str:
        places = [next(i for i, record in enumerate(self.records) if record is each) for each in self.log]
        return f"{self.plans} as {places}"


@st.composite
def logs(draw: st.DrawFn) -> Drawn:
    """A story, and the log it left: spool replays have repeated some stretches of it, in order."""
    plans = draw(st.lists(PLANS, min_size=1, max_size=4))
    records, chunks, interruptions = story(plans)
    repeats = dict(draw(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), max_size=8)))
    log: list[MediaRecord] = []
    for index, record in enumerate(records):
        log.append(record)
        if index in repeats:
            log += records[max(0, index - repeats[index]) : index + 1]
    return Drawn(plans, records, log, chunks, interruptions)


@settings(max_examples=300, deadline=None)
@given(logs(), st.lists(st.integers(0, 400), max_size=6), st.integers(0, 2**32))
def test_kills_and_replays_change_nothing(drawn: Drawn, kills: list[int], seed: int) -> None:
    chance = random.Random(seed)
    log = drawn.log
    expected = record_all(drawn.records, TRUSTED).ledger
    ledger = PaperLedger()
    committed = 0
    for fuse in [*kills, None]:
        left = [fuse]

        def burn(left: list[int | None] = left) -> None:
            if left[0] is not None:
                left[0] -= 1
                if left[0] < 0:
                    raise Crash

        recorder = PaperRecorder(ledger, TRUSTED, between=burn)
        try:
            for offset in range(committed, len(log)):
                recorder.take(offset, log[offset])
                if chance.random() < 0.05:
                    recorder.event(Silent(), offset)
                if chance.random() < 0.3 and recorder.committable is not None:
                    committed = max(committed, recorder.committable)
        except Crash:
            continue
    assert ledger.segments.keys() == expected.segments.keys()
    assert [ledger.segments[key].body for key in ledger.segments] == [
        expected.segments[key].body for key in ledger.segments
    ]
    assert ledger.quarantined == []
    for run_id, count in drawn.chunks.items():
        held = sum(
            len(run.segment.chunks) for run in recorder.state.runs.values() if run.segment and run.run_id == run_id
        )
        assert ledger.chunk_seqs(run_id) == list(range(count - held)), "a chunk is missing or is there twice"
    between = [gap for gap in ledger.gaps.values() if gap.end_ns is not None]
    if not any(plan.ends and not plan.chunks for plan in drawn.plans):  # such a run is a gap of its own
        assert len(between) == drawn.interruptions
    if ledger.from_ns is not None:
        assert_covered(ledger)
    settled = {start: gap for start, gap in ledger.gaps.items() if not gap.presumed}
    assert settled == expected.gaps
