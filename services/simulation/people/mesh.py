"""The skins of a person's limbs: made once for each person, moved as rigid pieces afterwards.

Neighbouring limbs overlap with rounded ends of the same colour, so that a bent joint shows no gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from services.simulation.people.body import Body, body_of
from services.simulation.people.head import head
from services.simulation.people.shapes import LimbMesh, Ring, ball, joined, loft, shade
from services.simulation.world import Person, Rgb

#: Corners of the cross-sections of the trunk, of legs and of arms.
_TRUNK, _LEG, _ARM = 12, 8, 7


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
    cloth = person.bottom
    low = -0.55 * wide
    return loft(
        [
            Ring(low - 0.03 * body.height, 0.35 * deep, 0.45 * wide, shade(cloth, 0.8)),
            Ring(low, 0.80 * deep, 0.80 * wide, shade(cloth, 0.92), back=0.86 * deep),
            Ring(-0.1 * wide, 0.90 * deep, wide, cloth, back=1.06 * deep, power=2.3),
            Ring(0.55 * body.waist_up, 0.86 * deep, 0.93 * wide, cloth, back=0.94 * deep, power=2.3),
            Ring(1.05 * body.waist_up, 0.80 * deep, 0.84 * wide, shade(cloth, 0.96), back=0.8 * deep),
        ],
        _TRUNK,
    )


def _waist(person: Person, body: Body) -> LimbMesh:
    """From the hem over the hips to under the ribs; small children have bellies."""
    wide, deep = body.waist_half, 0.86 * body.chest_depth_half
    belly = deep * (1.16 if body.child else 0.98)
    hem, top = -0.75 * body.waist_up, 1.25 * body.chest_up
    cloth = person.top
    return loft(
        [
            Ring(hem, 0.86 * body.hips_half, 1.05 * body.hips_half, shade(cloth, 0.78), back=0.98 * body.hips_half),
            Ring(hem + 0.02 * body.height, 0.85 * body.hips_half, 1.04 * body.hips_half, cloth, back=0.94 * body.hips_half),
            Ring(0.35 * body.chest_up, belly, wide * 1.02, cloth, back=deep * 0.9),
            Ring(top, deep, wide * 1.03, cloth, power=2.3),
        ],
        _TRUNK, open_top=True,
    )  # fmt: skip


def _chest(person: Person, body: Body) -> LimbMesh:
    """Ribs, shoulders and neck. The shoulders slope; the collar is a line."""
    wide, deep = body.waist_half, body.chest_depth_half
    top, skin = person.top, person.skin
    shoulder, across = body.shoulder_up, body.shoulder_half
    neck = (0.40 if body.child else 0.56) * body.head_half + (0.006 * body.height if not body.child else 0.0)
    stripe = person.stripe or top
    trunk = loft(
        [
            Ring(-0.55 * body.chest_up, 0.80 * deep, 0.94 * wide, top),
            Ring(0.30 * shoulder, 0.96 * deep, 0.5 * (wide * 1.05 + across), stripe, power=2.3),
            Ring(0.62 * shoulder, deep, 1.02 * across, top, power=2.5),
            Ring(0.98 * shoulder, 0.86 * deep, 1.10 * across, top, x=-0.06 * deep, power=2.3),
            Ring(shoulder + 0.028 * body.height, 0.58 * deep, 0.74 * across, top, x=-0.10 * deep),
            Ring(shoulder + 0.040 * body.height, 1.12 * neck, 1.25 * neck, shade(top, 0.8), x=-0.10 * deep),
        ],
        _TRUNK, open_top=True,
    )  # fmt: skip
    throat = loft(
        [
            Ring(shoulder + 0.025 * body.height, neck, 1.05 * neck, shade(skin, 0.88), x=-0.10 * deep),
            Ring(body.head_up + 0.08 * body.head, 0.95 * neck, neck, shade(skin, 0.92), x=0.0),
        ],
        8, open_top=True, open_bottom=True,
    )  # fmt: skip
    return joined([trunk, throat])


def _leg(person: Person, body: Body, side: int) -> dict[str, LimbMesh]:
    wide = body.hips_half
    cloth = person.skin if person.skirt else person.bottom
    lower = person.skin if person.skirt or person.shorts else person.bottom
    hip, knee, calf, ankle = 0.56 * wide, 0.36 * wide, 0.36 * wide, 0.235 * wide
    if lower == person.bottom:
        calf, ankle = 0.37 * wide, 0.30 * wide
    thigh = loft(
        [
            Ring(0.42 * hip, 0.60 * hip, 0.60 * hip, cloth, y=0.04 * side * hip),
            Ring(0.0, hip, 0.96 * hip, cloth),
            Ring(-0.35 * body.thigh, 0.94 * hip, 0.86 * hip, cloth),
            Ring(-0.82 * body.thigh, 1.06 * knee, 1.02 * knee, shade(cloth, 0.97)),
            Ring(-body.thigh - 0.1 * knee, knee, 0.98 * knee, shade(cloth, 0.94)),
            Ring(-body.thigh - 0.65 * knee, 0.60 * knee, 0.60 * knee, shade(cloth, 0.92)),
        ],
        _LEG,
    )
    shin = loft(
        [
            Ring(0.65 * knee, 0.62 * knee, 0.62 * knee, lower),
            Ring(0.0, 1.02 * knee, knee, lower),
            Ring(-0.34 * body.shin, 0.96 * calf, 0.98 * calf, lower, back=1.20 * calf),
            Ring(-0.93 * body.shin, ankle, ankle, shade(lower, 0.94)),
            Ring(-1.02 * body.shin, 1.02 * ankle, 1.02 * ankle, shade(lower, 0.78)),
        ],
        _LEG,
    )
    return {"thigh": thigh, "shin": shin, "foot": _foot(person, body)}


def _foot(person: Person, body: Body) -> LimbMesh:
    """A shoe: heel a quarter behind the ankle, the sole level, its rim darker."""
    heel, toe, wide, up = -0.24 * body.foot, 0.76 * body.foot, 0.20 * body.foot, body.ankle
    middle, half = 0.5 * (heel + toe), 0.5 * (toe - heel)
    shoe, sole = person.shoes, shade(person.shoes, 0.45)
    return loft(
        [
            Ring(-up, 0.96 * half, 0.94 * wide, sole, x=middle, power=2.6),
            Ring(-0.72 * up, half, wide, sole, x=middle, power=2.6),
            Ring(-0.72 * up, half, wide, shoe, x=middle, power=2.6),
            Ring(-0.30 * up, 0.86 * half, 0.92 * wide, shoe, x=middle - 0.10 * half, power=2.4),
            Ring(0.12 * up, 0.46 * half, 0.72 * wide, shade(shoe, 1.1), x=heel + 0.48 * half),
            Ring(0.55 * up, 0.36 * half, 0.62 * wide, shade(shoe, 0.9), x=heel + 0.46 * half),
        ],
        9,
    )


def _arm(person: Person, body: Body, side: int) -> dict[str, LimbMesh]:
    thick = (0.034 if body.child else 0.0285) * body.height * body.girth
    top, skin = person.top, person.skin
    sleeve = skin if person.short_sleeves else top
    elbow, wrist = 0.80 * thick, (0.62 if body.child else 0.60) * thick
    upper = loft(
        [
            Ring(0.95 * thick, 0.45 * thick, 0.45 * thick, top, y=-0.25 * side * thick),
            Ring(0.40 * thick, 1.02 * thick, 1.0 * thick, top),
            Ring(-0.30 * body.upper_arm, 1.04 * thick, thick, top),
            Ring(-0.58 * body.upper_arm, 0.97 * thick, 0.95 * thick, shade(top, 0.85 if person.short_sleeves else 1.0)),
            Ring(-0.58 * body.upper_arm, 0.97 * thick, 0.95 * thick, sleeve),
            Ring(-body.upper_arm, elbow, elbow, sleeve),
            Ring(-body.upper_arm - 0.55 * elbow, 0.6 * elbow, 0.6 * elbow, sleeve),
        ],
        _ARM,
    )
    fore = loft(
        [
            Ring(0.55 * elbow, 0.6 * elbow, 0.6 * elbow, sleeve),
            Ring(0.0, 1.02 * elbow, 1.02 * elbow, sleeve),
            Ring(-0.30 * body.forearm, 1.04 * elbow, 1.0 * elbow, sleeve),
            Ring(-0.92 * body.forearm, 1.08 * wrist, wrist, shade(sleeve, 1.0 if person.short_sleeves else 0.80)),
            Ring(-1.02 * body.forearm, wrist, 0.92 * wrist, skin),
        ],
        _ARM,
    )
    return {"upper_arm": upper, "forearm": fore, "hand": _hand(person, body, wrist, side)}


def _hand(person: Person, body: Body, wrist: float, side: int) -> LimbMesh:
    """A palm and closed fingers as one, and a thumb ahead."""
    skin, far = person.skin, 0.86 * body.hand
    palm = loft(
        [
            Ring(0.10 * far, 0.85 * wrist, 0.75 * wrist, skin),
            Ring(-0.45 * far, 0.27 * far, 0.15 * far, skin),
            Ring(-0.85 * far, 0.20 * far, 0.12 * far, shade(skin, 0.95), y=-0.05 * side * far),
            Ring(-far, 0.09 * far, 0.06 * far, shade(skin, 0.92), y=-0.09 * side * far),
        ],
        6, open_top=True,
    )  # fmt: skip
    thumb = ball((0.26 * far, -0.03 * side * far, -0.34 * far), (0.13 * far, 0.09 * far, 0.22 * far), skin, 4, 3)
    return joined([palm, thumb])


def _drape(person: Person, body: Body) -> LimbMesh:
    """What hangs about the thighs: a skirt, an apron's lower half, or only the seam that closes the trousers."""
    parts = []
    wide, deep = body.hips_half, 0.9 * body.hips_half
    if person.skirt:
        far = 0.82 * body.thigh
        cloth = person.bottom
        parts.append(
            loft(
                [
                    Ring(0.9 * body.waist_up, 0.84 * deep, 0.90 * wide, cloth),
                    Ring(0.0, 1.04 * deep, 1.06 * wide, cloth, back=1.15 * deep),
                    Ring(-0.5 * far, 1.22 * deep, 1.24 * wide, shade(cloth, 0.97)),
                    Ring(-0.96 * far, 1.42 * deep, 1.42 * wide, shade(cloth, 1.04)),
                    Ring(-far, 1.43 * deep, 1.43 * wide, shade(cloth, 0.75)),
                ],
                _TRUNK,
                open_top=True,
            )  # fmt: skip
        )
    if person.apron is not None:
        parts.append(_apron_below(person.apron, body))
    if not parts:
        cloth = person.bottom
        parts.append(ball((0.0, 0.0, -0.25 * wide), (0.62 * deep, 0.72 * wide, 0.42 * wide), shade(cloth, 0.9), 8, 4))
    return joined(parts)


