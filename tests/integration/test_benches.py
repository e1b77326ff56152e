"""Every bench runs, smaller than its figures would mean anything, and prints one JSON object: nobody finds it broken when
figures are asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import names

pytestmark = pytest.mark.timeout(240)
REPOSITORY = Path(__file__).parents[2]
_SHORT_CLIP = (
    "bench.draw_clip = partial(bench.draw_clip, seconds=4); bench.measure_limit = partial(bench.measure_limit, runs=3)"
)
#: What is made smaller than the command line allows, and the command line.
TINY: dict[str, tuple[str, str]] = {
    "agent_cpu": ("", "--cameras 2 --seconds 3 --windows 1 --source file"),
    "hot_path": ("bench.FORMS = bench.FORMS[:1]", "--rounds 1 --seconds 2"),
    "latency": ("", "--cameras 1 --seconds 4"),
    "load": (  # tests/integration/spine/test_load.py runs it
        "bench.two_megabit_clip = lambda *_: None; bench.make_ground = lambda *_: SimpleNamespace(close=lambda: None)\n"
        "bench.run_load = lambda *_, **__: bench.Load(4.0, {'a': []}, {'a': 4.0}, [], {s: [1] * 9 for s in bench.SERVICES},"
        " dict.fromkeys(bench.SERVICES, 1.0))",
        "--cameras 1 --seconds 4",
    ),
    "log": ("", "--mebibytes 1 --rounds 1 --without-kafka"),
    "media": ("", "--seconds 0.01"),
    "overload": (  # tests/integration/analyze/test_overload.py overloads a real one
        f"{_SHORT_CLIP}; from bench.watch_trial import Trial\n"
        "class Tried(Trial): frames = lambda self, _: {f'cam-{n}': 3.0 + n for n in range(self.cameras)}\n"
        "bench.run_trial = lambda _, cameras, seconds, **__: Tried(cameras, seconds, resident_bytes=[1])",
        "--seconds 2",
    ),
    "service": (f"{_SHORT_CLIP}; bench._LIMIT_S = 0.3", "--cameras 1 --seconds 2 --trials 1"),
    "simulation": ("bench.CAMERAS = bench.CAMERAS[:1]", "--frames 1 --rounds 1 --paced 0"),
    "store": ("", "--seconds 0.02"),
    "tracking": ("", "--without-libraries"),
}


Row = dict[str, Any]


def assert_rates_of_every_camera(row: Row) -> None:
    """Analysed frames per second: of camera n there are 3 + n in two seconds here."""
    assert row["rates"] == {f"cam-{n}": (3.0 + n) / 2 for n in range(row["cameras"])}
    assert row["rate_least"] == min(row["rates"].values()) and row["rate_most"] == max(row["rates"].values())


def assert_cost_of_every_stage(row: Row) -> None:
    assert row["clip"] and (row["width"], row["height"]) == (640, 360)
    stages = {stage: row[f"{stage}_us"] for stage in ("decode", "scale", "motion", "infer", "post", "track")}
    assert stages["decode"] > 0 and all(spent >= 0 for spent in stages.values()), stages
    assert row["whole_us"] > 0 and row["limit_us"] > 0 and row["usual_us"] > 0 and row["cameras_per_core"] > 0
    if row["boxes_agree"] is False:
        assert row["ratio_to_limit"] is None, "no ratio of what did another work"
    else:
        assert row["ratio_to_limit"] == pytest.approx(row["whole_us"] / row["limit_us"])


#: What each row of a bench must tell besides.
ROWS: dict[str, Callable[[Row], None]] = {
    "overload": assert_rates_of_every_camera,
    "hot_path": assert_cost_of_every_stage,
}


def test_none_is_forgotten() -> None:
    assert set(TINY) == set(names())


@pytest.mark.parametrize("name", TINY)
def test_a_bench_runs_and_prints_one_json_object(name: str) -> None:
    smaller, words = TINY[name]
    code = "\n".join([
        "import sys", "from functools import partial", "from types import SimpleNamespace", f"import bench.{name} as bench",
        smaller, "sys.exit(bench.main())",
    ])  # fmt: skip
    command = [sys.executable, "-c", code, *words.split(), "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: its goal was not met
    assert done.stdout.count("\n") == 1, f"{done.stdout}\n{done.stderr}"
    told = json.loads(done.stdout)
    assert told["bench"] == name
    assert told["rows"] and all(row for row in told["rows"])
    assert told["machine"]["cores"] > 0 and told["commit"]
    for row in told["rows"] if name in ROWS else ():
        ROWS[name](row)
