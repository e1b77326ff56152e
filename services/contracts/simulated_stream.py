"""What ``sim:ROOM[?…]`` says of a simulated camera: which place, day and hour it looks at, and how its stream is coded.

Belongs here: the words of the URL, their limits and the readable form. Does not belong here: the nursery itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, quote

from services.contracts.ids import NAME_PATTERN

#: Mid-morning of an ordinary Monday: the children are in, and something happens.
USUAL_DAY = date(2026, 3, 2)
USUAL_AT_S = 9 * 3600.0 + 40 * 60.0
#: Of the environment: seconds UTC at which every simulated place shows its ``at``, or a file that will say so: until it is there
#: nobody sees anything. A URL's own ``epoch`` comes first.
EPOCH_VARIABLE = "KANHU_SIMULATION_EPOCH"
#: How a day's care is cut (domain S-14).
ServiceMode = Literal["full-day", "half-day", "hourly", "closed"]
_CLOCK = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$")
_SIZE = re.compile(r"^(\d{2,4})x(\d{2,4})$")
_PLACE = re.compile(r"^[^\x00-\x1f]{1,400}$")


@dataclass(frozen=True, slots=True)
class SimulatedStream:
    """``room`` is a camera, a room or a kind of room of ``building`` (a packaged name or a YAML file).

    The world shows ``at_s`` seconds after midnight of ``day`` at the instant ``epoch_s`` (s UTC; ``None``: the one agreed in the
    surroundings, else when the place is first looked at), and goes on ``speed`` times as fast as the clock. ``mode`` is how care
    is cut (``None``: by the date). ``script`` and ``rate`` say what goes wrong. ``frames_per_s`` and ``size`` default to the
    camera's own. ``paced`` false: as fast as can be.
    """

    room: str
    seed: int = 0
    building: str = "sunflower"
    day: date = USUAL_DAY
    at_s: float = USUAL_AT_S
    epoch_s: float | None = None
    speed: float = 1.0
    script: str | None = None
    rate: float = 0.0
    frames_per_s: int | None = None
    gop_s: float = 1.0
    kbit_s: int | None = None
    jitter_ms: int = 0
    size: tuple[int, int] | None = None
    paced: bool = True
    mode: ServiceMode | None = None


def parse_simulated(rest: str) -> SimulatedStream:
    """Parse what follows ``sim:``; ``ValueError`` names the word that is wrong and shows a right one."""
    room, _, query = rest.partition("?")
    if not re.match(NAME_PATTERN, room):
        raise ValueError(f"sim:{rest!s} names no room; write sim:ROOM or sim:ROOM?seed=7, for example sim:room-a")
    told: dict[str, Any] = {}
    try:
        words = parse_qsl(query, strict_parsing=bool(query), keep_blank_values=True)
    except ValueError:
        words = [(query, "")]
    for word, text in words:
        reading = _WORDS.get(word)
        if reading is None or reading.field in told:
            raise ValueError(
                f"sim:{room} knows no word {word!r}, or it is said twice; write sim:ROOM?seed=7, with any of {', '.join(_WORDS)}"
            )
        try:
            told[reading.field] = reading.read(text)
        except ValueError:
            raise ValueError(
                f"sim:{room}?{word}={text} is wrong; write {word}={reading.example}, as in sim:ROOM?{word}={reading.example}"
            ) from None
    return SimulatedStream(room, **told)


def simulated_url(stream: SimulatedStream) -> str:
    """The shortest URL that says the same."""
    said = []
    for word, reading in _WORDS.items():
        value, usual = getattr(stream, reading.field), _USUAL[reading.field]
        if value != usual:
            said.append(f"{word}={reading.write(value)}")
    return f"sim:{stream.room}" + (f"?{'&'.join(said)}" if said else "")


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of the query: its field, how it is read (``ValueError``) and written, and a right example."""

    field: str
    read: Callable[[str], Any]
    example: str
    write: Callable[[Any], str] = str


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return read


def _real(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def _clock(text: str) -> float:
    match = _CLOCK.match(text)
    if match is None:
        raise ValueError
    return int(match[1]) * 3600.0 + int(match[2]) * 60.0 + int(match[3] or 0)


def _written_clock(at_s: float) -> str:
    whole = int(at_s)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}" + (f":{whole % 60:02d}" if whole % 60 else "")


def _size(text: str) -> tuple[int, int]:
    match = _SIZE.match(text)
    if match is None:
        raise ValueError
    width, height = int(match[1]), int(match[2])
    if width % 2 or height % 2 or not (64 <= width <= 1920 and 36 <= height <= 1080):
        raise ValueError
    return width, height


def _place(text: str) -> str:
    if not _PLACE.match(text):
        raise ValueError
    return text


def _yes_or_no(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError
    return text == "1"


def _mode(text: str) -> str:
    if text not in get_args(ServiceMode):
        raise ValueError
    return text


def _plain(value: float) -> str:
    return repr(value) if value != int(value) else str(int(value))


_WORDS: dict[str, _Word] = {
    "seed": _Word("seed", _whole(0, 2**31 - 1), "7"),
    "building": _Word("building", _place, "sunflower", quote),
    "day": _Word("day", date.fromisoformat, "2026-03-02"),
    "mode": _Word("mode", _mode, "half-day"),
    "at": _Word("at_s", _clock, "09:40", _written_clock),
    "epoch": _Word("epoch_s", _real(0.0, 1e11), "1772415600", _plain),
    "speed": _Word("speed", _real(0.01, 3600.0), "10", _plain),
    "script": _Word("script", _place, "first-morning", quote),
    "rate": _Word("rate", _real(0.0, 50.0), "3", _plain),
    "fps": _Word("frames_per_s", _whole(1, 30), "10"),
    "gop_s": _Word("gop_s", _real(0.2, 10.0), "1", _plain),
    "kbit_s": _Word("kbit_s", _whole(50, 20_000), "800"),
    "jitter_ms": _Word("jitter_ms", _whole(0, 2000), "40"),
    "size": _Word("size", _size, "320x180", lambda size: f"{size[0]}x{size[1]}"),
    "pace": _Word("paced", _yes_or_no, "0", lambda paced: "1" if paced else "0"),
}
_USUAL = {field.name: field.default for field in fields(SimulatedStream)}
