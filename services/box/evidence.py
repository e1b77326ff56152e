"""``kanhu evidence verify FILE``: judge a recorded segment or an export by itself, without the installation that made it.

Belongs here: reading the file and the trusted key, saying the verdict. Does not belong here: the judging
(``services.media.verify``). Evidence packages (ZIP) come with a later version, and that is said.
"""

from __future__ import annotations

import argparse
import json
import mmap
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from services.contracts.errors import NotFound, Rejected
from services.contracts.time import format_rfc3339

_ZIP = b"PK\x03\x04"
_KEY = re.compile(r"^[0-9a-f]{64}$")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("evidence", help="verify evidence offline")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser(
        "verify",
        help="verify a recorded segment or an export",
        description="Say whether footage is what the agent signed. Exit status 0: authentic; 1: it is not, and why.",
    )
    verify.add_argument("package", type=Path, metavar="PACKAGE", help="an MP4 made by Kanhu")
    whom = verify.add_mutually_exclusive_group(required=True)
    whom.add_argument("--public-key", metavar="HEX", help="the agent's Ed25519 public key, 64 hexadecimal digits")
    whom.add_argument("--data", type=Path, metavar="DIR", help="a box whose enrolled agents are trusted")
    verify.add_argument("--json", action="store_true", help="one JSON object a line")
    verify.set_defaults(run=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    from services.media.verify import verify_segment

    view = _map(arguments.package)
    if bytes(view[:4]) == _ZIP:
        raise Rejected("this is a ZIP; evidence packages are verified by a later version of Kanhu, MP4 files by this")
    verdict = verify_segment(view, _trusted_key(arguments, view))
    said = {
        "file": str(arguments.package), "verdict": verdict.kind, "detail": verdict.detail, "seq": verdict.seq,
        "camera": verdict.run.camera_id if verdict.run else None, "run": verdict.run.run_id if verdict.run else None,
        "first_seq": verdict.first_seq, "last_seq": verdict.last_seq, "signatures": verdict.signatures,
        "authentic_through": verdict.authentic_through,
    }  # fmt: skip
    if arguments.json:
        sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    else:
        _say(said)
    return 0 if verdict.is_authentic else 1


def _say(said: Mapping[str, object]) -> None:
    sys.stdout.write(f"{said['verdict']}: {said['file']}\n")
    for name in ("camera", "run", "seq", "first_seq", "last_seq", "signatures", "detail"):
        if said[name] not in (None, ""):
            sys.stdout.write(f"  {name:<12} {said[name]}\n")


def _trusted_key(arguments: argparse.Namespace, view: memoryview) -> bytes:
    """The key to judge by: named, or the one that the box has enrolled under the id which the footage bears."""
    if arguments.public_key is not None:
        if not _KEY.match(arguments.public_key.lower()):
            raise Rejected("--public-key must be 64 hexadecimal digits; the agent writes it to its log at start")
        return bytes.fromhex(arguments.public_key)
    import asyncio

    from services.backbone.embedded.key_directory import KeyDirectory
    from services.media.segment import read_segment

    if not (arguments.data / "keys").is_dir():
        raise Rejected(f"there is no installation at {arguments.data}; name the directory given to kanhu box --data")
    segment = read_segment(view)
    key_id, at_ns = segment.run.key_id, segment.start_ns
    try:
        return asyncio.run(KeyDirectory(arguments.data / "keys").trusted(key_id, at_ns=at_ns))
    except NotFound as error:
        raise NotFound(f"key {key_id} was not trusted here at {format_rfc3339(at_ns)}: {error}") from error


def _map(path: Path) -> memoryview:
    """The file's bytes without reading them all into memory; the mapping ends with this process."""
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise Rejected(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Rejected(f"{path} is empty") from error
