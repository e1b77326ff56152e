"""Which frames are analysed: the policy's rate, and the pace at which the machine can follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.contracts.time import NS_PER_S


@dataclass(slots=True)
class Sampler:
    """Takes the first frame of every 1/``frames_per_s`` slot of capture time.

    The slots are fixed in time, not counted from the first frame: whoever joins late analyses the same frames.
    """

    frames_per_s: float
    _slot: int | None = None

    def wants(self, frame_ns: int) -> bool:
        slot = int(frame_ns * self.frames_per_s // NS_PER_S)
        if slot == self._slot:
            return False
        self._slot = slot
        return True


@dataclass(frozen=True, slots=True)
class Pace:
    """How a camera is watched for now. ``frames_per_s`` holds within the GOPs that are decoded, one of ``every_gop``.

    ``frames``: every GOP, all of it. ``gops``: whole GOPs are left out. ``keyframes``: of a GOP only its first picture.
    ``mean_frames_per_s`` is the rate over all of the time, GOPs left out included.
    """

    mode: Literal["frames", "gops", "keyframes"]
    frames_per_s: float
    every_gop: int
    mean_frames_per_s: float

    @classmethod
    def full(cls, asked_frames_per_s: float) -> Pace:
        return cls("frames", asked_frames_per_s, 1, asked_frames_per_s)


@dataclass(slots=True)
class GopThinner:
    """Says which GOPs of a stream are decoded when only one of ``every_gop`` is. Counts sync chunks, so it is fed all of them."""

    _number: int = -1
    _open: bool = True

    def wants(self, pace: Pace, *, sync: bool) -> bool:
        if sync:
            self._number += 1
            self._open = self._number % pace.every_gop == 0
        return self._open and (sync or pace.mode != "keyframes")
