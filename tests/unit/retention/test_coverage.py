"""Gap arithmetic, as a table: what was known, what happened, which rows result."""

from __future__ import annotations

import pytest

from services.contracts.media_record import Gap
from services.retention.core import coverage
from services.retention.core.coverage import Change, Declared, GapRow, Known

AGENT = Declared("agent", "agent/a", "killed")
NOBODY = Declared(None)


def gap(start: int, end: int | None, cause: str = "camera", by: str = "agent/a", presumed: bool = False) -> GapRow:
    return GapRow(start, end, cause, by, "", presumed)  # type: ignore[arg-type]


def known(footage_end: int | None = None, *gaps: GapRow, replayed: bool = False) -> Known:
    return Known(0, footage_end or 0, footage_end, replayed, gaps) if footage_end or gaps else Known()


def rows(change: Change) -> list[tuple[int, int | None, str, bool]]:
    return [(row.start_ns, row.end_ns, row.cause, row.presumed) for row in change.puts]


@pytest.mark.parametrize(
    ("case", "before", "start", "since", "expected", "removed"),
    [
        ("the first footage ever leaves no gap", known(), 100, NOBODY, [], ()),
        ("footage that adjoins leaves no gap", known(100), 100, NOBODY, [], ()),
        ("a dead agent's downtime is one gap", known(100), 150, AGENT, [(100, 150, "agent", False)], ()),
        ("without a cause it is unknown", known(100), 150, NOBODY, [(100, 150, "unknown", False)], ()),
        ("an open gap is closed, its cause stays", known(100, gap(100, None)), 150, AGENT,
         [(100, 150, "camera", False)], ()),
        ("a presumed gap gets its real cause", known(100, gap(100, None, "unknown", "retention", True)), 150, AGENT,
         [(100, 150, "agent", False)], ()),
        ("a presumed gap without a cause becomes a fact", known(100, gap(100, None, "unknown", "retention", True)), 150,
         NOBODY, [(100, 150, "unknown", False)], ()),
        ("late footage withdraws a presumed gap", known(100, gap(100, None, "unknown", "retention", True)), 100, NOBODY,
         [], (100,)),
        ("a clock that stepped back leaves no negative gap", known(100, gap(100, None)), 40, NOBODY, [], (100,)),
        ("a clock that stepped back over footage leaves no gap", known(100), 40, AGENT, [], ()),
        ("a declared gap that ends early is continued by the same interruption", known(100, gap(100, 130, "overload")),
         150, NOBODY, [(100, 150, "overload", False)], ()),
        ("another cause after a declared gap is another row", known(100, gap(100, 130, "overload")), 150, AGENT,
         [(130, 150, "agent", False)], ()),
        ("a declared gap that ends late is corrected by the sample", known(100, gap(100, 170, "overload")), 150, NOBODY,
         [(100, 150, "overload", False)], ()),
        ("an old gap under a stepped-back clock is left alone", known(200, gap(100, 170)), 150, NOBODY, [], ()),
    ],
)  # fmt: skip
def test_footage_begins(
    case: str, before: Known, start: int, since: Declared, expected: list[object], removed: tuple[int, ...]
) -> None:
    change = coverage.footage_begins(before, start, since)
    assert rows(change) == expected, case
    assert change.removes == removed, case


def test_the_extent_grows_over_a_gap_and_begins_with_the_first_footage() -> None:
    assert coverage.footage_begins(known(), 100, NOBODY).from_ns == 100
    change = coverage.footage_begins(Known(0, 100, 100), 150, AGENT)
    assert (change.from_ns, change.until_ns) == (0, 150)
    stored = coverage.footage_stored(Known(0, 150, 150), 150, 210)
    assert (stored.from_ns, stored.until_ns) == (0, 210)


@pytest.mark.parametrize(
    ("case", "before", "end", "expected", "removed"),
    [
        ("a run that ends opens a gap", known(100), 100, [(100, None, "camera", False)], ()),
        ("the real cause replaces a presumption", known(100, gap(100, None, "unknown", "retention", True)), 100,
         [(100, None, "camera", False)], ()),
        ("even if it presumed another start", known(100, gap(90, None, "unknown", "retention", True)), 100,
         [(100, None, "camera", False)], (90,)),
        ("inside an open gap nothing new begins", known(100, gap(100, None, "network")), 100, [], ()),
    ],
)  # fmt: skip
def test_run_ends(case: str, before: Known, end: int, expected: list[object], removed: tuple[int, ...]) -> None:
    change = coverage.run_ends(before, end, Declared("camera", "agent/a"))
    assert rows(change) == expected, case
    assert change.removes == removed, case


@pytest.mark.parametrize(
    ("case", "before", "declared", "expected", "removed"),
    [
        ("a camera that never opened", known(), (50, None, "network", None), [(50, None, "network", False)], ()),
        ("begins where footage ended", known(100), (103, None, "network", None), [(100, None, "network", False)], ()),
        ("the cause before it is a row of its own", known(100), (150, None, "camera", "agent"),
         [(100, 150, "agent", False), (150, None, "camera", False)], ()),
        ("the same cause before it is the same row", known(100), (150, None, "camera", "camera"),
         [(100, None, "camera", False)], ()),
        ("inside a declared gap it is the same interruption", known(100, gap(100, None)), (120, None, "network", None),
         [], ()),
        ("it replaces a presumption", known(100, gap(100, None, "unknown", "retention", True)),
         (120, None, "network", None), [(100, None, "network", False)], ()),
        ("and splits it where the cause changed", known(100, gap(100, None, "unknown", "retention", True)),
         (120, None, "network", "power"), [(100, 120, "power", False), (120, None, "network", False)], ()),
        ("an empty gap is none", known(100), (90, 95, "overload", None), [], ()),
        ("a replayed gap changes nothing", known(100, replayed=True), (90, None, "camera", None), [], ()),
    ],
)  # fmt: skip
def test_gap_declared(
    case: str, before: Known, declared: tuple[int, int | None, str, str | None], expected: list[object],
    removed: tuple[int, ...],
) -> None:  # fmt: skip
    start, end, cause, since = declared
    said = Gap("yard", "record", "a", start, end, cause, "", since)  # type: ignore[arg-type]
    change = coverage.gap_declared(before, said)
    assert rows(change) == expected, case
    assert change.removes == removed, case


def test_silence_is_presumed_once_and_never_over_a_known_gap() -> None:
    change = coverage.silence_presumed(known(100), 100, "silent")
    assert rows(change) == [(100, None, "unknown", True)]
    assert coverage.silence_presumed(known(100, *change.puts), 100, "silent") == Change()
    assert coverage.silence_presumed(known(100, gap(100, 130)), 100, "silent") == Change()


def test_lost_footage_is_a_gap_with_exact_bounds_and_repeating_it_changes_nothing() -> None:
    change = coverage.footage_lost(known(100), 100, 140, "chunks 5..5 never arrived")
    assert rows(change) == [(100, 140, "unknown", False)]
    assert coverage.footage_lost(known(100, *change.puts), 100, 140, "chunks 5..5 never arrived") == Change()
    assert coverage.footage_lost(known(100), 140, 140, "nothing") == Change()
