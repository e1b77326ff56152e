"""How much of somebody a camera shows: of the whole body, as MOTChallenge means it (Milan et al., "MOT16", 2016, table 4).

Belongs here: what counts as seen and of how much; the truth and the detector's training go by it. Does not belong here: whose
pixels are whose (``render/``), boxes.

Visibility there is lost "due to occlusion and due to image border cropping". So the share is the pixels that show a person, of
those that the outlines of the limbs would cover on a picture without borders: whoever has but a shoulder in the picture is hardly
visible, however plain that shoulder is to see.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.simulation import people
from services.simulation.render.camera_model import CameraModel
from services.simulation.world import PersonState

#: What is nearer than this, or behind the camera, has no place in a picture.
NEAREST_M = 0.1
#: A body is followed so many pictures' widths and heights beyond each border: nearer than a hand's breadth it would have no end.
_BEYOND = 1.0


def visible_share(
    model: CameraModel, state: PersonState, partner: PersonState | None, shown: NDArray[np.int32]
) -> float:
    """0..1. ``shown`` (height, width): the number of the person that each pixel of the picture shows; ``partner``: who
    carries them, or whom they carry."""
    body = Body.of(model, state, partner)
    seen = int(np.count_nonzero((shown == state.person.number) & body.inside))
    return min(1.0, seen / body.whole_px) if body.whole_px else 0.0


@dataclass(frozen=True)
class Body:
    """What the outlines of somebody's limbs cover, hidden or not: (height, width) of the picture, and pixels in all."""

    inside: NDArray[np.bool_]
    whole_px: int

    @classmethod
    def of(cls, model: CameraModel, state: PersonState, partner: PersonState | None) -> Body:
        hulls = _limb_hulls(model, state, partner)
        corners = np.concatenate([np.zeros((1, 2), np.int32), *hulls])
        low, high = corners.min(axis=0), np.maximum(corners.max(axis=0) + 1, _size(model))
        covered = np.zeros((high - low)[::-1], np.uint8)
        for hull in hulls:
            cv2.fillConvexPoly(covered, hull - low, 1)
        inside = covered[-low[1] :, -low[0] :][: model.height_px, : model.width_px] > 0
        return cls(inside, int(np.count_nonzero(covered)))


def _limb_hulls(model: CameraModel, state: PersonState, partner: PersonState | None) -> list[NDArray[np.int32]]:
    """The outlines of the limbs in pixels of a picture that goes on beyond its borders; of a limb that reaches behind the
    camera the part before it."""
    size = _size(model)
    meshes = people.limb_meshes(state.person)
    hulls = []
    for name, transform in people.pose(state, partner).items():
        if name == "blanket":
            continue
        pixels, depth = model.project(meshes[name].vertices @ transform[:3, :3].T + transform[:3, 3])
        ahead = pixels[depth > NEAREST_M]
        if len(ahead):
            kept = np.clip(np.round(ahead), -_BEYOND * size, (1 + _BEYOND) * size).astype(np.int32)
            hulls.append(np.asarray(cv2.convexHull(kept)[:, 0], np.int32))
    return hulls


def _size(model: CameraModel) -> NDArray[np.int32]:
    return np.array([model.width_px, model.height_px], np.int32)
