"""How tall somebody is standing upright, and whether that is a child: evidence over a track's life.

A body looks shorter when it bends, sits or is hidden, and never taller, so the stature is read off the upper end of what was
seen upright. A bent or sitting adult is as tall as a child; so a child is only called one who was seen upright while walking, or
stood for a long while. The verdict changes only on strong evidence for the other.

Belongs here: stature and age. Pure.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from services.analyze.core.scene.facts import Age, Metres
from services.contracts.time import NS_PER_S

#: Children in care grow to 1.2 m, adults are rarely below 1.45 m.
CHILD_BELOW_M = 1.3
_SURE = 0.95
#: A model that tells children from adults is right so much more often than wrong; its boxes of one track are one witness.
_MODEL_ODDS = 12.0
_UPPER = 0.8
#: Gait and clothes: what one look at somebody upright strays by, as a share, and for how long two looks stray alike.
_GAIT_SHARE, _LOOK_NS = 0.025, NS_PER_S // 2
_MOST_LOOKS = 40
_WALKED_LOOKS, _STOOD_LOOKS = 3, 20
#: Lower than this share of the stature is not upright; walking so for this many looks is somebody else.
_SHORT_SHARE, _ANOTHER_LOOKS = 0.85, 8
#: Taken for upright by the proportions of the box; a person from the side with a bag is 2 times as high as wide.
LEAST_UPRIGHT_ASPECT = 1.9


class Growth(NamedTuple):
    """What a track has shown: upright heights (metres, own sigma), how many of them walking, and the verdict. ``short``: heights
    too low for what was seen before, walking; a few are somebody bent, many are somebody else under this track's number."""

    looks: tuple[tuple[float, float], ...] = ()
    looked_ns: int = -_LOOK_NS
    walked: int = 0
    short: tuple[tuple[float, float], ...] = ()
    shared_share: float = 0.0
    stature: Metres | None = None
    age: Age = "unsure"


def look(growth: Growth, at_ns: int, height: Metres, shared_m: float, *, walking: bool) -> Growth:
    """Somebody upright and whole was measured: ``height`` with the box's own sigma, ``shared_m`` the calibration's."""
    if at_ns - growth.looked_ns < _LOOK_NS:
        return growth
    known = growth.stature
    if known is not None and height.value < _SHORT_SHARE * known.value:
        return _shorter(growth._replace(looked_ns=at_ns), (height.value, height.sigma), walking=walking)
    growth = growth._replace(short=())
    looks = (*growth.looks, (height.value, height.sigma))
    if len(looks) > _MOST_LOOKS:  # the lowest says least about how tall somebody is
        lowest = min(range(len(looks)), key=lambda index: looks[index][0])
        looks = looks[:lowest] + looks[lowest + 1 :]
    shared = shared_m / max(height.value, 0.3)
    before = len(growth.looks)
    mean_shared = (growth.shared_share * before + shared) / (before + 1)
    stature = _stature(looks, mean_shared)
    walked = growth.walked + walking
    return growth._replace(looks=looks, looked_ns=at_ns, walked=walked, shared_share=mean_shared, stature=stature)


def _shorter(growth: Growth, seen: tuple[float, float], *, walking: bool) -> Growth:
    """Bent or sitting, unless it goes on while walking about: then the tracker took one for another."""
    if not walking:
        return growth
    short = (*growth.short, seen)
    if len(short) < _ANOTHER_LOOKS:
        return growth._replace(short=short)
    stature = _stature(short, growth.shared_share)
    return growth._replace(looks=short, walked=len(short), short=(), stature=stature)


def _stature(looks: tuple[tuple[float, float], ...], shared_share: float) -> Metres:
    """The mean of the upper cluster of upright heights."""
    heights = sorted(value for value, _ in looks)
    top = heights[min(len(heights) - 1, int(_UPPER * len(heights)))]
    own = sum(sigma for _, sigma in looks) / len(looks)
    stray = math.hypot(own, _GAIT_SHARE * top)
    upper = [value for value in heights if value >= top - 2 * stray]
    mean = sum(upper) / len(upper)
    sigma = math.hypot(stray / math.sqrt(len(upper)), 0.15 * stray, shared_share * mean)
    return Metres(mean, sigma)


def child_probability(growth: Growth, told_child: bool | None) -> float:
    """From stature and from what the model says; 0.5 when neither says anything."""
    stature = growth.stature
    odds = 1.0
    if stature is not None:
        below = 0.5 * math.erfc((stature.value - CHILD_BELOW_M) / (stature.sigma * math.sqrt(2)))
        below = min(max(below, 1e-6), 1 - 1e-6)
        short_for_sure = growth.walked >= _WALKED_LOOKS or len(growth.looks) >= _STOOD_LOOKS
        if below > 0.5 and not short_for_sure:
            below = 0.5  # they may be bent, or sit
        odds = below / (1 - below)
    if told_child is not None:
        odds *= _MODEL_ODDS if told_child else 1 / _MODEL_ODDS
    return odds / (1 + odds)


def judge(growth: Growth, probability: float) -> Growth:
    """Decide once it is sure, and again only if the opposite is."""
    age: Age = "child" if probability >= _SURE else "adult" if probability <= 1 - _SURE else growth.age
    return growth if age == growth.age else growth._replace(age=age)