def _apron_below(cloth: Rgb, body: Body) -> LimbMesh:
    wide, deep, far = body.hips_half, 0.98 * body.hips_half, 0.78 * body.thigh
    return loft(
        [
            Ring(1.0 * body.waist_up, 0.98 * deep, 0.98 * wide, shade(cloth, 0.85), back=-0.10 * deep),
            Ring(0.6 * body.waist_up, 1.04 * deep, 1.04 * wide, cloth, back=-0.10 * deep),
            Ring(-0.4 * far, 1.10 * deep, 1.05 * wide, cloth, back=-0.15 * deep),
            Ring(-0.96 * far, 1.16 * deep, 1.04 * wide, cloth, back=-0.2 * deep),
            Ring(-far, 1.16 * deep, 1.04 * wide, shade(cloth, 0.75), back=-0.2 * deep),
        ],
        _TRUNK, open_top=True, open_bottom=True,
    )  # fmt: skip


def _blanket(person: Person, body: Body) -> LimbMesh:
    """A soft heap over who sleeps, from the feet to the armpits; its frame is the ground frame."""
    length, half = body.height, 1.75 * body.shoulders_half
    colour = person.bottom if person.number % 2 else person.top
    soft = tuple(round(0.45 * channel + 0.55 * 235) for channel in colour)
    cloth: Rgb = (soft[0], soft[1], soft[2])
    return ball((0.0, 0.0, 0.0), (0.5 * length, half, 0.1 * length), cloth, 10, 6)
