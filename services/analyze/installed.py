"""Installed models: where they lie, how one gets there (all or nothing), and whether it is still what it was.

A model is two files in MODELS: ``NAME.onnx``, as published, and ``NAME.json``, the receipt (digest, licence, assessment, source,
when, and what surgery does to it: ``services.analyze.parity``). Surgery itself happens at activation, from the verified file.
"""

from __future__ import annotations

import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.analyze.model_file import MAX_FILE_BYTES, check_model, digest_of
from services.analyze.parity import Size, Verdict, examine
from services.analyze.registry import PACKAGE, ModelEntry
from services.analyze.surgery.operation import SURGERY_VERSION
from services.contracts.errors import Corrupt, KanhuError, NotFound, Rejected, Transient

_DOWNLOAD_TIMEOUT_S = 60.0

Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model file whose digest was just verified. ``packaged``: it ships with the program. ``as_published``: its installer wants
    no surgery. ``kept_whole``: input sizes that its installation found boxes to move at. ``verdict``: what was measured, at
    installation only."""

    entry: ModelEntry
    sha256: str
    body: bytes
    packaged: bool
    as_published: bool = False
    kept_whole: frozenset[Size] = frozenset()
    verdict: Verdict | None = None


def read_model(entry: ModelEntry, models_dir: Path | None) -> InstalledModel:
    """The verified file of a model; ``NotFound`` says how to install it, ``Corrupt`` what is wrong with it."""
    path = models_dir / f"{entry.name}.onnx" if models_dir is not None else None
    if entry.packaged is not None:  # an installed copy may be of an older program
        body, packaged = _packaged(entry.packaged), True
    elif path is not None and path.is_file():
        body, packaged = read_file(path), False
    else:
        raise NotFound(
            f"model {entry.name} is not installed; run: kanhu models install {entry.name} --data DIR [--from FILE]"
        )
    check_model(body, entry)
    as_published, kept_whole = _wishes(entry, models_dir)
    return InstalledModel(entry, digest_of(body), body, packaged, as_published, kept_whole)


def is_present(entry: ModelEntry, models_dir: Path | None) -> bool:
    """Whether there is a file for it (not whether it is sound)."""
    return entry.packaged is not None or (models_dir is not None and (models_dir / f"{entry.name}.onnx").is_file())


def install(
    entry: ModelEntry,
    models_dir: Path,
    *,
    source: Path | None,
    now: str,
    fetch: Fetch | None = None,
    pictures: Iterable[NDArray[np.uint8]] = (),
    as_published: bool = False,
    trial: Callable[[bytes, ModelEntry], object] | None = None,
) -> InstalledModel:
    """Verify a file (from ``source``, else from the entry's URL), measure surgery on it, and put it in place atomically.

    ``pictures`` (BGR) are measured on besides the drawn ones. ``Corrupt`` when surgery would move its boxes, unless
    ``as_published``: then it is used without. ``trial`` runs a checked file apart from this process first (``trial.try_model``).
    """
    if source is None and entry.packaged is not None:
        body = _packaged(entry.packaged)
    else:
        body = read_file(source) if source is not None else _download(entry, fetch or _fetch)
    check_model(body, entry)
    if trial is not None:
        trial(body, entry)
    digest = digest_of(body)
    verdict = Verdict(unrecognised="not wanted (--as-published)") if as_published else _examine(entry, body, pictures)
    receipt = {
        "name": entry.name, "sha256": digest, "licence": entry.licence, "assessment": entry.assessment,
        "source": source.name if source is not None else entry.url or entry.source, "installed": now,
        "as_published": as_published, "surgery": {"version": SURGERY_VERSION, **verdict.facts()},
    }  # fmt: skip
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        _write(models_dir / f"{entry.name}.onnx", body)
        _write(models_dir / f"{entry.name}.json", json.dumps(receipt, indent=1).encode() + b"\n")
    except OSError as error:
        raise Transient(
            f"could not write to {models_dir}: {error.strerror}; free some space or fix its permissions"
        ) from error
    return InstalledModel(entry, digest, body, False, as_published, frozenset(verdict.kept_whole), verdict)


def verify(entry: ModelEntry, models_dir: Path | None) -> tuple[str, str | None]:
    """(state, what is wrong) of a model: ``sound``, ``absent`` or ``broken``."""
    if not is_present(entry, models_dir):
        return "absent", None
    try:
        read_model(entry, models_dir)
    except KanhuError as error:
        return "broken", str(error)
    return "sound", None


def _examine(entry: ModelEntry, body: bytes, real: Iterable[NDArray[np.uint8]]) -> Verdict:
    try:
        return examine(entry, body, real)
    except Corrupt as error:
        raise Corrupt(
            f"{error}; not installed. It can be used as published, at up to twice the cost: --as-published"
        ) from error


def _wishes(entry: ModelEntry, models_dir: Path | None) -> tuple[bool, frozenset[Size]]:
    """What the receipt says of surgery; one that cannot be read says nothing (activation measures for itself)."""
    try:
        receipt = json.loads((models_dir / f"{entry.name}.json").read_bytes()) if models_dir is not None else {}
        sizes = receipt.get("surgery", {}).get("kept_whole", [])
        return receipt.get("as_published") is True, frozenset((int(width), int(height)) for width, height in sizes)
    except (OSError, ValueError, TypeError, AttributeError):
        return False, frozenset()


def _packaged(name: str) -> bytes:
    return files(PACKAGE).joinpath(name).read_bytes()


def read_file(path: Path) -> bytes:
    """A model file's bytes; ``Rejected`` when there is none, or it is far too large."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Rejected(f"{path.name} has {path.stat().st_size} bytes; a model has at most {MAX_FILE_BYTES}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Rejected(f"there is no file {path}") from error
    except OSError as error:
        raise Rejected(f"could not read {path}: {error.strerror}") from error


def _download(entry: ModelEntry, fetch: Fetch) -> bytes:
    if entry.url is None:
        raise Rejected(f"{entry.name} has nowhere to be downloaded from; give --from FILE")
    try:
        return fetch(entry.url)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Transient(
            f"could not download {entry.url}: {error}; fetch it on another machine and give --from FILE"
        ) from error


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_DOWNLOAD_TIMEOUT_S) as answer:  # noqa: S310  the registry admits https only
        body: bytes = answer.read(MAX_FILE_BYTES + 1)
    return body


def _write(path: Path, body: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
