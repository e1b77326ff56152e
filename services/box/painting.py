"""How far the painting of simulated cameras is: seen from outside by the files that the agent leaves, told on the terminal.

Belongs here: counting and telling. Does not belong here: painting (``services.simulation``), which the agent does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.box import demonstration
from services.box.terminal import Terminal
from services.contracts.entity import CameraConfig

_LOOK_EVERY_S = 0.5


class Paint:
    """The painted pictures that simulated cameras need; a machine paints each once and keeps it."""

    def __init__(self, cameras: Sequence[CameraConfig]) -> None:
        self.files: dict[str, Path] = demonstration.plate_files(cameras) if cameras else {}

    @property
    def missing(self) -> int:
        return sum(not path.exists() for path in self.files.values())

    async def tell(self, terminal: Terminal) -> None:
        """Tell each camera that is painted until all are; nothing where none was missing."""
        left = self.missing
        if left:
            terminal.note("painting", f"{left} simulated cameras are painted once, which takes some seconds each")
        while left:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = self.missing
            if now < left:
                terminal.note("painting", f"rooms {len(self.files) - now}/{len(self.files)}")
            left = now
