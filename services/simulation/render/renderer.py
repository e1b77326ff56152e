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
from services.simulation.render.backdrop import SUN_STEP_S, Backdrop, Lighting, lighting_of, mixed, sun_strength
from services.simulation.render.camera_model import CameraModel, camera_model, model_in
from services.simulation.render.light import Light, sun_direction
from services.simulation.render.movers import Mover
from services.simulation.render.plate import Plate, lens_maps, paint_plate
from services.simulation.render.plate_cache import PlateCache
from services.simulation.render.probes import Probes
from services.simulation.render.scene import build_scene
from services.simulation.render.stage import Limbs, Shine, Stage
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
    backdrops: OrderedDict[Lighting, Backdrop] = field(default_factory=OrderedDict)
    hung: _Hung | None = None


@dataclass
class _Cast:
    """The people a camera may see, with their limbs."""

    states: list[PersonState]
    limbs: list[Limbs]


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
        self._on_stage: object = None
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
            self._set(cast, world, view, None)
            shot = self._stage.shoot_numbers(view.canvas, view.model, view.key, view.plate.visible, cast.states)
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
        backdrop = self._backdrop(camera, view, state)
        cast = self._cast(view, world)
        lit, shaded = self._dressed(view, world, backdrop, state)
        flames = self._set(cast, world, view, (backdrop, state))
        picture = lit.copy()
        up = sun_direction(world.t_s, self.building.north_deg)
        if backdrop.sunny and up is not None and (sunlit := self._in_sun(cast, state, up)):
            shadow = self._stage.shoot_shadows(view.shadow_canvas, view.model, view.key, view.plate.visible, up, sunlit)
            compositing.put_shade(picture, shaded, shadow, view.shadow_maps)
        compositing.put_contact(picture, view.plate, view.model, cast.limbs)
        boxes = compositing.boxes(view.model, [*(compositing.reach(limbs) for limbs in cast.limbs), *flames])
        shot = self._stage.shoot(view.canvas, view.model, view.key, view.plate.visible)
        compositing.put_over(picture, shot, view.maps, boxes, grey=backdrop.infrared)
        if world.flames:
            compositing.put_fire_light(picture, view.plate, view.model, world, grey=backdrop.infrared)
        return picture, backdrop

    def _lighting(self, world: World) -> Lighting:
        key = (world.t_s // SUN_STEP_S, world.daylight, *sorted(world.lights.items()), *sorted(world.curtains.items()))
        if self._lit is None or self._lit[0] != key:
            self._lit = (key, lighting_of(self.building, world))
        return self._lit[1]

    def _in_sun(self, cast: _Cast, state: Lighting, up: tuple[float, float, float]) -> list[PersonState]:
        rooms = [self._probes.room_number(*one.at[:2]) for one in cast.states]
        return [
            one for room, one in zip(rooms, cast.states, strict=True)
            if self._probes.sunlit(room, *one.at[:2], state.sun_step, up) > 0.02
        ]  # fmt: skip

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
                lens_maps(model, coarse),
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

    def _backdrop(self, camera: BuildingCamera, view: _View, state: Lighting) -> Backdrop:
        backdrop = view.backdrops.get(state)
        if backdrop is None:
            backdrop = view.backdrops[state] = mixed(view.plate, self._light, camera, state)
            if len(view.backdrops) > _BACKDROPS_KEPT:
                view.backdrops.popitem(last=False)
        return backdrop

    def _cast(self, view: _View, world: World) -> _Cast:
        states = list(world.persons)
        if not states:
            return _Cast([], [])
        middles = np.add([state.at for state in states], (0, 0, 0.6))
        seen = compositing.may_be_seen(view.model, middles, 1.3) & self._in_rooms(view, middles)
        wanted = {state.person.number for state, shows in zip(states, seen, strict=True) if shows}
        partners = {
            number for state in states if state.person.number in wanted for number in (state.carried_by, state.carries)
        }
        posed = [state for state in states if state.person.number in wanted | partners]
        limbs = people.poses(posed)
        chosen = [index for index, state in enumerate(posed) if state.person.number in wanted]
        return _Cast([posed[index] for index in chosen], [limbs[index] for index in chosen])

    def _set(self, cast: _Cast, world: World, view: _View, lit: tuple[Backdrop, Lighting] | None) -> list[Span]:
        """Put people and flames on the stage; the answer are the corners of the flames."""
        lights = [self._shine(*state.at[:2], view, lit) for state in cast.states]
        self._stage.put_people(cast.states, cast.limbs, lights)
        self._stage.put_flames(world.flames, world.t_s)
        return [np.array(flame.at) + _FLAME * flame.height_m for flame in world.flames]

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
        if self._on_stage != (view.key, key):
            self._stage.put_movers(view.hung.placed)
            self._on_stage = (view.key, key)
        return view.hung

    def _dressed(self, view: _View, world: World, backdrop: Backdrop, state: Lighting) -> tuple[Picture, Picture]:
        """The backdrop with doors, curtains and clutter as they are now; in the sun and without it."""
        hung = self._hang(view, world)
        if hung.dressed is None or hung.dressed_over is not backdrop:
            middles = [span.mean(0) for span in hung.spans]
            shines = [self._shine(float(at[0]), float(at[1]), view, (backdrop, state)) for at in middles]
            cloth = [mover.kind.startswith("curtain") for mover, _ in hung.placed]
            shines = [_through(shine) if thin else shine for shine, thin in zip(shines, cloth, strict=True)]
            shot = self._stage.shoot_movers(view.canvas, view.model, view.key, view.plate.visible, hung.placed, shines)
            boxes = compositing.boxes(view.model, hung.spans)
            same = backdrop.shaded is backdrop.picture
            pictures = [backdrop.picture.copy()] if same else [backdrop.picture.copy(), backdrop.shaded.copy()]
            for picture in pictures:
                compositing.put_over(picture, shot, view.maps, boxes, grey=backdrop.infrared)
            hung.dressed, hung.dressed_over = (pictures[0], pictures[-1]), backdrop
        return hung.dressed

    def _in_rooms(self, view: _View, at: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points are in rooms of which the camera sees anything."""
        seen = view.plate.rooms_seen
        return np.array([self._probes.room_number(x, y) in seen for x, y, _ in at], np.bool_)

    def _near_rooms(self, view: _View, placed: list[tuple[Mover, NDArray[np.float64]]]) -> NDArray[np.bool_]:
        return np.array([bool(self._beside[mover.name] & view.plate.rooms_seen) for mover, _ in placed], np.bool_)

    def _shine(self, x: float, y: float, view: _View, lit: tuple[Backdrop, Lighting] | None) -> Shine:
        if lit is None:
            return _FLAT_LIGHT
        backdrop, state = lit
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
        return _shine_of(six, sun, up, backdrop.exposure)

    def _seed_of(self, camera: BuildingCamera) -> int:
        return zlib.crc32(f"{self.seed}/{self.building.id}/{camera.id}".encode())


def _rooms_beside(building: Building, mover: Mover) -> frozenset[int]:
    """The indices of the rooms that a mover can be seen from."""
    if mover.piece is not None:
        return frozenset({building.rooms.index(building.room(mover.piece.room))})
    assert mover.opening is not None
    joined = building.rooms_joined(mover.opening)
    return frozenset(-1 if room is None else building.rooms.index(room) for room in joined)


_FLAME = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0, 1.3)])
_NONE, _ALL = np.zeros(3, np.float32), np.ones(3, np.float32)
_FLAT_LIGHT = Shine(_ALL, _NONE, _NONE, (0.0, 0.0, 1.0))


def _shine_of(
    six: NDArray[np.float32], sun: NDArray[np.float32], up: tuple[float, float, float] | None, exposure: float
) -> Shine:
    """Six sides' light as an ambient one and two directed ones, matched in display units."""
    sides = six[:4]
    side = int(sides.sum(1).argmax())
    floor = 0.35 * six[5] + 0.65 * np.sort(sides, axis=0)[:3].mean(0)
    around = sensor.display_light(floor * 0.8, exposure)
    above = np.maximum(sensor.display_light(six[4], exposure) - around, 0)
    if sun.any() and up is not None:
        beside = np.maximum(sensor.display_light(floor + sun, exposure) - around, 0)
        return Shine(around, above * 0.5, beside, up)
    beside = np.maximum(sensor.display_light(sides[side], exposure) - around, 0)
    way = ((1.0, 0.0, 0.15), (-1.0, 0.0, 0.15), (0.0, 1.0, 0.15), (0.0, -1.0, 0.15))[side]
    return Shine(around, above, beside, way)


def _through(shine: Shine) -> Shine:
    """Light on thin cloth: what falls on its back comes through."""
    return Shine(shine.around + 0.35 * shine.above + 0.75 * shine.beside, _NONE, shine.beside * 0.25, shine.side)


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
