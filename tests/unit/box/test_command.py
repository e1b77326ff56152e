"""The root of the command line: which room gets the arguments, and what a mistake costs."""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

import pytest

from services.box import command
from services.box.command import Word
from services.contracts.errors import Corrupt, KanhuError, NotFound, Rejected, Transient

DESIGN_WORDS = {
    "box", "agent", "analyze", "retain", "console", "footage", "incidents", "models", "check", "simulate", "evidence",
}  # fmt: skip


def test_every_word_of_the_design_is_there_and_no_other() -> None:
    assert set(command.WORDS) == DESIGN_WORDS


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        command.main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out.startswith("kanhu ")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["boxx", "--data", "x"]])
def test_an_unknown_word_is_wrong_use_and_shows_the_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == command.WRONG_USE
    shown = capsys.readouterr().err
    assert all(word in shown for word in DESIGN_WORDS)


def test_an_unknown_option_is_wrong_use() -> None:
    with pytest.raises(SystemExit) as leaving:
        command.main(["--nonsense"])
    assert leaving.value.code == command.WRONG_USE


def test_help_imports_no_room(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> ModuleType:
        raise AssertionError(f"--help imported {name}")

    monkeypatch.setattr(command, "import_module", refuse)
    with pytest.raises(SystemExit) as leaving:
        command.main(["--help"])
    assert leaving.value.code == 0
    assert "drawn room" in capsys.readouterr().out


def test_a_service_gets_the_arguments_after_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    module = ModuleType("fake_service")

    def main(argv: list[str]) -> int:
        seen.append(argv)
        return 0

    module.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_service", module)
    monkeypatch.setitem(command.WORDS, "agent", Word("fake_service", "", "agent", service=True))
    assert command.main(["agent", "--config", "x.yaml"]) == 0
    assert seen == [["--config", "x.yaml"]]


def _room_that(raises: BaseException | None, status: int = 0) -> ModuleType:
    module = ModuleType("fake_room")

    def run(_args: argparse.Namespace) -> int:
        if raises is not None:
            raise raises
        return status

    def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        subparsers.add_parser("check").set_defaults(run=run)

    module.add_parser = add_parser  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("error", "status"),
    [(Rejected("r"), 2), (NotFound("n"), 2), (Corrupt("c"), 1), (Transient("t"), 75), (KeyboardInterrupt(), 130)],
)
def test_an_error_becomes_a_status_and_one_line(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fake_room", _room_that(error))
    monkeypatch.setitem(command.WORDS, "check", Word("fake_room", "", "retention"))
    assert command.main(["check"]) == status
    if isinstance(error, KanhuError):
        assert capsys.readouterr().err == f"kanhu: {error}\n"


def test_findings_of_a_room_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fake_room", _room_that(None, status=1))
    monkeypatch.setitem(command.WORDS, "check", Word("fake_room", "", "retention"))
    assert command.main(["check"]) == 1


def test_a_missing_dependency_names_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    monkeypatch.setattr(command, "import_module", missing)
    assert command.main(["models", "list"]) == command.WRONG_USE
    assert "onnxruntime" in (shown := capsys.readouterr().err)
    assert "kanhu[analyze]" in shown
