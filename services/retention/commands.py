"""``kanhu footage``, ``kanhu check`` and ``kanhu incidents``: what they take, what they print, how they exit.

Exit status: 0 done; 1 findings, or nothing was found; 2 wrong use. Works on a running and on a stopped installation.

Belongs here: arguments and printing. Does not belong here: what is looked up (``footage.py``, ``export.py``, ``check.py``,
``incidents.py``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.entities import open_entities
from services.backbone.ports import Backbone
from services.backbone.settings_file import BOX_FILE, for_data_directory, load_settings
from services.backbone.telemetry import configure_logging
from services.contracts.errors import Rejected
from services.contracts.ids import check_name
from services.contracts.settings import Settings
from services.contracts.time import format_rfc3339, parse_rfc3339
from services.retention.check import check
from services.retention.export import export_footage
from services.retention.footage import being_written_since, list_footage
from services.retention.incidents import follow_incidents, list_incidents

DONE, FINDINGS = 0, 1
_LIVE_PATIENCE_S = 5  # until the GOP that is being filmed is signed
Subparsers = argparse._SubParsersAction  # argparse gives the type no public name
Work = Callable[[argparse.Namespace, Backbone, Settings], Awaitable[int]]


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the three words of this room."""
    footage = subparsers.add_parser("footage", help="list or export recorded footage")
    actions = footage.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="segments and gaps, in order of time")
    listing.add_argument("--camera", metavar="NAME", help="only this camera")
    _add_range(listing, required=False)
    _finish(listing, _list_footage)
    export = actions.add_parser("export", help="write MP4 files; FILE.2.mp4 … after each interruption")
    export.add_argument("--camera", metavar="NAME", required=True)
    _add_range(export, required=True)
    export.add_argument("--out", type=Path, metavar="FILE.mp4", required=True)
    _finish(export, _export_footage)
    checking = subparsers.add_parser("check", help="verify the invariants I1-I9 against what is stored")
    checking.add_argument("--quick", action="store_true", help="ask for objects without reading them")
    _finish(checking, _check)
    incidents = subparsers.add_parser("incidents", help="list incidents or follow them")
    actions = incidents.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="incidents, oldest first")
    listing.add_argument("--camera", metavar="NAME", help="only this camera")
    _add_range(listing, required=False)
    _finish(listing, _list_incidents)
    tail = actions.add_parser("tail", help="print incidents as they happen, until Ctrl-C")
    _finish(tail, _tail_incidents)


