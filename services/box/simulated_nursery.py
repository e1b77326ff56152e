"""``kanhu simulate render | truth`` of a described building: a day's pictures, its truth, and the score of an analysis.

Belongs here: options of the command line and what is printed. Does not belong here: the day and its truth
(``services.simulation``), the old drawn rooms (``services.box.simulate``).
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from services.contracts.errors import NotFound, Rejected
from services.simulation import scoring, truth
from services.simulation.building import load_building
from services.simulation.day.calendar import DAY_S
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.day.script import load_script

_BITS_PER_S = 700_000
_FRAMES_AT_MOST = 2_000_000
_CLOCK = re.compile(r"^([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?$")
_USUAL_DAY = date(2026, 3, 2)
PARTS = ("frames", "seconds", "readings", "incidents")


def add_options(action: argparse.ArgumentParser) -> None:
    """The options that render and truth share."""
    action.add_argument(
        "camera", nargs="?", help="a camera (or room) of the building; without a building: leave it out"
    )
    action.add_argument("--building", metavar="NAME|FILE", help="a described building, such as sunflower")
    action.add_argument(
        "--day", type=_date, default=_USUAL_DAY, metavar="YYYY-MM-DD", help=f"default {_USUAL_DAY}, a Monday"
    )
    action.add_argument("--mode", choices=("full-day", "half-day", "hourly", "closed"), help="default: by the date")
    action.add_argument("--from", dest="from_s", type=_clock, default=None, metavar="HH:MM[:SS]", help="default 09:30")
    action.add_argument(
        "--to", dest="to_s", type=_clock, default=None, metavar="HH:MM[:SS]", help="default: --seconds later"
    )
    action.add_argument("--script", type=Path, metavar="FILE", help="incidents and look-alikes to put on, YAML")
    action.add_argument("--rate", type=float, default=0.0, metavar="N", help="incidents a day to draw, on average")
    action.add_argument("--speed", type=float, default=None, metavar="K", help="world time runs K times as fast")


def add_truth_options(action: argparse.ArgumentParser) -> None:
    """The options of truth alone."""
    action.add_argument("--out", type=Path, metavar="PATH", help="a file of JSON lines, or a folder for --mot")
    action.add_argument("--mot", action="store_true", help="write CAMERA/gt/gt.txt and seqinfo.ini below --out")
    action.add_argument("--parts", default=",".join(PARTS), help=f"which lines, by comma: {', '.join(PARTS)}")
    action.add_argument("--frames-per-s", type=float, default=None, metavar="F", help="default: the camera's own")
    action.add_argument(
        "--visible", action="store_true", help="work out how much of everybody can be seen (needs the renderer)"
    )
    action.add_argument(
        "--score", type=Path, metavar="FILE", help="print precision, recall and delay of these incidents instead"
    )


def is_meant(arguments: argparse.Namespace) -> bool:
    """Whether a described building is asked for rather than a drawn room."""
    return arguments.building is not None or arguments.camera is not None


def render(arguments: argparse.Namespace) -> int:
    """Write one camera's pictures to an MP4 file."""
    import av

    from services.simulation.render.plate_cache import PlateCache
    from services.simulation.render.renderer import NurseryRenderer

    day = _day(arguments)
    camera = day.building.camera(_cameras(day, arguments)[0])
    from_s, to_s = _span(arguments)
    speed = arguments.speed or 1.0
    count = _count((to_s - from_s) / speed * camera.frames_per_s)
    renderer = NurseryRenderer(day.building, day.seed, PlateCache())
    try:
        container = av.open(str(arguments.out), "w", format="mp4", options={"movflags": "+faststart"})
    except OSError as error:
        raise Rejected(f"{arguments.out} cannot be written: {error.strerror or error}") from error
    with container:
        stream = container.add_stream("libx264", rate=camera.frames_per_s, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = camera.width_px, camera.height_px, "yuv420p"
        stream.codec_context.bit_rate, stream.codec_context.gop_size = _BITS_PER_S, 2 * camera.frames_per_s
        for index in _told(range(count), f"{camera.id}: painting the room", f"{camera.id}: pictures"):
            pixels = renderer.picture(camera.id, day.world(from_s + index * speed / camera.frames_per_s))
            if pixels is None:
                continue  # a lost camera sends nothing: the file's time stands still over it
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return 0


def tell_truth(arguments: argparse.Namespace) -> int:
    """Print or write the truth, or score an analysis against it."""
    day = _day(arguments)
    if arguments.score is not None:
        return _score(day, arguments)
    if arguments.mot:
        return _write_mot(day, arguments)
    target = sys.stdout if arguments.out is None else _opened(arguments.out)
    try:
        for line in _paced(lines_of(day, arguments), arguments.speed):
            target.write(line.model_dump_json() + "\n")
    finally:
        if target is not sys.stdout:
            target.close()
    return 0


def lines_of(day: NurseryDay, arguments: argparse.Namespace) -> Iterator[truth.Line]:
    """Head, incidents and look-alikes, then second by second the frames, whereabouts and readings."""
    from_s, to_s = _span(arguments)
    parts = _parts(arguments.parts)
    cameras = _cameras(day, arguments) if "frames" in parts else []
    yield truth.head(day, from_s, to_s, cameras)
    if "incidents" in parts:
        yield from truth.incident_lines(day, from_s, to_s)
    rates = {name: arguments.frames_per_s or float(day.building.camera(name).frames_per_s) for name in cameras}
    for name, rate in rates.items():
        _count((to_s - from_s) * rate)
        if rate <= 0:
            raise Rejected(f"--frames-per-s {rate:g} for {name} is not above 0")
    silhouettes = _silhouettes(day) if arguments.visible and cameras else None
    indexes = dict.fromkeys(cameras, 0)
    for second in range(math.floor(from_s), math.ceil(to_s)):
        start_s, end_s = max(from_s, second), min(to_s, second + 1)
        if "seconds" in parts and start_s == second:
            yield truth.second_line(day, float(second))
        for name, rate in rates.items():
            while (at_s := from_s + indexes[name] / rate) < end_s:
                yield truth.frame_line(day.building, name, day.world(at_s), indexes[name], silhouettes)
                indexes[name] += 1
        if "readings" in parts:
            yield from (truth.reading_line(said) for said in day.sensor_readings(start_s, end_s))


def _score(day: NurseryDay, arguments: argparse.Namespace) -> int:
    try:
        with arguments.score.open(encoding="utf-8") as source:
            claims = scoring.read_claims(source, day.midnight_ns(), arguments.score.name)
    except OSError as error:
        raise NotFound(f"no incidents at {arguments.score}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Rejected(f"{arguments.score.name} is not UTF-8 text: {error.reason}") from error
    whole = list(truth.incident_lines(day))
    true = [line for line in whole if isinstance(line, truth.IncidentLine)]
    harmless = [line for line in whole if isinstance(line, truth.LookAlikeLine)]
    scores = scoring.score(true, harmless, claims)
    if arguments.json:
        import json

        for one in scores:
            sys.stdout.write(json.dumps(one.as_line(), ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in scoring.table(scores))
    return 0


def _write_mot(day: NurseryDay, arguments: argparse.Namespace) -> int:
    if arguments.out is None:
        raise Rejected("--mot writes a folder a camera; say where with --out FOLDER")
    from_s, to_s = _span(arguments)
    silhouettes = _silhouettes(day) if arguments.visible else None
    for name in _cameras(day, arguments):
        camera = day.building.camera(name)
        rate = arguments.frames_per_s or float(camera.frames_per_s)
        count = _count((to_s - from_s) * rate)
        folder = arguments.out / name
        try:
            (folder / "gt").mkdir(parents=True, exist_ok=True)
            with (folder / "gt" / "gt.txt").open("w") as target:
                for index in range(count):
                    frame = truth.frame_line(day.building, name, day.world(from_s + index / rate), index, silhouettes)
                    target.writelines(f"{line}\n" for line in truth.mot_lines(frame))
            (folder / "seqinfo.ini").write_text(truth.mot_seqinfo(camera, count))
        except OSError as error:
            raise Rejected(f"{folder} cannot be written: {error.strerror or error}") from error
    return 0


def _day(arguments: argparse.Namespace) -> NurseryDay:
    script = load_script(arguments.script) if arguments.script is not None else ()
    if arguments.speed is not None and not 0 < arguments.speed <= 86_400:
        raise Rejected(f"--speed {arguments.speed:g} is not above 0 and at most 86400")
    building = load_building(arguments.building or "sunflower")
    return NurseryDay(building, arguments.seed, arguments.day, arguments.mode, script, arguments.rate)


def _span(arguments: argparse.Namespace) -> tuple[float, float]:
    from_s = 9.5 * 3600.0 if arguments.from_s is None else arguments.from_s
    to_s = from_s + arguments.seconds if arguments.to_s is None else arguments.to_s
    if not 0 <= from_s < to_s <= DAY_S:
        raise Rejected("--from must lie before --to, and both within one day (00:00 to 24:00)")
    return from_s, to_s


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


def _parts(told: str) -> set[str]:
    parts = {part.strip() for part in told.split(",") if part.strip()}
    if not parts or parts - set(PARTS):
        raise Rejected(f"--parts {told!r} may hold {', '.join(PARTS)}")
    return parts


def _silhouettes(day: NurseryDay) -> truth.Silhouettes:
    from services.simulation.render.renderer import NurseryRenderer

    return NurseryRenderer(day.building, day.seed).silhouettes


def _paced(lines: Iterator[truth.Line], speed: float | None) -> Iterator[truth.Line]:
    """As fast as can be, or with world time ``speed`` times as fast as the clock."""
    began, first_s = time.monotonic(), None
    for line in lines:
        at_s = getattr(line, "t_s", None)
        if speed is not None and at_s is not None:
            first_s = at_s if first_s is None else first_s
            time.sleep(max(0.0, began + (at_s - first_s) / speed - time.monotonic()))
        yield line


def _told(numbers: range, first: str, then: str, stream: TextIO | None = None) -> Iterator[int]:
    """The numbers, with a bar for whoever watches a terminal: ``first`` while the first is worked on, then how far it is."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield from numbers
        return
    shown = -1
    for done, number in enumerate(numbers):
        share = 100 * done // len(numbers)
        if share != shown:
            bar = "█" * (share * 30 // 100)
            stream.write(f"\r\033[K{first} …" if done == 0 else f"\r\033[K{then} {bar:<30} {share:3d} %")
            stream.flush()
            shown = share
        yield number
    stream.write("\r\033[K")
    stream.flush()


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


def _clock(text: str) -> float:
    match = _CLOCK.match(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of day; write it like 09:40 or 09:40:30")
    hour, minute, second = match.groups()
    return int(hour) * 3600.0 + int(minute) * 60.0 + float(second or 0.0)
