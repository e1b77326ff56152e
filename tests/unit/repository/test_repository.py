"""Rules about the repository itself that no reviewer should have to remember."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]

# Put together here so that this file does not break the rule it checks.
REGISTRY_HOSTS = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "registry.yarn" + "pkg.com",
    "proxy.golang" + ".org",
    "sum.golang" + ".org",
    "repo." + "maven.apache.org",
    "repo1." + "maven.org",
    "static." + "crates.io",
    "deb." + "debian.org",
)
FUNCTION_LINES = 60
MODULE_LINES = 400
ABSOLUTE_PATHS = re.compile(r"(?<![\w.$}~])/(?:root|work|home/[a-z])/[\w.-]")


def committed_files() -> list[Path]:
    """Files that git tracks, or would: what the next commit may hold."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = (ROOT / name for name in listing.split("\0") if name)
    return [path for path in paths if path.is_file() and path.suffix not in {".mp4", ".onnx", ".png", ".jpg", ".bin"}]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    texts = {str(path.relative_to(ROOT)): path.read_text(errors="replace") for path in committed_files()}
    assert "pyproject.toml" in texts
    return texts


def test_no_committed_file_names_a_registry_host(texts: dict[str, str]) -> None:
    found = [f"{name}: {host}" for name, text in texts.items() for host in REGISTRY_HOSTS if host in text]
    assert not found


def test_no_committed_file_holds_an_absolute_path_of_a_machine(texts: dict[str, str]) -> None:
    found = [f"{name}: {hit.group()}" for name, text in texts.items() if (hit := ABSOLUTE_PATHS.search(text))]
    assert not found


def test_absolute_path_rule_tells_a_machine_path_from_a_url_path() -> None:
    assert ABSOLUTE_PATHS.search("open('/" + "root/x')")
    assert ABSOLUTE_PATHS.search("cd /" + "work/main")
    assert not ABSOLUTE_PATHS.search("GET /v1/work/orders and $HOME/work/x")


def test_every_requirement_is_locked_at_a_version_that_satisfies_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / "locks/dev.txt").read_text(), re.M))
    locked = {canonicalize_name(name): version for name, version in locked.items()}
    stale = []
    for text in [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name != project["name"] and not requirement.specifier.contains(locked.get(name, "0.dev0"), prereleases=True):
            stale.append(f"{text}: locked is {locked.get(name)}")
    assert not stale, "run make lock"


def test_every_locked_package_has_a_hash() -> None:
    for lock in ("dev.txt", "tools.txt"):
        for entry in (ROOT / "locks" / lock).read_text().replace("\\\n", " ").splitlines():
            assert not entry or entry.startswith("#") or "--hash=sha256:" in entry, f"{lock}: {entry}"


def test_every_folder_of_services_has_its_layer() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    folders = {path.name for path in (ROOT / "services").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert contract["exhaustive"]
    assert folders <= layers


def test_every_test_folder_is_a_package() -> None:
    """Two test modules of the same name in folders without ``__init__.py`` would hide one another."""
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders
    assert not [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()]


def python_files() -> list[Path]:
    return [path for path in committed_files() if path.suffix == ".py" and path.is_relative_to(ROOT / "services")]


def test_no_function_is_longer_than_a_screen() -> None:
    found = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    found.append(f"{path.relative_to(ROOT)}: {node.name} has {lines} lines")
    assert not found


def test_no_module_is_longer_than_a_reader_s_patience() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in python_files()}
    assert lengths
    assert not {name: lines for name, lines in lengths.items() if lines > MODULE_LINES}


def test_no_module_is_named_for_being_nothing_in_particular() -> None:
    vague = re.compile(r"^(util|utils|common|helper|helpers|manager|misc)$")
    paths = [path.relative_to(ROOT / "services") for path in python_files()]
    assert not [str(path) for path in paths if any(vague.match(part) for part in (*path.parts[:-1], path.stem))]


def test_every_module_says_what_belongs_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files()
        if (text := path.read_text()).strip() and ast.get_docstring(ast.parse(text)) is None
    ]
    assert not silent
