"""CPU of the edge agent per camera, against as many ``ffmpeg -c copy`` to fragmented MP4, same streams, same time.

    python -m bench.agent_cpu [--cameras 16] [--seconds 20] [--source rtsp|file] [--json]

Hypothesis: one Python process that muxes, hashes, signs and stores all cameras durably costs at most 1.5 times what
one ffmpeg child per camera costs that only copies to a file. CPU is user and system time of the process with its
children, over the same window, after a warm-up; the RTSP server's is nobody's. The agent does more: digests, signatures,
two topics, a flush to disk per batch.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import yaml

from deploy.local.rtsp_camera_server import RtspCameraServer

REPOSITORY = Path(__file__).parents[1]
GOAL = 1.5
_WARM_UP_S = 6.0


def make_clip(folder: Path, seconds: int = 20) -> Path:
    """720p, 25 fps, 2 s GOPs, about 2 Mbit/s, no B-frames: what an indoor IP camera sends."""
    path = folder / "camera.mp4"
    graph = f"testsrc2=size=1280x720:rate=25:duration={seconds},noise=alls=12:allf=t"
    options = "-c:v libx264 -preset veryfast -b:v 2M -maxrate 2M -bufsize 1M -g 50 -bf 0 -pix_fmt yuv420p"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", graph, *options.split(), "-y", str(path)]
    subprocess.run(command, check=True)
    return path


@contextlib.contextmanager
def agent(folder: Path, urls: Sequence[str], *, analyse: bool) -> Iterator[int]:
    """The agent on the embedded backbone; yields its process id."""
    settings = {
        "backbone": {"mode": "embedded", "data": str(folder / "data")},
        "cameras": [{"camera_id": f"cam-{index}", "url": url, "analyse": analyse} for index, url in enumerate(urls)],
        "observability": {"log_level": "warning"},
    }
    file = folder / "kanhu.yaml"
    file.write_text(yaml.safe_dump(settings))
    child = subprocess.Popen([sys.executable, "-m", "services.ingest", "--config", str(file)], cwd=REPOSITORY)
    try:
        yield child.pid
    finally:
        child.terminate()
        child.wait(20)


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


def measure(cameras: int, seconds: float, source: str, *, analyse: bool) -> dict[str, object]:
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
        began, ours, theirs = time.monotonic(), cpu_s([pid]), cpu_s(others)
        time.sleep(seconds)
        ours, theirs, lasted = cpu_s([pid]) - ours, cpu_s(others) - theirs, time.monotonic() - began
        memory = psutil.Process(pid).memory_info().rss
    camera_seconds = cameras * lasted
    return {
        "bench": "agent_cpu", "source": source, "cameras": cameras, "seconds": round(lasted, 1), "analyse": analyse,
        "agent_cpu_ms_per_camera_s": round(ours * 1000 / camera_seconds, 2),
        "ffmpeg_cpu_ms_per_camera_s": round(theirs * 1000 / camera_seconds, 2),
        "ratio": round(ours / theirs, 3), "goal": GOAL, "agent_rss_bytes": memory,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--source", choices=("rtsp", "file"), default="rtsp")
    parser.add_argument("--no-analyse", action="store_true", help="record only: one topic instead of two")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    result = measure(arguments.cameras, arguments.seconds, arguments.source, analyse=not arguments.no_analyse)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(
            f"agent {result['agent_cpu_ms_per_camera_s']} ms, ffmpeg {result['ffmpeg_cpu_ms_per_camera_s']} ms of CPU a "
            f"camera-second over {arguments.cameras} {arguments.source} cameras: ratio {result['ratio']} (goal {GOAL})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
