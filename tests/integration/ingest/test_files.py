"""Video files as cameras, good ones and bad ones."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from services.contracts.entity import CameraConfig
from tests.harness.log_site import until
from tests.harness.slices import assert_played_whole, codec_of, first_difference, slice_digests
from tests.integration.ingest.agents import running_agent
from tests.integration.ingest.conftest import Clips
from tests.integration.ingest.test_cameras import slices_of, until_ended

S = 1_000_000_000


def file_camera(path: Path, camera_id: str = "cam", *, loop: bool = False, **more: Any) -> CameraConfig:
    return CameraConfig(camera_id=camera_id, url=f"file:{path}{'?loop=1' if loop else ''}", **more)


@pytest.mark.parametrize(
    "name", ["h264_b_frames", "h265_b_frames", "raw_h264_b_frames", "transport_stream", "matroska"]
)
async def test_a_file_is_played_once_in_real_time_and_every_slice_recorded(
    name: str, clips: Clips, tmp_path: Path
) -> None:
    source: Path = getattr(clips, name)
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(source))
        (run,) = await until_ended(agent)
        status = await agent.until_state("cam", lambda one: one.detail == "file ended")
        assert await agent.gaps("cam") == []
    run.assert_whole()
    await agent.assert_genuine([run])
    expected = slice_digests(source, codec_of(source))
    got = slices_of([run], tmp_path)
    assert got == expected, first_difference(got, expected)
    assert run.end is not None and (run.end.cause, run.end.detail) == ("camera", "file ended")
    assert (run.end.end_ns - run.start.start_ns) / S == pytest.approx(clips.seconds, abs=0.3)
    assert (status.state, status.cause) == ("offline", "camera")
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(run.media)
    assert_played_whole(whole)


async def test_a_looping_file_goes_round_without_a_seam(clips: Clips, tmp_path: Path) -> None:
    rounds = 2.4
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(clips.h264_b_frames, loop=True))
        await asyncio.sleep(clips.seconds * rounds)  # real time is what is being tested
        await agent.until_seconds("cam", clips.seconds * 2)
    (run,) = await agent_runs_after(tmp_path)
    run.assert_whole()
    once = slice_digests(clips.h264_b_frames, "h264")
    got = slices_of([run], tmp_path)
    assert got == (once * 4)[: len(got)], first_difference(got, once * 4)
    assert len(got) > 2 * len(once)
    assert max(chunk.facts.duration_ns for chunk in run.chunks) <= 500_000_000


async def agent_runs_after(directory: Path) -> list[Any]:
    """The runs on the log of an agent that was stopped."""
    async with running_agent(directory) as agent:
        return [run for run in await agent.runs("cam") if run.end is not None]


async def test_a_file_that_appears_later_is_played_then(clips: Clips, tmp_path: Path) -> None:
    path = tmp_path / "later.mp4"
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(path))
        await agent.until_state("cam", lambda one: one.detail == "there is no such file")
        shutil.copy(clips.h264, tmp_path / "part")
        (tmp_path / "part").rename(path)
        (run,) = await until_ended(agent)
        (gap,) = await agent.gaps("cam")
    assert (gap.cause, run.start.since) == ("camera", "camera")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x_html_error_page.mp4", "not a video file"),
        ("x_zero_length.mp4", "not a video file"),
        ("x_random_bytes_seed3.mp4", "not a video file"),
        ("x_truncated_no_moov.mp4", "not a video file"),
        ("sample_audio_only.mp4", "no video track"),
        ("av1_video.mkv", "codec 'av1' is not supported"),
        ("no_duration.webm", "codec 'vp9' is not supported"),
        ("sample_vvc.mp4", "codec 'vvc' is not supported"),
        ("mp4ff_init_prog.mp4", "no picture"),
    ],
)
async def test_a_file_that_cannot_be_recorded_is_refused_with_the_reason(
    name: str, says: str, shared: Path, tmp_path: Path
) -> None:
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(shared / "bad_media" / name))
        said = await agent.until_state("cam", lambda one: one.state == "refused")
        (gap,) = await agent.gaps("cam")
        assert await agent.runs("cam") == []
    assert says in said.detail
    assert gap.cause == "camera"


@pytest.mark.parametrize(
    "name",
    ["x_bitflips_seed7.h264", "decord_corrupted.mp4", "x_truncated_faststart_60pct.mp4", "BA_MW_D_IDR_LOST.264",
     "chunk_out_of_range.mp4", "sample_mdat_too_long.mp4", "video_with_failing_audio.mp4", "sample_without_stss.mp4",
     "sample_2_byte_NAL_length.mp4", "edit_list_positive_shift.mp4"],
)  # fmt: skip
async def test_damage_neither_stops_the_agent_nor_a_sound_camera(
    name: str, clips: Clips, shared: Path, tmp_path: Path
) -> None:
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(shared / "bad_media" / name, "damaged"), file_camera(clips.h264, "sound", loop=True))
        await agent.until_state("damaged", lambda one: one.state in ("streaming", "refused"))
        await agent.until_seconds("sound", 1.5)
        for run in await agent.runs("damaged"):
            run.assert_whole()
        (sound,) = await agent.runs("sound")
        sound.assert_whole()


async def test_timestamps_that_jump_back_begin_a_new_run_at_the_agents_clock(shared: Path, tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(shared / "bad_media" / "x_pts_jumps_back.ts"))
        first, *_ = await until_ended(agent)
        second = (await agent.runs("cam"))[1]
    assert first.end is not None
    assert abs(second.start.start_ns - first.end.end_ns) < S


async def test_a_hole_in_the_timeline_becomes_a_gap_of_its_length(shared: Path, tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        agent.cameras(file_camera(shared / "bad_media" / "x_vfr_gap_bframes.mp4"))
        first, *_ = await until_ended(agent)

        async def second_start() -> int | None:
            runs = await agent.runs("cam")
            return runs[1].start.start_ns if len(runs) > 1 else None

        start_ns = await until(second_start, "the run after the hole")
    assert first.end is not None
    assert 2.0 < (start_ns - first.end.end_ns) / S < 3.4
