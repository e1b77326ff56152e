"""What a model found in one picture, for every task there is; what each class of a model is called by the rest of the house.

Belongs here: result types and their mapping from a model's own classes. Does not belong here: how outputs become results
(``decoders``). There is no type for an identity, an embedding or a comparison of persons, and there must not be one (R-25).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal, TypeAlias

import numpy as np

from services.analyze.core.detection import Detections, Vector

Task = Literal["detect", "pose", "classify", "face"]


class Kind(IntEnum):
    """What a detection is. The numbers stand in ``Detections.classes`` once a model's own classes were mapped."""

    PERSON = 0
    ADULT = 1
    CHILD = 2
    FACE = 3
    FLAME = 4
    SMOKE = 5


#: Kinds that are one and the same thing seen with more or less detail: boxes of them suppress each other.
PERSONS = frozenset({Kind.PERSON, Kind.ADULT, Kind.CHILD})
KIND_OF_WORD: Mapping[str, Kind] = {kind.name.lower(): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Pose:
    """``points`` (17, 3): x, y in pixels of the picture and a score 0..1, in COCO's order: nose, eyes, ears, shoulders, elbows,
    wrists, hips, knees, ankles; left before right. One person: the model's choice if there are several."""

    points: Vector

    @property
    def score(self) -> float:
        """Mean score of the points: low when nobody is there."""
        return float(self.points[:, 2].mean())


@dataclass(frozen=True, slots=True)
class Classification:
    """How probable it is, 0..1, that the picture shows what the model was made for."""

    probability: float


@dataclass(frozen=True, slots=True)
class Faces:
    """Where faces are, so that they can be masked. ``points`` (n, 5, 2): eyes, nose, corners of the mouth, in pixels of the
    picture; (n, 0, 2) from a model that gives none."""

    found: Detections
    points: Vector

    def __len__(self) -> int:
        return len(self.found)


Finding: TypeAlias = Detections | Pose | Classification | Faces


def with_kinds(found: Detections, kinds: Mapping[int, Kind]) -> Detections:
    """The same boxes, their model classes replaced by kinds; ``kinds`` names every class that was asked for."""
    if not len(found):
        return found
    numbers = np.array([kinds[int(number)] for number in found.classes], np.int32)
    return replace(found, classes=numbers)
