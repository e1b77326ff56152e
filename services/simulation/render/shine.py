"""Light on what moves, as few lights as a plain mesh can be lit with: matched to what a plate shows there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.simulation.render import sensor

_NONE = np.zeros(3, np.float32)


@dataclass(frozen=True, slots=True)
class Shine:
    """Light on a thing in display units: from all around, from above, and from one side (direction towards it)."""

    around: NDArray[Any]
    above: NDArray[Any]
    beside: NDArray[Any]
    side: tuple[float, float, float]


def matched(
    six: NDArray[np.float32], sun: NDArray[np.float32], up: tuple[float, float, float] | None, exposure: float
) -> Shine:
    """Six sides' light as an ambient one and two directed ones, matched in display units."""
    sides = six[:4]
    side = int(sides.sum(1).argmax())
    floor = 0.35 * six[5] + 0.65 * np.sort(sides, axis=0)[:3].mean(0)
    around = sensor.display_light(floor * 0.8, exposure)
    above = np.maximum(sensor.display_light(six[4], exposure) - around, 0)
    if sun.any() and up is not None:
        beside = np.maximum(sensor.display_light(floor + sun, exposure) - around, 0)
        return Shine(around, above * 0.5, beside, up)
    beside = np.maximum(sensor.display_light(sides[side], exposure) - around, 0)
    way = ((1.0, 0.0, 0.15), (-1.0, 0.0, 0.15), (0.0, 1.0, 0.15), (0.0, -1.0, 0.15))[side]
    return Shine(around, above, beside, way)


def through(shine: Shine) -> Shine:
    """Light on thin cloth: what falls on its back comes through."""
    return Shine(shine.around + 0.35 * shine.above + 0.75 * shine.beside, _NONE, shine.beside * 0.25, shine.side)
