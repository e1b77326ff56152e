"""``kanhu simulate render | truth`` of a described building: a day's pictures and its truth.

Belongs here: options of the command line and what is printed. Does not belong here: the day and its truth
(``services.simulation``), the score of an analysis (``simulated_score``), the old drawn rooms (``simulate``).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from services.box import progress
from services.contracts.errors import NotFound, Rejected
from services.contracts.simulated_stream import USUAL_DAY
from services.simulation import truth
from services.simulation.building import load_building
from services.simulation.day.calendar import DAY_S
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.script import Script, load_script
from services.simulation.limits import load_limits
from services.simulation.live import script_named

_BITS_PER_S = 700_000
_FRAMES_AT_MOST = 2_000_000
_CLOCK = re.compile(r"^([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?$")
_USUAL_BUILDING, USUAL_FROM_S, _USUAL_LENGTH_S = "sunflower", 9.5 * 3600.0, 60.0
PARTS = ("frames", "seconds", "readings", "incidents")
#: What a drawn room knows nothing of, by destination of the option.
NURSERY_ONLY = (
    "camera", "building", "day", "mode", "from_s", "to_s", "script", "rate", "speed", "mot", "parts", "frames_per_s", "visible",
    "limits", "score", "epoch", "at_s",
)  # fmt: skip


def add_options(action: argparse.ArgumentParser) -> None:
    """The options that render and truth share. Whatever is not said is ``None``, so that it can be told what was."""
    action.add_argument("camera", nargs="?", help="a camera or room of the building")
    action.add_argument(
        "--building", metavar="NAME|FILE", help=f"a described building; default {_USUAL_BUILDING}, also magnolia"
    )
    action.add_argument("--day", type=_date, metavar="YYYY-MM-DD", help=f"default {USUAL_DAY}, a Monday")
    action.add_argument("--mode", choices=("full-day", "half-day", "hourly", "closed"), help="default: by the date")
    action.add_argument("--from", dest="from_s", type=clock_time, metavar="HH:MM[:SS]", help="default 09:30")
    action.add_argument("--to", dest="to_s", type=clock_time, metavar="HH:MM[:SS]", help="default: --seconds later")
    action.add_argument(
        "--script", metavar="NAME|FILE", help="incidents and look-alikes to put on: YAML, or first-morning"
    )
    action.add_argument("--rate", type=float, metavar="N", help="incidents a day to draw, on average; default 0")
    action.add_argument("--speed", type=float, metavar="K", help="world time runs K times as fast")


def add_truth_options(action: argparse.ArgumentParser) -> None:
    """The options of truth alone."""
    action.add_argument("--out", type=Path, metavar="PATH", help="a file of JSON lines, or a folder for --mot")
    action.add_argument("--mot", action="store_true", help="write CAMERA/gt/gt.txt and seqinfo.ini below --out")
    action.add_argument("--parts", metavar="PART,…", help=f"which lines; default {','.join(PARTS)}")
    action.add_argument("--frames-per-s", type=float, metavar="F", help="default: the camera's own")
    action.add_argument(
        "--visible", action=argparse.BooleanOptionalAction,
        help="work out how much of everybody can be seen (needs the renderer); default: for --mot where it is installed",
    )  # fmt: skip
    action.add_argument(
        "--limits", type=Path, metavar="FILE", help="when a rule counts, such as {door_s: 20}; YAML or JSON"
    )


def given(arguments: argparse.Namespace, names: Iterable[str]) -> list[str]:
    """Those options of ``names`` (destinations) that were said, as they are written."""
    said = [name for name in names if getattr(arguments, name, None) is not None]
    written = {"camera": "CAMERA", "frames_per_s": "--frames-per-s", "from_s": "--from", "to_s": "--to", "at_s": "--at"}
    return [written.get(name, f"--{name}") for name in said if name != "mot" or arguments.mot]


def refuse(arguments: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """``Rejected`` if any of these options was said: nothing that somebody asks for is left out silently."""
    if said := given(arguments, names):
        raise Rejected(f"{', '.join(said)}: {why}")


def render(arguments: argparse.Namespace) -> int:
    """Write one camera's pictures to an MP4 file."""
    import av

    from services.simulation.render.plate_cache import PlateCache
    from services.simulation.render.renderer import NurseryRenderer

    day = day_of(arguments)
    names = _cameras(day, arguments)
    if arguments.camera is None:
        sys.stderr.write(f"{names[0]} is rendered; the other cameras of {day.building.id}: {', '.join(names[1:])}\n")
    camera = day.building.camera(names[0])
    from_s, to_s = _span(arguments)
    speed = arguments.speed or 1.0
    count = _count((to_s - from_s) / speed * camera.frames_per_s)
    renderer = NurseryRenderer(day.building, day.seed, PlateCache())
    try:
        container = av.open(str(arguments.out), "w", format="mp4", options={"movflags": "+faststart"})
    except OSError as error:
        raise Rejected(f"{arguments.out} cannot be written: {error.strerror or error}") from error
    drawn = 0
    with container:
        stream = container.add_stream("libx264", rate=camera.frames_per_s, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = camera.width_px, camera.height_px, "yuv420p"
        stream.codec_context.bit_rate, stream.codec_context.gop_size = _BITS_PER_S, 2 * camera.frames_per_s
        for index in progress.told(range(count), f"{camera.id}: painting the room", f"{camera.id}: pictures"):
            pixels = renderer.picture(camera.id, day.world(from_s + index * speed / camera.frames_per_s))
            if pixels is None:
                continue  # a lost camera sends nothing: the file's time stands still over it
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts = index
            container.mux(stream.encode(picture))
            drawn += 1
        container.mux(stream.encode(None))
    tell_file(arguments, camera.id, drawn, count / camera.frames_per_s, day.day)
    return 0


def tell_file(arguments: argparse.Namespace, camera: str, frames: int, seconds: float, day: date | None) -> None:
    """One line of JSON about a file that was written, where somebody asked for it."""
    if arguments.json:
        said = {
            "file": str(arguments.out), "camera": camera, "frames": frames, "seconds": round(seconds, 3),
            "seed": arguments.seed, "day": day and day.isoformat(),
        }  # fmt: skip
        sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")


def tell_truth(arguments: argparse.Namespace) -> int:
    """Print or write the truth."""
    if arguments.mot:
        refuse(arguments, ("parts", "speed"), "MOT files hold boxes alone and are written as fast as can be")
        return _write_mot(day_of(arguments), arguments)
    day = day_of(arguments)
    target = sys.stdout if arguments.out is None else _opened(arguments.out)
    watched = arguments.out is None and sys.stdout.isatty()  # then the lines themselves tell how far it is
    try:
        for line in _paced(lines_of(day, arguments, iter if watched else _with_bar(arguments)), arguments.speed):
            target.write(line.model_dump_json() + "\n")
    finally:
        if target is not sys.stdout:
            target.close()
    return 0


def lines_of(
    day: NurseryDay, arguments: argparse.Namespace, told: Callable[[range], Iterator[int]] = iter
) -> Iterator[truth.Line]:
    """Head, incidents and look-alikes, then second by second the frames, whereabouts and readings."""
    from_s, to_s = _span(arguments)
    parts = _parts(arguments.parts)
    cameras = _cameras(day, arguments) if "frames" in parts else []
    yield truth.head(day, from_s, to_s, cameras)
    if "incidents" in parts:
        yield from truth.incident_lines(day, from_s, to_s)
    rates = {name: _rate(day, name, arguments) for name in cameras}
    for rate in rates.values():
        _count((to_s - from_s) * rate)
    silhouettes = _silhouettes(day) if arguments.visible and cameras else None
    indexes = dict.fromkeys(cameras, 0)
    for second in told(range(math.floor(from_s), math.ceil(to_s))):
        start_s, end_s = max(from_s, second), min(to_s, second + 1)
        if "seconds" in parts and start_s == second:
            yield truth.second_line(day, float(second))
        for name, rate in rates.items():
            while (at_s := from_s + indexes[name] / rate) < end_s:
                yield truth.frame_line(day.building, name, day.world(at_s), indexes[name], silhouettes)
                indexes[name] += 1
        if "readings" in parts:
            yield from (truth.reading_line(said) for said in day.sensor_readings(start_s, end_s))


def _with_bar(arguments: argparse.Namespace) -> Callable[[range], Iterator[int]]:
    first = "painting the rooms" if arguments.visible else "truth"
    return lambda seconds: progress.told(seconds, first, "truth")


def _write_mot(day: NurseryDay, arguments: argparse.Namespace) -> int:
    if arguments.out is None:
        raise Rejected("--mot writes a folder a camera; say where with --out FOLDER")
    from_s, to_s = _span(arguments)
    cameras = _cameras(day, arguments)
    silhouettes = _silhouettes(day) if _is_worked_out(arguments) else None
    for name in cameras:
        camera = day.building.camera(name)
        rate = _rate(day, name, arguments)
        count = _count((to_s - from_s) * rate)
        folder = arguments.out / name
        first = f"{name}: painting the room" if silhouettes is not None else f"{name}: boxes"
        try:
            (folder / "gt").mkdir(parents=True, exist_ok=True)
            with (folder / "gt" / "gt.txt").open("w") as target:
                for index in progress.told(range(count), first, f"{name}: boxes"):
                    frame = truth.frame_line(day.building, name, day.world(from_s + index / rate), index, silhouettes)
                    target.writelines(f"{line}\n" for line in truth.mot_lines(frame))
            (folder / "seqinfo.ini").write_text(truth.mot_seqinfo(camera, count))
        except OSError as error:
            raise Rejected(f"{folder} cannot be written: {error.strerror or error}") from error
    return 0


def _is_worked_out(arguments: argparse.Namespace) -> bool:
    """Whether MOT files say how much of everybody can be seen; if not, that is told."""
    wanted = arguments.visible
    if wanted is None:
        wanted = all(importlib.util.find_spec(name) is not None for name in ("panda3d", "cv2"))
    if not wanted:
        why = "--no-visible" if arguments.visible is False else "that needs the renderer: install kanhu[simulation]"
        sys.stderr.write(f"how much of everybody can be seen is not worked out ({why}); gt.txt says -1, unknown\n")
    return bool(wanted)


def day_of(arguments: argparse.Namespace) -> NurseryDay:
    """The day that is asked for."""
    if arguments.speed is not None and not 0 < arguments.speed <= 86_400:
        raise Rejected(f"--speed {arguments.speed:g} is not above 0 and at most 86400")
    limits = getattr(arguments, "limits", None)
    return NurseryDay(
        load_building(arguments.building or _USUAL_BUILDING), arguments.seed, arguments.day or USUAL_DAY, arguments.mode,
        _script(arguments.script), arguments.rate or 0.0, None if limits is None else load_limits(limits),
    )  # fmt: skip


def _script(told: str | None) -> Script:
    return load_script(Path(told)) if told is not None and Path(told).is_file() else script_named(told)


def _span(arguments: argparse.Namespace) -> tuple[float, float]:
    from_s = USUAL_FROM_S if arguments.from_s is None else arguments.from_s
    return span_until(arguments, from_s, from_s + _USUAL_LENGTH_S)


def span_until(arguments: argparse.Namespace, from_s: float, usual_s: float) -> tuple[float, float]:
    """From ``from_s`` to what ``--to`` or ``--seconds`` says, else to ``usual_s``."""
    if arguments.to_s is not None and arguments.seconds is not None:
        raise Rejected("--to and --seconds both say where the span ends; say one")
    to_s = arguments.to_s
    if to_s is None:
        to_s = usual_s if arguments.seconds is None else from_s + arguments.seconds
    if not 0 <= from_s < to_s <= DAY_S:
        raise Rejected("--from must lie before --to, and both within one day (00:00 to 24:00)")
    return from_s, to_s


def _rate(day: NurseryDay, name: str, arguments: argparse.Namespace) -> float:
    rate = arguments.frames_per_s
    if rate is None:
        return float(day.building.camera(name).frames_per_s)
    if not rate > 0:
        raise Rejected(f"--frames-per-s {rate:g} for {name} is not above 0")
    return float(rate)


def _cameras(day: NurseryDay, arguments: argparse.Namespace) -> list[str]:
    """The camera that is named, those of the room that is named, or all."""
    known = [camera.id for camera in day.building.cameras]
    if arguments.camera is None:
        return known
    of_room = [camera.id for camera in day.building.cameras if camera.room == arguments.camera]
    if arguments.camera not in known and not of_room:
        raise NotFound(
            f"{day.building.id} has no camera or room {arguments.camera!r}; its cameras are {', '.join(known)}"
        )
    return [arguments.camera] if arguments.camera in known else of_room


def _parts(told: str | None) -> set[str]:
    parts = set(PARTS) if told is None else {part.strip() for part in told.split(",") if part.strip()}
    if not parts or parts - set(PARTS):
        raise Rejected(f"--parts {told!r} may hold {', '.join(PARTS)}")
    return parts


def _silhouettes(day: NurseryDay) -> truth.Silhouettes:
    from services.simulation.render.plate_cache import PlateCache
    from services.simulation.render.renderer import NurseryRenderer

    return NurseryRenderer(day.building, day.seed, PlateCache()).silhouettes


def _paced(lines: Iterator[truth.Line], speed: float | None) -> Iterator[truth.Line]:
    """As fast as can be, or with world time ``speed`` times as fast as the clock."""
    began, first_s = time.monotonic(), None
    for line in lines:
        at_s = getattr(line, "t_s", None)
        if speed is not None and at_s is not None:
            first_s = at_s if first_s is None else first_s
            time.sleep(max(0.0, began + (at_s - first_s) / speed - time.monotonic()))
        yield line


def _opened(path: Path) -> Any:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise Rejected(f"{path} cannot be written: {error.strerror or error}") from error


def _count(frames: float) -> int:
    if frames > _FRAMES_AT_MOST:
        raise Rejected(f"that would be {frames:.0f} frames; ask for a shorter span, at most {_FRAMES_AT_MOST}")
    return max(1, round(frames))


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date; write it like 2026-03-02") from error


def clock_time(text: str) -> float:
    """Seconds since midnight of a clock time, for argparse."""
    match = _CLOCK.match(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of day; write it like 09:40 or 09:40:30")
    hour, minute, second = match.groups()
    return int(hour) * 3600.0 + int(minute) * 60.0 + float(second or 0.0)
