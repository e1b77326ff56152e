"""The people of the nursery: bodies, clothes, gaits and postures, as rigid limbs that a renderer moves.

Everything is a pure function of ``world.Person`` and ``world.PersonState``; numpy alone. Belongs here: what a body looks
like and where its limbs are. Does not belong here: who does what when (``day``), drawing (``render``).

- ``person_of`` makes somebody; ``limb_meshes`` gives the skins, once; ``pose`` or ``poses`` the limbs' transforms, every frame.
- ``joints`` and ``posed_vertices`` are the truth: where the keypoints are, and every vertex, for exact boxes.

A limb that is missing from a pose is not drawn: a blanket lies only over who sleeps, a skirt not under it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from services.simulation.people.body import Body, body_of
from services.simulation.people.gait import cycle_m
from services.simulation.people.keypoints import KEYPOINTS, joints_of
from services.simulation.people.lying import fall_duration_s
from services.simulation.people.mesh import limb_meshes
from services.simulation.people.posing import blend_s, floor_m, shown, transforms
from services.simulation.people.shapes import LimbMesh
from services.simulation.people.skeleton import INDEX, LIMBS
from services.simulation.people.wardrobe import person_of
from services.simulation.world import Activity, Person, PersonState, Point

__all__ = [
    "KEYPOINTS", "LIMBS", "Body", "LimbMesh", "blend_s", "body_of", "cycle_m", "fall_duration_of", "joints", "limb_meshes",
    "limb_transforms", "limbs_shown", "person_of", "pose", "posed_vertices", "poses",
]  # fmt: skip


def poses(states: Sequence[PersonState]) -> list[dict[str, NDArray[np.float32]]]:
    """The limbs' world transforms (4, 4) of everybody at once, each as ``pose``; who carries whom is found among them."""
    return [
        {name: limbs[INDEX[name]] for name in shown(state.activity)}
        for state, limbs in zip(states, limb_transforms(states), strict=True)
    ]


def limb_transforms(states: Sequence[PersonState]) -> NDArray[np.float32]:
    """The same as an array (n, limbs, 4, 4) in the order of ``LIMBS``, those that are not drawn included."""
    by_number = {state.person.number: state for state in states}
    partners = [by_number.get(number) if (number := _other(state)) is not None else None for state in states]
    return transforms(states, partners)


def limbs_shown(activity: Activity) -> tuple[str, ...]:
    """The limbs that are drawn of somebody who does this."""
    return shown(activity)


def pose(state: PersonState, partner: PersonState | None = None) -> dict[str, NDArray[np.float32]]:
    """The world transform (4, 4) of every limb to draw; ``partner`` is who carries ``state`` or is carried by it."""
    limbs = transforms([state], [partner])[0]
    return {name: limbs[INDEX[name]] for name in shown(state.activity)}


def joints(state: PersonState, partner: PersonState | None = None) -> dict[str, Point]:
    """The 17 keypoints of COCO by name, world metres."""
    return joints_of(body_of(state.person), transforms([state], [partner])[0])


def posed_vertices(state: PersonState, partner: PersonState | None = None) -> NDArray[np.float32]:
    """Every vertex of everything drawn of a person, (n, 3) world metres.

    A blanket is not of the person and left out. Cloth that hangs into the floor is hidden by it: such vertices are at its height.
    """
    limbs = transforms([state], [partner])[0]
    meshes: Mapping[str, LimbMesh] = limb_meshes(state.person)
    parts = [
        meshes[name].vertices @ limbs[INDEX[name], :3, :3].T + limbs[INDEX[name], :3, 3]
        for name in shown(state.activity)
        if name != "blanket"
    ]
    vertices = np.concatenate(parts)
    if state.activity != "carried":
        vertices[:, 2] = np.maximum(vertices[:, 2], state.at[2] + floor_m(state))
    return vertices


def fall_duration_of(person: Person) -> float:
    """Seconds from the loss of balance until the body lies."""
    return fall_duration_s(body_of(person))


def _other(state: PersonState) -> int | None:
    return state.carried_by if state.carried_by is not None else state.carries
