"""Reading an installation's footage as its operator would, and asserting what must hold of it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.entities import open_entities
from services.backbone.settings_file import load_settings
from services.contracts.time import format_rfc3339
from services.retention.check import check
from services.retention.footage import list_footage
from tests.harness.site import Site
from tests.harness.waiting import wait_until

#: A loop of its own: whoever looks may be inside one already.
_READER = ThreadPoolExecutor(1, thread_name_prefix="ledger")
FIRST, LAST = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Footage:
    """What ``kanhu footage list`` says at one moment."""

    rows: tuple[dict[str, Any], ...]

    def segments(self, camera: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["camera_id"] == camera and row["kind"] == "segment"]

    def gaps(self, camera: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["camera_id"] == camera and row["kind"] == "gap"]

    def ended(self, camera: str) -> bool:
        """The camera's last run is sealed to its end: an open gap begins where the last segment ends."""
        segments, last_gap = self.segments(camera), self.gaps(camera)[-1:]
        return (
            bool(segments and last_gap)
            and last_gap[0]["end_ns"] is None
            and last_gap[0]["start_ns"] == segments[-1]["end_ns"]
        )


def look(site: Site) -> Footage:
    """All segments and gaps of all cameras, in order of time per camera: the rows of ``kanhu footage list --json``.

    Read as that command reads them, without its process: whoever waits looks often, and a process costs a second of a
    processor that the installation under test needs.
    """
    return Footage(tuple(_READER.submit(asyncio.run, _rows(site)).result()))


async def _rows(site: Site) -> list[dict[str, Any]]:
    backbone = await open_backbone(load_settings(site.file), role="tool")
    try:
        rows = await list_footage(backbone.need_catalog())
    finally:
        await close_backbone(backbone)
    return [json.loads(json.dumps(row, default=str)) for row in rows]


def segments(site: Site, camera: str) -> list[dict[str, Any]]:
    return look(site).segments(camera)


def gaps(site: Site, camera: str) -> list[dict[str, Any]]:
    return look(site).gaps(camera)


def wait_for_first_segments(site: Site, *cameras: str, seconds: float = 60) -> None:
    wait_until(
        lambda: all(map(look(site).segments, cameras)),
        seconds=seconds,
        what=f"a first segment of {cameras}",
        every_s=0.3,
    )


def wait_for_the_end(site: Site, *cameras: str, seconds: float = 90) -> None:
    """After the agent was stopped: everything it sent is in the ledger."""
    wait_until(lambda: all(map(look(site).ended, cameras)), seconds=seconds, what=f"the end of {cameras}", every_s=0.5)


def export(site: Site, camera: str, out: Path, *, start_ns: int | None = None, end_ns: int | None = None) -> list[Path]:
    """The files that ``footage export`` wrote, one for each contiguous run, in order."""
    rows = site.lines(
        "footage", "export", "--camera", camera, "--out", str(out),
        "--from", FIRST if start_ns is None else format_rfc3339(start_ns),
        "--to", LAST if end_ns is None else format_rfc3339(end_ns), expect=(0,),
    )  # fmt: skip
    return [Path(row["path"]) for row in rows if row.get("kind") == "file"]


def findings(site: Site) -> list[dict[str, Any]]:
    """What ``kanhu check --json`` complains of, looked for as that command does, without its process."""
    return _READER.submit(asyncio.run, _findings(site)).result()


async def _findings(site: Site) -> list[dict[str, Any]]:
    settings = load_settings(site.file)
    backbone = await open_backbone(settings, role="tool")
    try:
        async with open_entities(backbone, settings, site.file, role="tool") as feed:
            cameras = frozenset(feed.current.cameras)
        return [found.as_row() async for found in check(backbone, settings, cameras) if found.level == "finding"]
    finally:
        await close_backbone(backbone)
