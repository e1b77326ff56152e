"""What a posture is told: whose body, how long already, how far walked, and what makes this person differ from the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from services.simulation.people.body import Body
from services.simulation.world import Person

_TURN = 2 * math.pi


@dataclass(frozen=True, slots=True)
class Moment:
    """One activity of one body at one instant.

    ``floor_m`` is the floor in the ground frame: 0 where somebody stands on it, minus the seat's height for who sits at a chair's
    edge. ``moving`` 0..1 is how much of a gait there is. ``quirks`` are three numbers in 0..1 that stay with the person.
    ``other`` is the body that is carried, or that carries.
    """

    body: Body
    for_s: float
    stride_m: float = 0.0
    moving: float = 1.0
    floor_m: float = 0.0
    quirks: tuple[float, float, float] = (0.5, 0.5, 0.5)
    other: Body | None = None
    up_m: float = 0.0

    def breath(self) -> float:
        """-1..1; a toddler breathes about 26 times a minute, an adult 15."""
        return math.sin(_TURN * (self.for_s / (2.3 if self.body.child else 4.0) + self.quirks[0]))

    def drift(self, period_s: float, channel: int = 0) -> float:
        """A slow wandering in -1..1 that never repeats within a watchable time."""
        start = 7.3 * self.quirks[channel % 3] + 1.7 * channel
        phase = _TURN * self.for_s / period_s
        return 0.6 * math.sin(phase + start) + 0.4 * math.sin(1.618 * phase + 2.4 * start)

    def glance(self, period_s: float, channel: int = 0) -> float:
        """A drift that dwells at its ends, as heads do that look from one thing to another."""
        return math.tanh(3.0 * self.drift(period_s, channel))


@lru_cache(maxsize=512)
def quirks_of(person: Person) -> tuple[float, float, float]:
    """Three numbers in 0..1 from the person's number."""
    parts = []
    for channel in range(3):
        # The finalizer of splitmix32: neighbouring numbers must not behave alike.
        mixed = (person.number * 3 + channel + 1) * 0x9E3779B9 & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
        parts.append((mixed ^ mixed >> 16) / 0xFFFFFFFF)
    return parts[0], parts[1], parts[2]


def smooth(x: float) -> float:
    """0..1 to 0..1 with level ends."""
    x = 0.0 if x < 0.0 else 1.0 if x > 1.0 else x
    return x * x * (3.0 - 2.0 * x)
