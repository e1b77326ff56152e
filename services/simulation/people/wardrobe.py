"""Who is who: plausible heights, builds, skin, hair and clothes, drawn from a seed.

Staff wear the house's colours, so that a person recognises them; visitors and parents do not. Children wear bright clothes.
"""

from __future__ import annotations

import random

from services.simulation.world import Person, Rgb, Role

_SKIN: tuple[Rgb, ...] = (
    (236, 200, 172),
    (228, 188, 156),
    (219, 176, 142),
    (205, 158, 122),
    (189, 140, 104),
    (150, 104, 74),
)
_SKIN_WEIGHTS = (4, 6, 5, 3, 2, 1)
_HAIR: tuple[Rgb, ...] = ((30, 25, 24), (42, 32, 27), (58, 42, 33), (84, 60, 42), (120, 86, 54))
_HAIR_WEIGHTS = (7, 6, 4, 2, 1)
_GREY: Rgb = (122, 118, 114)

#: The house: teal aprons over cream, coral or sage.
APRON: Rgb = (38, 122, 122)
_STAFF_TOPS: tuple[Rgb, ...] = ((240, 228, 204), (233, 150, 122), (168, 190, 160), (214, 204, 226))
_STAFF_BOTTOMS: tuple[Rgb, ...] = ((52, 58, 78), (70, 68, 72), (94, 82, 70), (44, 66, 88))
_VISITOR_TOPS: tuple[Rgb, ...] = (
    (112, 120, 136),
    (140, 60, 62),
    (66, 84, 118),
    (196, 188, 172),
    (88, 104, 84),
    (60, 60, 66),
)
#: A child's top, what goes with it below, and the stripe or yoke in it.
_OUTFITS: tuple[tuple[Rgb, Rgb, Rgb], ...] = (
    ((238, 106, 92), (64, 84, 128), (250, 222, 180)),
    ((250, 196, 74), (72, 106, 152), (255, 240, 200)),
    ((92, 176, 176), (226, 132, 96), (236, 246, 240)),
    ((126, 164, 222), (96, 88, 80), (246, 246, 250)),
    ((236, 150, 178), (112, 96, 148), (255, 226, 232)),
    ((144, 190, 96), (88, 92, 104), (240, 240, 190)),
    ((178, 132, 206), (86, 128, 138), (240, 222, 246)),
    ((244, 140, 70), (58, 92, 96), (252, 220, 150)),
    ((224, 226, 220), (198, 84, 90), (126, 164, 222)),
    ((84, 130, 196), (206, 172, 112), (240, 90, 84)),
)
_SHOES: tuple[Rgb, ...] = ((236, 232, 224), (70, 74, 90), (170, 72, 74), (60, 100, 130), (206, 170, 70), (120, 96, 80))


def person_of(number: int, role: Role, seed: int, *, staff: bool = True, height_m: float | None = None) -> Person:
    """Somebody; the same for the same number, role and seed. ``staff`` matters for adults only.

    Adults are 1.50 to 1.82 m (East Asian women and men, more women), children 0.74 to 1.12 m unless ``height_m`` is given.
    """
    draw = random.Random(f"{seed}/{role}/{number}")  # noqa: S311 - looks, not secrets
    return _child(draw, number, seed, height_m) if role == "child" else _adult(draw, number, staff, height_m)


def _adult(draw: random.Random, number: int, staff: bool, height_m: float | None) -> Person:
    woman = draw.random() < (0.85 if staff else 0.6)
    height = draw.gauss(1.605, 0.045) if woman else draw.gauss(1.72, 0.05)
    hair = _GREY if not staff and draw.random() < 0.25 else draw.choices(_HAIR, _HAIR_WEIGHTS)[0]
    return Person(
        number=number, name=f"{'staff' if staff else 'visitor'}-{number:02d}", role="adult",
        height_m=round(min(1.82, max(1.50, height)), 3) if height_m is None else height_m,
        build=round(min(1.30, max(0.88, draw.gauss(1.03, 0.09))), 3),
        skin=draw.choices(_SKIN, _SKIN_WEIGHTS)[0], hair=hair,
        top=draw.choice(_STAFF_TOPS if staff else _VISITOR_TOPS), bottom=draw.choice(_STAFF_BOTTOMS),
        shoes=draw.choice(_SHOES[:2] if staff else _SHOES), long_hair=woman and draw.random() < 0.8,
        skirt=woman and draw.random() < 0.15, apron=APRON if staff else None, short_sleeves=draw.random() < 0.35,
    )  # fmt: skip


def _child(draw: random.Random, number: int, seed: int, height_m: float | None) -> Person:
    girl = draw.random() < 0.5
    # Dealt, not drawn: neighbours on the list shall not look alike.
    top, bottom, stripe = _OUTFITS[_dealt(seed)[number % len(_OUTFITS)]]
    return Person(
        number=number, name=f"child-{number:02d}", role="child",
        height_m=round(min(1.12, max(0.74, draw.gauss(0.93, 0.08))), 3) if height_m is None else height_m,
        build=round(min(1.20, max(0.88, draw.gauss(1.0, 0.07))), 3),
        skin=draw.choices(_SKIN, _SKIN_WEIGHTS)[0], hair=draw.choices(_HAIR, _HAIR_WEIGHTS)[0],
        top=top, bottom=bottom, shoes=draw.choice(_SHOES), long_hair=girl and draw.random() < 0.75,
        skirt=girl and draw.random() < 0.35, short_sleeves=draw.random() < 0.45, shorts=draw.random() < 0.2,
        stripe=stripe if draw.random() < 0.5 else None,
    )  # fmt: skip


def _dealt(seed: int) -> list[int]:
    return random.Random(seed).sample(range(len(_OUTFITS)), len(_OUTFITS))  # noqa: S311 - looks, not secrets
