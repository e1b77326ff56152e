"""The subcommand ``kanhu agent``."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add ``agent``; its own arguments are those of every service."""
    parser = subparsers.add_parser("agent", help="run the edge agent: cameras and sensors to the log")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", metavar="FILE", help="settings (YAML)")
    where.add_argument("--data", metavar="DIR", help="directory of a box")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from services.ingest.__main__ import main

    return main(["--config", arguments.config] if arguments.config is not None else ["--data", arguments.data])
