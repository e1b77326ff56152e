"""Whether a frame is worth a detector's look: has anything changed since the last look?

The comparison is with the frame that was last looked at, not with a learned background: as long as nothing differs from it, the
detector's answer would be the same. Slow changes add up until they count, a new light or a moved chair costs one look, and nobody
can be absorbed into a background by standing still.

The picture is compared as means over blocks, which averages out most of a sensor's noise; what is left of it is measured as it
comes, for the whole picture (rain of noise at night) and for each block (a screen, a tree), and the threshold follows. It is
bounded: a block never becomes blind. And whatever the comparison says, the gate opens every few seconds, and stays open while
somebody is being followed.

Belongs here: the decision. Pure: blocks and times in, a boolean out. Does not belong here: making blocks of a picture
(``scaling``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from services.contracts.time import NS_PER_S

Blocks = NDArray[np.uint8]  # (rows, columns) mean luma, 0-255


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """When to look. Levels are of luma, 0-255.

    ``look_every_s``: at the latest after this long (0: at every frame). ``after_motion_s``, ``after_person_s``: how long to look
    at every frame after anything moved, or after somebody was there. ``least_blocks`` must have changed by more than
    ``least_change`` and than noise makes likely, and never need more than ``most_change``.
    """

    look_every_s: float = 5.0
    after_motion_s: float = 0.5
    after_person_s: float = 2.0
    least_change: float = 3.0
    most_change: float = 14.0
    least_blocks: int = 2


#: A block differs by noise alone by this many times the mean difference less often than once in a million (4.8 sigma).
_TIMES_NOISE = 6.0
_CLIP_TIMES = 3.0
#: The same for a block's own mean change.
_TIMES_OWN_NOISE = 5.0
#: How fast noise estimates follow, per frame.
_NOISE_RATE, _OWN_NOISE_RATE = 0.1, 0.02


@dataclass(slots=True)
class MotionGate:
    """One camera's gate, asked once for every frame that would be analysed, in order of time: first ``held_open``, which needs no
    picture, then ``wants``. ``hold`` is told when somebody is there."""

    policy: GatePolicy = field(default_factory=GatePolicy)
    _reference: Blocks | None = None
    _before: Blocks | None = None
    _own_noise: NDArray[np.float32] | None = None
    _noise: float = 0.5
    _looked_ns: int = 0
    _moving_until_ns: int = 0
    _person_until_ns: int = 0

    def held_open(self, frame_ns: int) -> bool:
        """Whether to look at this frame whatever it shows, because somebody was there just now (or every frame is asked for)."""
        held = self._looked_ns <= frame_ns < self._person_until_ns or self.policy.look_every_s == 0
        if held:
            self._looked_ns = frame_ns
            self._reference = self._before = None  # not known without the picture: the first frame after is looked at
        return held

    def wants(self, blocks: Blocks, frame_ns: int) -> bool:
        """Whether to look at this frame, captured at ``frame_ns``. ``blocks`` is kept: it must not change afterwards."""
        reference, before = self._reference, self._before
        self._before = blocks
        if self._own_noise is None or self._own_noise.shape != blocks.shape:
            self._own_noise, reference = np.zeros(blocks.shape, np.float32), None
        if reference is None or before is None or frame_ns < self._looked_ns:
            return self._look(blocks, frame_ns)
        if self._moved(blocks, reference, before, self._own_noise):
            self._moving_until_ns = frame_ns + round(self.policy.after_motion_s * NS_PER_S)
            return self._look(blocks, frame_ns)
        late = frame_ns - self._looked_ns >= self.policy.look_every_s * NS_PER_S
        if late or frame_ns < max(self._moving_until_ns, self._person_until_ns):
            return self._look(blocks, frame_ns)
        return False

    def hold(self, frame_ns: int) -> None:
        """Somebody is there (a track, an open incident): stay open for a while from here."""
        self._person_until_ns = frame_ns + round(self.policy.after_person_s * NS_PER_S)

    def forget(self) -> None:
        """The stream was interrupted: the next frame is looked at."""
        self._reference = self._before = None
        self._looked_ns = self._moving_until_ns = self._person_until_ns = 0

    def _look(self, blocks: Blocks, frame_ns: int) -> bool:
        self._reference, self._looked_ns = blocks, frame_ns
        return True

    def _moved(self, blocks: Blocks, reference: Blocks, before: Blocks, own: NDArray[np.float32]) -> bool:
        # As few and as small operations as will do: between two decoded frames each finds the caches cold.
        policy = self.policy
        step = cv2.absdiff(blocks, before)
        usual = np.minimum(step[::2, ::2], _CLIP_TIMES * self._noise + 1)  # what moves must not count as noise
        self._noise += _NOISE_RATE * (float(np.add.reduce(usual, axis=None)) / usual.size - self._noise)
        floor = max(policy.least_change, _TIMES_NOISE * self._noise)
        far = cv2.absdiff(blocks, reference)
        changed = int(np.count_nonzero(far > min(floor, policy.most_change)))
        if changed >= policy.least_blocks:  # then only is each block's own threshold worth working out
            thresholds = np.minimum(np.maximum(floor, _TIMES_OWN_NOISE * own), policy.most_change)
            changed = int(np.count_nonzero(far > thresholds))
        cv2.accumulateWeighted(step, own, _OWN_NOISE_RATE)
        return changed >= policy.least_blocks
