"""Skins moved and lit in one go are where truth's vertices are, and as bright as their light."""

from __future__ import annotations

import numpy as np

from services.simulation import people
from services.simulation.render.figures import as_colour, company_of
from services.simulation.render.shine import Shine
from services.simulation.world import PersonState

_NONE = np.zeros(3, np.float32)
STATES = [
    PersonState(people.person_of(3, "child", 1), (1.0, 2.0, 0.0), 0.4, "walk", doing_s=4.0, stride_m=1.1, speed_m_s=0.8),
    PersonState(people.person_of(4, "child", 1), (3.0, 2.0, 0.25), 1.4, "sleep", doing_s=60.0),
    PersonState(people.person_of(6, "adult", 1), (4.0, 1.0, 0.0), 2.4, "squat", doing_s=5.0),
]  # fmt: skip


def test_vertices_are_where_truth_has_them() -> None:
    company, limbs = company_of(STATES), people.limb_transforms(STATES)
    placed = company.moved(limbs)
    blanket = company.rows % len(people.LIMBS) == people.LIMBS.index("blanket")
    for index, state in enumerate(STATES):
        mine = placed[:, (company.whose == index) & ~blanket].T
        expected = people.posed_vertices(state)
        above = mine[:, 2] > state.at[2] + 0.001  # truth lifts what hangs into what it rests on
        np.testing.assert_allclose(mine[above], expected[above], atol=1e-4)
    assert blanket[company.whose == 1].any()
    assert not blanket[company.whose != 1].any()


def test_light_from_everywhere_shows_a_skin_s_own_colours_and_light_from_a_side_only_that_side() -> None:
    company, limbs = company_of(STATES), people.limb_transforms(STATES)
    white = np.ones(3, np.float32)
    even = company.lit(limbs, [Shine(white, _NONE, _NONE, (0.0, 0.0, 1.0))] * 3)
    np.testing.assert_allclose(even, company.colours)
    bright = company.lit(limbs, [Shine(white * 3, _NONE, _NONE, (0.0, 0.0, 1.0))] * 3)
    assert bright.max() == 255.0
    east, west = (company.lit(limbs, [Shine(_NONE, _NONE, white, (side, 0.0, 0.0))] * 3) for side in (2.0, -2.0))
    assert ((east > 0) & (west > 0)).mean() < 0.001
    assert min((east > 0).mean(), (west > 0).mean()) > 0.3


def test_nobody_has_no_vertices() -> None:
    nobody = company_of([])
    assert nobody.lit(people.limb_transforms([]), []).shape == (3, 0)
    assert nobody.numbered().shape == (3, 0)


def test_numbers_survive_a_pipe_that_rounds_down_by_a_few_levels() -> None:
    for number in (1, 15, 16, 300, 4095):
        red, green, blue = (level - 5 >> 4 for level in as_colour(number))
        assert red << 8 | green << 4 | blue == number
