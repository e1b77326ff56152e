"""``kanhu simulate render | truth``: a nursery's day, or a drawn room, as a video file and as the truth in JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.box import simulated_nursery
from services.contracts.errors import Rejected
from services.contracts.ids import check_name
from services.simulation.drawn_room import FRAMES_PER_S, DrawnRoom

_LONGEST_S = 24 * 3600.0
_BITS_PER_S = 500_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("simulate", help="render a simulated nursery's day, or print its ground truth")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    render = actions.add_parser("render", help="write a camera's pictures to an MP4 file (H.264)")
    render.add_argument("--out", type=Path, required=True, metavar="FILE.mp4")
    render.set_defaults(run=_render)
    truth = actions.add_parser("truth", help="print boxes, whereabouts, readings and incidents, or score an analysis")
    simulated_nursery.add_truth_options(truth)
    truth.add_argument("--json", action="store_true", help="one JSON object a line (always so)")
    truth.set_defaults(run=_truth)
    for action in (render, truth):
        simulated_nursery.add_options(action)
        action.add_argument(
            "--room", default="playroom", help="a drawn room: any name; one with 'nap' in it is a nap room"
        )
        action.add_argument("--seed", type=int, default=0)
        action.add_argument("--seconds", type=float, default=60.0, metavar="S")


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
    if simulated_nursery.is_meant(arguments) or arguments.score is not None or arguments.mot:
        return simulated_nursery.tell_truth(arguments)
    for line in truth_lines(_room(arguments), arguments.seconds):
        sys.stdout.write(json.dumps(line) + "\n")
    return 0


def _render(arguments: argparse.Namespace) -> int:
    if simulated_nursery.is_meant(arguments):
        return simulated_nursery.render(arguments)
    room = _room(arguments)
    import av

    try:
        container = av.open(str(arguments.out), "w", format="mp4", options={"movflags": "+faststart"})
    except OSError as error:
        raise Rejected(f"{arguments.out} cannot be written: {error.strerror or error}") from error
    with container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_S, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = room.width_px, room.height_px, "yuv420p"
        stream.codec_context.bit_rate, stream.codec_context.gop_size = _BITS_PER_S, 2 * FRAMES_PER_S
        for index in range(round(arguments.seconds * FRAMES_PER_S)):
            picture = av.VideoFrame.from_ndarray(room.frame(index / FRAMES_PER_S), format="rgb24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return 0


def _room(arguments: argparse.Namespace) -> DrawnRoom:
    check_name(arguments.room, "room")
    if not 0 < arguments.seconds <= _LONGEST_S:
        raise Rejected(f"--seconds {arguments.seconds:g} is not between 0 and {_LONGEST_S:g}")
    if arguments.seed < 0:
        raise Rejected(f"--seed {arguments.seed} is negative; use 0 or more, as in sim:ROOM?seed=N")
    return DrawnRoom(arguments.room, arguments.seed)
