"""How far a camera's clock is from the agent's, from the wall-clock times that its sender reports imply.

A sample is camera time minus agent time at arrival; it lies too low by the time the picture was under way. The estimate
is an exponential mean with a mean deviation beside it; a step of the camera's clock starts it anew.
"""

from __future__ import annotations

from dataclasses import dataclass

_WEIGHT = 8  # an eighth of each new sample, as TCP estimates round trips (RFC 6298)
_STEP_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CameraClock:
    """``camera time = agent time + offset_ns``, give or take ``deviation_ns``; ``None`` before the first sample."""

    offset_ns: int | None = None
    deviation_ns: int = 0
    samples: int = 0

    def after(self, sample_ns: int) -> CameraClock:
        if self.offset_ns is None or abs(sample_ns - self.offset_ns) > _STEP_NS + 4 * self.deviation_ns:
            return CameraClock(sample_ns, abs(sample_ns) // 1000, 1)
        weight = min(self.samples + 1, _WEIGHT)
        error = sample_ns - self.offset_ns
        deviation = self.deviation_ns + (abs(error) - self.deviation_ns) // weight
        return CameraClock(self.offset_ns + error // weight, deviation, self.samples + 1)
