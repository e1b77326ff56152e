"""Cameras of a simulated nursery: a picture of a ``World`` as its camera would send it, and whose pixels are whose.

Belongs here: putting plate, people, shadows and sensor together. Does not belong here: who does what (``day/``), encoding.
"""

from __future__ import annotations

import datetime
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.simulation import people
from services.simulation.building import Building, BuildingCamera
from services.simulation.render import compositing, engine, sensor
from services.simulation.render.backdrop import (
    SUN_STEP_S,
    Backdrop,
    Lighting,
    lighting_of,
    mixed,
    stepped,
    sun_strength,
)
from services.simulation.render.camera_model import CameraModel, camera_model, model_in
from services.simulation.render.figures import Company, company_of
from services.simulation.render.headlights import Sweep
from services.simulation.render.light import Light, sun_direction
from services.simulation.render.movers import Mover
from services.simulation.render.plate import Plate, lens_maps, paint_plate
from services.simulation.render.plate_cache import PlateCache
from services.simulation.render.probes import Probes
from services.simulation.render.scene import build_scene
from services.simulation.render.shine import Shine, matched, through
from services.simulation.render.stage import Stage
from services.simulation.world import CameraFault, PersonState, World

Picture = NDArray[np.uint8]
Span = NDArray[np.float64]
_FINE = 1.4  # people are drawn so much finer than the picture, then filtered: soft edges
_SHADOW_FINE = 0.75
_PLATES_KEPT = 24
_BACKDROPS_KEPT = 3


@dataclass
class _Hung:
    """The movers that a camera may see, where they are, and the backdrop with them once it was drawn."""

    key: object
    placed: list[tuple[Mover, NDArray[np.float64]]]
    spans: list[Span]
    dressed: tuple[Picture, Picture] | None = None
    dressed_over: Backdrop | None = None


@dataclass
class _View:
    """What is kept of a camera in one direction."""

    key: str
    model: CameraModel
    plate: Plate
    maps: tuple[NDArray[np.int16], NDArray[np.uint16]]
    pinhole: engine.Pinhole
    canvas: engine.Canvas
    shadow_canvas: engine.Canvas
    shadow_maps: tuple[NDArray[np.int16], NDArray[np.uint16]]
    nearby: compositing.Nearby
    backdrops: OrderedDict[tuple[Lighting, bool], Backdrop] = field(default_factory=OrderedDict)
    hung: _Hung | None = None
    sweep: Sweep | None = None  # made when the first car comes by


@dataclass
class _Cast:
    """The people a camera may see: their limbs (n, limbs, 4, 4), and where the vertices of their skins are (3, vertices)."""

    states: list[PersonState]
    limbs: NDArray[np.float32]
    company: Company
    placed: NDArray[np.float32]


