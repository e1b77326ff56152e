"""How good an analysis is: its incidents against the truth of a simulated day.

Belongs here: reading a list of incidents, matching, counting. Does not belong here: what is true (``truth``).

**Matching.** A claim may match a true incident if both have the same kind, their places agree, the claim was raised no earlier
than ``start_s`` less the tolerance (nobody can know of what has not begun; what an analysis sees before ``reached_s`` is
matched, and its delay is negative), and the claim's span, widened by the tolerance at both ends, overlaps ``[reached_s,
end_s]``. Places agree if the claim names the true room or target (camera, door, sensor) or names none. Claims and incidents are
paired one to one, as many as possible, the nearest in time first: one claim finds one incident at most. What is left over and
may match an incident that is found is a repeat of it: no find, and no false alarm. Precision is the share of claims that are
right, recall the share of true incidents that were found; the delay is from ``reached_s`` to the first ``raised`` of the claims
of an incident.

A look-alike fooled a claim that overlaps it outside of the incident that the claim belongs to, right or not; a claim that was
never closed lasts for ever. With a span, incidents whose ``reached_s`` lies in it and claims that were raised in it count;
matched is on the whole day, so that nothing is wrong for standing at an edge.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.contracts.errors import Rejected
from services.contracts.time import parse_rfc3339
from services.simulation.truth import IncidentLine, LookAlikeLine

TOLERANCE_S = 5.0
ALWAYS = (-math.inf, math.inf)


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
    span_s: tuple[float, float] = ALWAYS,
    tolerance_s: float = TOLERANCE_S,
) -> list[TypeScore]:
    """One score a type that is true or claimed within ``[from, to)``, in order of type."""
    counted = [claim for claim in claims if span_s[0] <= claim.raised_s < span_s[1]]
    kinds = {one.incident for one in true if _within(one, span_s)} | {claim.kind for claim in counted}
    return [_score(kind, true, look_alikes, counted, span_s, tolerance_s) for kind in sorted(kinds)]


def read_claims(lines: Iterable[str], day_s: Callable[[int], float], name: str = "incidents") -> list[Claim]:
    """Claims from JSON lines, or from one JSON array.

    An entry is an ``incident.v1`` value, a CloudEvent that holds one in ``data``, or ``{"kind", "opened", "closed", "room"}``
    with optional ``raised``, ``camera``, ``sensor``, ``target``; times are RFC 3339, or seconds since midnight. ``day_s`` tells
    which second of the simulated day an instant (ns UTC) is. Of several entries with one ``incident_id`` the last counts.
    ``Rejected`` names the entry and what is wrong with it.
    """
    by_id: dict[str, Claim] = {}
    for where, said in _entries(lines, name):
        if isinstance(said, dict) and isinstance(said.get("data"), dict):
            said = said["data"]
        if not isinstance(said, dict) or not isinstance(said.get("kind"), str):
            raise Rejected(f'{where} has no "kind" such as "I-01"')
        by_id[str(said.get("incident_id", where))] = _claim(said, day_s, where)
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
    span_s: tuple[float, float],
    tolerance_s: float,
) -> TypeScore:
    wanted = sorted((one for one in true if one.incident == kind), key=lambda one: (one.reached_s, one.end_s))
    made = sorted((claim for claim in claims if claim.kind == kind), key=lambda claim: (claim.raised_s, claim.opened_s))
    owner = _owners(wanted, made, tolerance_s)
    result = TypeScore(kind, claims=len(made), right=len(owner))
    for number, one in enumerate(wanted):
        raised_s = [claim.raised_s for index, claim in enumerate(made) if owner.get(index) == number]
        if _within(one, span_s):
            result.true += 1
            result.found += bool(raised_s)
            result.delays_s += [min(raised_s) - one.reached_s] if raised_s else []
    for index, claim in enumerate(made):
        mine = wanted[owner[index]] if index in owner else None
        result.fooled_by += [
            act.name for act in look_alikes
            if act.resembles == kind and _placed(claim, act) and _fooled(claim, act, mine, tolerance_s)
        ]  # fmt: skip
    return result


def _owners(wanted: Sequence[IncidentLine], made: Sequence[Claim], tolerance_s: float) -> dict[int, int]:
    """Which incident each claim belongs to; a claim that belongs to none is left out."""
    near = [
        sorted((index for index, claim in enumerate(made) if _matches(claim, one, tolerance_s)),
               key=lambda index: abs(made[index].raised_s - one.reached_s))
        for one in wanted
    ]  # fmt: skip
    owner: dict[int, int] = {}

    def find(number: int, asked: set[int]) -> bool:
        """Pair an incident with a claim, moving earlier pairs on to other claims if need be (Kuhn's algorithm)."""
        for index in near[number]:
            if index not in asked:
                asked.add(index)
                if index not in owner or find(owner[index], asked):
                    owner[index] = number
                    return True
        return False

    for number in range(len(wanted)):
        find(number, set())
    paired = frozenset(owner)
    for number, one in enumerate(wanted):
        for index in near[number]:
            far_s = abs(made[index].raised_s - one.reached_s)
            if index not in paired and (
                index not in owner or far_s < abs(made[index].raised_s - wanted[owner[index]].reached_s)
            ):
                owner[index] = number  # a repeat, of the nearest
    return owner


def _within(one: IncidentLine, span_s: tuple[float, float]) -> bool:
    return span_s[0] <= one.reached_s < span_s[1]


def _matches(claim: Claim, one: IncidentLine, tolerance_s: float) -> bool:
    known = claim.raised_s >= one.start_s - tolerance_s
    return known and _placed(claim, one) and _overlap(claim, min(one.reached_s, one.end_s), one.end_s, tolerance_s)


def _overlap(claim: Claim, start_s: float, end_s: float, tolerance_s: float) -> bool:
    return claim.opened_s - tolerance_s <= end_s and start_s <= claim.closed_s + tolerance_s


def _fooled(claim: Claim, act: LookAlikeLine, mine: IncidentLine | None, tolerance_s: float) -> bool:
    """Whether a claim overlaps a look-alike outside of the incident that it belongs to."""
    if mine is None:
        return _overlap(claim, act.start_s, act.end_s, tolerance_s)
    first, last = max(claim.opened_s, act.start_s), min(claim.closed_s, act.end_s)
    return first < last and (first < mine.start_s - tolerance_s or last > mine.end_s + tolerance_s)


def _placed(claim: Claim, one: IncidentLine | LookAlikeLine) -> bool:
    places = {one.room, one.target} - {None}
    return not claim.places or not places or bool(claim.places & places)


def _entries(lines: Iterable[str], name: str) -> Iterator[tuple[str, Any]]:
    """Each entry with where it stands: lines by number, an array's entries by index from 0."""
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    for number, line in numbered:
        if line.lstrip().startswith("["):
            whole = _read(line + "".join(rest for _, rest in numbered), f"{name}:{number}", "a JSON array")
            yield from ((f"{name}[{index}]", said) for index, said in enumerate(whole))
        else:
            yield f"{name}:{number}", _read(line, f"{name}:{number}", "a JSON object")


def _read(text: str, where: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{where} is not {what}: {error}") from error


def _claim(said: dict[str, Any], day_s: Callable[[int], float], where: str) -> Claim:
    try:
        opened, raised, closed = (
            _time(said, (f"{key}_ns", key), day_s, where) for key in ("opened", "raised", "closed")
        )
    except OverflowError as error:
        raise Rejected(f"{where} names a time that no clock shows") from error
    if opened is None:
        raise Rejected(f'{where} has no "opened"')
    if closed is not None and closed < opened:
        raise Rejected(f"{where}: closed lies before opened")
    named = [said.get(key) for key in ("room_id", "room", "camera_id", "camera", "sensor_id", "sensor", "target")]
    # An incident that was never closed lasts for ever; one whose opening is all that is known was raised then.
    return Claim(said["kind"], opened, math.inf if closed is None else closed, opened if raised is None else raised,
                 frozenset(name for name in named if isinstance(name, str)))  # fmt: skip


def _time(said: dict[str, Any], keys: tuple[str, str], day_s: Callable[[int], float], where: str) -> float | None:
    if said.get(keys[0]) is not None:
        if not isinstance(said[keys[0]], int):
            raise Rejected(f"{where}: {keys[0]} is not a whole number of nanoseconds")
        return day_s(said[keys[0]])
    value = said.get(keys[1])
    if isinstance(value, str):
        return day_s(parse_rfc3339(value))
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return None if value is None else float(value)
    raise Rejected(f"{where}: {keys[1]} is neither a time like 2026-11-23T09:40:00+08:00 nor seconds since midnight")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _told(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
