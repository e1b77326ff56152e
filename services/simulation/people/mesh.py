"""The skins of a person's limbs: made once for each person, moved as rigid pieces afterwards.

Neighbouring limbs overlap with rounded ends of the same colour, so that a bent joint shows no gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from services.simulation.people.body import Body, body_of
from services.simulation.people.head import head
from services.simulation.people.lying import side_faced, sleeps_on_side
from services.simulation.people.moment import quirks_of
from services.simulation.people.shapes import LimbMesh, Ring, ball, joined, loft, placed, shade, sheet
from services.simulation.world import Person, Rgb

#: Corners of the cross-sections of the trunk, of legs and of arms.
_TRUNK, _LEG, _ARM = 9, 7, 6


@lru_cache(maxsize=256)
def limb_meshes(person: Person) -> Mapping[str, LimbMesh]:
    """The skin of every limb of a person by the limb's name, in the limb's frame; at most 1200 triangles together."""
    body = body_of(person)
    meshes = {
        "pelvis": _pelvis(person, body), "waist": _waist(person, body), "chest": _chest(person, body),
        "head": head(person, body), "drape": _drape(person, body), "blanket": _blanket(person, body),
    }  # fmt: skip
    for side, suffix in ((1, "l"), (-1, "r")):
        meshes |= {f"{name}_{suffix}": mesh for name, mesh in _leg(person, body, side).items()}
        meshes |= {f"{name}_{suffix}": mesh for name, mesh in _arm(person, body, side).items()}
    return meshes


def _pelvis(person: Person, body: Body) -> LimbMesh:
    wide, deep = body.hips_half, 0.80 * body.hips_half
    cloth, low = person.bottom, -0.50 * body.hips_half
    return loft(
        [
            Ring(low, 0.72 * deep, 0.78 * wide, shade(cloth, 0.88), back=0.84 * deep),
            Ring(-0.1 * wide, 0.90 * deep, wide, cloth, back=1.08 * deep, power=2.3),
            Ring(0.55 * body.waist_up, 0.86 * deep, 0.93 * wide, cloth, back=0.96 * deep, power=2.3),
            Ring(1.05 * body.waist_up, 0.80 * deep, 0.84 * wide, shade(cloth, 0.96), back=0.8 * deep),
        ],
        _TRUNK, first=0.12 * wide,
    )  # fmt: skip


def _waist(person: Person, body: Body) -> LimbMesh:
    """From the hem over the hips to under the ribs; small children have bellies."""
    wide, deep, hips = body.waist_half, 0.86 * body.chest_depth_half, body.hips_half
    belly = deep * (1.20 if body.child else 1.0)
    hem, cloth = -0.80 * body.waist_up, person.top
    rings = [
        Ring(hem, 0.84 * hips, 1.06 * hips, shade(cloth, 0.80), back=0.94 * hips, power=2.2),
        Ring(hem + 0.016 * body.height, 0.83 * hips, 1.05 * hips, cloth, back=0.92 * hips, power=2.2),
        Ring(0.35 * body.chest_up, max(belly, 0.74 * hips), wide * 1.02, cloth, back=deep * 0.92),
        Ring(1.30 * body.chest_up, deep * 1.02, wide * 1.03, cloth, power=2.3),
    ]
    parts = [loft(rings, _TRUNK, first=None, last=None)]
    if person.apron is not None:
        parts.append(sheet([_worn_over(ring, person.apron, body) for ring in rings[1:]], _TRUNK, 2))
    return joined(parts)


def _worn_over(ring: Ring, cloth: Rgb, body: Body) -> Ring:
    """The ring of a cloth that lies on a ring."""
    off = 0.005 * body.height
    return ring._replace(ahead=ring.ahead + off, aside=ring.aside + off, colour=cloth)


def _chest(person: Person, body: Body) -> LimbMesh:
    """Ribs, shoulders and neck; the collar is a darker line."""
    wide, deep, top, skin = body.waist_half, body.chest_depth_half, person.top, person.skin
    shoulder, across = body.shoulder_up, body.shoulder_half
    neck = body.head_half * (0.52 if body.child else 0.60)
    stripe, ribs, back = person.stripe or top, 0.5 * (body.waist_half * 1.05 + body.shoulder_half), -0.10 * deep
    rings = [
        Ring(-0.55 * body.chest_up, 0.80 * deep, 0.94 * wide, top),
        Ring(0.22 * shoulder, 0.96 * deep, ribs, top, power=2.3),
        Ring(0.22 * shoulder, 0.96 * deep, ribs, stripe, power=2.3),
        Ring(0.55 * shoulder, 1.0 * deep, 1.0 * across, stripe, power=2.4),
        Ring(0.55 * shoulder, 1.0 * deep, 1.0 * across, top, power=2.4),
        Ring(0.96 * shoulder, 0.86 * deep, 1.10 * across, top, x=0.6 * back, power=2.3),
        Ring(shoulder + 0.026 * body.height, 0.60 * deep, 0.72 * across, top, x=back),
        Ring(shoulder + 0.036 * body.height, 1.10 * neck, 1.25 * neck, shade(top, 0.82), x=back),
    ]
    throat = loft(
        [
            Ring(shoulder + 0.020 * body.height, neck, 1.05 * neck, shade(skin, 0.86), x=back),
            Ring(body.head_up + 0.12 * body.head, 0.95 * neck, neck, shade(skin, 0.90)),
        ],
        6, first=None, last=None,
    )  # fmt: skip
    parts = [loft(rings, _TRUNK, first=None, last=None), throat]
    if person.apron is not None:
        bib = [_worn_over(ring, person.apron, body) for ring in (rings[0], rings[1], rings[3])]
        hem = bib[-1]._replace(z=0.62 * shoulder, colour=shade(person.apron, 1.25))
        parts.append(sheet([*bib, bib[-1]._replace(colour=hem.colour), hem], _TRUNK, 1))
    return joined(parts)


def _leg(person: Person, body: Body, side: int) -> dict[str, LimbMesh]:
    wide = body.hips_half
    bare = person.skirt or person.shorts
    cloth, lower = person.bottom, person.skin if bare else person.bottom
    above = person.skin if person.skirt else cloth
    hip, knee = 0.54 * wide, (0.38 if body.child else 0.35) * wide
    calf, ankle = (0.36 * wide, 0.24 * wide) if bare else (0.38 * wide, 0.31 * wide)
    seam = -0.80 * body.thigh
    thigh = loft(
        [
            Ring(0.15 * hip, 0.98 * hip, 0.94 * hip, cloth),
            Ring(-0.35 * body.thigh, 0.94 * hip, 0.86 * hip, above),
            Ring(seam, 1.10 * knee, 1.06 * knee, shade(above, 0.88 if person.shorts else 0.97)),
            Ring(seam, 1.10 * knee, 1.06 * knee, lower),
            Ring(-body.thigh, 1.03 * knee, knee, shade(lower, 0.96)),
        ],
        _LEG, first=None, last=0.62 * knee,
    )  # fmt: skip
    shin = loft(
        [
            Ring(0.0, 1.02 * knee, 0.99 * knee, shade(lower, 0.96)),
            Ring(-0.34 * body.shin, 0.96 * calf, 0.98 * calf, lower, back=1.18 * calf),
            Ring(-0.93 * body.shin, ankle, ankle, lower),
            Ring(-1.03 * body.shin, 1.04 * ankle, 1.02 * ankle, shade(lower, 1.0 if bare else 0.78)),
        ],
        _LEG, first=0.62 * knee,
    )  # fmt: skip
    return {"thigh": thigh, "shin": shin, "foot": _foot(person, body)}


def _foot(person: Person, body: Body) -> LimbMesh:
    """A shoe: the heel a quarter of it behind the ankle, the sole level and light or dark against it."""
    heel, toe, wide, up = -0.24 * body.foot, 0.76 * body.foot, 0.195 * body.foot, body.ankle
    middle, half = 0.5 * (heel + toe), 0.5 * (toe - heel)
    shoe, sole = person.shoes, shade(person.shoes, 0.5)
    return loft(
        [
            Ring(-up, 0.97 * half, 0.95 * wide, sole, x=middle, power=2.6),
            Ring(-0.70 * up, half, wide, sole, x=middle, power=2.6),
            Ring(-0.70 * up, half, wide, shoe, x=middle, power=2.6),
            Ring(-0.20 * up, 0.74 * half, 0.86 * wide, shoe, x=middle - 0.20 * half, power=2.3),
            Ring(0.50 * up, 0.40 * half, 0.66 * wide, shade(shoe, 0.9), x=heel + 0.46 * half),
        ],
        _LEG,
    )


def _arm(person: Person, body: Body, side: int) -> dict[str, LimbMesh]:
    thick = (0.034 if body.child else 0.0285) * body.height * body.girth
    top, skin = person.top, person.skin
    sleeve = skin if person.short_sleeves else top
    elbow, wrist = 0.80 * thick, (0.64 if body.child else 0.60) * thick
    hem = -0.62 * body.upper_arm
    upper = loft(
        [
            Ring(0.72 * thick, 0.74 * thick, 0.80 * thick, top, y=-0.22 * side * thick),
            Ring(0.10 * thick, 1.10 * thick, 1.04 * thick, top, y=-0.06 * side * thick),
            Ring(-0.32 * body.upper_arm, 1.05 * thick, thick, top),
            Ring(hem, 0.99 * thick, 0.96 * thick, shade(top, 0.85 if person.short_sleeves else 1.0)),
            Ring(hem, 0.99 * thick, 0.96 * thick, sleeve),
            Ring(-body.upper_arm, elbow, elbow, sleeve),
        ],
        _ARM, first=0.22 * thick, last=0.55 * elbow,
    )  # fmt: skip
    fore = loft(
        [
            Ring(0.0, 1.02 * elbow, 1.02 * elbow, sleeve),
            Ring(-0.30 * body.forearm, 1.04 * elbow, 1.0 * elbow, sleeve),
            Ring(-0.90 * body.forearm, 1.08 * wrist, wrist, shade(sleeve, 1.0 if person.short_sleeves else 0.80)),
            Ring(-1.02 * body.forearm, wrist, 0.92 * wrist, skin),
        ],
        _ARM, first=0.55 * elbow, last=None,
    )  # fmt: skip
    return {"upper_arm": upper, "forearm": fore, "hand": _hand(person, body, wrist, side)}


def _hand(person: Person, body: Body, wrist: float, side: int) -> LimbMesh:
    """A palm and closed fingers as one, and a thumb ahead."""
    skin, far = person.skin, 0.86 * body.hand
    palm = loft(
        [
            Ring(0.06 * far, 0.85 * wrist, 0.75 * wrist, skin),
            Ring(-0.45 * far, 0.27 * far, 0.15 * far, skin),
            Ring(-0.86 * far, 0.18 * far, 0.11 * far, shade(skin, 0.94), y=-0.06 * side * far),
        ],
        5, first=None, last=0.14 * far,
    )  # fmt: skip
    thumb = ball((0.26 * far, -0.03 * side * far, -0.34 * far), (0.13 * far, 0.09 * far, 0.22 * far), skin, 4, 2)
    return joined([palm, thumb])


def _drape(person: Person, body: Body) -> LimbMesh:
    """What hangs about the thighs: a skirt, an apron's lower half, or only the seat of the trousers between them."""
    wide, deep, cloth = body.hips_half, 0.9 * body.hips_half, person.bottom
    parts = []
    if person.skirt:
        parts.append(_skirt(person, body))
    if person.apron is not None:
        parts.append(_apron(person.apron, body))
    if not parts:
        parts.append(ball((0.0, 0.0, -0.25 * wide), (0.62 * deep, 0.72 * wide, 0.42 * wide), shade(cloth, 0.9), 7, 3))
    return joined(parts)


