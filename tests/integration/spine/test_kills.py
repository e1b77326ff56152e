"""SIGKILL at random moments, twenty times: nothing is stored twice, nothing lost but what a dead agent could not see."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from deploy.local.server_process import free_port
from tests.harness.footage import (
    export,
    findings,
    gaps,
    look,
    segments,
    wait_for_first_segments,
    wait_for_the_end,
)
from tests.harness.ground import Ground
from tests.harness.material import Material
from tests.harness.site import Service, Site
from tests.harness.slices import codec_of, first_difference, slice_digests
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

SEED = 20261122
CAMERAS = ("bframes", "h265")
AT_RISK_NS = 500_000_000


@dataclass
class Battered:
    """An installation after its rounds, stopped. ``agent_deaths_ns`` are the instants of SIGKILL and of readiness after."""

    site: Site
    clips: Material
    exports: Path
    agent_deaths_ns: list[tuple[int, int]] = field(default_factory=list)

    def source(self, camera: str) -> Path:
        return self.clips.b_frames if camera == "bframes" else self.clips.h265


@pytest.fixture(scope="module")
def battered(ground: Ground, clips: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Battered]:
    site = ground.site
    left = Battered(site, clips, tmp_path_factory.mktemp("exports"))
    site.configure(
        cameras=[
            {"camera_id": name, "url": f"file:{left.source(name)}?loop=1", "analyse": name == "bframes"}
            for name in CAMERAS
        ],
        analyze={"detector": "drawn-person"},
        retain={"segment_s": 4},
        console={"listen": f"127.0.0.1:{free_port()}"},
    )
    site.start("retain", "analyze", "console", "agent")
    wait_for_first_segments(site, *CAMERAS)
    moments = random.Random(SEED)
    victims: list[Service] = ["agent"] * 6 + ["retain"] * 8 + ["analyze"] * 4 + ["console"] * 2
    moments.shuffle(victims)
    for victim in victims:
        time.sleep(moments.uniform(0.0, 2.0))  # the moment is what is random here
        if victim == "retain" and moments.random() < 0.5:
            site.ask_to_stop(victim)  # killed in the middle of its drain
            time.sleep(moments.uniform(0.0, 0.3))
        killed_ns = time.time_ns()
        site.kill(victim)
        site.launch(victim)
        site.wait_ready(victim)
        if victim == "agent":
            left.agent_deaths_ns.append((killed_ns, time.time_ns()))
            done = partial(_closed, site, len(left.agent_deaths_ns))
            wait_until(done, seconds=40, what=f"gap {len(left.agent_deaths_ns)} to be closed", every_s=0.2)
    site.stop("agent")
    wait_for_the_end(site, *CAMERAS)
    site.stop("analyze", "console", "retain")
    yield left


def _closed(site: Site, count: int) -> bool:
    """Each camera has this many gaps that are over."""
    footage = look(site)
    return all(
        sum(row["end_ns"] is not None and not row["presumed"] for row in footage.gaps(name)) >= count
        for name in CAMERAS
    )


def test_the_rounds_met_the_agent_six_times(battered: Battered) -> None:
    assert len(battered.agent_deaths_ns) == 6


def test_check_is_clean(battered: Battered) -> None:
    assert findings(battered.site) == []


@pytest.mark.parametrize("camera", CAMERAS)
def test_each_run_holds_the_source_from_its_beginning_no_sample_twice_none_missing(
    battered: Battered, camera: str
) -> None:
    codec = codec_of(battered.source(camera))
    source = slice_digests(battered.source(camera), codec)
    files = export(battered.site, camera, battered.exports / f"{camera}.mp4")
    assert len(files) == len(battered.agent_deaths_ns) + 1
    for file in files:
        got = slice_digests(file, codec)
        rounds = -(-len(got) // len(source))
        expected = (source * rounds)[: len(got)]
        assert got == expected, f"{file.name}: {first_difference(got, expected)}"


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_only_gaps_are_the_agents_deaths_each_one_exact(battered: Battered, camera: str) -> None:
    rows = gaps(battered.site, camera)
    found, open_at_the_end = rows[:-1], rows[-1]
    assert open_at_the_end["cause"] == "maintenance"
    assert [row["cause"] for row in found] == ["agent"] * len(battered.agent_deaths_ns)
    ends = {row["end_ns"] for row in segments(battered.site, camera)}
    starts = {row["start_ns"] for row in segments(battered.site, camera)}
    for row, (killed_ns, ready_ns) in zip(found, battered.agent_deaths_ns, strict=True):
        assert row["start_ns"] in ends
        assert row["end_ns"] in starts
        assert killed_ns - AT_RISK_NS <= row["start_ns"] <= killed_ns + 50_000_000
        assert killed_ns < row["end_ns"] <= ready_ns + 3_000_000_000


@pytest.mark.parametrize("camera", CAMERAS)
def test_no_chunk_is_in_two_segments(battered: Battered, camera: str) -> None:
    numbers = [
        (row["run_id"], seq)
        for row in segments(battered.site, camera)
        for seq in range(row["first_seq"], row["last_seq"] + 1)
    ]
    assert len(numbers) == len(set(numbers))
