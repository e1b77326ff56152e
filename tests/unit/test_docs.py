"""The documentation says what is: generated pages are fresh, links lead somewhere, every command shown is understood."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from docs.build import REFERENCE, pages
from services.backbone import metrics
from services.box import command

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_is_fresh(name: str) -> None:
    assert (REFERENCE / name).read_text() == pages()[name], "run `make docs` and commit what it wrote"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_command_shown_is_understood(page: Path) -> None:
    commands = re.findall(r"^\$ (?:\.venv/bin/)?kanhu (.+?)(?:\s+#.*)?$", page.read_text(), re.MULTILINE)
    for shown in commands:
        words = shlex.split(shown)
        word = command.WORDS[words[0]]
        if word.service:
            assert words[1] in ("--config", "--data"), shown
            continue
        parser, subparsers = command._root()
        import_module(word.module).add_parser(subparsers)
        parser.parse_args(words)


def test_every_metric_tells_what_to_do() -> None:
    page = pages()["metrics.md"]
    defined = [name for name in vars(metrics) if name.isupper() and not name.startswith("_")]
    rows = [line for line in page.splitlines() if line.startswith("| `kanhu_")]
    assert len(rows) == len(defined)
    assert all(len(row.split(" | ")[-1]) > 30 for row in rows), "a metric without advice"