def _skirt(person: Person, body: Body) -> LimbMesh:
    wide, deep, far, cloth = body.hips_half, 0.9 * body.hips_half, 0.84 * body.thigh, person.bottom
    return loft(
        [
            Ring(0.9 * body.waist_up, 0.88 * deep, 0.92 * wide, cloth),
            Ring(0.0, 1.06 * deep, 1.08 * wide, cloth, back=1.20 * deep),
            Ring(-far, 1.42 * deep, 1.44 * wide, shade(cloth, 0.90)),
        ],
        _TRUNK, first=None, last=None,
    )  # fmt: skip


def _apron(cloth: Rgb, body: Body) -> LimbMesh:
    """The lower half of an apron, around the front of the thighs."""
    wide, deep, far = 1.10 * body.hips_half, 0.95 * body.hips_half, 0.86 * body.thigh
    return sheet(
        [
            Ring(1.0 * body.waist_up, deep, wide, shade(cloth, 0.85)),
            Ring(0.0, 1.08 * deep, 1.02 * wide, cloth),
            Ring(-0.96 * far, 1.22 * deep, 0.98 * wide, cloth, power=2.4),
            Ring(-0.96 * far, 1.22 * deep, 0.98 * wide, shade(cloth, 0.72), power=2.4),
            Ring(-far, 1.22 * deep, 0.98 * wide, shade(cloth, 0.72), power=2.4),
        ],
        _TRUNK, 2,
    )  # fmt: skip


