"""Bodies: stature, proportions by age, the skins' size and soundness, the cast's determinism."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import services.simulation.people
from services.simulation.people import LIMBS, body_of, limb_meshes, person_of, posed_vertices
from services.simulation.world import Person, PersonState

CAST = [
    *(person_of(number, "adult", 7, staff=number < 5) for number in range(1, 7)),
    *(person_of(number, "child", 7) for number in range(1, 13)),
    *(person_of(90 + index, "child", 7, height_m=height) for index, height in enumerate((0.70, 0.87, 1.03, 1.20))),
]


def child_of(height_m: float) -> Person:
    return Person(number=1, name="", role="child", height_m=height_m)


@pytest.mark.parametrize("person", CAST, ids=lambda person: person.name)
def test_a_standing_person_is_as_tall_as_said_and_stands_on_the_floor(person: Person) -> None:
    vertices = posed_vertices(PersonState(person, (0.0, 0.0, 0.0), 0.4, "stand", 3.0))
    assert vertices[:, 2].max() == pytest.approx(person.height_m, abs=0.01)
    assert vertices[:, 2].min() == pytest.approx(0.0, abs=0.005)


def test_a_head_is_a_fifth_of_a_two_year_old_and_less_than_a_seventh_of_an_adult() -> None:
    # WHO: 0.87 m is the median of two years. Stratz: a fifth of the stature; Winter: 1 - 0.870 = 0.130 in adults.
    for person, share in ((child_of(0.87), 0.200), (CAST[0], 0.130)):
        head = limb_meshes(person)["head"].vertices[:, 2]
        assert np.ptp(head) / person.height_m == pytest.approx(share, rel=0.05)


def test_legs_grow_faster_than_the_rest() -> None:
    shares = [body_of(child_of(height)).hip / height for height in (0.72, 0.87, 1.03, 1.16)] + [
        body_of(CAST[0]).hip / CAST[0].height_m
    ]
    assert shares == sorted(shares)
    # Winter: the hip of an adult at 0.530 of the stature.
    assert shares[-1] == pytest.approx(0.530, abs=0.002)


@pytest.mark.parametrize("person", CAST, ids=lambda person: person.name)
def test_skins_are_small_closed_to_light_and_named_after_limbs(person: Person) -> None:
    meshes = limb_meshes(person)
    assert set(meshes) == set(LIMBS)
    assert sum(len(mesh.triangles) for name, mesh in meshes.items() if name != "blanket") <= 1200
    for mesh in meshes.values():
        assert mesh.vertices.dtype == np.float32 and mesh.colours.dtype == np.uint8 and mesh.triangles.dtype == np.int32
        assert mesh.vertices.shape == mesh.normals.shape == mesh.colours.shape
        assert mesh.triangles.min() >= 0 and mesh.triangles.max() < len(mesh.vertices)
        used = np.unique(mesh.triangles)
        assert np.allclose(np.linalg.norm(mesh.normals[used], axis=1), 1.0, atol=1e-3)


@pytest.mark.parametrize("name", ["thigh_l", "shin_r", "upper_arm_l", "foot_r", "pelvis"])
def test_skins_face_outwards(name: str) -> None:
    mesh = limb_meshes(CAST[8])[name]
    corners = mesh.vertices[mesh.triangles].astype(np.float64)
    # The volume that the faces enclose is positive when they are counter-clockwise from outside.
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume > 0
    outward = mesh.vertices - mesh.vertices.mean(axis=0)
    assert (np.einsum("ij,ij->i", outward, mesh.normals) > 0).mean() > 0.9


def test_left_and_right_are_mirror_images() -> None:
    meshes = limb_meshes(CAST[9])
    for name in ("thigh", "shin", "foot", "upper_arm", "forearm", "hand"):
        left, right = meshes[f"{name}_l"].vertices, meshes[f"{name}_r"].vertices
        assert np.abs(left).max(axis=0) == pytest.approx(np.abs(right).max(axis=0), rel=0.06)


def test_the_same_number_and_seed_are_the_same_person_and_a_seed_makes_others() -> None:
    assert person_of(4, "child", 3) == person_of(4, "child", 3)
    assert [person_of(number, "child", 3) for number in range(6)] != [
        person_of(number, "child", 4) for number in range(6)
    ]
    tops = {person_of(number, "child", 3).top for number in range(10)}
    assert len(tops) == 10


def test_staff_wear_the_house_apron_and_visitors_do_not() -> None:
    staff = [person_of(number, "adult", 5) for number in range(8)]
    assert len({person.apron for person in staff}) == 1 and staff[0].apron is not None
    assert all(person_of(number, "adult", 5, staff=False).apron is None for number in range(8))


def test_heights_are_those_of_a_nursery() -> None:
    children = [person_of(number, "child", 11).height_m for number in range(200)]
    adults = [person_of(number, "adult", 11).height_m for number in range(200)]
    assert min(children) >= 0.7 and max(children) <= 1.2 and min(adults) >= 1.45 and max(adults) <= 1.85
    assert np.std(children) > 0.05 and np.std(adults) > 0.03


def test_people_need_no_renderer() -> None:
    room = Path(services.simulation.people.__file__).parent
    imports = "\n".join(
        line for path in room.glob("*.py") for line in path.read_text(encoding="utf-8").splitlines() if "import" in line
    )
    assert "numpy" in imports
    assert "panda3d" not in imports and "cv2" not in imports
