"""The root of the command line (design §9): finds the room that owns a word and hands it the arguments.

A room is imported only when its word is used, so that an edge agent installed without ONNX or a database driver has a
working ``kanhu agent``. Exit status: 0 done, 1 findings, 2 wrong use; 75 when a server is away and the same call may
succeed later (sysexits EX_TEMPFAIL), 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import cast

from services.contracts.errors import Corrupt, KanhuError, Transient

DONE, FINDINGS, WRONG_USE, TRY_AGAIN, INTERRUPTED = 0, 1, 2, 75, 130


@dataclass(frozen=True, slots=True)
class Word:
    """A first word of the command line: who owns it, what it does, and the extra that installs what it needs."""

    module: str
    summary: str
    extra: str
    service: bool = False


WORDS: dict[str, Word] = {
    "box": Word("services.box.commands", "everything on one machine, and its page in the browser", "box"),
    "agent": Word("services.ingest.__main__", "the edge agent: cameras and sensors", "agent", service=True),
    "analyze": Word("services.analyze.__main__", "the analysis worker", "analyze", service=True),
    "retain": Word("services.retention.__main__", "the recorder", "retention", service=True),
    "console": Word("services.console.__main__", "the web console", "console", service=True),
    "footage": Word("services.retention.commands", "list or export recorded footage", "retention"),
    "incidents": Word("services.retention.commands", "list incidents or follow them", "retention"),
    "models": Word("services.analyze.commands", "list, install or verify detector models", "analyze"),
    "check": Word("services.retention.commands", "verify the invariants I1-I9 against what is stored", "retention"),
    "simulate": Word(
        "services.box.simulate", "render a simulated nursery or a drawn room, or print its ground truth", "box"
    ),
    "evidence": Word("services.box.evidence", "verify evidence offline", "box"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`kanhu footage list | head`); keep the interpreter's exit quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KanhuError as error:
        print(f"kanhu: {error}", file=sys.stderr)
        return _status_of(error)


def _dispatch(arguments: list[str]) -> int:
    chosen = WORDS.get(arguments[0]) if arguments else None
    if chosen is None:
        return _without_word(arguments)
    try:
        module = import_module(chosen.module)
    except ModuleNotFoundError as error:
        return _missing(arguments[0], chosen, error)
    if chosen.service:
        return cast(int, module.main(arguments[1:]))
    parser, subparsers = _root()
    module.add_parser(subparsers)
    parsed = parser.parse_args(arguments)
    run = cast("Callable[[argparse.Namespace], int]", parsed.run)
    return run(parsed)


def _without_word(arguments: list[str]) -> int:
    """No known first word: ``--version``, ``--help``, nothing at all, or a mistake."""
    parser, subparsers = _root()
    for name, word in WORDS.items():
        subparsers.add_parser(name, help=word.summary)
    if not arguments:
        parser.print_help(sys.stderr)
        return WRONG_USE
    if not arguments[0].startswith("-"):
        parser.print_help(sys.stderr)
        print(f"\nkanhu: there is no command {arguments[0]!r}", file=sys.stderr)
        return WRONG_USE
    parser.parse_args(arguments)
    return WRONG_USE


def _root() -> tuple[argparse.ArgumentParser, argparse._SubParsersAction[argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="kanhu",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=16),
        description="看护 Kanhu: streaming supervision for childcare institutions.",
        epilog="exit status: 0 done, 1 findings, 2 wrong use. `kanhu COMMAND --help` tells more.",
    )
    parser.add_argument("--version", action="version", version=f"kanhu {_version()}")
    return parser, parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _missing(name: str, word: Word, error: ModuleNotFoundError) -> int:
    """A module is not installed: ours (a part of the product that is not in this installation) or a dependency."""
    print(
        f"kanhu: `kanhu {name}` needs {error.name}, which is not installed here; install kanhu[{word.extra}]",
        file=sys.stderr,
    )
    return WRONG_USE


def _status_of(error: KanhuError) -> int:
    match error:
        case Transient():
            return TRY_AGAIN
        case Corrupt():
            return FINDINGS
        case _:
            return WRONG_USE


def _version() -> str:
    try:
        return version("kanhu")
    except PackageNotFoundError:
        return "0 (not installed)"


if __name__ == "__main__":
    raise SystemExit(main())
