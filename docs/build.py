"""Write the reference pages that follow from the code: ``make docs``. A test holds the committed pages equal to these.

Belongs here: rendering. What is said about a setting or a metric is said beside its definition.
"""

from __future__ import annotations

import ast
import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.backbone.settings_file import settings_schema
from services.contracts import asyncapi
from services.contracts.settings import Settings
from services.simulation.building import building_schema
from services.simulation.day.nursery_day import scenes_page
from services.simulation.day.script import script_schema
from services.simulation.truth import truth_schema

REPOSITORY = Path(__file__).parents[1]
REFERENCE = REPOSITORY / "docs" / "reference"


def pages() -> dict[str, str]:
    """File name -> contents of every generated page."""
    return {
        "asyncapi.json": json.dumps(asyncapi.document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n",
        "settings.schema.json": json.dumps(settings_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n",
        "building.schema.json": json.dumps(building_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n",
        "truth.schema.json": json.dumps(truth_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n",
        "script.schema.json": json.dumps(script_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n",
        "scenes.md": scenes_page(),
        "settings.md": settings_page(),
        "metrics.md": metrics_page(),
    }


def settings_page() -> str:
    """One row a setting: key, type, default, meaning. Keys of lists end in ``[]``."""
    lines = [
        "# Settings", "",
        "FILE is one YAML document ([JSON schema](settings.schema.json)). Any scalar outside a list can be overridden by an",
        "environment variable: `backbone.kafka.bootstrap` is `KANHU_BACKBONE__KAFKA__BOOTSTRAP`. Secrets are named by file or",
        "environment variable, never written.", "",
        "| Key | Type | Default | Meaning |", "|---|---|---|---|",
    ]  # fmt: skip
    for key, kind, field in _settings("", Settings):
        lines.append(f"| `{key}` | {kind} | {_default(field)} | {_cell(field.description or '')} |")
    return "\n".join(lines) + "\n"


def _settings(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        listed, inner = _models_in(field.annotation)
        if not inner:
            yield key, _kind(field.annotation), field
        for child in inner:
            yield from _settings(f"{key}[]." if listed else f"{key}.", child)


def _models_in(annotation: object) -> tuple[bool, list[type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return False, [annotation]
    found = [_models_in(inner) for inner in typing.get_args(annotation)]
    models = [model for _, inner in found for model in inner]
    return typing.get_origin(annotation) is list or any(listed for listed, inner in found if inner), models


def _kind(annotation: object) -> str:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Literal:
        return " \\| ".join(f"`{value}`" for value in arguments)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(inner) for inner in arguments if inner is not type(None)) + ", optional"
    if origin is list:
        return f"list of {_kind(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(_kind(inner) for inner in arguments)}]"
    if annotation is SecretStr:
        return "secret"
    return {"str": "text", "int": "integer", "float": "number", "bool": "true or false"}.get(
        getattr(annotation, "__name__", str(annotation)), str(annotation)
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    return (
        "" if value in (None, PydanticUndefined, "", []) else f"`{json.dumps(value, default=str, ensure_ascii=False)}`"
    )


def metrics_page() -> str:
    """One row a metric, with what its definition's comment says to do about it."""
    lines = ["# Metrics", "", "Each service shows its own at `/metrics` in the Prometheus text format.", "",
             "| Metric | Kind | Labels | What it means, and what to do |", "|---|---|---|---|"]  # fmt: skip
    source = (REPOSITORY / "services/backbone/metrics.py").read_text()
    comments = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            kind, (name, *rest) = node.value.func.id, node.value.args
            labels = ast.literal_eval(rest[1]) if len(rest) > 1 else []
            meaning = _cell(_above(comments, node.lineno))
            lines.append(f"| `{ast.literal_eval(name)}` | {kind.lower()} | {', '.join(labels)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _above(lines: list[str], line_number: int) -> str:
    said: list[str] = []
    for line in reversed(lines[: line_number - 1]):
        if not line.startswith("#:"):
            break
        said.insert(0, line.removeprefix("#:").strip())
    return " ".join(said)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Write every page."""
    for name, contents in pages().items():
        (REFERENCE / name).write_text(contents)
        sys.stdout.write(f"docs/reference/{name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
