"""Showing pixels to a person (I6): the audit entry is durable first, then the picture is decoded or read.

One entry per viewer, camera and minute of live pictures, and one per viewer and incident snapshot, is enough: the entry says
what was opened, by whom, from when on and why.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from services.backbone.audit import AuditTrail
from services.backbone.ports import Clock, ObjectStore
from services.console.core.live_board import LiveBoard
from services.console.pictures import Pictures
from services.console.views import Views
from services.contracts.errors import NotFound
from services.contracts.time import NS_PER_S

ON_SITE = "on-site duty room"
_MINUTE_NS = 60 * NS_PER_S
_REMEMBERED = 4096
_SNAPSHOT_AT_MOST_BYTES = 4 * 1024 * 1024
_INIT_AT_MOST_BYTES = 64 * 1024


class Viewing:
    """The only way to pixels."""

    def __init__(
        self, audit: AuditTrail, views: Views, board: LiveBoard, store: ObjectStore, clock: Clock, unit: str
    ) -> None:
        self._audit, self._views, self._board, self._store = audit, views, board, store
        self._clock, self._unit = clock, unit
        self._pictures = Pictures()
        self._entered: OrderedDict[tuple[str, ...], None] = OrderedDict()

    async def live_picture(self, viewer: str, camera_id: str) -> tuple[bytes, int]:
        """The newest picture of a camera as JPEG, and its capture time (ns)."""
        board = self._board.cameras.get(camera_id)
        if board is None or board.picture is None:
            raise NotFound(f"there is no picture of {camera_id} yet")
        picture = board.picture
        minute = self._clock.now_ns() // _MINUTE_NS
        scope = {"camera": camera_id, "minute_ns": minute * _MINUTE_NS, "unit": self._unit}
        await self._enter(("live", viewer, camera_id, str(minute)), viewer, "live-picture", scope)
        init = board.inits.get(picture.run_id) or await self._init_of(picture.run_id)
        if init is None:
            raise NotFound(f"the start of {camera_id}'s run is not known here yet; its first segment will tell it")
        board.inits.setdefault(picture.run_id, init)
        return await self._pictures.jpeg(camera_id, init, picture), picture.start_ns

    async def snapshot(self, viewer: str, incident_id: str) -> bytes:
        """The picture that raised an incident, as JPEG."""
        incident = await self._views.incident(incident_id)
        key = ((incident or {}).get("evidence") or {}).get("snapshot_key")
        if incident is None or key is None:
            raise NotFound("this incident has no snapshot")
        scope = {"camera": incident.get("camera_id"), "incident": incident_id, "unit": self._unit}
        await self._enter(("snapshot", viewer, incident_id), viewer, "incident-snapshot", scope)
        body = bytearray()
        async for piece in self._store.read(key, length=_SNAPSHOT_AT_MOST_BYTES):
            body += piece
        return bytes(body)

    def keep_only(self, camera_ids: frozenset[str]) -> None:
        self._pictures.keep_only(camera_ids)

    async def _enter(self, what: tuple[str, ...], viewer: str, action: str, scope: Mapping[str, Any]) -> None:
        """Make the entry durable unless the same viewing has one; a picture follows only after this returned."""
        if what in self._entered:
            return
        await self._audit.append(actor=f"console/{viewer[:16]}", action=action, reason=ON_SITE, scope=scope)
        self._entered[what] = None
        while len(self._entered) > _REMEMBERED:
            self._entered.popitem(last=False)

    async def _init_of(self, run_id: str) -> bytes | None:
        """A run's init segment out of its first stored segment, for a console that started after the run did."""
        place = await self._views.place_of_init(run_id)
        if place is None:
            return None
        head = bytearray()
        async for piece in self._store.read(place[0], place[1], length=_INIT_AT_MOST_BYTES):
            head += piece
        return leading_init(bytes(head))


def leading_init(head: bytes) -> bytes | None:
    """``ftyp`` and ``moov`` from the beginning of a segment (ISO/IEC 14496-12 4.2), or ``None`` if they are not whole."""
    at = 0
    while at + 8 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind not in (b"ftyp", b"moov") or size < 8 or at + size > len(head):
            return None
        at += size
        if kind == b"moov":
            return head[:at]
    return None
