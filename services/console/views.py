"""What the page shows, as plain documents: the catalog's rows with the live board laid over them.

Belongs here: reading and shaping. Does not belong here: statements (``queries.py``), HTTP (``routes.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from services.backbone.ports import Catalog, Clock
from services.console import queries
from services.console.core.coverage_bar import BarSpan, GapRow, coverage_bar, seconds_of
from services.console.core.live_board import LiveBoard
from services.contracts.entity import CameraConfig
from services.contracts.source_url import parse_source_url, redact_url
from services.contracts.time import NS_PER_S, Span

Document = dict[str, Any]
_FRESH_NS = 3 * NS_PER_S
#: A camera that said nothing this long is not known to be streaming, whatever it said last.
_SILENT_NS = 150 * NS_PER_S
_STATES = {
    "kanhu.status.camera": "cameras",
    "kanhu.status.watch": "watches",
    "kanhu.status.agent": "agents",
    "kanhu.status.health": "healths",
}


_WATCHED = ("mode", "cause", "frames_per_s", "asked_frames_per_s", "view")


@dataclass(slots=True)
class Archived:
    """Newest statuses as the recorder archived them, by kind and by what they are about."""

    cameras: dict[str, tuple[int, Document]]
    watches: dict[str, tuple[int, Document]]
    agents: dict[str, tuple[int, Document]]
    healths: dict[str, tuple[int, Document]]


class Views:
    """Documents for the page. ``board`` is shared with the readers of the log."""

    def __init__(self, catalog: Catalog, board: LiveBoard, clock: Clock) -> None:
        self._catalog, self._board, self._clock = catalog, board, clock

    async def cameras(self, enrolled: Mapping[str, CameraConfig], declared: frozenset[str]) -> list[Document]:
        """Every enrolled camera with its state; ``declared`` are those that FILE names (the page cannot remove them)."""
        archived = await self._archived()
        now_ns = self._clock.now_ns()
        return [self._camera(camera, archived, now_ns, name in declared) for name, camera in sorted(enrolled.items())]

    def _camera(self, camera: CameraConfig, archived: Archived, now_ns: int, declared: bool) -> Document:
        board = self._board.cameras.get(camera.camera_id)
        said_ns, said = archived.cameras.get(camera.camera_id, (0, {}))
        if board is not None and board.status is not None and board.status_ns >= said_ns:
            said_ns, said = board.status_ns, board.status.model_dump(mode="json")
        _, watch = archived.watches.get(camera.camera_id, (0, {}))
        if board is not None and board.watch is not None and board.watch.to_ns >= int(watch.get("to_ns", 0)):
            watch = board.watch.model_dump(mode="json")
        _, health = archived.healths.get(camera.camera_id, (0, {}))
        if board is not None and board.health is not None:
            health = board.health.model_dump(mode="json")
        state = said.get("state", "connecting")
        if state == "connecting" and board is not None and board.live and now_ns - board.until_ns < _FRESH_NS:
            state = "streaming"  # its footage arrives: that says more than a status that was missed
        if state == "streaming" and now_ns - said_ns > _SILENT_NS and not (board and board.live):
            state, said = "unknown", {**said, "detail": "the agent has said nothing for a while"}
        picture = board.picture if board is not None else None
        return {
            "camera_id": camera.camera_id, "title": camera.title, "room_id": camera.room_id,
            "room_kind": camera.room_kind, "url": redact_url(camera.url), "source": parse_source_url(camera.url).scheme,
            "state": state, "state_ns": said_ns or None, "cause": said.get("cause"),
            "detail": redact_url(str(said.get("detail") or "")),
            "codec": said.get("codec"), "width": said.get("width"), "height": said.get("height"),
            "frames_per_s": said.get("frames_per_s"), "bits_per_s": said.get("bits_per_s"),
            "picture_ns": picture.start_ns if picture is not None else None,
            "armed_zones": sum(zone.kind == "armed" for zone in camera.zones), "analyse": camera.analyse,
            "watch": watch or None, "health": health or None, "declared_in_file": declared,
        }  # fmt: skip

    async def coverage(self, camera_id: str, window: Span) -> Document:
        """The recorded stream's spans in a window, with the live part that no segment holds yet."""
        now_ns = self._clock.now_ns()
        async with self._catalog.snapshot() as transaction:
            segments = await transaction.rows(queries.segments_between(camera_id, window.start_ns, window.end_ns))
            gaps = await transaction.rows(queries.gaps_between(camera_id, window.start_ns, window.end_ns))
            known = await transaction.rows(queries.coverage_of(camera_id))
            watched = await transaction.rows(queries.watched_between(camera_id, window.start_ns, window.end_ns))
        board = self._board.cameras.get(camera_id)
        spans = coverage_bar(
            window, [Span(row["start_ns"], row["end_ns"]) for row in segments],
            [GapRow(row["start_ns"], row["end_ns"], row["cause"], row["detail"], row["presumed"]) for row in gaps],
            until_ns=known[0]["until_ns"] if known else self._first_seen(camera_id, window),
            live_until_ns=min(board.until_ns, now_ns) if board is not None else 0, now_ns=now_ns,
        )  # fmt: skip
        return {
            "camera_id": camera_id, "from_ns": window.start_ns, "to_ns": window.end_ns, "now_ns": now_ns,
            "since_ns": known[0]["from_ns"] if known else None, "spans": [_span(span) for span in spans],
            "recorded_s": seconds_of(spans, "recorded"), "gap_s": seconds_of(spans, "gap"),
            "live_s": seconds_of(spans, "live"), "watched": [_watched(row, window) for row in watched],
        }  # fmt: skip

    def _first_seen(self, camera_id: str, window: Span) -> int | None:
        """Before the ledger knows a camera at all: since when its chunks have been seen here."""
        board = self._board.cameras.get(camera_id)
        return max(window.start_ns, board.first_ns) if board is not None and board.first_ns is not None else None

    async def gaps(self, limit: int) -> list[Document]:
        async with self._catalog.snapshot() as transaction:
            return [dict(row) for row in await transaction.rows(queries.newest_gaps(limit))]

    async def incidents(self, limit: int) -> list[Document]:
        """The newest incidents, newest first; the board's state stands over the catalog's."""
        async with self._catalog.snapshot() as transaction:
            rows = await transaction.rows(queries.newest_incidents(limit))
        found = {str(record["incident_id"]): record for record in (_payload(row["record"]) for row in rows)}
        found |= {name: said.model_dump(mode="json") for name, said in self._board.incidents.items()}
        return sorted(found.values(), key=lambda record: -int(record["opened_ns"]))[:limit]

    async def incident(self, incident_id: str) -> Document | None:
        said = self._board.incidents.get(incident_id)
        if said is not None:
            return said.model_dump(mode="json")
        async with self._catalog.snapshot() as transaction:
            rows = await transaction.rows(queries.incident_record(incident_id))
        return _payload(rows[0]["record"]) if rows else None

    async def sensors(self, enrolled: Mapping[str, Any]) -> list[Document]:
        """Every enrolled sensor with what it last measured."""
        shown = []
        async with self._catalog.snapshot() as transaction:
            for sensor_id, sensor in sorted(enrolled.items()):
                rows = await transaction.rows(queries.newest_reading(sensor_id))
                newest = (rows[0]["kind"], rows[0]["observed_ns"], _payload(rows[0]["record"])) if rows else None
                live = self._board.readings.get(sensor_id)
                if live is not None and (newest is None or live[1] >= newest[1]):
                    newest = live
                shown.append({
                    "sensor_id": sensor_id, "title": sensor.title, "kind": sensor.kind, "room_id": sensor.room_id,
                    "observed_ns": newest[1] if newest else None, "reading": newest[2] if newest else None,
                })  # fmt: skip
        return shown

    async def agents(self) -> list[Document]:
        archived = await self._archived()
        live = {name: said.model_dump(mode="json") for name, said in self._board.agents.items()}
        return [*({name: said for name, (_, said) in archived.agents.items()} | live).values()]

    async def place_of_init(self, run_id: str) -> tuple[str, str] | None:
        """Object key and version of a stored segment that begins with a run's init segment."""
        async with self._catalog.snapshot() as transaction:
            rows = await transaction.rows(queries.first_segment_of_run(run_id))
        return (rows[0]["object_key"], rows[0]["version_id"]) if rows else None

    async def _archived(self) -> Archived:
        async with self._catalog.snapshot() as transaction:
            rows = await transaction.rows(queries.statuses())
        archived = Archived({}, {}, {}, {})
        for row in rows:
            name = _STATES.get(row["kind"])
            if name is None:
                continue
            record = _payload(row["record"])
            about = str(record.get("camera_id") or record.get("agent_id") or row["source_id"])
            into: dict[str, tuple[int, Document]] = getattr(archived, name)
            if about not in into or row["observed_ns"] >= into[about][0]:
                into[about] = (row["observed_ns"], record)
        return archived


def _payload(record: Any) -> Document:
    """The payload, whether the row holds it alone or within its CloudEvent."""
    inner = record.get("data") if isinstance(record, dict) and "specversion" in record else record
    return inner if isinstance(inner, dict) else {}


def _watched(row: Mapping[Any, Any], window: Span) -> Document:
    """How a stretch was watched, cut to the window."""
    start_ns, end_ns = max(row["from_ns"], window.start_ns), min(row["to_ns"], window.end_ns)
    return {**{name: row[name] for name in _WATCHED}, "start_ns": start_ns, "end_ns": end_ns}


def _span(span: BarSpan) -> Document:
    return {name: value for name, value in asdict(span).items() if value not in (None, "", False)}
