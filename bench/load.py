"""Sixteen file cameras at 2 Mbit/s through the whole house: gaps, memory over time, CPU per service.

    python -m bench.load [--cameras 16] [--seconds 300] [--mode embedded] [--json]

Memory is flat when the second half of the time after the first minute needs no more than the first half (resident bytes of each
service, medians). No detector watches the synthetic pictures' people: there are none; decoding and detection run all the same.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.report import emit
from tests.harness.footage import findings, look, wait_for_the_end
from tests.harness.ground import Ground, Mode, make_ground
from tests.harness.site import SERVICES, Service

BITS_PER_S = 2_000_000
_MIB = 1024 * 1024


@dataclass
class Load:
    """What a loaded installation showed. ``resident_bytes`` and ``cpu_s`` per service, sampled once a second."""

    seconds: float
    gaps: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    covered_s: dict[str, float] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    resident_bytes: dict[Service, list[int]] = field(default_factory=dict)
    cpu_s: dict[Service, float] = field(default_factory=dict)

    def growth(self, service: Service, settled_s: float) -> float:
        """Median resident bytes of the last half of the time after ``settled_s`` over that of the half before it."""
        rows = self.resident_bytes[service][round(settled_s) :]
        half = len(rows) // 2
        return statistics.median(rows[half:]) / statistics.median(rows[:half])


def two_megabit_clip(directory: Path, seconds: int = 20) -> Path:
    """A moving test picture with noise at a constant 2 Mbit/s, 1280×720, 25 fps, a sync sample every two seconds."""
    clip = directory / "load.mp4"
    rate = f"{BITS_PER_S}"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=25:duration={seconds},noise=alls=12:allf=t",
         "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "50", "-bf", "0", "-b:v", rate, "-minrate", rate,
         "-maxrate", rate, "-bufsize", rate, "-x264-params", "nal-hrd=cbr", str(clip)],
        check=True,
    )  # fmt: skip
    return clip


def run_load(ground: Ground, clip: Path, *, cameras: int, seconds: float, segment_s: float = 60.0) -> Load:
    """Stream for ``seconds`` from the moment every camera is in the log; then drain and look at what is stored."""
    site = ground.site
    names = [f"cam-{number:02d}" for number in range(cameras)]
    site.configure(
        cameras=[{"camera_id": name, "url": f"file:{clip}?loop=1"} for name in names],
        analyze={"detector": "drawn-person"},
        retain={"segment_s": segment_s},
    )
    site.start(*SERVICES)
    load = Load(seconds, resident_bytes={service: [] for service in SERVICES})
    observed = {service: psutil.Process(site.pid(service)) for service in SERVICES}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for service, process in observed.items():
            load.resident_bytes[service].append(process.memory_info().rss)
        time.sleep(1.0)  # the sampling interval
    for service, process in observed.items():
        spent = process.cpu_times()
        load.cpu_s[service] = spent.user + spent.system
    site.stop("agent")
    wait_for_the_end(site, *names, seconds=120)
    site.stop("analyze", "retain")
    footage = look(site)
    for name in names:
        load.gaps[name] = [row for row in footage.gaps(name) if row["cause"] != "maintenance"]
        load.covered_s[name] = sum(row["end_ns"] - row["start_ns"] for row in footage.segments(name)) / 1e9
    load.findings = findings(site)
    return load


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--mode", choices=["embedded", "distributed"], default="embedded")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    mode: Mode = arguments.mode
    with tempfile.TemporaryDirectory() as directory:
        ground = make_ground(mode, Path(directory) / "site")
        try:
            clip = two_megabit_clip(Path(directory))
            load = run_load(ground, clip, cameras=arguments.cameras, seconds=arguments.seconds)
        finally:
            ground.close()
    rows = [
        {
            "service": service, "mode": mode, "cameras": arguments.cameras, "seconds": load.seconds,
            "gaps": sum(map(len, load.gaps.values())), "findings": len(load.findings),
            "least_covered_s": round(min(load.covered_s.values()), 2),
            "cpu_ms_per_camera_s": load.cpu_s[service] * 1000 / load.seconds / arguments.cameras,
            "resident_mib_after_a_minute": statistics.median(load.resident_bytes[service][60:90] or [0]) / _MIB,
            "resident_mib_at_the_end": statistics.median(load.resident_bytes[service][-30:]) / _MIB,
            "growth_after_a_minute": load.growth(service, min(60.0, load.seconds / 3)),
        }
        for service in SERVICES
    ]  # fmt: skip
    emit("load", rows, as_json=arguments.json, notes=["growth 1.0 is flat; gaps counts every camera"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
