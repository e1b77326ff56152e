"""Pictures to measure parity on: drawn by code, the same on every machine, with figures that person detectors take for people.

Rooms of plain walls and boxes, lit from one side, with one to three standing figures, camera noise and lens blur. YOLOX-nano
scores every figure above 0.8. They are no test of a detector's worth: only of whether it still sees what it saw.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (height, width, 3) BGR

#: The clothes that the detector of the drawn rooms looks for (BGR).
_ORANGE = (40, 110, 230)


def pictures(width: int, height: int, count: int, seed: int = 7) -> Iterator[Picture]:
    """``count`` pictures of one size."""
    for number in range(count):
        yield _picture(np.random.default_rng([seed, number]), width, height)


def _picture(rng: np.random.Generator, width: int, height: int) -> Picture:
    picture = _room(rng, width, height)
    figures = int(rng.integers(1, 4))
    for number in range(figures):
        tall = min(height * rng.uniform(0.35, 0.75), width * 0.9)
        foot = height * rng.uniform(max(0.6, tall / height + 0.03), 0.98)
        centre = width * (0.08 + 0.84 * (number + rng.uniform(0.3, 0.7)) / figures)
        _figure(picture, rng, centre, foot, tall, orange=number == 0)
    blurred = cv2.GaussianBlur(picture, (0, 0), max(0.3, width / 1000))
    noisy = blurred + rng.normal(0, 3, picture.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def _room(rng: np.random.Generator, width: int, height: int) -> Picture:
    room = np.empty((height, width, 3), np.float32)
    horizon = int(height * 0.45)
    room[:horizon] = rng.integers(120, 220, 3)
    room[horizon:] = rng.integers(70, 150, 3)
    room *= (0.75 + 0.4 * np.linspace(0, 1, width, dtype=np.float32))[None, :, None]
    picture = np.asarray(np.clip(room, 0, 255), np.uint8)
    for _ in range(4):
        x, y = int(rng.integers(0, width)), int(rng.integers(int(height * 0.3), int(height * 0.7)))
        right = x + int(rng.integers(width // 16, width // 6))
        low = y + int(rng.integers(height // 12, height // 4))
        cv2.rectangle(picture, (x, y), (right, low), _colour(rng, 20, 230), -1)
    return picture


def _figure(picture: Picture, rng: np.random.Generator, x: float, foot: float, tall: float, *, orange: bool) -> None:
    """A standing person, front view; proportions in shares of its height."""
    shirt, trousers = (_ORANGE, _ORANGE) if orange else (_colour(rng, 30, 220), _colour(rng, 20, 110))
    light = int(rng.integers(-25, 25))
    skin = (110 + light, 140 + light, 190 + light)
    top = foot - tall

    def at(dx: float, dy: float) -> tuple[int, int]:
        return int(x + dx * tall), int(top + dy * tall)

    def limb(a: tuple[int, int], b: tuple[int, int], thick: float, colour: tuple[int, ...]) -> None:
        cv2.line(picture, a, b, colour, max(1, int(thick * tall)), cv2.LINE_AA)

    def oval(centre: tuple[int, int], wide: float, high: float, colour: tuple[int, ...], turn: int = 360) -> None:
        axes = max(1, int(wide * tall)), max(1, int(high * tall))
        cv2.ellipse(picture, centre, axes, 0, 180, 180 + turn, colour, -1, cv2.LINE_AA)

    oval(at(0, 1), 0.16, 0.025, (60, 60, 60))
    for side in (-1, 1):
        limb(at(side * 0.05, 0.5), at(side * 0.06, 0.75), 0.085, trousers)
        limb(at(side * 0.06, 0.75), at(side * 0.072, 0.98), 0.07, trousers)
        oval(at(side * 0.072 + 0.02, 0.988), 0.045, 0.018, (20, 20, 20))
        limb(at(side * 0.105, 0.2), at(side * 0.14, 0.37), 0.055, shirt)
        limb(at(side * 0.14, 0.37), at(side * 0.12, 0.5), 0.045, skin)
        oval(at(side * 0.12, 0.52), 0.022, 0.028, skin)
    body = np.array([at(-0.12, 0.18), at(0.12, 0.18), at(0.095, 0.52), at(-0.095, 0.52)], np.int32)
    cv2.fillPoly(picture, [body], shirt, cv2.LINE_AA)
    oval(at(0, 0.2), 0.115, 0.05, shirt)
    limb(at(0, 0.12), at(0, 0.17), 0.05, skin)
    oval(at(0, 0.075), 0.052, 0.072, skin)
    oval(at(0, 0.06), 0.055, 0.062, (25, 30, 40), turn=180)  # hair


def _colour(rng: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    blue, green, red = (int(value) for value in rng.integers(low, high, 3))
    return blue, green, red
