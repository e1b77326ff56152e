"""Finding stored versions in directories: by key, by version, by prefix. Blocking; call in a thread.

Belongs here: reading directories, and the lock that serialises changes in one. Does not belong here: writing objects.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from services.backbone.embedded.object_name import VERSION, VersionName, parse_file_name, split_suffix
from services.backbone.ports import StoredObject
from services.contracts.errors import Corrupt, NotFound

Found = TypeVar("Found")


def newest(place: Path) -> VersionName | None:
    """The newest version of the object whose key ends in ``place.name``."""
    return max(versions_of(place), key=lambda version: version.version_id, default=None)


def versions_of(place: Path) -> list[VersionName]:
    """Every version of one object."""
    start = split_suffix(place.name)[0] + "~"
    try:
        names = [name for name in os.listdir(place.parent) if name.startswith(start)]  # noqa: PTH208 - thrice as fast
    except (FileNotFoundError, NotADirectoryError):
        return []
    parsed = (parse_file_name(name) for name in names)
    return [version for version in parsed if version is not None and version.name == place.name]


def find(place: Path, key: str, version_id: str | None) -> VersionName:
    """One version, by default the newest; ``NotFound`` if there is none."""
    if version_id is not None and not VERSION.match(version_id):
        raise NotFound(f"{key} has no version {version_id[:64]!r}")
    if version_id is None:
        found = newest(place)
    else:
        found = next((version for version in versions_of(place) if version.version_id == version_id), None)
    if found is None:
        raise missing(key, version_id)
    return found


def missing(key: str, version_id: str | None) -> NotFound:
    return NotFound(f"{key} is not in the store" if version_id is None else f"{key} has no version {version_id}")


def looked_up(place: Path, key: str, version_id: str | None, look: Callable[[VersionName], Found]) -> Found:
    """What ``look`` finds at a version's file, even while another writer gives that file a new name.

    A listing made during a rename may show the old name, both or neither (POSIX ``readdir``), so a miss is only believed
    with the directory locked. Raises ``NotFound``.
    """
    with contextlib.suppress(FileNotFoundError, NotFound):
        return look(find(place, key, version_id))
    if version_id is not None and not VERSION.match(version_id):
        raise missing(key, version_id[:64])
    try:
        with locked(place.parent, make=False):
            return look(find(place, key, version_id))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing(key, version_id) from error


def stored_object(key: str, directory: Path, version: VersionName) -> StoredObject:
    """The version as the port shows it; ``Corrupt`` if the file has not the size it was stored with."""
    found = (directory / version.file_name).stat()
    if found.st_size != version.size_bytes:
        raise Corrupt(
            f"{key} version {version.version_id} has {found.st_size} bytes; {version.size_bytes} were stored: "
            "it was truncated or torn; restore it from a copy"
        )
    return _shown(key, version)


def _shown(key: str, version: VersionName) -> StoredObject:
    return StoredObject(
        key, version.version_id, version.size_bytes, version.sha256, version.retain_until_ns, version.legal_hold,
        modified_ns=int(version.version_id[:16], 16),
    )  # fmt: skip


def open_version(directory: Path, stored: StoredObject) -> BinaryIO:
    """Open a version for reading, even if its retention or hold (its file's name) changes at this moment."""
    place = directory / stored.key.rpartition("/")[2]
    return looked_up(place, stored.key, stored.version_id, lambda version: (directory / version.file_name).open("rb"))


def walk(root: Path, prefix: str) -> Iterator[list[StoredObject]]:
    """Every version under a prefix of keys, in order of key, a directory at a time. Sizes are not judged here."""
    begin = prefix.rpartition("/")[0]
    if ".." in begin.split("/") or begin.startswith("/"):
        return
    yield from _walk(root / begin, f"{begin}/" if begin else "", prefix)


def _walk(directory: Path, path: str, prefix: str) -> Iterator[list[StoredObject]]:
    for name, version in _entries(directory):
        key = path + name
        if version is None:
            folder = key + "/"
            if folder.startswith(prefix) or prefix.startswith(folder):
                yield from _walk(directory / name, folder, prefix)
        elif key.startswith(prefix):
            yield [_shown(key, version)]


def _entries(directory: Path) -> list[tuple[str, VersionName | None]]:
    """Folders and versions of a directory, sorted so that the keys below come in order."""
    found: list[tuple[str, str, str, VersionName | None]] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                version = parse_file_name(entry.name)
                if version is not None:
                    found.append((version.name, version.version_id, version.name, version))
                elif not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                    found.append((entry.name + "/", "", entry.name, None))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found.sort(key=lambda each: each[:2])
    return [(name, version) for _, _, name, version in found]


def prune(directory: Path, root: Path) -> None:
    """Remove directories that became empty, up to the root. One that is being filled again stays."""
    while directory != root and root in directory.parents:
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


@contextlib.contextmanager
def locked(directory: Path, *, make: bool = True) -> Iterator[None]:
    """Exclude other writers, in this process or another, from one directory. The lock goes with the process.

    A directory that is not there is made, or ``FileNotFoundError`` is raised with ``make=False``.
    """
    while True:
        if make:
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # pruned between the two lines
            if make:
                continue
            raise
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _same_directory(descriptor, directory):
                yield
                return
        finally:
            os.close(descriptor)


def _same_directory(descriptor: int, directory: Path) -> bool:
    """Whether the locked directory is still the one of that name (it may have been pruned and made anew)."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), directory.stat())
    return False
