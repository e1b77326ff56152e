"""Renders pictures and says who is where in them; runs in ``.venv``.

    python -m bench.nursery_detector.dataset FOLDER [--pictures N] [--seed S] [--unseen seeds|building|houses] [--jobs J]

Without ``--unseen`` what is learned from is drawn: a sixth shows the building ``sunflower`` in other colours, from other
cameras, on its days and with scattered crowds; the rest shows invented houses, a few pictures by each of many cameras.
``--unseen seeds`` draws ``sunflower``'s own cameras on days of other seeds, ``--unseen building`` those of ``magnolia``, which
nothing is ever learned from, ``--unseen houses`` other invented houses, to decide by while the network is made.

Writes ``pictures.npy`` (n, 224, 384, 3) uint8 BGR and ``people.npy`` (m, 8) float32: picture, kind (0 adult, 1 child), x1, y1,
x2, y2 in pixels of the picture (the whole body's box, cut at the border), the share of the body that is visible
(``services.simulation.visibility``), and the share by the rule of before (of the part within the picture; NaN: none).
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.nursery_detector.company import moment_of, peopled
from bench.nursery_detector.invented import invented_building
from bench.nursery_detector.variation import Chance, crowd, varied_building
from services.simulation import people
from services.simulation.building import Building, BuildingCamera, load_building
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.floor import Floor
from services.simulation.render.camera_model import CameraModel, camera_model
from services.simulation.render.renderer import NurseryRenderer
from services.simulation.visibility import NEAREST_M, Body, visible_share
from services.simulation.world import World

WIDTH, HEIGHT = 384, 224
_CAMERAS = 4  # a varied building; painting the plate of one takes seconds
_PER_CAMERA = 50
_PER_UNSEEN_CAMERA = 25
_PER_UNSEEN_HOUSE = 8
_INVENTED_CAMERAS = 6
_PER_INVENTED_CAMERA = 16
_INVENTED_MOMENTS = 2
_VARIED_SHARE = 1 / 6
_AS_USUAL = 56  # houses; in those after them many people have an arm up
_MOMENTS = 6  # times of day for each camera: the light of each is worked out once
_PADDING = 114
#: What the drawing library keeps of a building, some 200 MB, is freed with its process only.
_PARTS_PER_PROCESS = 8
#: Of these pictures so many show nobody, or whoever happens to be there.
_ANYHOW = 0.1


@dataclass(frozen=True)
class Drawn:
    picture: NDArray[np.uint8]
    people: NDArray[np.float32]


def draw(building: Building, seed: int, per_camera: int, *, crowds: bool) -> Iterator[Drawn]:
    """Pictures of every camera of a building on one day."""
    chance = np.random.default_rng([seed, 2])
    date = datetime.date(2026, 1, 1) + datetime.timedelta(days=int(chance.integers(365)))
    while date.weekday() >= 5:
        date += datetime.timedelta(days=1)
    day = NurseryDay(building, seed, date, mode="full-day", rate=6.0)
    renderer = NurseryRenderer(building, seed)
    for camera in building.cameras:
        for number in range(per_camera):
            moment = int(chance.integers(_MOMENTS)) if number >= _MOMENTS else number
            world = day.world(_time(day, camera, moment, chance))
            if crowds and chance.random() < 0.5:
                world = crowd(building, camera, world, chance)
            drawn = _drawn(renderer, camera, world)
            if drawn is not None:
                yield drawn


def draw_invented(seed: int, cameras: int, per_camera: int, *, reaching: bool = False) -> Iterator[Drawn]:
    """Pictures of a house that nobody planned; ``reaching``: of many people with an arm up."""
    chance = np.random.default_rng([seed, 3])
    building = invented_building(chance, cameras)
    renderer, floor = NurseryRenderer(building, seed), Floor(building)
    for camera in building.cameras:
        moments = [moment_of(building, camera.room, chance) for _ in range(_INVENTED_MOMENTS)]
        for number in range(per_camera):
            moment = moments[number * _INVENTED_MOMENTS // per_camera]
            world = peopled(building, camera, moment, floor, chance, reaching=reaching)
            drawn = _drawn(renderer, camera, world)
            if drawn is not None:
                yield drawn


def _time(day: NurseryDay, camera: BuildingCamera, moment: int, chance: Chance) -> float:
    """A second within a quarter of an hour of one of the day's moments, when somebody is in the camera's room."""
    anyhow = chance.random() < _ANYHOW
    start_s = (7.5 + moment * 10.5 / _MOMENTS) * 3600
    for _ in range(12):
        t_s = float(start_s + chance.uniform(0, 900))
        if anyhow or day.whereabouts(t_s).get(camera.room):
            return t_s
    return float(start_s + chance.uniform(0, 4 * 3600))


def _drawn(renderer: NurseryRenderer, camera: BuildingCamera, world: World) -> Drawn | None:
    picture = renderer.picture(camera.id, world)
    if picture is None or camera.id in world.faults:
        return None
    shown = renderer.silhouettes(camera.id, world)
    rows = _people(shown, camera_model(camera), world)
    scale = min(WIDTH / camera.width_px, HEIGHT / camera.height_px)
    size = (round(camera.width_px * scale), round(camera.height_px * scale))
    laid = np.full((HEIGHT, WIDTH, 3), _PADDING, np.uint8)
    laid[: size[1], : size[0]] = cv2.resize(picture[..., ::-1], size, interpolation=cv2.INTER_LINEAR)
    rows[:, 1:5] *= scale
    return Drawn(laid, rows)


def _people(shown: NDArray[np.int32], model: CameraModel, world: World) -> NDArray[np.float32]:
    """(n, 7): kind, box in pixels of the camera's picture, visible share, and the visible share by the rule of before."""
    counts = np.bincount(shown.ravel(), minlength=1)
    by_number = {state.person.number: state for state in world.persons}
    rows = []
    for number, state in by_number.items():
        if number >= len(counts) or counts[number] == 0:
            continue
        partner = by_number.get(state.carried_by or state.carries or -1)
        pixels, depths = model.project(people.posed_vertices(state, partner))
        ahead = pixels[depths > NEAREST_M]
        if not len(ahead):
            continue
        low = np.clip(ahead.min(axis=0), 0, (model.width_px, model.height_px))
        high = np.clip(ahead.max(axis=0), 0, (model.width_px, model.height_px))
        share = visible_share(model, state, partner, shown)
        within = np.count_nonzero(Body.of(model, state, partner).inside)
        before = min(1.0, counts[number] / max(within, 1)) if len(ahead) == len(pixels) else np.nan
        rows.append((float(state.person.role == "child"), *low, *high, share, before))
    return np.array(rows, np.float32).reshape(-1, 7)


