"""``kanhu simulate truth --score FILE``: how good an analysis is, the box's own included.

Belongs here: the options and what is printed; which second of the simulated day an instant of the clock was. Does not belong
here: matching and counting (``services.simulation.scoring``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from services.box import simulated_nursery
from services.contracts.errors import NotFound, Rejected
from services.contracts.simulated_stream import USUAL_AT_S
from services.contracts.time import NS_PER_S
from services.simulation import scoring, truth
from services.simulation.day.calendar import DAY_S
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.live import WorldClock

_LATEST_S = 1e11
_EPOCH_HELP = "write seconds since 1970, or the file that says them: DATA/simulation.epoch of a box"


def add_options(action: argparse.ArgumentParser) -> None:
    """The options of truth that concern a score."""
    action.add_argument(
        "--score", type=Path, metavar="FILE", help="print precision, recall and delay of these incidents instead"
    )
    action.add_argument(
        "--epoch", metavar="UNIX_SECONDS|FILE",
        help="with --score: the incidents' times are the clock's, which showed --at at this instant (DATA/simulation.epoch)",
    )  # fmt: skip
    action.add_argument(
        "--at", dest="at_s", type=simulated_nursery.clock_time, metavar="HH:MM[:SS]",
        help="with --epoch: what the world showed then, as in sim:ROOM?at=…; default 09:40 as there",
    )  # fmt: skip


def tell_score(arguments: argparse.Namespace) -> int:
    """Score a list of incidents against the day's truth."""
    simulated_nursery.refuse(
        arguments, ("camera", "out", "mot", "parts", "frames_per_s", "visible"), "a score is of incidents, of the whole house"
    )  # fmt: skip
    day = simulated_nursery.day_of(arguments)
    day_s, from_s = _mapping(arguments, day)
    span_s = _span(arguments, from_s)
    claims = _claims(arguments.score, day_s)
    whole = list(truth.incident_lines(day))
    true = [line for line in whole if isinstance(line, truth.IncidentLine)]
    harmless = [line for line in whole if isinstance(line, truth.LookAlikeLine)]
    scores = scoring.score(true, harmless, claims, span_s)
    if arguments.json:
        sys.stdout.writelines(json.dumps(one.as_line(), ensure_ascii=False) + "\n" for one in scores)
    else:
        sys.stdout.writelines(f"{line}\n" for line in scoring.table(scores))
    return 0


def _claims(path: Path, day_s: Callable[[int], float]) -> list[scoring.Claim]:
    try:
        with path.open(encoding="utf-8") as source:
            return scoring.read_claims(source, day_s, path.name)
    except OSError as error:
        raise NotFound(f"no incidents at {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Rejected(f"{path.name} is not UTF-8 text: {error.reason}") from error


def _mapping(arguments: argparse.Namespace, day: NurseryDay) -> tuple[Callable[[int], float], float | None]:
    """Which second of the day an instant was, and from when on the world was shown (``None``: all day)."""
    if arguments.epoch is None:
        simulated_nursery.refuse(arguments, ("at_s", "speed"), "with --score it belongs to --epoch; say that, too")
        return WorldClock(day.midnight_ns(), 0.0, 1).world_s, None
    at_s = USUAL_AT_S if arguments.at_s is None else arguments.at_s
    return WorldClock(_epoch_ns(arguments.epoch), at_s, arguments.speed or 1).world_s, at_s


def _span(arguments: argparse.Namespace, shown_from_s: float | None) -> tuple[float, float]:
    """All of the day, or what is asked for; nothing before the world was shown unless that is."""
    if shown_from_s is None and not simulated_nursery.given(arguments, ("from_s", "to_s", "seconds")):
        return scoring.ALWAYS
    from_s = arguments.from_s if arguments.from_s is not None else shown_from_s
    if from_s is None:
        from_s = 0.0 if arguments.seconds is None else simulated_nursery.USUAL_FROM_S
    return simulated_nursery.span_until(arguments, from_s, DAY_S)


def _epoch_ns(told: str) -> int:
    text = told
    if not _is_number(told):
        try:
            text = Path(told).read_text()
        except OSError as error:
            raise NotFound(f"no epoch at {told}: {error.strerror}; {_EPOCH_HELP}") from error
        except UnicodeDecodeError:
            text = ""
    if not _is_number(text) or not 0.0 <= float(text) <= _LATEST_S:
        raise Rejected(f"--epoch {told} does not say an instant; {_EPOCH_HELP}")
    return round(float(text) * NS_PER_S)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
