"""Every test of the spine runs in both modes, on installations of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.ground import Ground, Mode, make_ground
from tests.harness.material import Material, material


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return material(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module", params=["embedded", "distributed"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    mode: Mode = request.param
    made = make_ground(mode, tmp_path_factory.mktemp(mode))
    try:
        yield made
    finally:
        made.close()
