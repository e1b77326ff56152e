"""What is to go wrong on a day, as told by a script: a YAML list, a Python list, or a rate.

Belongs here: episodes as data, reading and checking them, drawing them by rate. Does not belong here: what an episode does to
the day (``scenes``), what it turns out to be (``derivation``).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from services.contracts.errors import Rejected
from services.simulation.day.calendar import DAY_S
from services.simulation.described_file import bytes_of

_CLOCK = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?$")
_MAX_BYTES = 1 << 20
_MAX_EPISODES = 500
#: Days of service on which nobody comes (I-30), at the most: such a day leaves no room for most other incidents.
_DESERTED_MOST = 0.05


class Episode(BaseModel):
    """One thing that is to happen: an incident (``I-01`` …) or a harmless look-alike by its name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    what: str = Field(min_length=1, max_length=60, description="I-01 … I-30, or a look-alike such as lie-down-to-play")
    at_s: float | None = Field(
        default=None,
        alias="at",
        ge=0,
        lt=DAY_S,
        description='"09:40", "09:40:30" or seconds since midnight; none: drawn',
    )
    lasts_s: float | None = Field(default=None, gt=0, le=6 * 3600.0)
    room: str | None = Field(default=None, max_length=60)
    variant: str | None = Field(default=None, max_length=40, description="which way, where an incident has several")
    target: str | None = Field(default=None, max_length=60, description="the camera, door, sensor or fridge concerned")
    person: int | None = Field(default=None, ge=1, le=999, description="who, by number")

    @field_validator("at_s", mode="before")
    @classmethod
    def _clock_time(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _CLOCK.match(value)
        if match is None:
            raise ValueError(f'{value!r} is not a time of day; write it like "09:40" or "09:40:30", in quotation marks')
        hour, minute, second = match.groups()
        return int(hour) * 3600.0 + int(minute) * 60.0 + float(second or 0.0)


Script = Sequence[Episode]


def episode(what: str, at: str | float | None = None, **told: Any) -> Episode:
    """An episode in Python: ``episode("I-01", "09:40", room="room-a", lasts_s=120)``."""
    return Episode.model_validate({"what": what, "at": at, **told})


def script_schema() -> dict[str, Any]:
    """The JSON schema of a script's YAML, as published in docs/reference."""
    schema = TypeAdapter(list[Episode]).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "kanhu-script", **schema}


def load_script(path: Path) -> tuple[Episode, ...]:
    """Read a script. ``NotFound``: no such file; ``Rejected``: it is no script, each faulty entry is named."""
    return read_script(bytes_of(path, _MAX_BYTES, "script", "a script is a list of a few episodes"), path.name)


def read_script(document: bytes | str, name: str = "script") -> tuple[Episode, ...]:
    """A script from YAML text; ``Rejected`` as :func:`load_script`."""
    try:
        told = yaml.safe_load(document)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Rejected(f"{name} is not YAML: {error}") from error
    if not isinstance(told, list) or len(told) > _MAX_EPISODES:
        raise Rejected(f'{name} must be a list of at most {_MAX_EPISODES} entries like {{what: I-01, at: "09:40"}}')
    found, wrong = [], []
    for index, entry in enumerate(told):
        try:
            found.append(Episode.model_validate(entry))
        except ValidationError as error:
            for fault in error.errors(include_url=False)[:4]:
                where = ".".join(str(part) for part in fault["loc"])
                wrong.append(f"{name}[{index}] {where}: {fault['msg'].removeprefix('Value error, ')}")
    if wrong:
        raise Rejected("; ".join(wrong[:8]))
    return tuple(found)


def drawn_script(names: Iterable[tuple[str, bool]], rate: float, key: str) -> tuple[Episode, ...]:
    """``rate`` incidents a day on average and half as many look-alikes again, drawn from the names (name, is look-alike)."""
    chance = random.Random(f"rate/{key}")  # noqa: S311  a drawing, not a secret
    known = sorted(names)
    incidents = [name for name, look_alike in known if not look_alike]
    look_alikes = [name for name, look_alike in known if look_alike]
    found = []
    for of, mean in ((incidents, rate), (look_alikes, rate * 1.5)):
        count = int(mean) + (chance.random() < mean - int(mean))
        pool: list[str] = []
        for _ in range(count):
            pool = pool or chance.sample(of, len(of))
            found.append(episode(pool.pop()))
    return tuple(found)


def draws_desertion(rate: float, kinds: int, key: str) -> bool:
    """Whether a day of service is one on which nobody comes (I-30), of so many kinds of incidents; at most every twentieth is.

    Drawn apart from :func:`drawn_script`, which draws the same with and without.
    """
    return random.Random(f"deserted/{key}").random() < min(_DESERTED_MOST, rate / kinds)  # noqa: S311  a drawing, not a secret
