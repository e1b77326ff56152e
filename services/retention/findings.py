"""What a check says: a clause, a place, what is wrong and what to do; and what every clause looks at.

Belongs here: the vocabulary of ``kanhu check``. Does not belong here: the clauses themselves (``check_*.py``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from services.backbone.ports import Backbone
from services.contracts.settings import Settings

Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """``level`` ``finding``: an invariant does not hold; ``info``: worth knowing. ``subject`` names the row or object."""

    level: Literal["finding", "info"]
    clause: str
    subject: str
    message: str
    remedy: str = ""

    def as_row(self) -> dict[str, Any]:
        return {"kind": "check", **asdict(self)}


def broken(clause: str, subject: str, message: str, remedy: str) -> Finding:
    return Finding("finding", clause, subject, message, remedy)


def note(clause: str, subject: str, message: str) -> Finding:
    return Finding("info", clause, subject, message)


@dataclass(frozen=True, slots=True)
class Records:
    """One consistent reading of the catalog's tables. ``segments`` and ``gaps`` are in order of stream and time."""

    runs: Mapping[tuple[str, str, str], Row]
    segments: tuple[Row, ...]
    gaps: tuple[Row, ...]
    coverage: Mapping[tuple[str, str], Row]
    audit_chains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the clauses look at. ``quick``: objects are asked for, not read. ``cameras`` are the enrolled ones."""

    backbone: Backbone
    settings: Settings
    records: Records
    cameras: frozenset[str]
    quick: bool
    now_ns: int


Findings = AsyncIterator[Finding]


def segment_name(row: Row) -> str:
    return f"segment {row['camera_id']}/{row['stream']}/{row['run_id']}/{row['first_seq']}"
