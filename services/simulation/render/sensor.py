"""From light to a camera's picture: exposure, tone, grain, the written time, and what a fault makes of it.

All values follow from their arguments: grain from the camera's seed and the frame's number.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Picture = NDArray[np.uint8]
_STEPS = 4096
_BRIGHTEST = 8.0  # in exposed light; beyond it is white
MIDDLE = 0.46  # where the eye of the exposure puts a picture's mean
_GRAIN_FIELDS = 3
_PROBE = 0.35  # the albedo at which people's light is matched to the plate's
GREY = np.array([0.30, 0.59, 0.11], np.float32)


@lru_cache(maxsize=1)
def _curve() -> Picture:
    """Exposed light (square root spaced) to grey levels: a soft shoulder, the display's gamma, a little contrast."""
    light = (np.linspace(0, 1, _STEPS) ** 2) * _BRIGHTEST
    value = (1 - np.exp(-light)) ** (1 / 2.2)
    value = 0.62 * value + 0.38 * value * value * (3 - 2 * value)
    return np.asarray(np.clip(value * 255 + 0.5, 0, 255), np.uint8)


def exposed(light: Floats, exposure: float) -> Picture:
    """Linear light to sRGB bytes."""
    index = np.sqrt(np.clip(light * (exposure / _BRIGHTEST), 0, 1)) * (_STEPS - 1)
    return np.asarray(_curve()[index.astype(np.uint16)])


def exposure_of(light: Floats) -> float:
    """What a camera's automatic exposure chooses; it does not quite make up for dark or bright."""
    lum = light @ GREY
    mean = float(
        np.exp(np.log(np.maximum(lum[::4, ::4], 0.004)).mean()) * 0.6 + 0.4 * np.minimum(lum[::4, ::4], 3.0).mean()
    )
    return float(min(16.0, MIDDLE / mean**0.86))


def display_light(light: Floats, exposure: float) -> Floats:
    """Light falling on a thing as the factor that its sRGB colour is shown with."""
    value = (1 - np.exp(-np.maximum(light, 0) * _PROBE * exposure)) ** (1 / 2.2)
    value = 0.62 * value + 0.38 * value * value * (3 - 2 * value)
    return np.asarray(value / _PROBE ** (1 / 2.2), np.float32)


@lru_cache(maxsize=16)
def vignette(width: int, height: int) -> Floats:
    """The lens' fall-off towards the corners, (h, w, 1)."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height) * height / width)
    return np.asarray(1 - 0.20 * (x * x + y * y)[..., None] ** 1.2, np.float32)


@lru_cache(maxsize=24)
def _grain(width: int, height: int, level: int) -> tuple[Picture, Picture]:
    """What grain adds and what it takes, in bytes; wider and higher than the picture so that it can be shifted."""
    rng = np.random.default_rng(100 + level)
    fine = rng.standard_normal((height + 64, width + 64), np.float32)
    field = 0.75 * fine + 0.9 * cv2.GaussianBlur(fine, (0, 0), 0.8)
    colour = cv2.GaussianBlur(rng.standard_normal((height + 64, width + 64, 3), np.float32), (0, 0), 1.2)
    grain = (field[..., None] + 0.9 * colour) * (level / 4)
    return np.maximum(np.round(grain), 0).astype(np.uint8), np.maximum(np.round(-grain), 0).astype(np.uint8)


def add_grain(picture: Picture, strength: float, seed: int, frame: int) -> None:
    """Sensor noise of ``strength`` grey levels, in place."""
    level = max(0, min(40, round(strength * 4)))
    if not level:
        return
    height, width = picture.shape[:2]
    more, less = _grain(width, height, level)
    chance = zlib.crc32(f"{seed}/{frame}".encode())
    x, y = chance & 63, chance >> 6 & 63
    cv2.add(picture, more[y : y + height, x : x + width], dst=picture)
    cv2.subtract(picture, less[y : y + height, x : x + width], dst=picture)


@lru_cache(maxsize=64)
def _lettering(text: str, height: int) -> tuple[Picture, Picture]:
    """Letters and the dark around them, as a mask of bytes (h, w)."""
    scale = height / 360 * 0.45
    (wide, tall), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    fill = np.zeros((tall + below + 6, wide + 6), np.uint8)
    at = (3, tall + 2)
    cv2.putText(fill, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 1, cv2.LINE_AA)
    edge = np.asarray(cv2.dilate(fill, np.ones((3, 3), np.uint8)) * 0.75, np.uint8)
    return fill, edge


def write(picture: Picture, text: str, *, right: bool = False, bottom: bool = False) -> None:
    """A line of text in a corner, white with a dark rim, in place."""
    fill, edge = _lettering(text, picture.shape[0])
    margin = 8
    high, wide = min(fill.shape[0], picture.shape[0]), min(fill.shape[1], picture.shape[1] - margin)
    x = picture.shape[1] - wide - margin if right else margin
    y = picture.shape[0] - high - margin + 3 if bottom else margin - 3
    place = picture[y : y + high, x : x + wide]
    rim = cv2.merge([edge[:high, :wide]] * 3)
    letters = cv2.merge([fill[:high, :wide]] * 3)
    cv2.subtract(place, rim, dst=place)
    cv2.add(place, letters, dst=place)


def covered(picture: Picture, amount: float) -> Picture:
    """Something lies over the lens: a dark cloth, a little light at its edge."""
    height, width = picture.shape[:2]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    cloth = np.array([20, 15, 13], np.float32) + 10 * np.maximum(0, x - 0.75) * np.ones((height, 1, 1), np.float32)
    reach = np.clip((amount * 1.25 - x) * 8, 0, 1)
    blurred = cv2.GaussianBlur(picture, (0, 0), 2 + 4 * amount).astype(np.float32) if amount < 1 else 0.0
    return np.asarray(blurred * (1 - reach) + cloth * reach, np.uint8)


def defocused(picture: Picture, amount: float) -> Picture:
    sigma = 0.1 + 7.0 * amount * picture.shape[0] / 360
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def darkened(picture: Picture, amount: float) -> Picture:
    return np.asarray(cv2.convertScaleAbs(picture, alpha=1 - 0.94 * min(1.0, amount)), np.uint8)
