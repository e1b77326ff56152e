"""``kanhu simulate``: the nursery by default, a drawn room by its name, files, bars on a terminal, the box's own score."""

from __future__ import annotations

import json
import os
import pty
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from services.box import demonstration, simulated_nursery
from services.box.command import main
from services.contracts.incident import Evidence, Incident
from services.contracts.simulated_stream import USUAL_DAY
from services.simulation import truth
from services.simulation.building import Building, load_building
from services.simulation.day.nursery_day import NurseryDay
from services.simulation.live import script_named

#: A Sunday: nobody is in, so a day of it is made quickly and its frames are empty.
CLOSED = ("--day", "2026-11-22")
CAMERAS = ("room-a", "kitchen")
WEEKDAY = ("--seed", "7", "--day", "2026-11-23", "--from", "09:40")


def run(*words: str) -> int:
    return main(["simulate", *words])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The nursery with small pictures: what is shown here does not hang on their size."""
    whole = load_building("sunflower")
    cameras = tuple(
        camera.model_copy(update={"width_px": 160, "height_px": 90}) for camera in whole.cameras if camera.id in CAMERAS
    )
    told = whole.model_copy(update={"cameras": cameras, "id": "small"}).model_dump(mode="json", by_alias=True)
    path = tmp_path_factory.mktemp("house") / "small.yaml"
    path.write_text(yaml.safe_dump(told, allow_unicode=True))
    return path


@pytest.fixture(scope="module", autouse=True)
def _made_once() -> Iterator[None]:
    """A day takes a second or two to make; the same words mean the same day."""
    kept: dict[tuple[object, ...], NurseryDay] = {}

    def made(building: Building, *told: Any) -> NurseryDay:
        key = (building.id, *told)
        if key not in kept:
            kept[key] = NurseryDay(building, *told)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_nursery, "NurseryDay", made)
        yield


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Painted rooms are kept for the tests of this file alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KANHU_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@contextmanager
def terminal() -> Iterator[list[str]]:
    """A terminal in place of standard error; what it showed is in the list afterwards."""
    ours, theirs = pty.openpty()
    shown, result = bytearray(), list[str]()

    def read() -> None:
        try:
            while part := os.read(ours, 4096):
                shown.extend(part)
        except OSError:
            return  # Linux says so when the other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as stream, redirect_stderr(stream):
            yield result
    finally:
        reader.join(10.0)
        os.close(ours)
        result.append(shown.decode())


def test_truth_is_of_the_nursery_if_nothing_else_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("truth", "--seed", "5", *CLOSED, "--seconds", "0.2", "--json") == 0
    adapter: TypeAdapter[truth.Line] = TypeAdapter(truth.Line)
    first, *others = [adapter.validate_json(line) for line in capsys.readouterr().out.splitlines()]
    building = load_building("sunflower")
    assert isinstance(first, truth.HeadLine)
    assert (first.building, first.seed, first.day) == ("sunflower", 5, "2026-11-22")
    assert first.cameras == [camera.id for camera in building.cameras]
    assert {line.camera for line in others if isinstance(line, truth.FrameLine)} == set(first.cameras)


def test_a_drawn_room_is_asked_for_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("truth", "--room", "playroom", "--seconds", "1") == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["kind"], first["index"]) == ("frame", 0)


@pytest.mark.parametrize("words", [
    "truth room-a", "truth --building magnolia", "truth --day 2026-03-02", "truth --mode closed", "truth --from 09:00",
    "truth --to 10:00", "truth --script first-morning", "truth --rate 1", "truth --speed 2", "truth --mot", "truth --out lines",
    "truth --parts frames", "truth --frames-per-s 2", "truth --no-visible", "truth --limits l.yaml", "truth --epoch 1",
    "truth --at 09:00", "render room-a --out x.mp4", "render --day 2026-03-02 --out x.mp4",
])  # fmt: skip
def test_a_drawn_room_refuses_what_it_knows_nothing_of(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words.split(), "--room", "playroom") == 2
    said = capsys.readouterr()
    option = next((word for word in words.split()[1:] if word.startswith("--") and word != "--out"), None)
    option = option or ("--out" if "truth --out" in words else "CAMERA")
    assert "leave --room out" in said.err
    assert option.replace("--no-visible", "--visible") in said.err
    assert said.out == ""


@pytest.mark.parametrize(("words", "says"), [
    ("truth --to 09:40 --seconds 5", "say one"), ("truth --mot --out x --parts frames", "--parts"),
    ("truth --score x --mot --out y", "--out, --mot"), ("truth --score x room-a", "CAMERA"),
    ("truth --score x --speed 2", "--epoch"), ("truth --score x --at 10:00", "--epoch"), ("truth --at 10:00", "--score"),
    ("truth --epoch 5", "--score"), ("truth --score x --epoch nowhere", "simulation.epoch"),
    ("truth --score x --epoch nan", "seconds since 1970"), ("truth --limits nowhere", "no limits"),
    ("truth --script nonsense", "first-morning"),
])  # fmt: skip
def test_what_would_be_ignored_is_refused(words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words.split(), *CLOSED) == 2
    assert says in capsys.readouterr().err


@pytest.mark.usefixtures("painted")
def test_render_takes_the_first_camera_and_says_what_it_wrote(
    house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("panda3d.core", reason="pictures need kanhu[simulation]")
    film = tmp_path / "film.mp4"
    words = ("--building", str(house), *WEEKDAY, "--seconds", "0.5", "--out", str(film), "--json")
    with terminal() as told:
        assert run("render", *words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "file": str(film), "camera": CAMERAS[0], "frames": 5, "seconds": 0.5, "seed": 7, "day": "2026-11-23",
    }  # fmt: skip
    assert film.stat().st_size > 500
    (shown,) = told
    assert f"{CAMERAS[0]} is rendered; the other cameras of small: {CAMERAS[1]}" in shown
    assert f"\r\033[K{CAMERAS[0]}: painting the room …" in shown
    assert f"\r\033[K{CAMERAS[0]}: pictures {'█' * 24}{' ' * 6}  80 %" in shown
    assert shown.endswith("\r\033[K"), "nothing of the bar stays"


def test_render_of_a_drawn_room_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "film.mp4"
    assert run("render", "--room", "playroom", "--seconds", "1", "--out", str(film), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["file"], said["camera"], said["seconds"], said["day"]) == (str(film), "playroom", 1.0, None)


def _visibilities(folder: Path) -> list[str]:
    lines = [line for path in folder.glob("*/gt/gt.txt") for line in path.read_text().splitlines()]
    assert lines, "somebody must be there for this to say anything"
    return [line.rpartition(",")[2] for line in lines]


@pytest.mark.usefixtures("painted")
def test_mot_files_say_how_much_can_be_seen_where_that_can_be_worked_out(house: Path, tmp_path: Path) -> None:
    pytest.importorskip("panda3d.core", reason="silhouettes need kanhu[simulation]")
    words = (CAMERAS[0], "--building", str(house), *WEEKDAY, "--seconds", "0.2", "--mot", "--out", str(tmp_path))
    with terminal() as told:
        assert run("truth", *words) == 0
    shares = [float(share) for share in _visibilities(tmp_path)]
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert len(set(shares)) > 2, "worked out, not one for everybody"
    (shown,) = told
    assert "painting the room …" in shown
    assert f"boxes {'█' * 15}{' ' * 15}  50 %" in shown


@pytest.mark.parametrize("installed", [True, False])
def test_mot_files_say_unknown_where_it_cannot_or_shall_not_be_worked_out(
    *, installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    skip = ("--no-visible",)
    if not installed:
        monkeypatch.setattr(simulated_nursery.importlib.util, "find_spec", lambda name: None)
        skip = ()
    words = ("room-a", *WEEKDAY, "--frames-per-s", "1", "--seconds", "1", *skip, "--mot", "--out", str(tmp_path))
    assert run("truth", *words) == 0
    assert set(_visibilities(tmp_path)) == {"-1"}
    said = capsys.readouterr().err
    assert "-1, unknown" in said
    assert ("--no-visible" if installed else "kanhu[simulation]") in said


def test_a_bar_tells_how_far_lines_are_that_go_elsewhere(tmp_path: Path) -> None:
    words = (*CLOSED, "--seconds", "4", "--parts", "seconds", "--out", str(tmp_path / "lines"))
    with terminal() as told:
        assert run("truth", *words) == 0
    (shown,) = told
    assert f"\r\033[Ktruth {'█' * 22}{' ' * 8}  75 %" in shown
    assert len((tmp_path / "lines").read_text().splitlines()) == 5


# The score of what the box itself says of its demonstration


def _incident(kind: str, opened_ns: int, raised_ns: int, **place: str) -> str:
    return Incident(
        incident_id=f"{kind}-{opened_ns}", institution_id="demo", kind=kind, severity="S3", title="told", opened_ns=opened_ns,
        raised_ns=raised_ns, closed_ns=None, evidence=Evidence(frame_ns=opened_ns), rule="r", rule_version="1", **place,
    ).model_dump_json()  # fmt: skip


EPOCH_S, SPEED, BOX_LIMIT_S = 1_763_910_900.25, 2.0, 20.0


@pytest.fixture(scope="module")
def story() -> truth.IncidentLine:
    """The first door that is left open in the demonstration."""
    script = script_named(demonstration.SCRIPT)
    day = simulated_nursery.NurseryDay(
        load_building(demonstration.BUILDING), demonstration.SEED, USUAL_DAY, None, script, 0.0, None
    )
    found = truth.incident_lines(day)
    first = next(one for one in found if isinstance(one, truth.IncidentLine) and one.incident == "I-10")
    assert demonstration.BEGINS_S + 15 < first.start_s < first.end_s - 60
    return first


@pytest.fixture
def of_the_box(tmp_path: Path, story: truth.IncidentLine) -> tuple[str, ...]:
    """What ``kanhu incidents list --json`` prints of a box whose door rule is 20 s, and the words to score it."""
    (tmp_path / "simulation.epoch").write_text(f"{EPOCH_S:.3f}\n")
    (tmp_path / "limits.yaml").write_text(f"door_s: {BOX_LIMIT_S}\n")

    def at_ns(t_s: float) -> int:
        return round((EPOCH_S + (t_s - demonstration.BEGINS_S) / SPEED) * 1e9)

    place = {"sensor_id": f"{story.target}-contact", "room_id": str(story.room)}
    listed = [
        _incident("I-10", at_ns(story.start_s + 0.1), at_ns(story.start_s + BOX_LIMIT_S + 0.4), **place),
        _incident("I-10", at_ns(story.start_s - 12), at_ns(story.start_s - 8), **place),  # it was shut then
    ]
    (tmp_path / "found.jsonl").write_text("\n".join(listed) + "\n")
    hour, minute = divmod(int(demonstration.BEGINS_S) // 60, 60)
    return (
        "truth", "--seed", str(demonstration.SEED), "--script", demonstration.SCRIPT, "--score", str(tmp_path / "found.jsonl"),
        "--epoch", str(tmp_path / "simulation.epoch"), "--at", f"{hour:02d}:{minute:02d}", "--speed", str(SPEED), "--json",
    )  # fmt: skip


def _of_doors(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    scores = {said["kind"]: said for line in capsys.readouterr().out.splitlines() if (said := json.loads(line))}
    found: dict[str, float] = scores["I-10"]
    return found


def test_the_boxs_own_incidents_are_scored(
    of_the_box: tuple[str, ...], story: truth.IncidentLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = story.end_s - demonstration.BEGINS_S
    assert run(*of_the_box, "--seconds", str(seconds), "--limits", str(tmp_path / "limits.yaml")) == 0
    door = _of_doors(capsys)
    assert (door["true"], door["found"], door["claims"], door["right"]) == (1, 1, 2, 1)
    assert door["delay_p50_s"] == pytest.approx(0.4, abs=0.01)


def test_with_other_limits_than_the_boxs_its_delay_is_negative(
    of_the_box: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*of_the_box) == 0
    door = _of_doors(capsys)
    assert (door["found"], door["right"]) == (1, 1)
    assert door["delay_p50_s"] == pytest.approx(BOX_LIMIT_S + 0.4 - 60.0, abs=0.01)


def test_a_span_before_anything_happens_holds_nothing(
    of_the_box: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*of_the_box, "--seconds", "1") == 0
    assert capsys.readouterr().out == ""
