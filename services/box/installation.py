"""What a box is made of: its directory, its secrets, and its FILE (``DATA/box.yaml``) that every service reads.

Belongs here: composing FILE from what was there, ``--config`` and ``--camera``; writing it; making secrets once. Does
not belong here: processes (``children.py``) and words for people (``terminal.py``).

FILE is composed anew at each start from itself, so that a camera named once stays until it is taken out of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from pydantic import ValidationError

from services.backbone.settings_file import BOX_FILE, load_settings
from services.box import demonstration
from services.contracts.entity import CameraConfig
from services.contracts.errors import Rejected
from services.contracts.ids import check_name
from services.contracts.settings import Settings
from services.contracts.source_url import parse_source_url, redact_url

Document = dict[str, Any]


class _Plain(yaml.SafeDumper):
    """YAML without anchors: FILE's reader refuses them, and a person need not follow them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


STATE_FILE = "box.state.json"
_LOCK_FILE = "box.lock"
_HEADER = (
    "# The settings of this box, read by every service and by `kanhu COMMAND --data DIR`.\n"
    "# Composed at each start of `kanhu box`; edit it freely, your values are kept. No secret is written here.\n"
)
WHOLE_PICTURE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asked for."""

    data: Path
    listen: str | None = None
    config: Path | None = None
    cameras: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ports:
    """Addresses picked at this start, on the loopback interface."""

    readings: str


def read_camera_option(text: str) -> tuple[str, str]:
    """``NAME=URL`` as a pair; ``Rejected`` says what is wrong and never shows a password."""
    name, equals, url = text.partition("=")
    if not equals:
        raise Rejected(f"--camera {redact_url(text)!r} is not NAME=URL; write --camera door=rtsp://HOST/PATH")
    check_name(name, "camera")
    try:
        parse_source_url(url)
    except ValueError as error:
        raise Rejected(str(error)) from None
    return name, url


def prepare_directory(data: Path) -> None:
    """Make DATA, readable by its owner only."""
    try:
        for part in (data, data / "tokens", data / "logs"):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Rejected(f"{data} cannot be made: {error.strerror}; name a directory with --data") from error


@contextlib.contextmanager
def only_box(data: Path) -> Iterator[None]:
    """Hold DATA for this process; ``Rejected`` names the box that holds it already."""
    with (data / _LOCK_FILE).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Rejected(_already(data)) from None
        yield


def _already(data: Path) -> str:
    try:
        state = json.loads((data / STATE_FILE).read_text())
        return f"a box runs on {data} already (process {state['pid']}, {state['url']}); stop it, or name another --data"
    except (OSError, ValueError, KeyError):
        return f"a box runs on {data} already; stop it, or name another --data"


def keep_secret(path: Path) -> bool:
    """Make a random token at ``path`` unless there is one; tells whether it was made."""
    if path.exists():
        return False
    _write_private(path, secrets.token_urlsafe(32) + "\n")
    return True


def compose(wishes: Wishes, ports: Ports) -> Settings:
    """Write ``DATA/box.yaml`` and return it as the services will read it."""
    data = wishes.data
    path = data / BOX_FILE
    document = _read(path) if path.exists() else {}
    if wishes.config is not None:
        load_settings_of_wish(wishes.config, data)
        document = merged(document, _read(wishes.config))
    _require_embedded(document, data)
    cameras = [camera_of(name, url, data) for name, url in wishes.cameras]
    document = merged(document, {"cameras": cameras} if cameras else {})
    own = [camera for camera in document.get("cameras") or [] if not demonstration.is_shown_by_default(camera)]
    document = demonstration.without(document, only_outdated=not own)
    if not own:
        document = merged(document, demonstration.added_to(document))
    _place(document, wishes, ports)
    _write_private(path, _HEADER + yaml.dump(document, Dumper=_Plain, allow_unicode=True, sort_keys=False))
    return load_settings(path)


def load_settings_of_wish(config: Path, data: Path) -> None:
    """Check ``--config`` by itself first, so that a mistake is told with its own name and line."""
    document = _read(config)
    if "backbone" in document:
        load_settings(config)
        return
    whole = {"backbone": {"mode": "embedded", "data": str(data)}, **document}
    try:
        Settings.model_validate(whole)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Rejected(f"{config}, {where}: {redact_url(first['msg'].removeprefix('Value error, '))}") from None


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Document:
    """Mappings are merged key by key, lists of named things by their name; anything else of ``above`` stands."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = merged(old, value)
        elif (identity := _IDENTITIES.get(key)) is not None and isinstance(old, list) and isinstance(value, list):
            names = {item.get(identity) for item in value}
            result[key] = [item for item in old if item.get(identity) not in names] + value
        else:
            result[key] = value
    return result


_IDENTITIES = {"cameras": "camera_id", "sensors": "sensor_id", "agents": "agent_id"}


def camera_of(name: str, url: str, data: Path) -> Document:
    """A camera as ``--camera`` declares it: armed as a whole, so that a person raises I-12 at once."""
    address = parse_source_url(url)
    if address.scheme == "file":
        resolved = quote(str(Path(address.path).expanduser().resolve()), safe="/")
        url = f"file:{resolved}" + ("?loop=1" if address.loop else "")
    camera: Document = {"camera_id": name, "url": url}
    if address.username is not None or address.password is not None:
        camera["url"] = address.url
        camera["username"] = address.username or ""
        secret = data / "tokens" / f"camera-{name}.password"
        _write_private(secret, (address.password or "") + "\n")
        camera["password_file"] = str(secret)
    camera["zones"] = [{"name": "whole-picture", "kind": "armed", "polygon": WHOLE_PICTURE}]
    return camera


def simulated_cameras(settings: Settings) -> list[CameraConfig]:
    """The cameras of FILE that are simulated."""
    return [camera for camera in settings.cameras if camera.url.startswith("sim:")]


def write_state(data: Path, state: Mapping[str, Any]) -> None:
    """Say who runs here (``DATA/box.state.json``), whole or not at all."""
    _write_private(data / STATE_FILE, json.dumps(state, indent=1) + "\n")


def forget_state(data: Path) -> None:
    (data / STATE_FILE).unlink(missing_ok=True)


def _read(path: Path) -> Document:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Rejected(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise Rejected(f"{path}{where} is not YAML: {getattr(error, 'problem', error)}") from None
    if document is not None and not isinstance(document, dict):
        raise Rejected(f"{path} must be a mapping like 'cameras: …'")
    return document or {}


def _require_embedded(document: Document, data: Path) -> None:
    backbone = document.setdefault("backbone", {})
    if not isinstance(backbone, dict) or backbone.get("mode", "embedded") != "embedded":
        raise Rejected(
            "kanhu box runs on the embedded backbone, but the settings ask for a distributed one; "
            "start its services one by one: kanhu agent|analyze|retain|console --config FILE"
        )
    backbone["mode"] = "embedded"
    backbone["data"] = str(data)


def _place(document: Document, wishes: Wishes, ports: Ports) -> None:
    """Addresses and token files of this start."""
    agent = document.setdefault("agent", {})
    agent["http"] = {"listen": ports.readings, "token_file": str(wishes.data / "tokens" / "readings")}
    if wishes.listen is not None:
        document.setdefault("console", {})["listen"] = wishes.listen


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, durably and whole."""
    draft = path.with_name(path.name + ".draft")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def camera_names(cameras: Sequence[tuple[str, str]]) -> None:
    """Refuse two ``--camera`` of one name."""
    names = [name for name, _ in cameras]
    for name in names:
        if names.count(name) > 1:
            raise Rejected(f"--camera {name} is given twice; give each camera its own name")
