"""The limits by which incidents are derived, from a file: so that an analysis is judged by the limits that it was given.

Belongs here: reading and checking ``Thresholds``. Does not belong here: what they mean (``day/derivation``).
"""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import yaml

from services.contracts.errors import Rejected
from services.simulation.day.derivation import Thresholds
from services.simulation.described_file import bytes_of

_MAX_BYTES = 1 << 16


def load_limits(path: Path) -> Thresholds:
    """Limits from a mapping in YAML or JSON, such as ``{door_s: 20}``; what is left out stays the taxonomy's.

    ``NotFound``: no such file. ``Rejected``: it is no such mapping; each faulty entry is named.
    """
    return read_limits(bytes_of(path, _MAX_BYTES, "limits", "limits are a mapping like {door_s: 20}"), path.name)


def read_limits(document: bytes | str, name: str = "limits") -> Thresholds:
    """Limits from text; ``Rejected`` as :func:`load_limits`."""
    try:
        told = yaml.safe_load(document)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Rejected(f"{name} is neither YAML nor JSON: {error}") from error
    if not isinstance(told, dict):
        raise Rejected(f"{name} must be a mapping like {{door_s: 20}}")
    usual = {field.name: field.default for field in fields(Thresholds)}
    wrong = []
    for key, value in told.items():
        if key not in usual:
            wrong.append(f"{key} is no limit; known ones: {', '.join(usual)}")
        elif not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            wrong.append(f"{key}: {value!r} is not a number")
        elif isinstance(usual[key], int) and not isinstance(value, int):
            wrong.append(f"{key}: {value!r} is not a whole number")
        elif value < 0 and not key.endswith("_celsius"):
            wrong.append(f"{key}: {value!r} is below 0")
    if wrong:
        raise Rejected(f"{name}: " + "; ".join(wrong[:8]))
    return Thresholds(**told)
