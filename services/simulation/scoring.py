"""How good an analysis is: its incidents against the truth of a simulated day.

Belongs here: reading a list of incidents, matching, counting. Does not belong here: what is true (``truth``).

**Matching.** A claim matches a true incident if both have the same kind, their places agree, and the claim's span, widened by the
tolerance at both ends, overlaps ``[reached_s, end_s]``. Places agree if the claim names the true room or target (camera, door,
sensor) or names none. Several claims of one true incident are one find and no false alarms; one claim may find several that it
covers. Precision is the share of claims that match something, recall the share of true incidents that were found; the
delay is from ``reached_s`` to the first matching claim's ``raised``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.contracts.errors import Rejected
from services.contracts.time import NS_PER_S, parse_rfc3339
from services.simulation.truth import IncidentLine, LookAlikeLine

TOLERANCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Claim:
    """An incident that an analysis reported. Times are seconds since the day's midnight."""

    kind: str
    opened_s: float
    closed_s: float
    raised_s: float
    places: frozenset[str] = frozenset()


@dataclass
class TypeScore:
    """The score of one type of incident."""

    kind: str
    true: int = 0
    found: int = 0
    claims: int = 0
    right: int = 0
    delays_s: list[float] = field(default_factory=list)
    fooled_by: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float | None:
        return self.right / self.claims if self.claims else None

    @property
    def recall(self) -> float | None:
        return self.found / self.true if self.true else None

    def as_line(self) -> dict[str, Any]:
        """One JSON line."""
        return {
            "kind": self.kind, "true": self.true, "found": self.found, "claims": self.claims, "right": self.right,
            "precision": _rounded(self.precision), "recall": _rounded(self.recall),
            "delay_p50_s": _rounded(percentile(self.delays_s, 50)), "delay_p90_s": _rounded(percentile(self.delays_s, 90)),
            "fooled_by": sorted(self.fooled_by),
        }  # fmt: skip


def score(
    true: Sequence[IncidentLine],
    look_alikes: Sequence[LookAlikeLine],
    claims: Sequence[Claim],
    tolerance_s: float = TOLERANCE_S,
) -> list[TypeScore]:
    """One score a type that is true or claimed, in order of type."""
    kinds = sorted({one.incident for one in true} | {claim.kind for claim in claims})
    return [_score(kind, true, look_alikes, claims, tolerance_s) for kind in kinds]


def read_claims(lines: Iterable[str], midnight_ns: int, name: str = "incidents") -> list[Claim]:
    """Claims from JSON lines.

    A line is an ``incident.v1`` value, a CloudEvent that holds one in ``data``, or ``{"kind", "opened", "closed", "room"}`` with
    optional ``raised``, ``camera``, ``sensor``, ``target``; times are RFC 3339, or seconds since midnight. Of several
    lines with one ``incident_id`` the last counts. ``Rejected`` names the line and what is wrong with it.
    """
    by_id: dict[str, Claim] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise Rejected(f"{name}:{number} is not a JSON object: {error}") from error
        if isinstance(said, dict) and isinstance(said.get("data"), dict):
            said = said["data"]
        if not isinstance(said, dict) or not isinstance(said.get("kind"), str):
            raise Rejected(f'{name}:{number} has no "kind" such as "I-01"')
        by_id[str(said.get("incident_id", f"line {number}"))] = _claim(said, midnight_ns, f"{name}:{number}")
    return list(by_id.values())


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile; ``None`` of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100.0 * len(ordered)) - 1)]


def table(scores: Sequence[TypeScore]) -> Iterator[str]:
    """The scores as lines of text."""
    yield "type    true  found  claims  precision  recall    p50 s    p90 s  fooled by"
    for one in scores:
        p50, p90 = percentile(one.delays_s, 50), percentile(one.delays_s, 90)
        yield (
            f"{one.kind:6} {one.true:5} {one.found:6} {one.claims:7} {_told(one.precision, 2):>10} {_told(one.recall, 2):>7} "
            f"{_told(p50, 1):>8} {_told(p90, 1):>8}  {', '.join(sorted(one.fooled_by))}"
        ).rstrip()


def _score(
    kind: str,
    true: Sequence[IncidentLine],
    look_alikes: Sequence[LookAlikeLine],
    claims: Sequence[Claim],
    tolerance_s: float,
) -> TypeScore:
    wanted = [one for one in true if one.incident == kind]
    made = [claim for claim in claims if claim.kind == kind]
    result = TypeScore(kind, true=len(wanted), claims=len(made))
    for one in wanted:
        hits = [claim for claim in made if _matches(claim, one, tolerance_s)]
        if hits:
            result.found += 1
            result.delays_s.append(min(claim.raised_s for claim in hits) - one.reached_s)
    for claim in made:
        if any(_matches(claim, one, tolerance_s) for one in wanted):
            result.right += 1
        else:
            result.fooled_by += [
                act.name for act in look_alikes
                if act.resembles == kind and _overlap(claim, act.start_s, act.end_s, tolerance_s) and _placed(claim, act)
            ]  # fmt: skip
    return result


def _matches(claim: Claim, one: IncidentLine, tolerance_s: float) -> bool:
    return _placed(claim, one) and _overlap(claim, min(one.reached_s, one.end_s), one.end_s, tolerance_s)


def _overlap(claim: Claim, start_s: float, end_s: float, tolerance_s: float) -> bool:
    return claim.opened_s - tolerance_s <= end_s and start_s <= claim.closed_s + tolerance_s


def _placed(claim: Claim, one: IncidentLine | LookAlikeLine) -> bool:
    places = {one.room, one.target} - {None}
    return not claim.places or not places or bool(claim.places & places)


def _claim(said: dict[str, Any], midnight_ns: int, where: str) -> Claim:
    opened = _time(said, ("opened_ns", "opened"), midnight_ns, where)
    if opened is None:
        raise Rejected(f'{where} has no "opened"')
    raised = _time(said, ("raised_ns", "raised"), midnight_ns, where)
    closed = _time(said, ("closed_ns", "closed"), midnight_ns, where)
    if closed is not None and closed < opened:
        raise Rejected(f"{where}: closed lies before opened")
    named = [said.get(key) for key in ("room_id", "room", "camera_id", "camera", "sensor_id", "sensor", "target")]
    # An incident that was never closed lasts for ever; one whose opening is all that is known was raised then.
    return Claim(said["kind"], opened, math.inf if closed is None else closed, opened if raised is None else raised,
                 frozenset(name for name in named if isinstance(name, str)))  # fmt: skip


def _time(said: dict[str, Any], keys: tuple[str, str], midnight_ns: int, where: str) -> float | None:
    if said.get(keys[0]) is not None:
        if not isinstance(said[keys[0]], int):
            raise Rejected(f"{where}: {keys[0]} is not a whole number of nanoseconds")
        return float(said[keys[0]] - midnight_ns) / NS_PER_S
    value = said.get(keys[1])
    if isinstance(value, str):
        return (parse_rfc3339(value) - midnight_ns) / NS_PER_S
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return None if value is None else float(value)
    raise Rejected(f"{where}: {keys[1]} is neither a time like 2026-11-23T09:40:00+08:00 nor seconds since midnight")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _told(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
