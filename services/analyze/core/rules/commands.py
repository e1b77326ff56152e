"""What a rule asks for. Times are ns UTC, capture time of the deciding frame or reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.analyze.core.zones import Box
from services.contracts.incident import Severity


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an incident's state rests on: the deciding instant, the boxes (pixels) and what was measured (name_unit → value)."""

    at_ns: int
    boxes_px: tuple[Box, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Open:
    """An incident begins. ``onset_ns`` names it: the same onset is the same incident, however often it is judged."""

    onset_ns: int
    severity: Severity
    grounds: Grounds


@dataclass(frozen=True, slots=True)
class Update:
    """It goes on, graver than before or with more known about it."""

    onset_ns: int
    severity: Severity
    grounds: Grounds


@dataclass(frozen=True, slots=True)
class Close:
    """It ended at ``end_ns``."""

    onset_ns: int
    end_ns: int
    severity: Severity
    grounds: Grounds


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Give the rule a ``Woken`` at this instant even if nothing else happens; replaces an earlier wish."""

    at_ns: int


Command = Open | Update | Close | WakeAt
