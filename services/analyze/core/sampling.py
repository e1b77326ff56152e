"""Which decoded frames are analysed."""

from __future__ import annotations

from dataclasses import dataclass

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