def _add_range(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--from", dest="from_", metavar="T", required=required, help="RFC 3339 with offset")
    parser.add_argument("--to", metavar="T", required=required, help="RFC 3339 with offset, not included")


def _finish(parser: argparse.ArgumentParser, work: Work) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, metavar="DIR", help="directory of a box")
    where.add_argument("--config", type=Path, metavar="FILE", help="settings of a distributed installation (YAML)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=lambda arguments: asyncio.run(_with_backbone(arguments, work)))


async def _with_backbone(arguments: argparse.Namespace, work: Work) -> int:
    configure_logging(level="warning", form="text", service="tool")
    settings = for_data_directory(arguments.data) if arguments.config is None else load_settings(arguments.config)
    backbone = await open_backbone(settings, role="tool")
    try:
        return await work(arguments, backbone, settings)
    finally:
        await close_backbone(backbone)


def _print(arguments: argparse.Namespace, row: Mapping[str, Any], text: str) -> None:
    print(json.dumps(row, ensure_ascii=False, default=str) if arguments.json else text, flush=True)


def _range(arguments: argparse.Namespace) -> tuple[int | None, int | None]:
    from_ns = None if arguments.from_ is None else parse_rfc3339(arguments.from_)
    to_ns = None if arguments.to is None else parse_rfc3339(arguments.to)
    if from_ns is not None and to_ns is not None and to_ns <= from_ns:
        raise Rejected("--to must lie after --from")
    return from_ns, to_ns


def _camera(arguments: argparse.Namespace) -> str | None:
    return None if arguments.camera is None else check_name(arguments.camera, "camera")


# --- footage ---------------------------------------------------------------------------------------------------------


async def _list_footage(arguments: argparse.Namespace, backbone: Backbone, settings: Settings) -> int:
    from_ns, to_ns = _range(arguments)
    rows = await list_footage(backbone.need_catalog(), camera_id=_camera(arguments), from_ns=from_ns, to_ns=to_ns)
    for row in rows:
        _print(arguments, row, _footage_line(row))
    return DONE if rows else FINDINGS


def _footage_line(row: Mapping[str, Any]) -> str:
    span = f"{row['camera_id']}  {row['start']} .. {row['end'] or 'now'}"
    if row["kind"] == "segment":
        return f"{span}  {row['size_bytes'] / 1e6:8.2f} MB  run {row['run_id']} chunks {row['first_seq']}-{row['last_seq']}"
    presumed = " (presumed)" if row["presumed"] else ""
    return f"{span}  GAP {row['cause']}{presumed}: {row['detail'] or row['declared_by']}"


async def _export_footage(arguments: argparse.Namespace, backbone: Backbone, settings: Settings) -> int:
    from_ns, to_ns = _range(arguments)
    assert from_ns is not None
    assert to_ns is not None
    if not arguments.out.parent.is_dir():
        raise Rejected(f"there is no directory {arguments.out.parent}")
    camera_id = check_name(arguments.camera, "camera")
    exported = await export_footage(backbone, camera_id, from_ns, to_ns, arguments.out)
    files = exported.files
    for row in files:
        _print(arguments, row, f"{row['path']}  {row['start']} .. {row['end']}  sha256 {row['sha256']}")
    rows = await list_footage(backbone.need_catalog(), camera_id=camera_id, from_ns=from_ns, to_ns=to_ns)
    for row in rows:
        if row["kind"] == "gap":
            _print(arguments, row, _footage_line(row))
    if not files and not arguments.json:
        print(f"no footage of {camera_id} in that range is in the store")
    unsealed_ns = exported.live_ns or await being_written_since(backbone.need_catalog(), camera_id)
    if unsealed_ns is not None and to_ns > unsealed_ns:
        since = format_rfc3339(unsealed_ns)
        patience_s = settings.retain.segment_s if exported.live_ns is None else _LIVE_PATIENCE_S
        text = f"footage from {since} on is not complete yet; export again in about {patience_s:g} s for the rest"
        _print(arguments, {"kind": "unsealed", "camera_id": camera_id, "start": since, "start_ns": unsealed_ns}, text)
    return DONE if files else FINDINGS


# --- check -----------------------------------------------------------------------------------------------------------


async def _check(arguments: argparse.Namespace, backbone: Backbone, settings: Settings) -> int:
    path = arguments.config if arguments.config is not None else arguments.data / BOX_FILE
    async with open_entities(backbone, settings, path, role="tool") as feed:
        cameras = frozenset(feed.current.cameras)
    count = 0
    async for finding in check(backbone, settings, cameras, quick=arguments.quick):
        count += finding.level == "finding"
        remedy = f" — {finding.remedy}" if finding.remedy else ""
        word = "FOUND" if finding.level == "finding" else "note "
        _print(arguments, finding.as_row(), f"{word} {finding.clause} {finding.subject}: {finding.message}{remedy}")
    if not arguments.json:
        print(f"{count} findings" if count else "nothing is wrong")
    return FINDINGS if count else DONE


# --- incidents -------------------------------------------------------------------------------------------------------


async def _list_incidents(arguments: argparse.Namespace, backbone: Backbone, settings: Settings) -> int:
    from_ns, to_ns = _range(arguments)
    rows = await list_incidents(backbone.need_catalog(), camera_id=_camera(arguments), from_ns=from_ns, to_ns=to_ns)
    for row in rows:
        _print(arguments, row, _incident_line(row))
    return DONE if rows else FINDINGS


async def _tail_incidents(arguments: argparse.Namespace, backbone: Backbone, settings: Settings) -> int:
    async for row in follow_incidents(backbone.log):
        _print(arguments, row, f"{row['change']:8}" + _incident_line(row))
    return DONE


def _incident_line(row: Mapping[str, Any]) -> str:
    closed = "open" if row["closed_ns"] is None else format_rfc3339(row["closed_ns"])
    place = row["camera_id"] or row["sensor_id"] or "-"
    zone = f"/{row['zone']}" if row["zone"] else ""
    return f"{row['kind']} {row['severity']}  {format_rfc3339(row['opened_ns'])} .. {closed}  {place}{zone}  {row['title']}"
