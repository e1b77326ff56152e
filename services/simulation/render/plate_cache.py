"""Painted plates on disk: a plate takes seconds of painting and is the same on every start, so it is painted once a machine.

Belongs here: files, their names, and what is done when one is missing, damaged or cannot be written. Does not belong here:
painting. A file's name is the digest of all that a plate follows from: this package's source, the libraries, building, seed and
camera. So nothing ever has to be invalidated, and a damaged file is painted anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from services.simulation.building import Building
from services.simulation.render.camera_model import CameraModel
from services.simulation.render.plate import Plate

logger = structlog.get_logger(__name__)

_LAYERS = ("lamps", "sky", "glow")
_PICTURES = ("infrared", "albedo", "points", "normals", "rooms", "visible")
_LIBRARIES = ("numpy", "opencv-python-headless", "panda3d")
_FILES_KEPT = 64
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, NotImplementedError)


def cache_directory() -> Path:
    """``$KANHU_CACHE``, else ``$XDG_CACHE_HOME/kanhu``, else ``~/.cache/kanhu``; the plates' own folder in it."""
    configured = os.environ.get("KANHU_CACHE")
    root = (
        Path(configured) if configured else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kanhu"
    )
    return root / "plates"


class PlateCache:
    """Plates in a folder. A folder that cannot be written is told once and done without."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or cache_directory()
        self._writable = True

    def path(self, building: Building, seed: int, model: CameraModel) -> Path:
        """Where a camera's plate lies, or will lie."""
        facts = {
            "code": _code_digest(),
            "building": building.model_dump(mode="json"),
            "seed": seed,
            "camera": asdict(model),
        }
        told = json.dumps(facts, sort_keys=True, ensure_ascii=True).encode()
        return self.directory / f"{hashlib.sha256(told).hexdigest()[:40]}.plate"

    def plate(self, building: Building, seed: int, model: CameraModel, paint: Callable[[], Plate]) -> Plate:
        """The kept plate, or one that is painted and kept now."""
        path = self.path(building, seed, model)
        try:
            plate = _unpacked(path.read_bytes(), model)
        except FileNotFoundError:
            plate = None
        except _DAMAGE as error:
            logger.warning("a kept plate is damaged and is painted anew", file=path.name, error=str(error)[:120])
            plate = None
        if plate is not None:
            with contextlib.suppress(OSError):
                os.utime(path)
            return plate
        plate = paint()
        self._keep(path, plate)
        return plate

    def _keep(self, path: Path, plate: Plate) -> None:
        if not self._writable:
            return
        draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(_packed(plate))
            draft.replace(path)
            self._forget_oldest()
        except OSError as error:
            self._writable = False
            logger.warning(
                "plates cannot be kept, and are painted at each start", folder=str(self.directory), error=error.strerror
            )
            with contextlib.suppress(OSError):
                draft.unlink()

    def _forget_oldest(self) -> None:
        """Keep the plates last used; other versions' and other seeds' go in time."""
        kept = sorted(self.directory.glob("*.plate"), key=_last_used)
        for path in kept[:-_FILES_KEPT]:
            with contextlib.suppress(OSError):
                path.unlink()


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Of the source that plates are painted by, and of the libraries' versions."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), here.parent / "catalogue.py", here.parent / "building.py"]
    digest = hashlib.sha256()
    for path in sources:
        if path.name != Path(__file__).name:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for library in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            digest.update(f"{library} {metadata.version(library)}\0".encode())
    return digest.hexdigest()


def _packed(plate: Plate) -> bytes:
    members: dict[str, NDArray[Any]] = {name: getattr(plate, name) for name in _PICTURES}
    for layer in _LAYERS:
        for room, picture in getattr(plate, layer).items():
            members[f"{layer}/{room}"] = picture
    members["rooms_seen"] = np.array(sorted(plate.rooms_seen), np.int64)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name, values in members.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
            target.writestr(name, member.getvalue())
    return whole.getvalue()


def _unpacked(octets: bytes, model: CameraModel) -> Plate:
    """A plate from its file; any of ``_DAMAGE`` where the file is not whole (every member bears a checksum)."""
    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(io.BytesIO(octets)) as source:
        for name in source.namelist():
            found[name] = np.lib.format.read_array(io.BytesIO(source.read(name)), allow_pickle=False)
    shape = (model.height_px, model.width_px)
    if any(found[name].shape[:2] != shape for name in found if name not in ("visible", "rooms_seen")):
        raise ValueError("its pictures have another size than the camera's")
    seen = frozenset(int(room) for room in found["rooms_seen"])
    layers = {layer: _layer(found, layer) for layer in _LAYERS}
    return Plate(model, **layers, **{name: found[name] for name in _PICTURES}, rooms_seen=seen)  # type: ignore[arg-type]


def _layer(found: Mapping[str, NDArray[Any]], layer: str) -> dict[int, NDArray[Any]]:
    return {int(name.partition("/")[2]): values for name, values in found.items() if name.startswith(f"{layer}/")}
