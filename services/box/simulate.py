"""``kanhu simulate render | truth``: a nursery's day as a video file and as truth in JSON lines; with ``--room`` a drawn room.

Belongs here: the words of the command line, and drawn rooms, which tests use as they need no renderer. Does not belong here: the
nursery (``simulated_nursery``), scores (``simulated_score``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.box import simulated_nursery, simulated_score
from services.contracts.errors import Rejected
from services.contracts.ids import check_name
from services.simulation.drawn_room import FRAMES_PER_S, DrawnRoom

_LONGEST_S = 24 * 3600.0
_BITS_PER_S = 500_000
_USUAL_S = 60.0
_NO_NURSERY = "a drawn room knows nothing of it; leave --room out, which gives the nursery, or leave this out"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("simulate", help="render a simulated nursery's day, or print its ground truth")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    render = actions.add_parser("render", help="write a camera's pictures to an MP4 file (H.264)")
    render.add_argument("--out", type=Path, required=True, metavar="FILE.mp4")
    render.add_argument("--json", action="store_true", help="one JSON object about the file when it is written")
    render.set_defaults(run=_render)
    truth = actions.add_parser("truth", help="print boxes, whereabouts, readings and incidents, or score an analysis")
    simulated_nursery.add_truth_options(truth)
    simulated_score.add_options(truth)
    truth.add_argument("--json", action="store_true", help="one JSON object a line; of truth always so")
    truth.set_defaults(run=_truth)
    for action in (render, truth):
        simulated_nursery.add_options(action)
        action.add_argument(
            "--room", metavar="NAME",
            help="a drawn room instead of the nursery, for tests: any name; one with 'nap' in it is a nap room",
        )  # fmt: skip
        action.add_argument("--seed", type=int, default=0)
        action.add_argument("--seconds", type=float, metavar="S", help=f"default {_USUAL_S:g}")


def truth_lines(room: DrawnRoom, seconds: float) -> Iterator[dict[str, Any]]:
    """One object per frame, presence span, door opening and reading, in that order of kinds."""
    for index in range(round(seconds * FRAMES_PER_S)):
        t_s = index / FRAMES_PER_S
        people = [
            {"person": one.person, "box_px": [round(edge, 1) for edge in one.box_px],
             "foot_px": [round(part, 1) for part in one.foot_px], "in_armed_zone": one.in_armed_zone}
            for one in room.truth(t_s)
        ]  # fmt: skip
        yield {"kind": "frame", "index": index, "t_s": t_s, "people": people}
    for kind, spans in (("presence", room.presence(0, seconds)), ("door-open", room.door_openings(0, seconds))):
        for start_s, end_s in spans:
            yield {"kind": kind, "start_s": round(start_s, 3), "end_s": round(end_s, 3)}
    for said in room.readings(0, seconds):
        yield {"kind": "reading", "sensor": said.kind, "t_s": round(said.t_s, 3), "value": said.value}


def _truth(arguments: argparse.Namespace) -> int:
    if arguments.room is None and arguments.score is not None:
        return simulated_score.tell_score(arguments)
    if arguments.room is None:
        simulated_nursery.refuse(arguments, ("epoch", "at_s"), "a score's alone; say --score FILE, too")
        return simulated_nursery.tell_truth(arguments)
    simulated_nursery.refuse(arguments, ("out",), _NO_NURSERY)
    room, seconds = _room(arguments)
    for line in truth_lines(room, seconds):
        sys.stdout.write(json.dumps(line) + "\n")
    return 0


def _render(arguments: argparse.Namespace) -> int:
    if arguments.room is None:
        return simulated_nursery.render(arguments)
    room, seconds = _room(arguments)
    import av

    try:
        container = av.open(str(arguments.out), "w", format="mp4", options={"movflags": "+faststart"})
    except OSError as error:
        raise Rejected(f"{arguments.out} cannot be written: {error.strerror or error}") from error
    with container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_S, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = room.width_px, room.height_px, "yuv420p"
        stream.codec_context.bit_rate, stream.codec_context.gop_size = _BITS_PER_S, 2 * FRAMES_PER_S
        count = round(seconds * FRAMES_PER_S)
        for index in range(count):
            picture = av.VideoFrame.from_ndarray(room.frame(index / FRAMES_PER_S), format="rgb24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    simulated_nursery.tell_file(arguments, arguments.room, count, seconds, None)
    return 0


def _room(arguments: argparse.Namespace) -> tuple[DrawnRoom, float]:
    simulated_nursery.refuse(arguments, simulated_nursery.NURSERY_ONLY, _NO_NURSERY)
    check_name(arguments.room, "room")
    seconds = _USUAL_S if arguments.seconds is None else arguments.seconds
    if not 0 < seconds <= _LONGEST_S:
        raise Rejected(f"--seconds {seconds:g} is not between 0 and {_LONGEST_S:g}")
    if arguments.seed < 0:
        raise Rejected(f"--seed {arguments.seed} is negative; use 0 or more, as in sim:ROOM?seed=N")
    return DrawnRoom(arguments.room, arguments.seed), seconds
