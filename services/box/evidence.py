"""``kanhu evidence verify PACKAGE``: the word is kept for evidence packages, which a later version makes.

A single recorded segment verifies already (``services.media.verify``); a package as the design describes it does not
exist yet, so this says so instead of pretending.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from services.contracts.errors import Rejected


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("evidence", help="verify evidence offline")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="verify an evidence package without the installation")
    verify.add_argument("package", type=Path, metavar="PACKAGE")
    verify.add_argument("--json", action="store_true", help="one JSON object a line")
    verify.set_defaults(run=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    if not arguments.package.is_file():
        raise Rejected(f"there is no file {arguments.package}")
    raise Rejected("evidence packages come with a later version; `kanhu check` verifies what is stored here")
