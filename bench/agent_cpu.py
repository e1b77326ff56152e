"""CPU of the edge agent per camera, against as many ``ffmpeg -c copy`` to fragmented MP4, same streams, same time.

    python -m bench.agent_cpu [--cameras 16] [--seconds 30] [--windows 3] [--source rtsp|file] [--no-analyse] [--json]

Hypothesis: one Python process that muxes, hashes, signs and stores all cameras durably costs at most 1.5 times what
one ffmpeg child per camera costs that only copies to a file. CPU is user and system time of the process with its
children, over the same windows, once all cameras stream; the RTSP server's is nobody's. The figures are medians of
the windows. The agent does more: digests, signatures, two topics, a flush to disk per batch.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import yaml

from bench.report import emit
from deploy.local.rtsp_camera_server import RtspCameraServer

REPOSITORY = Path(__file__).parents[1]
GOAL = 1.5
_WARM_UP_S = 4.0
_START_S = 90.0


def make_clip(folder: Path, seconds: int = 20) -> Path:
    """720p, 25 fps, 2 s GOPs, about 2 Mbit/s, no B-frames: what an indoor IP camera sends."""
    path = folder / "camera.mp4"
    graph = f"testsrc2=size=1280x720:rate=25:duration={seconds},noise=alls=12:allf=t"
    options = (
        "-c:v libx264 -preset veryfast -b:v 2M -maxrate 2M -bufsize 1M -g 50 -sc_threshold 0 -bf 0 -pix_fmt yuv420p"
    )
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", graph, *options.split(), "-y", str(path)]
    subprocess.run(command, check=True)
    return path


@contextlib.contextmanager
def agent(folder: Path, urls: Sequence[str], *, analyse: bool) -> Iterator[int]:
    """The agent on the embedded backbone, all cameras streaming; yields its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = {
        "backbone": {"mode": "embedded", "data": str(folder / "data")},
        "cameras": [{"camera_id": f"cam-{index}", "url": url, "analyse": analyse} for index, url in enumerate(urls)],
        "observability": {"log_level": "warning", "listen": listen},
    }
    file = folder / "kanhu.yaml"
    file.write_text(yaml.safe_dump(settings))
    child = subprocess.Popen([sys.executable, "-m", "services.ingest", "--config", str(file)], cwd=REPOSITORY)
    try:
        _wait_for_streams(listen, len(urls))
        yield child.pid
    finally:
        child.terminate()
        child.wait(20)


def _wait_for_streams(listen: str, count: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{listen}/metrics", timeout=5) as answer:
            if len(re.findall(r"^kanhu_agent_streaming\{.*\} 1", answer.read().decode(), re.MULTILINE)) == count:
                return
        time.sleep(0.25)
    raise TimeoutError(f"not all of {count} cameras stream after {_START_S:g} s")


@contextlib.contextmanager
def ffmpegs(folder: Path, urls: Sequence[str]) -> Iterator[list[int]]:
    """One ``ffmpeg -c copy`` a camera; yields their process ids."""
    children = []
    for index, url in enumerate(urls):
        reading = ["-rtsp_transport", "tcp"] if url.startswith("rtsp") else ["-re", "-stream_loop", "-1"]
        writing = ["-c", "copy", "-an", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"]
        source = url if url.startswith("rtsp") else url.removeprefix("file:").partition("?")[0]
        command = ["ffmpeg", "-v", "error", "-nostdin", *reading, "-i", source, *writing, str(folder / f"{index}.mp4")]
        children.append(subprocess.Popen(command))
    try:
        yield [child.pid for child in children]
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(20)


def cpu_s(pids: Sequence[int]) -> float:
    """User and system seconds of processes so far."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(one.user + one.system for one in times)


def measure(cameras: int, seconds: float, windows: int, source: str, *, analyse: bool) -> dict[str, object]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kanhu-bench-")))
        clip = make_clip(folder)
        if source == "rtsp":
            server = stack.enter_context(RtspCameraServer({f"cam-{index}": clip for index in range(cameras)}))
            urls = [server.url(f"cam-{index}") for index in range(cameras)]
        else:
            urls = [f"file:{clip}?loop=1"] * cameras
        pid = stack.enter_context(agent(folder, urls, analyse=analyse))
        others = stack.enter_context(ffmpegs(folder, urls))
        time.sleep(_WARM_UP_S)
        pairs = [_window(pid, others, cameras, seconds / windows) for _ in range(windows)]
        memory = psutil.Process(pid).memory_info().rss
    return {
        "source": source, "cameras": cameras, "analyse": analyse,
        "agent_cpu_ms_per_camera_s": round(statistics.median(ours for ours, _ in pairs), 2),
        "ffmpeg_cpu_ms_per_camera_s": round(statistics.median(theirs for _, theirs in pairs), 2),
        "ratio": round(statistics.median(ours / theirs for ours, theirs in pairs), 3), "goal": GOAL,
        "ratios": " ".join(f"{ours / theirs:.2f}" for ours, theirs in pairs), "agent_rss_bytes": memory,
    }  # fmt: skip


def _window(pid: int, others: Sequence[int], cameras: int, seconds: float) -> tuple[float, float]:
    """ms of CPU per camera-second of the agent and of the others."""
    began, ours, theirs = time.monotonic(), cpu_s([pid]), cpu_s(others)
    time.sleep(seconds)
    ours, theirs, lasted = cpu_s([pid]) - ours, cpu_s(others) - theirs, time.monotonic() - began
    return ours * 1000 / (cameras * lasted), theirs * 1000 / (cameras * lasted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--source", choices=("rtsp", "file"), default="rtsp")
    parser.add_argument("--no-analyse", action="store_true", help="record only: one topic instead of two")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    row = measure(
        arguments.cameras, arguments.seconds, arguments.windows, arguments.source, analyse=not arguments.no_analyse
    )
    emit("agent_cpu", [row], as_json=arguments.json, notes=[f"goal: ratio <= {GOAL}"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