class NurseryRenderer:
    """Pictures of one building. Pictures of the same (building, seed, world) are the same bytes on the same machine.

    The first picture of a camera paints its plate, which takes seconds; :meth:`prepare` does it beforehand. Safe to call from
    several threads: calls wait for each other. ``Rejected``: the renderer's library is not installed. ``NotFound``: no such
    camera.
    """

    def __init__(self, building: Building, seed: int = 0, plates: PlateCache | None = None) -> None:
        """``plates``: where painted plates are kept from start to start; none keeps them in memory only."""
        engine.core()
        cv2.setNumThreads(1)  # its helpers wait spinning: on pictures this small they cost more CPU than they save
        self.building, self.seed, self._plates = building, seed, plates
        self._cameras = {camera.id: camera for camera in building.cameras}
        with engine.LOCK:
            scene = build_scene(building, seed)
            self._scene, self._light = scene, Light(scene)
            self._hiding = build_scene(building, seed, plain=True)
            self._probes, self._stage = Probes(self._light), Stage(self._hiding)
        self._beside = {mover.name: _rooms_beside(building, mover) for mover in self._stage.movers}
        self._views: OrderedDict[str, _View] = OrderedDict()
        self._lit: tuple[object, Lighting] | None = None
        self._frozen: dict[str, tuple[tuple[int, float], Picture]] = {}

    def prepare(self, camera_id: str) -> None:
        """Paint a camera's plate now."""
        camera = self.building.camera(camera_id)
        with engine.LOCK:
            self._view(camera, camera_model(camera), camera_id)

    def picture(self, camera_id: str, world: World) -> Picture | None:
        """(h, w, 3) red, green, blue as the camera sends it; None while it is lost."""
        camera = self.building.camera(camera_id)
        fault = world.faults.get(camera_id)
        if fault is not None and fault.kind == "lost":
            return None
        with engine.LOCK:
            if fault is not None and fault.kind == "frozen":
                return self._still_picture(camera, world, fault)
            self._frozen.pop(camera_id, None)
            return self._sent(camera, world, fault)

    def silhouettes(self, camera_id: str, world: World) -> NDArray[np.int32]:
        """(h, w) the number of the person that each pixel shows, 0 for none: what stands before somebody hides them."""
        camera = self.building.camera(camera_id)
        with engine.LOCK:
            view = self._view_now(camera, world)
            cast = self._cast(view, world)
            self._hang(view, world)
            self._put(cast, cast.company.numbered(), world)
            regions, _ = self._touched(view, cast, world)
            shot = self._stage.shoot_numbers(view.canvas, view.model, view.key, view.plate.visible, regions)
            nearest = cv2.remap(shot.astype(np.float32), *view.maps, cv2.INTER_NEAREST).astype(np.int32)
        return np.array([0, *(state.person.number for state in cast.states)], np.int32)[nearest]

    def _still_picture(self, camera: BuildingCamera, world: World, fault: CameraFault) -> Picture:
        since = (world.day, round(world.t_s - fault.since_s, 1))
        kept = self._frozen.get(camera.id)
        if kept is None or kept[0][0] != since[0] or abs(kept[0][1] - since[1]) > 0.5:
            kept = self._frozen[camera.id] = (since, self._sent(camera, world, None))
        return kept[1].copy()

    def _sent(self, camera: BuildingCamera, world: World, fault: CameraFault | None) -> Picture:
        """Light, then what the fault does, then grain and the written time."""
        view = self._view_now(camera, world)
        picture, backdrop = self._seen(camera, view, world)
        kind, amount = (fault.kind, fault.amount) if fault is not None else (None, 0.0)
        if kind == "covered":
            picture = sensor.covered(picture, amount)
        elif kind == "defocused":
            picture = sensor.defocused(picture, amount)
        elif kind == "dark":
            picture = sensor.darkened(picture, amount)
        gain = 1.0 + 0.12 * min(backdrop.exposure, 16.0) + (1.0 if backdrop.infrared else 0.0)
        frame = world.day * 86_400 * camera.frames_per_s + round(world.t_s * camera.frames_per_s)
        sensor.add_grain(
            picture, camera.noise * gain * (1.3 if kind in ("dark", "covered") else 1.0), self._seed_of(camera), frame
        )
        sensor.write(picture, _written_time(world))
        sensor.write(picture, camera.title.en, right=True, bottom=True)
        return picture

    def _seen(self, camera: BuildingCamera, view: _View, world: World) -> tuple[Picture, Backdrop]:
        state = self._lighting(world)
        backdrop = self._backdrop(camera, view, state, camera.id in world.night_sight)
        cast = self._cast(view, world)
        lit, shaded = self._dressed(view, world, backdrop, state)
        picture = lit.copy()
        for lamp in world.headlights:
            view.sweep = view.sweep or Sweep(view.plate, self._light)
            view.sweep.put(picture, lamp, world.curtains, grey=backdrop.infrared)
        if not cast.states and not world.flames:
            return picture, backdrop
        shines = [self._shine(*one.at[:2], view, backdrop, state) for one in cast.states]
        self._put(cast, cast.company.lit(cast.limbs, shines), world)
        if backdrop.sunny:
            self._shade(picture, shaded, view, cast, state, world)
        compositing.put_contact(picture, view.nearby, view.model, cast.limbs)
        regions, boxes = self._touched(view, cast, world)
        if regions:
            shot = self._stage.shoot(view.canvas, view.model, view.key, view.plate.visible, regions)
            compositing.put_over(picture, shot, view.maps, boxes, grey=backdrop.infrared)
        if world.flames:
            compositing.put_fire_light(picture, view.plate, view.model, world, grey=backdrop.infrared)
        return picture, backdrop

    def _touched(self, view: _View, cast: _Cast, world: World) -> tuple[list[engine.Region], list[compositing.Box]]:
        """Where people and flames may be: in the canvas and in the picture."""
        fires = [(np.array(flame.at) + _FLAME * flame.height_m).T for flame in world.flames]
        points = np.concatenate([cast.placed, *fires], axis=1).astype(np.float32)
        starts = np.append(cast.company.starts, cast.placed.shape[1] + np.arange(len(fires)) * len(_FLAME))
        regions = compositing.regions(view.model, view.pinhole, points, starts)
        return regions, compositing.boxes_of(view.model, view.pinhole, regions)

    def _shade(
        self, picture: Picture, shaded: Picture, view: _View, cast: _Cast, state: Lighting, world: World
    ) -> None:
        """The shadows of those who are in the sun."""
        up = sun_direction(world.t_s, self.building.north_deg)
        if up is None or not any(sunlit := self._in_sun(cast, state, up)):
            return
        flat = np.eye(4)
        flat[:3, 2] = -up[0] / up[2], -up[1] / up[2], 0.002
        flat[2, 3] = 0.03
        pinhole, company = view.shadow_canvas.pinhole, cast.company
        on_floor = flat[:3, :3].astype(np.float32) @ cast.placed + flat[:3, 3:].astype(np.float32)
        mine = np.array(sunlit)[company.whose]
        counts = np.diff([*company.starts, len(company.whose)])[sunlit]
        starts = np.cumsum([0, *counts[:-1]])
        regions = compositing.regions(view.model, pinhole, np.ascontiguousarray(on_floor[:, mine]), starts)
        if regions:
            shot = self._stage.shoot_shadows(
                view.shadow_canvas, view.model, view.key, view.plate.visible, flat, sunlit, regions
            )
            boxes = compositing.boxes_of(view.model, pinhole, regions)
            compositing.put_shade(picture, shaded, shot, view.shadow_maps, boxes)

    def _lighting(self, world: World) -> Lighting:
        key = (
            world.t_s // SUN_STEP_S,
            stepped(world.daylight),
            *sorted(world.lights.items()),
            *sorted(world.curtains.items()),
        )
        if self._lit is None or self._lit[0] != key:
            self._lit = (key, lighting_of(self.building, world))
        return self._lit[1]

    def _in_sun(self, cast: _Cast, state: Lighting, up: tuple[float, float, float]) -> list[bool]:
        rooms = [self._probes.room_number(*one.at[:2]) for one in cast.states]
        return [
            bool(self._probes.sunlit(room, *one.at[:2], state.sun_step, up) > 0.02)
            for room, one in zip(rooms, cast.states, strict=True)
        ]

    def _view_now(self, camera: BuildingCamera, world: World) -> _View:
        model = model_in(camera, world)
        if model == camera_model(camera):
            return self._view(camera, model, camera.id)
        return self._view(camera, model, f"{camera.id}/moved")

    def _view(self, camera: BuildingCamera, model: CameraModel, key: str) -> _View:
        view = self._views.get(key)
        if view is None or view.model != model:
            if view is not None:
                self._forget(key)
            plate = self._plate(model)
            pinhole = engine.covering(model, _FINE)
            coarse = engine.covering(model, _SHADOW_FINE)
            view = self._views[key] = _View(
                key, model, plate, lens_maps(model, pinhole), pinhole, engine.Canvas(pinhole), engine.Canvas(coarse),
                lens_maps(model, coarse), compositing.Nearby(plate),
            )  # fmt: skip
            while len(self._views) > _PLATES_KEPT:
                self._forget(next(iter(self._views)))
        self._views.move_to_end(key)
        return view

    def _plate(self, model: CameraModel) -> Plate:
        def paint() -> Plate:
            return paint_plate(self._scene, self._hiding, self._light, model)

        return paint() if self._plates is None else self._plates.plate(self.building, self.seed, model, paint)

    def _forget(self, key: str) -> None:
        self._stage.forget(key)
        view = self._views.pop(key)
        view.canvas.close()
        view.shadow_canvas.close()

    def _backdrop(self, camera: BuildingCamera, view: _View, state: Lighting, night_sight: bool) -> Backdrop:
        key = (state, night_sight)
        backdrop = view.backdrops.get(key)
        if backdrop is None:
            backdrop = view.backdrops[key] = mixed(view.plate, self._light, camera, state, night_sight=night_sight)
            if len(view.backdrops) > _BACKDROPS_KEPT:
                view.backdrops.popitem(last=False)
        return backdrop

    def _cast(self, view: _View, world: World) -> _Cast:
        states = self._may_show(view, list(world.persons))
        if not states:
            return _NOBODY
        wanted = {state.person.number for state in states}
        partners = {number for state in states for number in (state.carried_by, state.carries)} - wanted
        posed = [*states, *(state for state in world.persons if state.person.number in partners)]
        limbs = people.limb_transforms(posed)[: len(states)]
        company = company_of(states)
        return _Cast(states, limbs, company, company.moved(limbs))

    def _may_show(self, view: _View, states: list[PersonState]) -> list[PersonState]:
        if not states:
            return []
        middles = np.add([state.at for state in states], (0, 0, 0.6))
        seen = compositing.may_be_seen(view.model, middles, 1.3)
        return [
            state for state, shows in zip(states, seen.tolist(), strict=True)
            if shows and self._probes.room_number(*state.at[:2]) in view.plate.rooms_seen
        ]  # fmt: skip

    def _put(self, cast: _Cast, colours: NDArray[np.float32], world: World) -> None:
        """Put people and flames on the stage."""
        self._stage.put_people(cast.states, cast.company, cast.placed, colours)
        self._stage.put_flames(world.flames, world.t_s)

    def _hang(self, view: _View, world: World) -> _Hung:
        """Put the movers that a camera may see where they are in this world."""
        key = (tuple(sorted(world.openings.items())), tuple(sorted(world.curtains.items())), world.blocked)
        if view.hung is None or view.hung.key != key:
            placed = self._stage.mover_matrices(world)
            corners = [where[:3, 3] + mover.mesh.vertices @ where[:3, :3].T for mover, where in placed]
            middles = np.array([points.mean(0) for points in corners]).reshape(-1, 3)
            chosen = np.flatnonzero(compositing.may_be_seen(view.model, middles, 1.6) & self._near_rooms(view, placed))
            spans = [np.stack([corners[index].min(0), corners[index].max(0)]) for index in chosen]
            view.hung = _Hung(key, [placed[index] for index in chosen], spans)
            self._stage.hang_movers(view.key, view.hung.placed)
        return view.hung

    def _dressed(self, view: _View, world: World, backdrop: Backdrop, state: Lighting) -> tuple[Picture, Picture]:
        """The backdrop with doors, curtains and clutter as they are now; in the sun and without it."""
        hung = self._hang(view, world)
        if hung.dressed is None or hung.dressed_over is not backdrop:
            middles = [span.mean(0) for span in hung.spans]
            shines = [self._shine(float(at[0]), float(at[1]), view, backdrop, state) for at in middles]
            cloth = [mover.kind.startswith("curtain") for mover, _ in hung.placed]
            shines = [through(shine) if thin else shine for shine, thin in zip(shines, cloth, strict=True)]
            shot = self._stage.shoot_movers(view.canvas, view.model, view.key, view.plate.visible, hung.placed, shines)
            boxes = compositing.boxes(view.model, hung.spans)
            same = backdrop.shaded is backdrop.picture
            pictures = [backdrop.picture.copy()] if same else [backdrop.picture.copy(), backdrop.shaded.copy()]
            for picture in pictures:
                compositing.put_over(picture, shot, view.maps, boxes, grey=backdrop.infrared)
            hung.dressed, hung.dressed_over = (pictures[0], pictures[-1]), backdrop
        return hung.dressed

    def _near_rooms(self, view: _View, placed: list[tuple[Mover, NDArray[np.float64]]]) -> NDArray[np.bool_]:
        return np.array([bool(self._beside[mover.name] & view.plate.rooms_seen) for mover, _ in placed], np.bool_)

    def _shine(self, x: float, y: float, view: _View, backdrop: Backdrop, state: Lighting) -> Shine:
        place = (round(x * 10), round(y * 10))
        if (known := backdrop.shines.get(place)) is None:
            if len(backdrop.shines) > 4000:
                backdrop.shines.clear()
            known = backdrop.shines[place] = self._reckoned(x, y, view, backdrop, state)
        return known

    def _reckoned(self, x: float, y: float, view: _View, backdrop: Backdrop, state: Lighting) -> Shine:
        if backdrop.infrared:
            distance = max(1.0, float(np.hypot(x - view.model.at[0], y - view.model.at[1])))
            level = sensor.display_light(np.full(3, 9.0 / (distance**2 + 4.0), np.float32), backdrop.exposure)
            toward = (view.model.at[0] - x, view.model.at[1] - y, view.model.at[2] - 0.6)
            return Shine(level * 0.35, level * 0.0, level * 0.65, toward)
        room, six = self._probes.around(x, y, state.lamps_of(), state.sky_of())
        up = sun_direction((state.sun_step + 0.5) * 600, self.building.north_deg)
        sun: NDArray[Any] = _NONE
        if backdrop.sunny and up is not None:
            curtain = state.sky[room] / state.outside if room >= 0 and state.outside else 1.0
            sun = sun_strength(state) * (self._probes.sunlit(room, x, y, state.sun_step, up) * curtain)
        return matched(six, sun, up, backdrop.exposure)

    def _seed_of(self, camera: BuildingCamera) -> int:
        return zlib.crc32(f"{self.seed}/{self.building.id}/{camera.id}".encode())


def _rooms_beside(building: Building, mover: Mover) -> frozenset[int]:
    """The indices of the rooms that a mover can be seen from."""
    if mover.piece is not None:
        return frozenset({building.rooms.index(building.room(mover.piece.room))})
    assert mover.opening is not None
    joined = building.rooms_joined(mover.opening)
    return frozenset(-1 if room is None else building.rooms.index(room) for room in joined)


_NOBODY = _Cast([], np.zeros((0, len(people.LIMBS), 4, 4), np.float32), company_of([]), np.zeros((3, 0), np.float32))
_FLAME = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0, 1.3)])
_NONE = np.zeros(3, np.float32)


def _written_time(world: World) -> str:
    try:
        day = (
            datetime.date.fromordinal(world.day)
            if world.day > 366
            else datetime.date(2026, 1, 1) + datetime.timedelta(world.day)
        )
    except (ValueError, OverflowError):
        day = datetime.date(2026, 1, 1)
    whole = int(world.t_s)
    return f"{day.isoformat()} {whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
