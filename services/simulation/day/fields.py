"""Which fields of a script's entry each scene reads; others are refused, so that nobody waits for what was never heard.

Belongs here: the table and the refusal. Does not belong here: what a scene makes of a field (scenes say so themselves).
A test puts every scene on and compares what it really reads.
"""

from __future__ import annotations

from services.contracts.errors import Rejected
from services.simulation.day.script import Episode

_ROOM, _CHILD, _DOOR, _TARGET = (
    "at lasts_s room",
    "at lasts_s room person",
    "at lasts_s target",
    "at lasts_s target variant",
)

READS: dict[str, str] = {
    "I-01": _ROOM, "I-02": _ROOM, "I-03": _ROOM, "I-04": "at", "I-06": _CHILD, "I-07": f"{_CHILD} variant",
    "I-08": f"{_DOOR} person", "I-09": "lasts_s person", "I-10": _DOOR, "I-11": _TARGET, "I-12": _DOOR, "I-14": _DOOR,
    "I-17": _ROOM, "I-18": _TARGET, "I-19": "person", "I-21": "at lasts_s", "I-22": "at lasts_s", "I-23": _TARGET,
    "I-25": _DOOR, "I-26": _TARGET, "I-30": "",
    "short-absence": _ROOM, "brief-errand": _ROOM, "short-visit": _ROOM, "late-round": "at",
    "lie-down-to-play": _CHILD, "bend-and-squat": _CHILD, "reach-up": _CHILD, "slide": "at lasts_s person",
    "carried-out": f"{_DOOR} person", "straggler": "lasts_s person", "door-ajar-briefly": _DOOR, "door-swings-twice": "at target",
    "boxes-for-a-while": _TARGET, "passer-by": "at", "headlights": "at", "curtain-in-the-wind": _DOOR,
    "hand-by-the-button": "at", "airing": _ROOM, "stocking-the-fridge": _DOOR, "warm-forehead": "person",
    "birthday-candles": _ROOM, "adult-lies-down": _CHILD, "lens-wiped": _DOOR, "cloud": "at lasts_s", "lamps-out": _ROOM,
    "clock-wobble": _DOOR, "two-missed-beats": _DOOR, "short-vacancy": "",
}  # fmt: skip
#: An episode's attributes and how a script writes them.
WRITTEN = {
    "at_s": "at",
    "lasts_s": "lasts_s",
    "room": "room",
    "variant": "variant",
    "target": "target",
    "person": "person",
}


def refuse_unread(told: Episode) -> None:
    """``Rejected``: the episode tells something that its scene does not read."""
    known = READS[told.what].split()
    unread = [name for attribute, name in WRITTEN.items() if getattr(told, attribute) is not None and name not in known]
    if unread:
        takes = ", ".join(known) or "nothing but its name"
        raise Rejected(f"{told.what} does not take {', '.join(unread)}: it takes {takes}")
