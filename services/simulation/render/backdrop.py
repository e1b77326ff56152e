"""A camera's still picture at an hour: a plate mixed by lamps, daylight, curtains and sun, and exposed.

Belongs here: which light there is and what the camera makes of it. Does not belong here: what moves, grain and faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.simulation.building import Building, BuildingCamera
from services.simulation.render import sensor
from services.simulation.render.light import Light, sun_direction
from services.simulation.render.plate import Plate, sun_picture
from services.simulation.render.shine import Shine
from services.simulation.world import World

Floats = NDArray[Any]
SUN_STEP_S = 600
SUN = np.array([1.12, 1.0, 0.80], np.float32)
_SUN_STRENGTH = 4.6
_CURTAIN_STOPS = 0.86
_NIGHT_BELOW = 0.010  # of mean light, the camera switches to its infrared lamps
_STEP = 32  # light is mixed anew when a source changes by a thirty-second


@dataclass(frozen=True, slots=True)
class Lighting:
    """The sources' strengths, by room index: what a backdrop follows from."""

    lamps: tuple[float, ...]
    sky: tuple[float, ...]
    outside: float
    sun: float
    sun_step: int

    def sky_of(self) -> dict[int, float]:
        return {-1: self.outside, **dict(enumerate(self.sky))}

    def lamps_of(self) -> dict[int, float]:
        return dict(enumerate(self.lamps))


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The picture with and without the sun's direct light, and what people's light must be scaled by."""

    picture: NDArray[np.uint8]
    shaded: NDArray[np.uint8]
    exposure: float
    infrared: bool
    sunny: bool
    shines: dict[tuple[int, int], Shine] = field(default_factory=dict)


def lighting_of(building: Building, world: World) -> Lighting:
    """The sources at an instant, in steps coarse enough to keep a backdrop for a while."""
    step = int(world.t_s // SUN_STEP_S)
    up = sun_direction((step + 0.5) * SUN_STEP_S, building.north_deg)
    daylight = stepped(world.daylight)
    sky = tuple(
        stepped(daylight * _curtain_share(building, index, world.curtains)) for index in range(len(building.rooms))
    )
    clear = max(0.0, daylight - 0.25) / 0.75
    lamps = tuple(stepped(float(world.lights.get(room.id, 0.0))) for room in building.rooms)
    return Lighting(lamps, sky, daylight, clear * min(1.0, up[2] * 4) if up else 0.0, step)


def mixed(
    plate: Plate, light: Light, camera: BuildingCamera, state: Lighting, *, night_sight: bool = False
) -> Backdrop:
    """The backdrop of a plate under these sources; ``night_sight``: the camera is switched to infrared however bright it is."""
    base = np.zeros(plate.albedo.shape, np.float32)
    sky, lamps = state.sky_of(), state.lamps_of()
    for room, picture in plate.sky.items():
        base += picture * np.float32(sky.get(room, 0.0))
    spill = 0.012 * float(np.mean(state.lamps or (0.0,)))
    for room, picture in plate.lamps.items():
        base += picture * np.float32(lamps.get(room, 0.0) + spill)
    for room, picture in plate.glow.items():
        base += picture * np.float32(3.2 * lamps.get(room, 0.0))
    sunny = base
    if state.sun > 0.02 and (up := sun_direction((state.sun_step + 0.5) * SUN_STEP_S, light.building.north_deg)):
        sunny = base + _sun(plate, light, state, up)
    brightness = float((sunny[::4, ::4] @ sensor.GREY).mean())
    vignette = sensor.vignette(camera.width_px, camera.height_px)
    if camera.infrared_at_night and (night_sight or brightness < _NIGHT_BELOW):
        seen = ((plate.infrared + 0.6 * base) @ np.array([0.4, 0.35, 0.25], np.float32))[..., None].repeat(3, 2)
        exposure = min(6.0, 0.42 / max(float(seen[::4, ::4].mean()), 0.01))
        picture = sensor.exposed(seen * vignette, exposure)
        return Backdrop(picture, picture, exposure, True, False)
    exposure = sensor.exposure_of(sunny)
    picture = _crisp(sensor.exposed(sunny * vignette, exposure))
    shaded = picture if sunny is base else _crisp(sensor.exposed(base * vignette, exposure))
    return Backdrop(picture, shaded, exposure, False, sunny is not base)


def sun_strength(state: Lighting) -> Floats:
    """The sun's light on what faces it."""
    return SUN * (_SUN_STRENGTH * state.sun)


def _sun(plate: Plate, light: Light, state: Lighting, up: tuple[float, float, float]) -> Floats:
    if state.sun_step not in plate.suns:
        if len(plate.suns) > 3:
            plate.suns.pop(next(iter(plate.suns)))
        plate.suns[state.sun_step] = sun_picture(plate, light, up)
    share = np.ones(len(state.sky) + 1, np.float32)
    if state.outside > 0:
        share[:-1] = np.array(state.sky, np.float32) / state.outside
    lit = plate.suns[state.sun_step] * share[plate.rooms]
    return np.asarray(plate.albedo * lit[..., None] * sun_strength(state), np.float32)


def _curtain_share(building: Building, room: int, curtains: Mapping[str, float]) -> float:
    """How much of the sky's light the curtains of a room let through."""
    here, total, through = building.rooms[room], 0.0, 0.0
    for opening in building.openings:
        if opening.kind == "window" and here in building.rooms_joined(opening):
            area = opening.width_m * opening.height_m
            total += area
            through += area * (1 - _CURTAIN_STOPS * float(curtains.get(opening.id, 0.0)))
    return 1.0 if here.outdoors or not total else through / total


def _crisp(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The slight edge enhancement that such cameras do by themselves."""
    return np.asarray(cv2.addWeighted(picture, 1.35, cv2.GaussianBlur(picture, (0, 0), 1.0), -0.35, 0), np.uint8)


def stepped(value: float) -> float:
    """A source's strength in the steps in which light is mixed."""
    return round(min(1.0, max(0.0, value)) * _STEP) / _STEP