def _blanket(person: Person, body: Body) -> LimbMesh:
    """A quilt over who sleeps, from the feet to the armpits, higher over who sleeps on a side; its frame is the ground frame."""
    height, aside = body.height, sleeps_on_side(quirks_of(person))
    over = (2.05 * body.hips_half if aside else 1.85 * body.lying) + 0.028 * height
    wide = (1.9 if aside else 1.6) * body.shoulders_half
    soft = [round(0.5 * channel + 0.5 * 240) for channel in (person.bottom if person.number % 2 else person.top)]
    cloth: Rgb = (soft[0], soft[1], soft[2])
    edge = shade(cloth, 1.18)
    feet, hem, y = -0.62 * height, 0.20 * height, -0.05 * height * side_faced(quirks_of(person)) * aside
    toes = max(0.85 * over, 1.12 * body.foot)
    rings = [
        Ring(feet, 0.55 * toes, 0.80 * wide, shade(cloth, 0.92), back=0.0, power=2.8),
        Ring(feet + 0.06 * height, toes, 0.90 * wide, cloth, back=0.0, power=2.5),
        Ring(-0.34 * height, 0.92 * over, wide, shade(cloth, 0.97), y=y, back=0.0, power=2.4),
        Ring(-0.02 * height, over, wide, cloth, y=y, back=0.0, power=2.4),
        Ring(hem - 0.07 * height, 1.02 * over, wide, cloth, back=0.0, power=2.4),
        Ring(hem - 0.07 * height, 1.02 * over, wide, edge, back=0.0, power=2.4),
        Ring(hem, 0.98 * over, 0.98 * wide, edge, back=0.0, power=2.4),
    ]
    # Made along its own height, then laid down: up becomes ahead, ahead becomes up.
    laid = np.array([(0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0)])
    return placed(loft(rings, _TRUNK, first=0.02 * height, last=None), laid, (0.0, 0.0, 0.0))
