"""Small files that are whole or not there: write aside, fsync, rename, fsync the directory. Blocking; call in a thread."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from pathlib import Path

from services.contracts.errors import KanhuError, Rejected, Transient

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def translate(error: OSError, doing: str) -> KanhuError:
    """Our word for an error of the operating system, with what to do about it."""
    if error.errno in _FULL:
        return Transient(f"{doing}: the disk is full; make room and it goes on by itself")
    if error.errno in _REFUSED:
        return Rejected(f"{doing}: {error.strerror}; give this user the right to write there")
    return Transient(f"{doing}: {error.strerror or error}")


_SYNC_FILE_RANGE_WRITE = 2
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Linux
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def start_writing_out(descriptor: int, start: int, length: int) -> None:
    """Have the disk begin with what was written, so that a later fsync waits for less. Promises nothing."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, start, length, _SYNC_FILE_RANGE_WRITE)


def sync_directory(directory: Path) -> None:
    """Make renames, links and removals in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_aside(path: Path, content: bytes, *, mode: int) -> Path:
    """Write and fsync a file beside ``path``; its name begins with a dot and is used by nobody else."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return aside


def replace_file(path: Path, content: bytes, *, mode: int) -> None:
    """Replace ``path`` durably; readers see the old content or the new."""
    try:
        aside = write_aside(path, content, mode=mode)
        aside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise translate(error, f"writing {path}") from error


def create_file(path: Path, content: bytes, *, mode: int) -> bool:
    """Create ``path`` durably unless it exists; ``False`` if somebody else made it first (its content stays)."""
    try:
        aside = write_aside(path, content, mode=mode)
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        finally:
            aside.unlink(missing_ok=True)
            sync_directory(path.parent)
    except OSError as error:
        raise translate(error, f"writing {path}") from error
    return True
