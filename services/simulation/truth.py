"""What is true of a nursery's day, as lines of JSON and as MOT files: boxes, rooms, readings, incidents.

Belongs here: the lines' types (their JSON schema is published), and reading them off a ``NurseryDay``. Does not belong here: the
day (``day/``), pictures (``render/``), comparing an analysis with it (``scoring``).

A box is amodal: all of a person's posed body, clothes included, projected with the camera's own lens and clipped to the picture,
whatever stands before it. Somebody is listed if a straight line from the camera to the feet, the middle or the head passes no
wall (an open door, a passage and a pane are no wall).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.simulation import people
from services.simulation.building import Building, BuildingCamera
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.sensors import Reading
from services.simulation.render.camera_model import CameraModel, model_in
from services.simulation.world import Activity, FaultKind, PersonState, Role, World

FORMAT = "kanhu-truth-1"
_LEAST_PX = 2.0
#: Which person each pixel shows, as ``NurseryRenderer.silhouettes``.
Silhouettes = Callable[[str, World], NDArray[np.int32]]
Box = tuple[float, float, float, float]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadLine(_Line):
    """The first line: of which day the others speak."""

    kind: Literal["head"] = "head"
    format: Literal["kanhu-truth-1"] = "kanhu-truth-1"
    building: str
    seed: int
    day: str = Field(description="YYYY-MM-DD, local")
    mode: str
    midnight_ns: int = Field(description="the local midnight that every t_s counts from, ns UTC")
    from_s: float
    to_s: float
    cameras: list[str]


class PersonTruth(_Line):
    """Somebody in a frame."""

    person: int = Field(description="the identity, the same all day")
    role: Role
    activity: Activity
    box_px: Box = Field(description="x1, y1, x2, y2 of the whole body, hidden parts included, clipped to the picture")
    visible: float | None = Field(
        default=None,
        description="share of the whole body that can be seen, 0..1: neither hidden nor beyond the border; null: not worked out",
    )
    foot_m: tuple[float, float, float] = Field(
        description="the point under the body's middle, metres: ground, seat or cot"
    )
    foot_px: tuple[float, float] = Field(description="the same in the picture; may lie outside of it")
    carried_by: int | None = None


class FrameLine(_Line):
    kind: Literal["frame"] = "frame"
    camera: str
    index: int = Field(description="from 0 at from_s")
    t_s: float = Field(description="seconds since local midnight")
    fault: FaultKind | None = Field(default=None, description="what the camera suffers from; lost: there is no picture")
    people: list[PersonTruth]


class SecondLine(_Line):
    """Who is where, by number; ``street`` is before the house."""

    kind: Literal["second"] = "second"
    t_s: float
    rooms: dict[str, list[int]]
    zones: dict[str, list[int]]


class ReadingLine(_Line):
    kind: Literal["reading"] = "reading"
    t_s: float
    sensor: str
    room: str
    says: Literal["door", "temperature", "humidity", "button", "lock", "heartbeat"]
    value: bool | float | str | None = None


class IncidentLine(_Line):
    """Something that is wrong, as it turned out in the world."""

    kind: Literal["incident"] = "incident"
    incident: str = Field(pattern=r"^I-\d{2}$")
    severity: Literal["S1", "S2", "S3", "S4"]
    start_s: float
    end_s: float
    reached_s: float = Field(description="when the rule's threshold is reached: nobody can be told earlier")
    room: str | None = None
    target: str | None = Field(default=None, description="the camera, door, sensor or fridge concerned")
    persons: list[int] = []
    reason: str
    scripted: bool


class LookAlikeLine(_Line):
    """Something harmless that resembles an incident: whoever reports it is wrong."""

    kind: Literal["look-alike"] = "look-alike"
    name: str
    resembles: str = Field(pattern=r"^I-\d{2}$")
    start_s: float
    end_s: float
    room: str | None = None
    target: str | None = None
    persons: list[int] = []
    reason: str


Line = HeadLine | FrameLine | SecondLine | ReadingLine | IncidentLine | LookAlikeLine


def truth_schema() -> dict[str, Any]:
    """The JSON schema of one line, as published in docs/reference."""
    schema = TypeAdapter(Line).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": FORMAT, **schema}


def head(day: NurseryDay, from_s: float, to_s: float, cameras: Sequence[str]) -> HeadLine:
    """The line that says of which day the others speak."""
    return HeadLine(
        building=day.building.id, seed=day.seed, day=day.day.isoformat(), mode=day.mode, midnight_ns=day.midnight_ns(),
        from_s=from_s, to_s=to_s, cameras=list(cameras),
    )  # fmt: skip


def incident_lines(
    day: NurseryDay, from_s: float = -math.inf, to_s: float = math.inf
) -> Iterator[IncidentLine | LookAlikeLine]:
    """Incidents, then look-alikes, that overlap a span."""
    for one in day.incidents:
        if one.start_s < to_s and from_s < one.end_s:
            yield IncidentLine(
                incident=one.kind, severity=one.severity, start_s=_mm(one.start_s), end_s=_mm(one.end_s),
                reached_s=_mm(one.reached_s), room=one.room, target=one.target, persons=list(one.persons), reason=one.reason,
                scripted=one.scripted,
            )  # fmt: skip
    for act in day.look_alikes:
        if act.start_s < to_s and from_s < act.end_s:
            yield LookAlikeLine(
                name=act.name, resembles=act.kind, start_s=_mm(act.start_s), end_s=_mm(act.end_s), room=act.room,
                target=act.target, persons=list(act.persons), reason=act.reason,
            )  # fmt: skip


def second_line(day: NurseryDay, t_s: float) -> SecondLine:
    """Who is in which room and zone at a second."""
    return SecondLine(t_s=t_s, rooms=day.whereabouts(t_s), zones=day.zones_at(t_s))


def reading_line(said: Reading) -> ReadingLine:
    return ReadingLine(t_s=said.t_s, sensor=said.sensor_id, room=said.room_id, says=said.kind, value=said.value)


def frame_line(
    building: Building, camera_id: str, world: World, index: int, silhouettes: Silhouettes | None = None
) -> FrameLine:
    """Everybody whom a camera has before it, the nearest last. ``NotFound``: no such camera."""
    camera = building.camera(camera_id)
    fault = world.faults.get(camera_id)
    if fault is not None and fault.kind == "lost":
        return FrameLine(camera=camera_id, index=index, t_s=_mm(world.t_s), fault="lost", people=[])
    model = model_in(camera, world)
    before = [state for state in world.persons if _may_be_seen(building, camera, world, state)]
    shown = silhouettes(camera_id, world) if silhouettes is not None and before else None
    found = [one for state in before if (one := _person(model, state, world, shown)) is not None]
    found.sort(key=lambda pair: -pair[0])
    kind = fault.kind if fault is not None else None
    return FrameLine(camera=camera_id, index=index, t_s=_mm(world.t_s), fault=kind, people=[one for _, one in found])


def mot_lines(frame: FrameLine) -> Iterator[str]:
    """A frame as lines of MOT's gt.txt: frame (from 1), id, left, top, width, height, 1, class 1 (person), visibility.

    A visible share that was not worked out is MOT's unknown, -1.
    """
    for one in frame.people:
        x1, y1, x2, y2 = one.box_px
        visible = "-1" if one.visible is None else f"{one.visible:.3f}"
        yield f"{frame.index + 1},{one.person},{x1:.1f},{y1:.1f},{x2 - x1:.1f},{y2 - y1:.1f},1,1,{visible}"


def mot_seqinfo(camera: BuildingCamera, frames: int) -> str:
    """The seqinfo.ini beside a gt.txt."""
    return (
        f"[Sequence]\nname={camera.id}\nimDir=img1\nframeRate={camera.frames_per_s}\nseqLength={frames}\n"
        f"imWidth={camera.width_px}\nimHeight={camera.height_px}\nimExt=.jpg\n"
    )


def digest(lines: Iterable[_Line]) -> str:
    """SHA-256 over lines whose numbers are rounded to millimetres, milliseconds and tenths of pixels."""
    sha = hashlib.sha256()
    for line in lines:
        sha.update(
            json.dumps(line.model_dump(), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        )
    return sha.hexdigest()


def _person(
    model: CameraModel, state: PersonState, world: World, shown: NDArray[np.int32] | None
) -> tuple[float, PersonTruth] | None:
    partner = _partner(state, world)
    corners, depth = model.project(people.posed_vertices(state, partner))
    ahead = depth > 0.1
    if not ahead.any():
        return None
    pixels = corners[ahead]
    whole = [pixels[:, 0].min(), pixels[:, 1].min(), pixels[:, 0].max(), pixels[:, 1].max()]
    x1, x2 = (min(max(float(whole[i]), 0.0), model.width_px) for i in (0, 2))
    y1, y2 = (min(max(float(whole[i]), 0.0), model.height_px) for i in (1, 3))
    if x2 - x1 < _LEAST_PX or y2 - y1 < _LEAST_PX:
        return None
    visible = None if shown is None else _visible_share(model, state, partner, shown)
    foot_px, _ = model.project([state.at])
    if not np.isfinite(foot_px).all():
        return None
    return float(depth[ahead].min()), PersonTruth(
        person=state.person.number, role=state.person.role, activity=state.activity,
        box_px=(round(x1, 1), round(y1, 1), round(x2, 1), round(y2, 1)), visible=visible,
        foot_m=(_mm(state.at[0]), _mm(state.at[1]), _mm(state.at[2])),
        foot_px=(round(float(foot_px[0, 0]), 1), round(float(foot_px[0, 1]), 1)), carried_by=state.carried_by,
    )  # fmt: skip


def _visible_share(
    model: CameraModel, state: PersonState, partner: PersonState | None, shown: NDArray[np.int32]
) -> float:
    from services.simulation.visibility import visible_share  # cv2 is needed for this alone

    return round(visible_share(model, state, partner, shown), 3)


def _partner(state: PersonState, world: World) -> PersonState | None:
    number = state.carried_by if state.carried_by is not None else state.carries
    return next((one for one in world.persons if one.person.number == number), None) if number is not None else None


def _may_be_seen(building: Building, camera: BuildingCamera, world: World, state: PersonState) -> bool:
    x, y, z = state.at
    tall = state.person.height_m
    return any(_clear(building, camera.at, (x, y, z + up), world) for up in (0.1, tall / 2, tall * 0.95))


def _clear(
    building: Building, eye: tuple[float, float, float], point: tuple[float, float, float], world: World
) -> bool:
    """Whether no wall stands between two points."""
    for wall in building.walls:
        met = _crossing(eye, point, wall.start, wall.end)
        if met is None or wall.kind == "fence":
            continue
        share, along = met
        height = eye[2] + (point[2] - eye[2]) * share
        if height <= wall.height_m and not _through(building, wall.id, along * wall.length_m, height, world):
            return False
    return True


def _through(building: Building, wall_id: str, along_m: float, height_m: float, world: World) -> bool:
    for one in building.openings:
        if (
            one.wall == wall_id
            and abs(along_m - one.at_m) < one.width_m / 2
            and one.sill_m < height_m < one.sill_m + one.height_m
        ):
            clear = one.kind in ("passage", "window", "gate") or one.glazed
            return clear or world.openings.get(one.id, 0.0) > 0.15
    return False


def _crossing(
    a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, float], d: tuple[float, float]
) -> tuple[float, float] | None:
    """Where two segments of the plan cross: shares of the first and of the second."""
    rx, ry, sx, sy = b[0] - a[0], b[1] - a[1], d[0] - c[0], d[1] - c[1]
    cross = rx * sy - ry * sx
    if abs(cross) < 1e-12:
        return None
    share = ((c[0] - a[0]) * sy - (c[1] - a[1]) * sx) / cross
    along = ((c[0] - a[0]) * ry - (c[1] - a[1]) * rx) / cross
    return (share, along) if 0.0 < share < 1.0 and 0.0 <= along <= 1.0 else None


def _mm(value: float) -> float:
    return round(float(value), 3) + 0.0
