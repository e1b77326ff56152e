"""Reading an installation's footage as its operator would, and asserting what must hold of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.contracts.time import format_rfc3339
from tests.harness.site import Site

FIRST, LAST = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"


def listed(site: Site, camera: str, kind: str) -> list[dict[str, Any]]:
    """Segments or gaps of a camera in order of time."""
    rows = site.lines("footage", "list", "--camera", camera, "--from", FIRST, "--to", LAST)
    return [row for row in rows if row["kind"] == kind]


def segments(site: Site, camera: str) -> list[dict[str, Any]]:
    return listed(site, camera, "segment")


def gaps(site: Site, camera: str) -> list[dict[str, Any]]:
    return listed(site, camera, "gap")


def export(site: Site, camera: str, out: Path, *, start_ns: int | None = None, end_ns: int | None = None) -> list[Path]:
    """The files that ``footage export`` wrote, one for each contiguous run, in order."""
    rows = site.lines(
        "footage", "export", "--camera", camera, "--out", str(out),
        "--from", FIRST if start_ns is None else format_rfc3339(start_ns),
        "--to", LAST if end_ns is None else format_rfc3339(end_ns), expect=(0,),
    )  # fmt: skip
    return [Path(row["path"]) for row in rows if row.get("kind") == "file"]


def findings(site: Site) -> list[dict[str, Any]]:
    """What ``kanhu check`` complains of."""
    return [row for row in site.lines("check") if row.get("level") == "finding"]
