"""Cameras over RTSP: every picture reaches the log as it came, and what goes wrong is told and mended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest

from services.contracts.entity import CameraConfig, Zone
from tests.conftest import RtspCameras
from tests.harness.log_site import until
from tests.harness.slices import codec_of, first_difference, slice_digests
from tests.integration.ingest.agents import DETECT, Agent, Run, running_agent
from tests.integration.ingest.conftest import Clips

S = 1_000_000_000


def camera(url: str, camera_id: str = "cam", **more: Any) -> CameraConfig:
    return CameraConfig(camera_id=camera_id, url=url, **more)


def slices_of(runs: list[Run], directory: Path) -> list[bytes]:
    """Slices of all runs, read by ffmpeg."""
    found: list[bytes] = []
    for index, run in enumerate(runs):
        path = directory / f"run-{index}.mp4"
        path.write_bytes(run.media)
        found += slice_digests(path, codec_of(path))
    return found


async def until_ended(agent: Agent, camera_id: str = "cam", runs: int = 1) -> list[Run]:
    async def ended() -> list[Run] | None:
        found = await agent.runs(camera_id)
        return found if len(found) >= runs and found[runs - 1].end is not None else None

    found: list[Run] = await until(ended, f"the end of run {runs} of {camera_id}")
    return found


@pytest.mark.parametrize("name", ["h264", "h264_b_frames", "h265", "h265_b_frames"])
async def test_over_tcp_every_slice_of_the_camera_is_recorded(
    name: str, clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    source: Path = getattr(clips, name)
    server = rtsp_camera({"door": source}, once=True)
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(server.url("door")))
        runs = (await until_ended(agent))[:1]
    runs[0].assert_whole()
    await agent.assert_genuine(runs)
    expected = slice_digests(source, codec_of(source))
    got = slices_of(runs, tmp_path)
    assert got == expected, first_difference(got, expected)
    assert runs[0].end is not None and runs[0].end.cause == "camera"


@pytest.mark.parametrize("name", ["h264", "h265"])
async def test_over_udp_slices_come_in_order_without_holes(
    name: str, clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    source: Path = getattr(clips, name)
    server = rtsp_camera({"door": source}, once=True)
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(server.url("door"), transport="udp"))
        runs = (await until_ended(agent))[:1]
    runs[0].assert_whole()
    await agent.assert_genuine(runs)
    expected = slice_digests(source, codec_of(source))
    got = slices_of(runs, tmp_path)
    whole = got if got == expected[: len(got)] else got[:-1]  # the end of the session may cut the access unit under way
    assert whole == expected[: len(whole)], first_difference(whole, expected)
    assert len(whole) >= len(expected) - 4, "UDP may lose the very last at the end of a stream, no more"


async def test_a_camera_that_asks_for_digest_gets_it_from_any_place(
    clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "p@ss:w/ord?#"
    server = rtsp_camera({"door": clips.h264}, user="watch", password=secret)
    (tmp_path / "password").write_text(f"{secret}\n")
    (tmp_path / "password").chmod(0o600)
    monkeypatch.setenv("DOOR_PASSWORD", secret)
    url = server.url("door", credentials=False)
    async with running_agent(tmp_path) as agent:
        agent.cameras(
            camera(url, "by-file", username="watch", password_file=str(tmp_path / "password")),
            camera(url, "by-env", username="watch", password_env="DOOR_PASSWORD"),
            camera(url, "by-value", username="watch", password=secret),
        )
        for name in ("by-file", "by-env", "by-value"):
            await agent.until_seconds(name, 0.5)


@pytest.mark.parametrize("password", ["wrong", None])
async def test_refused_credentials_are_said_without_the_secret_and_not_hammered(
    password: str | None, clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = rtsp_camera({"door": clips.h264}, user="watch", password="right-secret")
    url = server.url("door", credentials=False)
    wrong = {"username": "watch", "password": "sesame-7391"} if password else {}
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(url, **wrong))
        said = await agent.until_state("cam", lambda one: one.state == "refused")
        (gap,) = await agent.gaps("cam")
    assert "user name or password" in said.detail
    assert (gap.cause, gap.end_ns, gap.since) == ("camera", None, None)
    everything = repr(await asyncio.to_thread(capfd.readouterr)) + said.model_dump_json() + repr(gap)
    assert "sesame-7391" not in everything and "right-secret" not in everything


async def test_a_camera_unplugged_and_plugged_in_again_leaves_one_gap_with_exact_bounds(
    clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    server = rtsp_camera({"door": clips.h264})
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(server.url("door")))
        await agent.until_seconds("cam", 1)
        unplugged_ns = agent.backbone.clock.now_ns()
        await asyncio.to_thread(server.kill)
        await agent.until_state("cam", lambda one: one.state == "offline")
        await asyncio.to_thread(server.restart)
        plugged_ns = agent.backbone.clock.now_ns()
        await agent.until_state("cam", lambda one: one.state == "streaming")

        async def two() -> bool:
            return len(await agent.runs("cam")) == 2

        await until(two, "the second run")
        first, second = await agent.runs("cam")
        assert await agent.gaps("cam") == [], "the end of the run and the start of the next one tell the gap"
    first.assert_whole()
    assert first.end is not None and first.end.cause == "camera"
    assert second.start.since == "camera"
    assert abs(first.end.end_ns - unplugged_ns) < S
    assert abs(second.start.start_ns - plugged_ns) < S


async def test_a_camera_that_falls_silent_is_noticed_and_read_again(
    clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    server = rtsp_camera({"door": clips.h264})
    async with running_agent(tmp_path, stall_s=1.0) as agent:
        agent.cameras(camera(server.url("door")))
        await agent.until_seconds("cam", 1)
        await asyncio.to_thread(server.pause)
        (first,) = await until_ended(agent)
        assert first.end is not None
        assert (first.end.cause, first.end.detail) == ("camera", "no picture for 1 s")
        await asyncio.to_thread(server.resume)
        await until_ended_or_streams_again(agent)
        runs = await agent.runs("cam")
    for run in runs:
        run.assert_whole()
    assert runs[1].start.since == "camera"


async def until_ended_or_streams_again(agent: Agent) -> None:
    async def again() -> bool:
        runs = await agent.runs("cam")
        return len(runs) > 1 and bool(runs[-1].chunks)

    await until(again, "a second run with a chunk")


async def test_nobody_at_the_address_is_the_cameras_fault_and_no_such_name_the_networks(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        agent.cameras(
            camera("rtsp://127.0.0.1:1/x", "nobody"), camera("rtsp://no.such.name.invalid/x", "no-name"),
        )  # fmt: skip
        nobody = await agent.until_state("nobody", lambda one: one.state == "offline")
        no_name = await agent.until_state("no-name", lambda one: one.state == "offline")
        assert (nobody.cause, no_name.cause) == ("camera", "network")
        (gap,) = await agent.gaps("no-name")
    assert (gap.cause, gap.end_ns) == ("network", None)


async def test_a_path_the_camera_does_not_know_is_said(clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path) -> None:
    server = rtsp_camera({"door": clips.h264})
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(server.url("door").replace("/door", "/window")))
        said = await agent.until_state("cam", lambda one: one.state == "offline")
    assert said.detail == "the camera has no stream at this path"


async def test_changes_of_one_camera_do_not_disturb_another(
    clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    server = rtsp_camera({"door": clips.h264, "yard": clips.h265})
    steady = camera(server.url("door"), "steady")
    async with running_agent(tmp_path) as agent:
        agent.cameras(steady, camera(server.url("yard"), "moved"))
        await agent.until_seconds("steady", 0.5)
        await agent.until_seconds("moved", 0.5)
        agent.cameras(steady, camera(server.url("yard"), "moved", transport="udp"))
        (moved, *_) = await until_ended(agent, "moved")

        async def moved_again() -> bool:
            return len(await agent.runs("moved")) > 1

        await until(moved_again, "the changed camera's second run")
        zone = Zone(name="all", polygon=[(0, 0), (1, 0), (1, 1)])
        agent.cameras(steady.model_copy(update={"zones": [zone]}))
        await agent.until_state("moved", lambda one: one.state == "removed")
        await agent.until_seconds("steady", await agent.seconds("steady") + 0.5)
        (run,) = await agent.runs("steady")
        assert run.end is None, "the steady camera was disturbed"
        runs = await agent.runs("moved")
    assert moved.end is not None
    assert (moved.end.cause, moved.end.detail) == ("maintenance", "settings of the camera changed")
    assert runs[1].start.since == "maintenance"


async def test_a_second_stream_goes_to_analysis_alone(clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path) -> None:
    server = rtsp_camera({"main": clips.h265, "small": clips.h264})
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(server.url("main"), detect_url=server.url("small")))
        await agent.until_seconds("cam", 1)

        async def analysed() -> bool:
            return await agent.seconds("cam", DETECT) >= 1

        await until(analysed, "a second for analysis")
        (recorded,), (analysed_run,) = await agent.runs("cam"), await agent.runs("cam", DETECT)
    assert (recorded.start.run.stream, analysed_run.start.run.stream) == ("record", "detect")
    assert recorded.start.run.codec.startswith("hvc1") or recorded.start.run.codec.startswith("hev1")
    assert analysed_run.start.run.codec.startswith("avc")


async def test_without_a_second_stream_analysis_gets_the_same_bytes(
    clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    server = rtsp_camera({"door": clips.h264}, once=True)
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(server.url("door")))
        (run,) = (await until_ended(agent))[:1]
        copy = (await agent.runs("cam", DETECT))[0]
    assert copy.chunks == run.chunks


async def test_the_cameras_own_clock_stands_beside_the_agents(
    clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    server = rtsp_camera({"door": clips.h264})
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(server.url("door")))

        async def told() -> int | None:
            chunks = [chunk for run in await agent.runs("cam") for chunk in run.chunks]
            return next((one.facts.clock.camera_offset_ns for one in chunks if one.facts.clock.camera_offset_ns), None)

        offset_ns = await until(told, "a chunk with the camera's clock")
    assert abs(offset_ns) < S, "both clocks are this machine's"


async def test_stopping_ends_runs_in_good_order_and_the_next_agent_says_maintenance(
    clips: Clips, rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    server = rtsp_camera({"door": clips.h264})
    watched: tuple[Literal["cam"], ...] = ("cam",)
    async with running_agent(tmp_path) as agent:
        agent.cameras(camera(server.url("door")))
        await agent.until_seconds("cam", 1)
    async with running_agent(tmp_path) as agent:
        agent.cameras(*(camera(server.url("door"), name) for name in watched))
        first, second = await until_second_run(agent)
    assert first.end is not None
    assert (first.end.cause, first.end.detail) == ("maintenance", "agent stopped")
    assert second.start.since == "maintenance"
    await agent.assert_genuine([first, second])


async def until_second_run(agent: Agent) -> tuple[Run, Run]:
    """The first two runs. A group of pictures is signed with its last chunk: before that its chunks are nobody's yet."""

    async def two() -> tuple[Run, Run] | None:
        runs = await agent.runs("cam")
        signed = len(runs) >= 2 and runs[1].chunks and runs[1].chunks[-1].facts.signature is not None
        return (runs[0], runs[1]) if signed else None

    found: tuple[Run, Run] = await until(two, "a second run that is signed to its end")
    return found
