"""Which change of coverage each command means, and around which instant it must be judged.

Belongs here: from commands to :mod:`coverage`. Does not belong here: rows, transactions.
"""

from __future__ import annotations

from collections.abc import Callable

from services.retention.core import coverage
from services.retention.core.commands import BeginRun, Command, DeclareGap, EndRun, LoseFootage, PresumeGap, Resume
from services.retention.core.coverage import Change, Declared, Known


def accounting(command: Command) -> tuple[int, Callable[[Known], Change]]:
    """The instant around which a command changes coverage, and how."""
    match command:
        case BeginRun(start):
            by = f"agent/{start.run.agent_id}" if start.since is not None else coverage.RETENTION
            since = Declared(start.since, by, start.detail)
            return start.start_ns, lambda known: coverage.footage_begins(known, start.start_ns, since)
        case Resume(start_ns):
            return start_ns, lambda known: coverage.footage_begins(known, start_ns, Declared(None))
        case LoseFootage(start_ns, end_ns, detail):
            return start_ns, lambda known: coverage.footage_lost(known, start_ns, end_ns, detail)
        case EndRun(end, end_ns):
            why = Declared(end.cause, f"agent/{end.run.agent_id}", end.detail)
            return end_ns, lambda known: coverage.run_ends(known, end_ns, why)
        case DeclareGap(gap):
            return gap.start_ns, lambda known: coverage.gap_declared(known, gap)
        case PresumeGap(since_ns):
            detail = "nothing has arrived since, and nobody said why"
            return since_ns, lambda known: coverage.silence_presumed(known, since_ns, detail)
    raise AssertionError(f"not a command about coverage: {command!r}")
