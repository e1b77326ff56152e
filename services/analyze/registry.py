"""The model registry: which files are accepted, what they take and give, under which licence and assessment.

Belongs here: reading ``registry.yaml``. Does not belong here: files (``installed.py``), what is inside them (``model_file.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError

from services.contracts.cloud_event import Payload
from services.contracts.errors import Rejected
from services.contracts.ids import Name

#: The models' own package, for entries whose file ships with the program.
PACKAGE = "services.analyze.models"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ModelInput(Payload):
    """Picture as float32 NCHW, BGR, 0-255, laid in at the top left, padded with 114."""

    name: str = Field(min_length=1, max_length=80)
    width: int = Field(ge=32, le=2048, multiple_of=32)
    height: int = Field(ge=32, le=2048, multiple_of=32)


class ModelEntry(Payload):
    """One model. ``sha256`` lists every accepted build of it, newest first."""

    name: Name
    title: str = Field(max_length=200)
    decoder: Literal["yolox"]
    input: ModelInput
    class_count: int = Field(ge=1, le=1000)
    person_class: int = Field(ge=0)
    licence: str = Field(min_length=1, max_length=80)
    source: str = Field(min_length=1, max_length=400)
    url: str | None = Field(default=None, pattern=r"^https://", description="official release file")
    packaged: str | None = Field(default=None, pattern=r"^[a-z0-9_]+\.onnx$", description="file in this package")
    sha256: list[Sha256] = Field(min_length=1)
    assessment: str = Field(min_length=1, max_length=80, description="impact assessment its activation rests on (R-24)")
    drawn_rooms_only: bool = Field(default=False, description="never chosen for a real camera unless named")
    scope: str = Field(default="", max_length=400, description="what it can and cannot see")


class _Document(Payload):
    models: list[ModelEntry]


Registry = Mapping[str, ModelEntry]


def load_registry(models_dir: Path | None = None) -> Registry:
    """The entries that ship with the program, overlaid by ``MODELS/registry.yaml`` if there is one."""
    own = _read(files(PACKAGE).joinpath("registry.yaml").read_text(encoding="utf-8"), "the packaged registry.yaml")
    extra = models_dir / "registry.yaml" if models_dir is not None else None
    if extra is not None and extra.is_file():
        own |= _read(extra.read_text(encoding="utf-8"), str(extra))
    return own


def entry_of(registry: Registry, name: str) -> ModelEntry:
    """The entry of a name; ``Rejected`` lists the names there are."""
    if name not in registry:
        raise Rejected(f"no model is called {name!r}; known are {', '.join(sorted(registry))}")
    return registry[name]


def _read(text: str, where: str) -> dict[str, ModelEntry]:
    try:
        document = _Document.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise Rejected(f"{where} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Rejected(f"{where} is wrong at {place}: {first['msg']}") from error
    return {entry.name: entry for entry in document.models}
