"""The configuration FILE on disk: YAML and environment in, checked :class:`Settings` out; secrets by reference.

Belongs here: reading, overriding, and telling the user which line is wrong and what belongs there. Does not belong
here: the settings themselves (``services.contracts.settings``). No error or log line of this module carries a value that
could be a secret.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from services.backbone.yaml_document import Document, KeyPath, read_document
from services.contracts.errors import NotFound, Rejected
from services.contracts.settings import Settings
from services.contracts.source_url import redact_url

ENVIRONMENT_PREFIX = "KANHU_"
BOX_FILE = "box.yaml"
_MAX_SECRET_BYTES = 64 * 1024
#: Discriminator values that pydantic puts into the location of an error, but that are no keys of the document.
_UNION_TAGS = ("embedded", "distributed")

logger = structlog.get_logger(__name__)


def load_settings(path: Path, *, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of FILE, overridden by the environment; ``NotFound``, ``Transient`` or ``Rejected`` name the line and key."""
    return _settle(read_document(path), environment)


def for_data_directory(directory: Path, *, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of a box: ``DIR/box.yaml`` if it exists, else the defaults; its backbone is embedded in the directory."""
    try:
        document = read_document(directory / BOX_FILE)
    except NotFound:
        document = Document(str(directory / BOX_FILE), {})
    root = {} if document.root is None else document.root
    if isinstance(root, dict):
        backbone = root.setdefault("backbone", {"mode": "embedded"})
        if isinstance(backbone, dict) and backbone.setdefault("mode", "embedded") == "embedded":
            backbone.setdefault("data", str(directory))
    return _settle(Document(document.name, root, document.lines), environment)


def settings_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of FILE, as published in docs/reference."""
    schema = Settings.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "kanhu-settings", **schema}


def read_secret(*, file: str | None = None, env: str | None = None, what: str = "secret") -> SecretStr:
    """The secret in ``file``, or else in environment variable ``env``; ``Rejected`` says which to set, never a value."""
    if file is not None:
        return _secret_of_file(Path(file), what)
    if env is None:
        raise Rejected(f"no {what} is named; name a file or an environment variable that holds it")
    value = os.environ.get(env, "")
    if not value:
        raise Rejected(f"environment variable {env} is not set; it must hold the {what} (or name a file that does)")
    return SecretStr(value)


def _secret_of_file(path: Path, what: str) -> SecretStr:
    try:
        with path.open("rb") as source:
            mode = os.fstat(source.fileno()).st_mode
            raw = source.read(_MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise Rejected(f"the {what} cannot be read from {path}: {error.strerror}") from error
    if mode & stat.S_IROTH:
        logger.warning("secret file is readable by everyone", path=str(path), remedy=f"chmod 600 {path}")
    try:
        value = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Rejected(f"{path} does not hold text; it must hold the {what}") from None
    if not value or len(raw) > _MAX_SECRET_BYTES:
        raise Rejected(f"{path} is empty or far too long; it must hold the {what} on one line")
    return SecretStr(value)


def _settle(document: Document, environment: Mapping[str, str]) -> Settings:
    if document.root is not None and not isinstance(document.root, dict):
        raise Rejected(f"{document.where(())}: the document must be a mapping like 'backbone: …'")
    root = document.root or {}
    origins = _override(root, environment)
    try:
        settings = Settings.model_validate(root)
    except ValidationError as error:
        raise Rejected(_explain(error, document, origins)) from None  # the cause would carry the input
    _refuse_twins(settings, document)
    for index, camera in enumerate(settings.cameras):
        if camera.password is not None:
            where = document.where(("cameras", index, "password"))
            logger.warning("a camera's secret is written in the file", where=where, remedy="use password_file")
    return settings


def _override(root: dict[str, Any], environment: Mapping[str, str]) -> dict[KeyPath, str]:
    """Write ``KANHU_A__B__C`` over ``root['a']['b']['c']``; return which variable set which key."""
    origins: dict[KeyPath, str] = {}
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX) or "__" not in name:
            continue
        path = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        origins[_write(root, path, environment[name], name)] = name
    return origins


def _write(root: dict[str, Any], path: list[str], value: str, variable: str) -> KeyPath:
    node: Any = root
    taken: list[str | int] = []
    for position, part in enumerate(path):
        last = position == len(path) - 1
        key = _list_index(node, part, variable) if isinstance(node, list) else part
        taken.append(key)
        if last:
            node[key] = value
        elif isinstance(node, list):
            node = node[int(key)]
        else:
            if node.get(key) is None:
                node[key] = {}
            node = node[key]
        if not last and not isinstance(node, dict | list):
            raise Rejected(f"environment variable {variable} goes into {'.'.join(map(str, taken))}, which has no parts")
    return tuple(taken)


def _list_index(node: list[Any], part: str, variable: str) -> int:
    if not part.isdigit() or int(part) >= len(node):
        raise Rejected(
            f"environment variable {variable}: {part!r} is no place in a list of {len(node)} (they count from 0)"
        )
    return int(part)


def _explain(error: ValidationError, document: Document, origins: Mapping[KeyPath, str]) -> str:
    found = [_explain_one(detail, document, origins) for detail in error.errors(include_url=False, include_input=False)]
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more


def _explain_one(detail: ErrorDetails, document: Document, origins: Mapping[KeyPath, str]) -> str:
    path = tuple(
        part
        for place, part in enumerate(detail["loc"])
        if not (place == 1 and detail["loc"][0] == "backbone" and part in _UNION_TAGS)
    )
    key = ".".join(str(part) for part in path) or "document"
    variable = _culprit(path, document, origins)
    where = f"environment variable {variable}" if variable else document.where(path)
    message = redact_url(detail["msg"].removeprefix("Value error, "))
    if detail["type"] == "extra_forbidden":
        message = "there is no such key; see the settings reference for those that exist"
    elif detail["type"] == "missing":
        message = "this key is required"
    return f"{where}, {key}: {message}"


def _culprit(path: KeyPath, document: Document, origins: Mapping[KeyPath, str]) -> str | None:
    """The variable that set the value at ``path``, or a part of it or what holds it, where the document has none."""
    for origin, variable in origins.items():
        if path[: len(origin)] == origin or (origin[: len(path)] == path and path not in document.lines):
            return variable
    return None


def _refuse_twins(settings: Settings, document: Document) -> None:
    named = {
        "cameras": [camera.camera_id for camera in settings.cameras],
        "sensors": [sensor.sensor_id for sensor in settings.sensors],
    }
    for section, names in named.items():
        for index, name in enumerate(names):
            if name in names[:index]:
                where = document.where((section, index))
                raise Rejected(f"{where}, {section}.{index}: {name!r} is declared twice; give each its own name")
