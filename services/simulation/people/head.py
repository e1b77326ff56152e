"""The head: skull, face, hair. Its frame's origin is where it nods, a little above the chin's height."""

from __future__ import annotations

from services.simulation.people.body import Body
from services.simulation.people.shapes import LimbMesh, ball, joined
from services.simulation.world import Person


def head(person: Person, body: Body) -> LimbMesh:
    """Skull and hair cap."""
    top, chin = 0.86 * body.head, -0.14 * body.head
    middle = 0.5 * (top + chin)
    skull = ball(
        (0.0, 0.0, middle), (0.92 * body.head_depth_half, 0.92 * body.head_half, 0.49 * body.head), person.skin, 10, 7
    )
    cap = ball(
        (-0.12 * body.head_depth_half, 0.0, middle + 0.1 * body.head),
        (0.92 * body.head_depth_half, body.head_half, 0.40 * body.head), person.hair, 10, 6,
    )  # fmt: skip
    return joined([skull, cap])
