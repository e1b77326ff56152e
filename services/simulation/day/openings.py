"""How far each door, gate, window and fridge stands open, from who passes it and from what is meant.

Belongs here: spans of openness and their ramps. Does not belong here: who walks where (``track``), the contact's readings
(``sensors``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from services.simulation.day.floor import Floor, Portal
from services.simulation.day.stage import Effects
from services.simulation.day.track import Track

Span = tuple[float, float]
#: A door is opened so long before somebody is in it, and let go so long after.
_LEAD_S, _TRAIL_S = 1.3, 1.6
#: A leaf takes so long from shut to open.
SWING_S = 0.8


#: Start, end and how far.
Opened = tuple[float, float, float]


class Leaf:
    """One opening's day: spans in which it is open, each to an amount, with ramps at both ends."""

    def __init__(self, opened: Iterable[Opened], swing_s: float = SWING_S) -> None:
        opened = list(opened)
        self.spans = joined((start, end) for start, end, _ in opened)
        self._amounts = [
            max(amount for start, end, amount in opened if first <= start and end <= last) for first, last in self.spans
        ]
        self._starts = [start for start, _ in self.spans]
        self._swing_s = swing_s

    def at(self, t_s: float) -> float:
        """0 shut, 1 wide open."""
        index = bisect_right(self._starts, t_s) - 1
        if index < 0 or t_s >= self.spans[index][1]:
            return 0.0
        start, end = self.spans[index]
        share = min(1.0, (t_s - start) / self._swing_s, (end - t_s) / self._swing_s)
        return self._amounts[index] * share * share * (3.0 - 2.0 * share)

    def is_open(self, t_s: float) -> bool:
        """What a contact says: open as soon as the leaf leaves its frame."""
        index = bisect_right(self._starts, t_s) - 1
        return index >= 0 and t_s < self.spans[index][1]


def crossings(portal: Portal, track: Track) -> list[tuple[float, bool]]:
    """When somebody goes through a portal, and whether from its left to its right."""
    t, x, y, _ = track.arrays
    (lx, ly), (rx, ry) = portal.left, portal.right
    nx, ny = rx - lx, ry - ly
    far = (nx * nx + ny * ny) ** 0.5
    across = ((x - portal.middle[0]) * nx + (y - portal.middle[1]) * ny) / far
    along = (-(x - portal.middle[0]) * ny + (y - portal.middle[1]) * nx) / far
    changes = np.nonzero((across[:-1] < 0) != (across[1:] < 0))[0]
    found = []
    for i in changes:
        step = across[i + 1] - across[i]
        share = -across[i] / step if step else 0.0
        at_s = float(t[i] + (t[i + 1] - t[i]) * share)
        beside = along[i] + (along[i + 1] - along[i]) * share
        if abs(beside) <= portal.opening.width_m / 2 + 0.1 and track.is_present(at_s):
            found.append((at_s, bool(step > 0)))
    return found


def passing_spans(portal: Portal, tracks: Iterable[Track]) -> list[Span]:
    """When the leaf is open because somebody goes through."""
    return joined((at_s - _LEAD_S, at_s + _TRAIL_S) for track in tracks for at_s, _ in crossings(portal, track))


def joined(spans: Iterable[Span], within_s: float = 0.5) -> list[Span]:
    """Spans in order, those that touch or nearly touch made one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + within_s:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def leaves_of(
    floor: Floor, tracks: Mapping[int, Track], fridge_s: Sequence[tuple[float, float]], effects: Effects
) -> dict[str, Leaf]:
    """Every door, gate, window, fridge and freezer by its id."""
    building = floor.building
    spans: dict[str, list[Opened]] = {one.id: [] for one in building.openings if one.kind != "passage"}
    spans |= {one.id: [] for one in building.furniture if one.kind in ("fridge", "freezer") and one.id}
    for portal in floor.portals:
        if portal.opening.id in spans:
            spans[portal.opening.id] += [(start, end, 1.0) for start, end in passing_spans(portal, tracks.values())]
    fridge = next((one.id for one in building.furniture if one.kind == "fridge" and one.id), None)
    if fridge is not None:
        spans[fridge] += [(at_s, at_s + lasts_s, 0.8) for at_s, lasts_s in fridge_s]
    for name, held in effects.held_open.items():
        spans[name] += held
    return {name: Leaf(opened) for name, opened in spans.items()}