@dataclass(frozen=True)
class _Part:
    """One building on one day; kept in a file of its own, so that what was interrupted goes on where it was."""

    file: Path
    seed: int
    per_camera: int
    unseen: str
    invented: bool = False
    reaching: bool = False

    def render(self) -> None:
        if self.file.exists():
            return
        drawn = list(self._drawn())
        counts = np.array([len(one.people) for one in drawn])
        waiting = self.file.with_suffix(".new.npz")
        np.savez(
            waiting, pictures=np.stack([one.picture for one in drawn]), counts=counts,
            people=np.concatenate([one.people for one in drawn]),
        )  # fmt: skip
        waiting.replace(self.file)

    def _drawn(self) -> Iterator[Drawn]:
        if self.unseen in ("seeds", "building"):
            building = load_building("magnolia" if self.unseen == "building" else "sunflower")
            return draw(building, self.seed, self.per_camera, crowds=False)
        if self.invented:
            return draw_invented(self.seed, _INVENTED_CAMERAS, self.per_camera, reaching=self.reaching)
        chance = np.random.default_rng([self.seed, 1])
        building = varied_building(load_building("sunflower"), chance, _CAMERAS)
        return draw(building, self.seed, self.per_camera, crowds=True)


def write(folder: Path, pictures: int, seed: int, unseen: str, jobs: int) -> None:
    """Draw until there are at least ``pictures``, in ``jobs`` processes; the result does not depend on their number."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    parts = _parts(folder / "parts", pictures, seed, unseen)
    for first in range(0, len(parts), jobs * _PARTS_PER_PROCESS):
        some = parts[first : first + jobs * _PARTS_PER_PROCESS]
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for number, _ in enumerate(pool.map(_Part.render, some), first + 1):
                print(f"{number}/{len(parts)} parts", flush=True)
    loaded = [np.load(part.file) for part in parts]
    np.save(folder / "pictures.npy", np.concatenate([one["pictures"] for one in loaded]))
    counts = np.concatenate([one["counts"] for one in loaded])
    numbers = np.repeat(np.arange(len(counts)), counts).astype(np.float32)
    np.save(folder / "people.npy", np.column_stack([numbers, np.concatenate([one["people"] for one in loaded])]))


def _parts(folder: Path, pictures: int, seed: int, unseen: str) -> list[_Part]:
    if unseen == "houses":
        count = -(-pictures // (_INVENTED_CAMERAS * _PER_UNSEEN_HOUSE))
        return [
            _Part(folder / f"{n:04}.npz", seed * 100_000 + n, _PER_UNSEEN_HOUSE, unseen, True) for n in range(count)
        ]
    if unseen:
        cameras = len(load_building("magnolia" if unseen == "building" else "sunflower").cameras)
        count = -(-pictures // (cameras * _PER_UNSEEN_CAMERA))
        return [_Part(folder / f"{n:04}.npz", seed * 100_000 + n, _PER_UNSEEN_CAMERA, unseen) for n in range(count)]
    varied = round(pictures * _VARIED_SHARE / (_CAMERAS * _PER_CAMERA))
    left = pictures - varied * _CAMERAS * _PER_CAMERA
    invented = -(-left // (_INVENTED_CAMERAS * _PER_INVENTED_CAMERA))
    return [
        *(_Part(folder / f"{n:04}.npz", seed * 100_000 + n, _PER_CAMERA, "") for n in range(varied)),
        *(
            _Part(folder / f"i{n:04}.npz", seed * 100_000 + 50_000 + n, _PER_INVENTED_CAMERA, "", True, n >= _AS_USUAL)
            for n in range(invented)
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=7344)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unseen", choices=("", "seeds", "building", "houses"), default="")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    write(arguments.folder, arguments.pictures, arguments.seed, arguments.unseen, arguments.jobs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
