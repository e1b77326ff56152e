"""Kept plates: the same back, painted once, painted anew when damaged, done without where nothing can be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.simulation.building import Building, load_building
from services.simulation.render import plate_cache
from services.simulation.render.camera_model import camera_model
from services.simulation.render.plate import Plate
from services.simulation.render.plate_cache import PlateCache

BUILDING: Building = load_building("sunflower")
MODEL = replace(camera_model(BUILDING.camera("nap")), width_px=16, height_px=10)


class Painter:
    """Paints noise, and counts."""

    def __init__(self) -> None:
        self.painted = 0

    def __call__(self) -> Plate:
        self.painted += 1
        chance = np.random.default_rng(self.painted)

        def wash(*more: int) -> np.ndarray:
            return chance.random((10, 16, *more), np.float32)

        return Plate(
            MODEL, {0: wash(3), 4: wash(3)}, {-1: wash(3)}, {}, wash(1), wash(3), wash(3), wash(3),
            chance.integers(-1, 5, (10, 16), np.int32), np.arange(7), frozenset({-1, 0, 4}),
        )  # fmt: skip


def same(one: Plate, other: Plate) -> bool:
    layers = all(
        getattr(one, layer).keys() == getattr(other, layer).keys()
        and all(np.array_equal(picture, getattr(other, layer)[room]) for room, picture in getattr(one, layer).items())
        for layer in ("lamps", "sky", "glow")
    )
    fields = ("infrared", "albedo", "points", "normals", "rooms", "visible")
    kept = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        and getattr(one, name).dtype == getattr(other, name).dtype
        for name in fields
    )
    return layers and kept and one.rooms_seen == other.rooms_seen and one.model == other.model


def test_a_kept_plate_comes_back_bit_for_bit_and_is_painted_once(tmp_path: Path) -> None:
    paint = Painter()
    first = PlateCache(tmp_path / "plates").plate(BUILDING, 1, MODEL, paint)
    again = PlateCache(tmp_path / "plates").plate(BUILDING, 1, MODEL, paint)
    assert paint.painted == 1
    assert same(first, again)
    assert [path.suffix for path in (tmp_path / "plates").iterdir()] == [".plate"]  # no draft is left


@pytest.mark.parametrize("changed", ["seed", "building", "camera"])
def test_whatever_a_plate_follows_from_names_another_file(tmp_path: Path, changed: str) -> None:
    kept = PlateCache(tmp_path)
    other_building = BUILDING.model_copy(update={"facade": "#000000"})
    others = {
        "seed": (BUILDING, 2, MODEL), "building": (other_building, 1, MODEL), "camera": (BUILDING, 1, replace(MODEL, k1=0.1)),
    }  # fmt: skip
    assert kept.path(*others[changed]) != kept.path(BUILDING, 1, MODEL) == kept.path(BUILDING, 1, replace(MODEL))


@pytest.mark.parametrize("harm", ["cut", "flipped", "emptied", "other"])
def test_a_damaged_file_is_painted_anew_and_mended(tmp_path: Path, harm: str) -> None:
    kept, paint = PlateCache(tmp_path), Painter()
    kept.plate(BUILDING, 1, MODEL, paint)
    path = kept.path(BUILDING, 1, MODEL)
    octets = bytearray(path.read_bytes())
    if harm == "flipped":
        octets[len(octets) // 3] ^= 0x10
    path.write_bytes({"cut": octets[: len(octets) // 2], "flipped": octets, "emptied": b"", "other": b"PK" * 400}[harm])
    mended = kept.plate(BUILDING, 1, MODEL, paint)
    assert paint.painted == 2
    assert same(mended, kept.plate(BUILDING, 1, MODEL, paint))
    assert paint.painted == 2


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "plates").write_text("a file where the folder should be")
    kept, paint = PlateCache(tmp_path / "plates"), Painter()
    for expected in (1, 2):
        kept.plate(BUILDING, 1, MODEL, paint)
        assert paint.painted == expected


def test_the_folder_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plate_cache, "_FILES_KEPT", 3)
    kept, paint = PlateCache(tmp_path), Painter()
    for seed in range(6):
        kept.plate(BUILDING, seed, MODEL, paint)
    assert len(list(tmp_path.glob("*.plate"))) == 3
    assert kept.path(BUILDING, 5, MODEL).exists()
