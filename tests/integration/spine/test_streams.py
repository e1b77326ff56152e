"""Cameras of every kind stream once through the whole house; what comes out is what went in, and people are seen.

One installation a mode carries all cameras at the same time; the tests look at what it left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy.local.servers import RtspCameraServer
from services.contracts.time import parse_rfc3339
from tests.harness.footage import export, findings, gaps, look, segments
from tests.harness.ground import Ground
from tests.harness.material import Material
from tests.harness.site import Site
from tests.harness.slices import assert_played_whole, codec_of, first_difference, seconds_of, slice_digests
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.timeout(300)
CAMERAS = ("h264", "h265", "bframes")


@dataclass(frozen=True)
class Streamed:
    """An installation in which each camera has played its clip at least once and everything is stopped."""

    site: Site
    clips: Material
    exports: Path
    ground: Ground

    @property
    def public_key(self) -> str:
        return self.ground.public_key()

    def source(self, camera: str) -> Path:
        return {"h264": self.clips.h264, "h265": self.clips.h265, "bframes": self.clips.b_frames}[camera]

    def first_run(self, camera: str) -> list[dict[str, Any]]:
        rows = segments(self.site, camera)
        return [row for row in rows if row["run_id"] == rows[0]["run_id"]] if rows else []


@pytest.fixture(scope="module")
def streamed(ground: Ground, clips: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streamed]:
    site = ground.site
    streamed = Streamed(site, clips, tmp_path_factory.mktemp("exports"), ground)
    with RtspCameraServer({"h264": clips.h264, "h265": clips.h265}, once=True) as camera:
        zone = {"name": "everywhere", "kind": "armed", "polygon": [list(corner) for corner in clips.zone]}
        site.configure(
            cameras=[
                {"camera_id": "h264", "url": camera.url("h264"), "zones": [zone]},
                {"camera_id": "h265", "url": camera.url("h265"), "analyse": False},
                {"camera_id": "bframes", "url": f"file:{clips.b_frames}", "analyse": False},
            ],
            analyze={"detector": clips.model},
            retain={"segment_s": 10},
        )
        if clips.model_file is not None:
            site.kanhu("models", "install", clips.model, "--from", str(clips.model_file))
        site.start("retain", "analyze")
        site.start("agent")
        for name in CAMERAS:
            done = partial(_played, streamed, name)
            wait_until(done, seconds=150, what=f"{name}'s whole clip in the ledger", every_s=1.0)
        site.stop("agent")
    site.stop("analyze", "retain")
    yield streamed


def _played(streamed: Streamed, camera: str) -> bool:
    """The first run is as long as the clip; an RTSP camera then begins again at once."""
    rows = streamed.first_run(camera)
    return bool(rows) and (rows[-1]["end_ns"] - rows[0]["start_ns"]) / 1e9 >= seconds_of(streamed.source(camera)) - 0.15


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_slices_of_the_export_are_those_of_the_camera_in_order_none_missing(
    streamed: Streamed, camera: str
) -> None:
    out = export(streamed.site, camera, streamed.exports / f"{camera}.mp4")[0]
    source = streamed.source(camera)
    assert codec_of(out) == codec_of(source)
    expected = slice_digests(source, codec_of(source))
    got = slice_digests(out, codec_of(out))
    assert got == expected, first_difference(got, expected)


@pytest.mark.parametrize("camera", CAMERAS)
def test_any_player_plays_the_export(streamed: Streamed, camera: str) -> None:
    assert_played_whole(export(streamed.site, camera, streamed.exports / f"{camera}_played.mp4")[0])


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_export_verifies_alone(streamed: Streamed, camera: str) -> None:
    out = export(streamed.site, camera, streamed.exports / f"{camera}_verified.mp4")[0]
    key = ("--public-key", streamed.public_key)
    streamed.site.run("evidence", "verify", str(out), *key, expect=(0,))
    spoilt = bytearray(out.read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    forged = out.with_name("forged.mp4")
    forged.write_bytes(spoilt)
    streamed.site.run("evidence", "verify", str(forged), *key, expect=(1,))


def test_the_minute_in_question_can_be_cut_out(streamed: Streamed) -> None:
    first = streamed.first_run("h264")[0]
    start_ns = parse_rfc3339(first["start"]) + 25 * 10**9
    [out] = export(streamed.site, "h264", streamed.exports / "cut.mp4", start_ns=start_ns, end_ns=start_ns + 5 * 10**9)
    whole = slice_digests(streamed.clips.h264, "h264")
    cut = slice_digests(out, "h264")
    begin = whole.index(cut[0])
    assert whole[begin : begin + len(cut)] == cut
    assert 0 < len(cut) < len(whole)


def test_people_are_seen_when_they_are_there_and_never_else(streamed: Streamed) -> None:
    start_ns = parse_rfc3339(streamed.first_run("h264")[0]["start"])
    length_s = streamed.first_run("h264")[-1]["end_ns"] / 1e9 - start_ns / 1e9
    rows = [row for row in streamed.site.lines("incidents", "list") if row["kind"] == "I-12"]
    seen = [((row["opened_ns"] - start_ns) / 1e9, ((row["closed_ns"] or 0) - start_ns) / 1e9) for row in rows]
    first_run = sorted(span for span in seen if span[0] < length_s)
    known = streamed.clips.people_s
    assert len(first_run) == len(known), f"saw {first_run}, expected {known}"
    for (opened_s, closed_s), (from_s, to_s) in zip(first_run, known, strict=True):
        assert abs(opened_s - from_s) <= streamed.clips.tolerance_s, f"saw {first_run}, expected {known}"
        assert abs(closed_s - to_s) <= streamed.clips.tolerance_s, f"saw {first_run}, expected {known}"


def test_an_incident_is_raised_within_two_seconds_and_shows_its_evidence(streamed: Streamed) -> None:
    rows = [row for row in streamed.site.lines("incidents", "list") if row["kind"] == "I-12"]
    assert rows
    for row in rows:
        assert 0 <= (row["raised_ns"] - row["evidence"]["frame_ns"]) / 1e9 <= 2.0
        assert row["evidence"]["boxes_px"]
        assert row["evidence"]["snapshot_key"]
        assert row["model_sha256"]


def test_the_command_line_lists_what_is_in_the_ledger(streamed: Streamed) -> None:
    assert tuple(streamed.site.lines("footage", "list")) == look(streamed.site).rows


def test_nothing_is_found_by_check(streamed: Streamed) -> None:
    assert findings(streamed.site) == []
    streamed.site.kanhu("check", expect=(0,))


def test_each_stream_is_covered_from_its_first_sample_on(streamed: Streamed) -> None:
    for camera in CAMERAS:
        rows = sorted([*segments(streamed.site, camera), *gaps(streamed.site, camera)], key=lambda row: row["start_ns"])
        for before, after in pairwise(rows):
            assert before["end_ns"] >= after["start_ns"], f"{camera}: {before} then {after}"
