"""Where the door is, where one walks, and which part of the floor is armed: the same in every drawn room.

Imports no drawing, so that the box can play a room's sensors without loading what draws it.
"""

from __future__ import annotations

import zlib

from services.simulation.perspective import fraction
from services.simulation.timetable import Floor, Timetable

ROOMS = ("playroom", "nap-room")
DOOR_LEFT_M, DOOR_WIDTH_M = 2.35, 1.05

FLOOR = Floor(
    door=fraction(DOOR_LEFT_M + DOOR_WIDTH_M / 2 - 0.1, 8.15),
    armed=tuple(fraction(x, z) for x, z in ((-2.3, 6.9), (1.7, 6.9), (2.1, 3.75), (-2.3, 3.75))),
    armed_places=tuple(
        fraction(x, z) for x, z in ((-1.7, 6.2), (0.2, 6.4), (1.2, 5.0), (-1.2, 4.7), (0.3, 4.2), (1.3, 6.3))
    ),
    other_places=tuple(fraction(x, z) for x, z in ((2.5, 6.6), (2.4, 4.6), (2.3, 7.2))),
)


def timetable_of(room: str, seed: int = 0) -> Timetable:
    """The timetable of ``sim:ROOM?seed=N``."""
    return Timetable(FLOOR, zlib.crc32(f"{room}/{seed}".encode()))
