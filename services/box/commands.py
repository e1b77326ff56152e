"""``kanhu box``: the words of the command line for a whole installation on one machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from services.box.installation import Wishes, read_camera_option
from services.box.launcher import run_box

DEFAULT_DATA = Path("data")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "box",
        help="everything on one machine",
        description="Run every service on this machine, on the embedded backbone, and show its page in the browser. "
        "With no camera named it shows a simulated nursery: four cameras, doors, thermometers, and soon an incident.",
    )
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, metavar="DIR",
                        help="directory of the installation (default: ./data)")  # fmt: skip
    parser.add_argument("--listen", metavar="HOST:PORT",
                        help="where the page listens (default: 127.0.0.1:8600); beyond the loopback address it asks for "
                        "the token in DIR/tokens/console")  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings to merge into DIR/box.yaml")
    parser.add_argument("--camera", action="append", default=[], metavar="NAME=URL",
                        help="a camera: rtsp://…, rtsps://…, file:PATH[?loop=1] or sim:ROOM[?seed=N]; may be "
                        "repeated, and is kept for later starts")  # fmt: skip
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    cameras = tuple(read_camera_option(text) for text in arguments.camera)
    return run_box(Wishes(arguments.data.expanduser().resolve(), arguments.listen, arguments.config, cameras))
