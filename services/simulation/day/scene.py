"""The register of scenes: what each is called, which incident it is or resembles, and why it happens.

Belongs here: the register. Does not belong here: the scenes (``scenes_people``, ``scenes_house``, ``look_alikes``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from services.contracts.errors import Rejected
from services.simulation.day.fields import READS, refuse_unread
from services.simulation.day.script import Episode
from services.simulation.day.stage import Happening, Stage

#: A scene changes the stage and says what it did.
Putting = Callable[[Stage, Episode], Happening]


@dataclass(frozen=True, slots=True)
class Scene:
    """``kind`` is the incident that it is, or, of a look-alike, the one that it resembles."""

    name: str
    kind: str
    look_alike: bool
    title: str
    put: Putting


SCENES: dict[str, Scene] = {}


def incident(kind: str, title: str) -> Callable[[Putting], Putting]:
    """Register a scene that is an incident."""
    return partial(_register, kind, kind, False, title)


def look_alike(name: str, kind: str, title: str) -> Callable[[Putting], Putting]:
    """Register a scene that only resembles an incident."""
    return partial(_register, name, kind, True, title)


def _register(name: str, kind: str, is_look_alike: bool, title: str, put: Putting) -> Putting:
    assert name not in SCENES, name
    assert name in READS, f"{name}: say in fields.READS what it reads"
    SCENES[name] = Scene(name, kind, is_look_alike, title, put)
    return put


def scene_of(told: Episode) -> Scene:
    """The scene of an episode; ``Rejected`` names those that there are, or the fields that it takes."""
    if told.what not in SCENES:
        raise Rejected(f"there is no scene {told.what!r}; there are {', '.join(sorted(SCENES))}")
    refuse_unread(told)
    return SCENES[told.what]
