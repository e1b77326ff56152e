"""Whose turn it is: start-time fair queueing of worker time between cameras (Goyal, Vin, Cheng; SIGCOMM 1996).

Fair is the *time of the workers*, not the number of frames: a camera that needs less than its share gets all it needs, at
once, and what is left is divided equally between the cameras that need more. So a 1080p camera, whose frame costs three times
that of a 360p one, makes itself slower and nobody else. What fits into a camera's share is ``shedding``'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class FairShare:
    """Virtual time per camera, ns of worker time. A camera that was idle begins at the present, without credit."""

    _now: int = 0
    _spent: dict[str, int] = field(default_factory=dict)

    def first(self, waiting: Iterable[str]) -> str:
        """The camera to serve next: the one that has had least. ``waiting`` must not be empty; its order breaks ties."""
        chosen = min(waiting, key=self._start)
        self._now = max(self._now, self._start(chosen))
        return chosen

    def charge(self, camera_id: str, worked_ns: int) -> None:
        """A turn of a camera took this long."""
        self._spent[camera_id] = self._start(camera_id) + max(0, worked_ns)

    def forget(self, camera_id: str) -> None:
        self._spent.pop(camera_id, None)

    def _start(self, camera_id: str) -> int:
        return max(self._now, self._spent.get(camera_id, 0))
