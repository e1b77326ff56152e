"""Plugs pulled for a minute each: log, object store, database; then the camera itself for ten seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.servers import RtspCameraServer
from tests.harness.footage import export, findings, gaps, look, wait_for_first_segments, wait_for_the_end
from tests.harness.ground import Ground, Plug
from tests.harness.material import Material
from tests.harness.site import Site
from tests.harness.slices import first_difference, slice_digests
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

CAMERAS = ("rtsp", "file")
PLUGS: tuple[Plug, ...] = ("log", "store", "catalog")
AWAY_S, UNPLUGGED_S = 60.0, 10.0


@dataclass
class Survived:
    """An installation after its outages, stopped. ``unplugged_ns`` is when the camera went and when it was back."""

    site: Site
    clips: Material
    exports: Path
    unplugged_ns: tuple[int, int]


@pytest.fixture(scope="module")
def survived(ground: Ground, clips: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survived]:
    site = ground.site
    with RtspCameraServer({"room": clips.h265}) as camera:
        site.configure(
            cameras=[
                {"camera_id": "rtsp", "url": camera.url("room"), "analyse": False},
                {"camera_id": "file", "url": f"file:{clips.b_frames}?loop=1", "analyse": False},
            ],
            retain={"segment_s": 5},
        )
        site.start("retain", "analyze", "agent")
        wait_for_first_segments(site, *CAMERAS)
        for plug in PLUGS:
            with ground.away(plug):
                time.sleep(AWAY_S)  # the length of the outage
            _caught_up(site)
        camera.kill()
        unplugged_ns = time.time_ns()
        time.sleep(UNPLUGGED_S)  # the length of the outage
        camera.restart()
        replugged_ns = time.time_ns()
        _caught_up(site)
        site.stop("agent")
    wait_for_the_end(site, *CAMERAS)
    site.stop("analyze", "retain")
    yield Survived(site, clips, tmp_path_factory.mktemp("exports"), (unplugged_ns, replugged_ns))


def _caught_up(site: Site) -> None:
    """Everything up to now is in the ledger."""
    now_ns = time.time_ns()

    def done() -> bool:
        footage = look(site)
        return all(footage.segments(name)[-1]["end_ns"] >= now_ns for name in CAMERAS)

    wait_until(done, seconds=85, what="the ledger to catch up", every_s=0.5)


def test_the_file_camera_has_no_gap_but_the_end(survived: Survived) -> None:
    assert [row["cause"] for row in gaps(survived.site, "file")] == ["maintenance"]


def test_the_unplugged_camera_has_exactly_one_gap_with_true_bounds(survived: Survived) -> None:
    found = gaps(survived.site, "rtsp")
    assert [row["cause"] for row in found] == ["camera", "maintenance"]
    gone_ns, back_ns = survived.unplugged_ns
    assert abs(found[0]["start_ns"] - gone_ns) <= 1_000_000_000
    assert abs(found[0]["end_ns"] - back_ns) <= 1_000_000_000


def test_the_footage_of_the_outages_is_whole(survived: Survived) -> None:
    [file] = export(survived.site, "file", survived.exports / "file.mp4")
    source = slice_digests(survived.clips.b_frames, "h264")
    got = slice_digests(file, "h264")
    expected = (source * (-(-len(got) // len(source))))[: len(got)]
    assert got == expected, first_difference(got, expected)


def test_check_is_clean(survived: Survived) -> None:
    assert findings(survived.site) == []
